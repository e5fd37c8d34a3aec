# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for virsh-ext: finds the command behind the global options and asks
# `virsh-ext complete`. Names may hold anything, so nothing here is evaluated or globbed.

# Sets words and cword as the command line has them: bash also splits at the other characters of
# COMP_WORDBREAKS, which belong to URIs and --option=value. Sets broken to what stands before
# the piece that bash will replace.
_virsh_ext_words()
{
    local line=$COMP_LINE i piece joined=
    words=() cword=0 broken=
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        if [[ $line == [[:blank:]]* || $i == 0 ]]; then
            line=${line#"${line%%[![:blank:]]*}"}
            joined=
            words+=("")
        fi
        ((i < COMP_CWORD)) || broken=$joined
        joined+=$piece
        words[-1]=$joined
        line=${line#"$piece"}
    done
    cword=$((${#words[@]} - 1))
    # After a lone separator bash inserts behind it.
    [[ ${COMP_WORDS[COMP_CWORD]} != [=:] ]] || broken=$joined
}

# Sets plain to a word without its quotes; expands nothing.
_virsh_ext_unquote()
{
    local word=$1
    case $word in
    \'*) word=${word#\'} word=${word%\'} ;;
    \"*) word=${word#\"} word=${word%\"} ;;
    esac
    plain=
    while [[ $word == *\\* ]]; do
        plain+=${word%%\\*} word=${word#*\\}
        plain+=${word:0:1} word=${word:1}
    done
    plain+=$word
}

_virsh_ext()
{
    local words cword broken cur plain quoted= prefix='' i=1 j word letter option='' candidate
    local -a global=() command=() found=()
    _virsh_ext_words
    COMPREPLY=()

    # The global options, as getopt_long() would take them.
    while ((i < cword)); do
        word=${words[i]}
        option=
        case $word in
        --) ((i++)); break ;;
        --*=*)
            [[ --connect != "${word%%=*}"* || ${#word} -lt 5 ]] ||
                { _virsh_ext_unquote "${word#*=}"; global+=(-c "$plain"); }
            ;;
        --c*) option=c ;;
        --d*) option=d ;;
        --e*) option=e ;;
        --keepalive-i*) option=k ;;
        --keepalive-c*) option=K ;;
        --l*) option=l ;;
        --r*) global+=(-r) ;;
        --*) ;;
        -?*)
            for ((j = 1; j < ${#word}; j++)); do
                letter=${word:j:1}
                case $letter in
                r) global+=(-r) ;;
                [cdekKl])
                    if ((j + 1 == ${#word})); then
                        option=$letter
                    elif [[ $letter == c ]]; then
                        _virsh_ext_unquote "${word:j+1}"
                        global+=(-c "$plain")
                    fi
                    break
                    ;;
                esac
            done
            ;;
        *) break ;;
        esac
        ((i++))
        if [[ -n $option ]]; then
            ((i < cword)) || break
            if [[ $option == c ]]; then
                _virsh_ext_unquote "${words[i]}"
                global+=(-c "$plain")
            fi
            ((i++))
            option=
        fi
    done

    cur=${words[cword]}
    quoted=${COMP_WORDS[COMP_CWORD]:0:1}
    [[ $quoted == [\'\"] ]] || quoted=
    if [[ -z $option && $i == "$cword" && $cur == -* && ${words[i-1]} != -- ]]; then
        case $cur in
        --connect=*) option=c prefix=${cur%%=*}= cur=${cur#*=} ;;
        --log=*) option=l prefix=${cur%%=*}= cur=${cur#*=} ;;
        --*=*) return 0 ;;
        *)
            found=(--connect --debug --escape --help --keepalive-count --keepalive-interval
                   --log --quiet --readonly --timing --version)
            ;;
        esac
    fi
    _virsh_ext_unquote "$cur"
    case $option in
    c) found=(qemu:///system qemu:///session test:///default) ;;
    d) found=(0 1 2 3 4) ;;
    l)
        mapfile -t found < <(compgen -f -- "$plain")
        compopt -o filenames 2>/dev/null
        ;;
    '')
        if [[ ${#found[@]} == 0 ]]; then
            command=("${words[@]:i:cword-i}")
            # virsh's protocol knows no --option=value in the word that is being completed.
            if [[ $cur == --*=* && ${#command[@]} -gt 0 ]]; then
                prefix=${cur%%=*}= cur=${cur#*=}
                command+=("${prefix%=}")
            fi
            _virsh_ext_unquote "$cur"
            # virsh reads quotes in this word differently; it is compared below, too.
            [[ $cur == "$plain" || ${#command[@]} == 0 ]] || cur=
            mapfile -t found < <("$1" -q "${global[@]}" complete -- "${command[@]}" "$cur" \
                </dev/null 2>/dev/null)
            # An option is no candidate for the value of another.
            if [[ -n $prefix ]]; then
                local -a values=()
                for candidate in "${found[@]}"; do
                    [[ $candidate == --* ]] || values+=("$candidate")
                done
                found=("${values[@]}")
            fi
        fi
        ;;
    *) return 0 ;;
    esac

    local typed=$plain
    for candidate in "${found[@]}"; do
        if [[ -z $option ]]; then
            # virsh escapes blanks and the like for its own shell.
            _virsh_ext_unquote "$candidate"
            candidate=$plain
        fi
        [[ -n $candidate && $candidate == "$typed"* ]] || continue
        # bash's way to write these, $'…', is not for virsh.
        [[ $candidate != *[[:cntrl:]]* ]] || continue
        if [[ $option != l ]]; then
            case $quoted in
            \') candidate=${candidate//\'/\'\\\'\'} ;;
            \") candidate=${candidate//[\\]/\\\\}
                candidate=${candidate//\$/\\\$}
                candidate=${candidate//\`/\\\`}
                candidate=${candidate//\"/\\\"} ;;
            *) printf -v candidate '%q' "$candidate" ;;
            esac
        fi
        candidate=$prefix$candidate
        COMPREPLY+=("${candidate#"$broken"}")
    done
    return 0
} && complete -F _virsh_ext virsh-ext
