#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each system call of datagrams fails, once and now and then, on a tap and between
# loopbacks: that may cost some datagrams, and nothing afterwards. One that fails always
# doesn't keep the program busy.
# timeout 400

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/faults.sh
. "$(dirname "$0")/../lib/faults.sh"
world_up
faults_up

pasta_with="failing $f"
pasta_up --config-net -t 9001 -u 9001 -T 9002 -U 9002
daemon=$(pgrep -x pasta | head -n 1)
faults_serve world 9001
faults_serve "ns:$ns" 9001
faults_serve host 9002

calls='udp:setsockopt udp:epoll_ctl udp:sendmmsg udp:recvmmsg'
try udp "ns:$ns" "$WORLD4" 9001 'the guest asks' \
	"udp:socket udp:bind udp:getsockname $calls file:read file:writev"
try udp world "$HOST6" 9001 'the host asks' \
	'udp:sendmmsg udp:recvmmsg file:read file:writev'
try udp "ns:$ns" 127.0.0.1 9002 'from loopback to loopback' \
	"udp:socket udp:connect udp:getsockname $calls"
try rest "ns:$ns" "$WORLD4" 9001 'the guest asks' "$daemon" \
	'udp:recvmmsg tcp:recvmsg file:read'
try rest world "$HOST4" 9001 'the host asks' "$daemon" 'udp:recvmmsg tcp:recvmsg'
try rest "ns:$ns" 127.0.0.1 9002 'from loopback to loopback' "$daemon" \
	'udp:recvmmsg tcp:splice'

# pinged WHAT: echo by calls that fail, some of which may be lost; and then none
pinged()
{
	before=$("$peer" set "$f" "icmp:$1%3")
	in_ns "$ns" ping -qc 20 -i 0.02 -W 1 "$WORLD4" >/dev/null
	in_ns "$ns" ping -qc 20 -i 0.02 -W 1 "$WORLD6" >/dev/null
	after=$("$peer" set "$f")
	ok "ping, icmp:$1: $((after - before)) faults" [ "$after" -gt "$before" ]
	for to in "$WORLD4" "$WORLD6"; do
		in_ns "$ns" ping -qc 5 -i 0.02 -W 1 "$to" >"$T/ping"
		ok '... and then none is lost' grep -q ' 0% packet loss' "$T/ping"
	done
}
for what in EINTR EAGAIN ENOBUFS ENOMEM EPERM; do
	pinged "sendmsg=$what"
	pinged "recvmsg=$what"
done

pasta_down
done_testing
