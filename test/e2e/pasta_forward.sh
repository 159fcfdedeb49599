#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Forwarded ports: what the specifications of -t, -u, -T, -U open, and where
# that leads to; automatic ones; loopback to loopback.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

# ADDRESS:PORT of all listeners of the host, sorted
listeners()
{
	ss "-Hl${1}n" | awk '{ print $4 }' | sort | xargs
}
# socat's exit as an answer: a service inside at port $1, which says $2
service()
{
	spawn "ns:$ns" socat "TCP6-LISTEN:$1,reuseaddr,fork" "SYSTEM:echo $2"
	wait_port "ns:$ns" tcp "$1"
}
# what the answer at $2 is, asked from $1 (host, world, ns:PID)
ask()
{
	(world_exec "$1" timeout 15 socat -u "TCP:$2,connect-timeout=10" - 2>&1) |
		grep -o '^[a-z0-9]*$\|refused' | head -n 1
}

pasta_up --config-net -t 7001 -t 7010-7012,7014 -t 7020-7021:7030-7031 \
	-t 7040-7044,~7042 -t 127.0.0.1/7050 -t "$HOST4/7051" -t ::1/7052 \
	-t "%eth0/7053" -t '0.0.0.0/7060:192.0.2.77/7061' \
	-u none -T none -U none
is "$(listeners t)" "$(echo "*:7001 *:7010 *:7011 *:7012 *:7014 *:7020 *:7021 \
*:7040 *:7041 *:7043 *:7044 *%eth0:7053 0.0.0.0:7060 127.0.0.1:7050 \
$HOST4:7051 [::1]:7052" | tr ' ' '\n' | sort | xargs)" \
	'ports that are listened at'
in_ns "$ns" ip address add 192.0.2.77/32 dev lo
for p in 7001 7012 7030 7031 7044 7050 7051 7052 7053; do
	service $p p$p
done
spawn "ns:$ns" socat TCP4-LISTEN:7061,bind=192.0.2.77,reuseaddr,fork \
	'SYSTEM:echo target'
wait_port "ns:$ns" tcp 7061
for a in "$HOST4" "[$HOST6]"; do
	is "$(ask world "$a:7001")" p7001 "one port, $a"
	is "$(ask world "$a:7012")" p7012 "in a range, $a"
	is "$(ask world "$a:7020")" p7030 "another port, first of a range, $a"
	is "$(ask world "$a:7021")" p7031 "another port, last of a range, $a"
	is "$(ask world "$a:7044")" p7044 "after an exception, $a"
	is "$(ask world "$a:7042")" refused "the exception, $a"
	is "$(ask world "$a:7053")" p7053 "by interface, $a"
done
is "$(ask world "$HOST4:7051")" p7051 'by address'
is "$(ask host 127.0.0.1:7051)" refused 'by address: not at loopback'
is "$(ask world "$HOST4:7050")" refused 'at loopback: not from outside'
is "$(ask host 127.0.0.1:7050)" p7050 'at loopback: from the host'
is "$(ask host '[::1]:7052')" p7052 'at loopback: from the host, v6'
is "$(ask host 127.0.0.1:7001)" p7001 'everywhere: from loopback'
is "$(ask host '[::1]:7001')" p7001 'everywhere: from loopback, v6'
is "$(ask host "$HOST4:7001")" p7001 'everywhere: from the host'"'s address"
is "$(ask world "$HOST4:7060")" target 'with a target address'

pasta_down

# loopback to loopback, and automatic ports
as_user pasta -T 7004 -- true 2>"$T/err"
if grep -q 'not supported by this version' "$T/err"; then
	skip "$(head -n 1 "$T/err")" 14
	done_testing
	exit
fi

# bulk data over the loopbacks, which doesn't pass the interface
make_file "$T/file" 100
sum=$(sha256 "$T/file")

pasta_up --config-net -t 7002 -u 7003 -T 7004 -U 7005
spawn "ns:$ns" socat TCP6-LISTEN:7002,reuseaddr,fork EXEC:sha256sum,nofork
spawn "ns:$ns" "$peer" serve 7003 >"$T/7003"
spawn host "$peer" serve 7005 >"$T/7005"
spawn host socat TCP4-LISTEN:7004,bind=127.0.0.1,reuseaddr,fork \
	EXEC:sha256sum,nofork
spawn host socat TCP6-LISTEN:7004,bind=::1,reuseaddr,fork \
	EXEC:sha256sum,nofork
wait_port "ns:$ns" tcp 7002
wait_for "grep -q ready '$T/7003' && grep -q ready '$T/7005'"
wait_for '[ $(ss -Hltn "sport = :7004" | wc -l) -eq 2 ]'
like "$(in_ns "$ns" ss -Hltn 'sport = :7004' | awk '{ print $4 }' | xargs)" \
	'*lo*:7004*' '-T listens at loopback inside'
splice()
{
	(world_exec "$1" timeout 30 socat -t 30 -b 1048576 - "TCP:$2") \
		<"$T/file" | cut -d ' ' -f 1
}
for a in 127.0.0.1 '[::1]'; do
	is "$(splice host "$a:7002")" "$sum" "100 MiB from the host to $a"
	is "$(splice "ns:$ns" "$a:7004")" "$sum" "100 MiB from inside to $a"
done
for a in 127.0.0.1 ::1; do
	ok "datagrams from the host to $a" "$peer" udp "$a" 7003 1000 100
	ok "datagrams from inside to $a" \
		in_ns "$ns" "$peer" udp "$a" 7005 1000 100
done
pasta_down

# automatic ports follow listeners, as by default
pasta_up --config-net
service 7101 auto
start=$(date +%s%N)
ok 'automatic port' wait_port host tcp 7101
took=$((($(date +%s%N) - start) / 1000000))
diag "listening after $took ms"
is "$(ask world "$HOST4:7101")" auto '... leads inside'
stop "$pid"
ok '... goes with its service' wait_for '! listening host tcp 7101'
spawn host socat TCP4-LISTEN:7102,bind=127.0.0.1,reuseaddr,fork \
	'SYSTEM:echo outside'
ok 'automatic port to the host' wait_port "ns:$ns" tcp 7102
is "$(ask "ns:$ns" 127.0.0.1:7102)" outside '... leads to its loopback'
pasta_down

# helpers begin with all that it has; slow ones, here, don't keep that beyond its end
as_user "$T/bin/lacking" haste pasta -q --config-net -t 8090 -- true
not_ok 'a port ends with it' listening host tcp 8090
spawn user "$T/bin/lacking" haste passt -q -f -t 8091 -s "$T/user/again"
wait_for "grep -q '^Seccomp:.*2' /proc/$pid/status"
ok "passt's port" listening host tcp 8091
kill -KILL "$pid"
wait_gone "$pid"
not_ok '... ends with it' listening host tcp 8091

done_testing
