#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Generates the build system and configures the tree:
#
#       ./autogen.sh [--deps] [configure's arguments]
#
# --deps first installs what is missing for building and testing from the distribution's
# packages: as root without a question, otherwise by sudo. NOCONFIGURE=1 leaves out configure.
set -e
srcdir=$(dirname "$0")

# What `make` and `make check` cannot do without.
debian_packages='autoconf automake libtool pkg-config gettext gcc libc6-dev make xz-utils
    libvirt-dev libglib2.0-dev libjson-glib-dev libsmartcols-dev libreadline-dev libxml2-dev
    libvirt-clients libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu
    qemu-system-x86 qemu-utils python3 python3-docutils python3-jsonschema
    bash-completion tini e2fsprogs procps'
# What lets more of the tests run.
debian_optional='qemu-block-extra zsh fish ovmf btrfs-progs'

fedora_packages='autoconf automake libtool pkgconf-pkg-config gettext gcc glibc-devel make xz
    libvirt-devel glib2-devel json-glib-devel libsmartcols-devel readline-devel libxml2-devel
    libvirt-client libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-storage-core
    qemu-img python3 bash-completion e2fsprogs procps-ng util-linux libasan libubsan'
fedora_optional='python3-docutils python3-jsonschema tini zsh fish qemu-block-curl edk2-ovmf
    btrfs-progs'

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "autogen.sh: not root and no sudo; run as root: $*" >&2
        exit 1
    fi
}

# Prints those of the packages "$2 …" for which "$1 PACKAGE" fails.
missing() {
    test=$1
    shift
    for package; do
        $test "$package" || printf '%s ' "$package"
    done
}

deb_installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

rpm_installed() {
    rpm -q --whatprovides "$1" >/dev/null 2>&1
}

deps_debian() {
    need=$(missing deb_installed $debian_packages)
    want=$(missing deb_installed $debian_optional)
    if [ -z "$need$want" ]; then
        echo 'autogen.sh: all needed packages are installed'
        return
    fi
    echo "autogen.sh: installing ${need}${want}"
    apt='env DEBIAN_FRONTEND=noninteractive apt-get'
    options='-y --no-install-recommends -o Dpkg::Use-Pty=0
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'
    # A package source that is broken but not needed must not be in the way.
    as_root $apt -q update </dev/null || echo 'autogen.sh: apt-get update failed, going on' >&2
    if [ -n "$need" ]; then
        as_root $apt -q $options install $need </dev/null
    fi
    for package in $want; do
        as_root $apt -q $options install "$package" </dev/null ||
            echo "autogen.sh: going on without the optional package $package" >&2
    done
}

deps_fedora() {
    # RHEL has one QEMU of its own.
    if [ "$1" = fedora ]; then
        fedora_packages="$fedora_packages qemu-system-x86-core"
    else
        fedora_packages="$fedora_packages qemu-kvm-core"
    fi
    need=$(missing rpm_installed $fedora_packages)
    want=$(missing rpm_installed $fedora_optional)
    if [ -z "$need$want" ]; then
        echo 'autogen.sh: all needed packages are installed'
        return
    fi
    echo "autogen.sh: installing ${need}${want}"
    options='-y --setopt=install_weak_deps=False'
    if [ -n "$need" ] && ! as_root dnf $options install $need </dev/null; then
        echo 'autogen.sh: on RHEL the -devel packages are in the repository "crb":' \
            'dnf config-manager --set-enabled crb' >&2
        exit 1
    fi
    for package in $want; do
        as_root dnf $options install "$package" </dev/null ||
            echo "autogen.sh: going on without the optional package $package" >&2
    done
}

install_deps() {
    ids=$(. /etc/os-release 2>/dev/null && echo "$ID $ID_LIKE") || ids=
    case " $ids " in
    *' debian '* | *' ubuntu '*) deps_debian ;;
    *' fedora '* | *' rhel '* | *' centos '*) deps_fedora "${ids%% *}" ;;
    *)
        echo "autogen.sh: cannot install packages here; needed are (Debian's names):" \
            $debian_packages >&2
        exit 1
        ;;
    esac
}

if [ "$1" = --deps ]; then
    shift
    install_deps
fi

for tool in autoreconf automake libtoolize pkg-config; do
    if ! command -v $tool >/dev/null; then
        echo "autogen.sh: $tool is missing; '$0 --deps' installs what is needed" >&2
        exit 1
    fi
done

(cd "$srcdir" && autoreconf -fi)
if [ -z "$NOCONFIGURE" ]; then
    "$srcdir/configure" "$@"
fi
