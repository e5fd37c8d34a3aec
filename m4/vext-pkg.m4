# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VEXT_PKG(VARIABLE, MODULES, DEBIAN-PACKAGE, FEDORA-PACKAGE)
#
# As PKG_CHECK_MODULES, but collects what is missing, so that the user hears of everything at
# once and under the names that the package manager knows. VEXT_PKG_DONE says it and stops.
AC_DEFUN([VEXT_PKG], [
    PKG_CHECK_MODULES([$1], [$2], [:], [VEXT_MISSING([$2], [$3], [$4])])
])

# VEXT_MISSING(WHAT, DEBIAN-PACKAGE, FEDORA-PACKAGE)
AC_DEFUN([VEXT_MISSING], [
    vext_missing="$vext_missing
    $1  (Debian, Ubuntu: $2; Fedora, RHEL: $3)"
])

AC_DEFUN([VEXT_PKG_DONE], [
    AS_IF([test -n "$vext_missing"], [
        AC_MSG_ERROR([cannot build without:
$vext_missing

'./autogen.sh --deps' installs them.])
    ])
])
