#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 200
#
# vhost-user without a virtual machine: what front-ends and drivers may not do ends
# their connection, with one line each, and nothing else; what is odd but allowed
# doesn't.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up

is "$(passt --print-capabilities | tr -d ' \n')" '{"type":"net"}' \
	'--print-capabilities, on standard output'

sock=$T/user/passt.socket
spawn user passt --vhost-user -f -s "$sock" >"$T/passt.err" 2>&1
passt=$pid
# the last that it does at start, when all its descriptors are open
wait_for "grep -q '^Seccomp:.*2' /proc/$passt/status" ||
	bail "passt: $(cat "$T/passt.err")"
fds=$(fds_of "$passt")
maps=$(wc -l <"/proc/$passt/maps")

# hostile HOW: all of vuhostile
hostile()
{
	"$TOP/test/tools/vuhostile" "$sock" >"$T/hostile"
	is $? 0 "all of vuhostile$1"
	while read -r line; do
		case $line in
		'ok '*)		pass "${line#*- }$1" ;;
		'not ok '*)	fail "${line#*- }$1" ;;
		esac
	done <"$T/hostile"
}

hostile ''
# none or one is left, but those that are kept for a guest
ok 'no more descriptors' as_user prlimit --pid "$passt" --nofile="$fds"
hostile ', when there are no more descriptors'
ok 'the daemon is there' alive "$passt"
wait_for "[ \"\$(fds_of $passt)\" = $fds ]"
is "$(fds_of "$passt")" "$fds" 'no descriptor is left'
is "$(wc -l <"/proc/$passt/maps")" "$maps" 'no mapping is left'
n=$(grep -c 'vhost-user: .*, ending the connection' "$T/passt.err")
ok "lines that say why: $n" [ "$n" -ge 5 ]
kill -TERM "$passt"
wait_gone "$passt"
wait "$passt"
is $? 0 'exit status'

# memory that isn't shared: said once, of a front-end where it is so
sock=$T/user/silent.socket
spawn user passt --vhost-user -f -s "$sock" >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]"
"$TOP/test/tools/vuhostile" "$sock" "memory that isn't shared" >"$T/hostile"
is $? 0 'kicks of rings that stay empty'
is "$(grep -c "may not be shared (QEMU: share=on" "$T/passt.err")" 1 \
	'... are told, once'
stop "$passt"

# each link, spoken to as the other
spawn user passt -1 -f -s "$T/user/stream.socket" >"$T/passt.err" 2>&1
wait_for "[ -S '$T/user/stream.socket' ]"
printf '\1\0\0\0\1\0\0\0\0\0\0\0' | socat - "UNIX-CONNECT:$T/user/stream.socket" \
	>/dev/null
wait_gone "$pid"
like "$(cat "$T/passt.err")" '*Bad frame size from guest*start passt with --vhost-user*' \
	'a front-end of vhost-user at a stream socket is told what to do'

# one-off
sock=$T/user/one.socket
spawn user passt --vhost-user -1 -f -s "$sock" >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]"
printf 'nonsense, 16 bytes' | socat - "UNIX-CONNECT:$sock"
ok 'one-off: it ends with its front-end' wait_gone "$passt"
wait "$passt"
is $? 0 '... with status 0'
is "$(grep -c 'vhost-user: ' "$T/passt.err")" 1 '... and one line'
like "$(cat "$T/passt.err")" '*-netdev stream is for passt without --vhost-user*' \
	'... which says what to do'
done_testing
