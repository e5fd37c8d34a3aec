# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for virsh-ext: finds the command behind the global options and asks
# `virsh-ext complete`.

function __virsh_ext_complete
    set -l tokens (commandline -opc)
    set -l current (commandline -ct)
    set -l global
    set -l option
    set -l i 2

    while test $i -le (count $tokens)
        set -l word $tokens[$i]
        set option
        switch $word
            case --
                set i (math $i + 1)
                break
            case '--c*=*'
                set -a global -c (string replace -r '^[^=]*=' '' -- $word)
            case '--*=*'
            case '--c*'
                set option c
            case '--d*' '--e*' '--keepalive-*' '--l*'
                set option x
            case '--r*'
                set -a global -r
            case '--*'
            case '-?*'
                set -l letters (string split '' -- (string sub -s 2 -- $word))
                for j in (seq (count $letters))
                    switch $letters[$j]
                        case r
                            set -a global -r
                        case c
                            set -l value (string sub -s (math $j + 2) -- $word)
                            if test -n "$value"
                                set -a global -c $value
                            else
                                set option c
                            end
                            break
                        case d e k K l
                            test $j -lt (count $letters); or set option x
                            break
                    end
                end
            case '*'
                break
        end
        set i (math $i + 1)
        if test -n "$option"
            if test $i -gt (count $tokens)
                switch $tokens[(math $i - 1)]
                    case '-*c' '--c*'
                        printf '%s\n' qemu:///system qemu:///session test:///default
                    case '-*d' '--d*'
                        printf '%s\n' 0 1 2 3 4
                    case '-*l' '--l*'
                        __fish_complete_path $current
                end
                return
            end
            test $option = c; and set -a global -c $tokens[$i]
            set i (math $i + 1)
        end
    end

    set -l words $tokens[$i..-1]
    if test (count $words) -eq 0; and string match -q -- '-*' $current
        test "$tokens[-1]" != --
        and printf '%s\n' --connect --debug --escape --help --keepalive-count \
            --keepalive-interval --log --quiet --readonly --timing --version
        return
    end

    # fish takes quotes away and adds them; virsh reads and writes its own.
    set -l quoted
    for word in $words
        set -a quoted (string replace -ra '([\\\\"\' \t;#])' '\\\\$1' -- $word)
    end
    if string match -q -- '--*=*' $current; and test (count $words) -gt 0
        set -l name (string replace -r '=.*' '' -- $current)
        set -l value (string replace -r '^[^=]*=' '' -- $current)
        $tokens[1] -q $global complete -- $quoted $name $value </dev/null 2>/dev/null |
            string match -v -- '--*' |
            string replace -ra '\\\\(.)' '$1' |
            string replace -r '^' -- "$name="
    else
        $tokens[1] -q $global complete -- $quoted $current </dev/null 2>/dev/null |
            string replace -ra '\\\\(.)' '$1'
    end
end

complete -c virsh-ext -f -a '(__virsh_ext_complete)'
