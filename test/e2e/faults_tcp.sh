#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each system call of TCP fails, once and now and then, while connections are opened
# from both sides and data flows both ways: that costs a moment.
# timeout 400

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
command -v failing >/dev/null || bail 'no shims: run make tools first'
peer=$TOP/test/tools/faults

f=$T/user/faults
head -c 4096 /dev/zero >"$f"
chmod 666 "$f"
pasta_with="failing $f"
pasta_up --config-net -t 9001 -u none -T 9002 -U none
for s in world:9001 "ns:$ns:9001" host:9002; do
	spawn "${s%:*}" "$peer" serve "${s##*:}" >"$T/serve.${s%%:*}" 2>&1
	wait_for "grep -q ready '$T/serve.${s%%:*}'"
done

# try WHERE ADDR PORT WHO CALL...: the cases of those calls, as tests
try()
{
	(world_exec "$1" "$peer" try "$2" "$3" "$f" $5) >"$T/result"
	while read -r line; do
		case $line in
		'ok - '*) pass "$4: ${line#ok - }" ;;
		'not ok - '*) fail "$4: ${line#not ok - }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$T/result"
}

calls='tcp:setsockopt tcp:getsockopt tcp:epoll_ctl tcp:sendmsg tcp:recvmsg tcp:recv
	tcp:ioctl tcp:shutdown'
try "ns:$ns" "$WORLD4" 9001 'the guest connects' "tcp:socket tcp:connect $calls"
try world "$HOST4" 9001 'the host connects' "tcp:accept4 tcp:getsockname $calls"

calls='tcp:socket tcp:setsockopt tcp:connect tcp:getsockname tcp:epoll_ctl
	tcp:splice file:splice tcp:shutdown'
try "ns:$ns" 127.0.0.1 9002 'from loopback to loopback' "tcp:accept4 $calls"

pasta_down
done_testing
