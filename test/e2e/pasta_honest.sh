#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A published port tells the truth: whoever connects to one behind which nobody
# listens is told so at once, wherever he comes from.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

# refused WHERE ADDR PORT: by TCP, or reset at once (a SYN sent again is later)
refused()
{
	(world_exec "$1" timeout 5 "$peer" nobody "$2" "$3")
}
# by UDP
udprefused()
{
	[ "$( (world_exec "$1" timeout 5 "$peer" udprefused "$2" "$3") \
		2>&1)" = refused ]
}

pasta_up --config-net -t 7001 -t auto,7100-7199 -u auto,7100-7199 -T 7011 \
	-U auto,7110-7119 -U 7121
for a in "$HOST4" "$HOST6"; do
	ok "TCP from outside to $a" refused world "$a" 7001
	ok "TCP from the host to $a" refused host "$a" 7001
	ok "UDP from outside to $a, automatic port" udprefused world "$a" 7101
	ok "UDP from the host to $a, automatic port" udprefused host "$a" 7101
done
for a in 127.0.0.1 ::1; do
	ok "TCP from the host to $a" refused host $a 7001
	ok "TCP from inside to $a" refused "ns:$ns" $a 7011
	ok "UDP from the host to $a, automatic port" udprefused host $a 7101
	ok "UDP from inside to $a, automatic port" \
		udprefused "ns:$ns" $a 7111
	ok "UDP from inside to $a, a port that is always bound" \
		udprefused "ns:$ns" $a 7121
done

# a service comes and goes
spawn "ns:$ns" "$peer" serve 7101 >"$T/serve"
server=$pid
ok 'a service: its UDP port is there' wait_port host udp 7101
like "$(in_world "$peer" udpask "$HOST4" 7101 WHO)" "$WORLD4 *" \
	'... the client of a datagram is known by its own address'
like "$(in_world "$peer" udpask "$HOST6" 7101 WHO)" "$WORLD6 *" '... IPv6'
like "$(in_world "$peer" ask "$HOST4" 7101 WHO)" "$WORLD4 *" \
	'... that of a connection, too'
like "$(in_world "$peer" ask "$HOST6" 7101 WHO)" "$WORLD6 *" '... IPv6'
like "$("$peer" udpask 127.0.0.1 7101 hello)" 'hello *' '... from loopback'
stop "$server"
ok 'the service has gone' wait_for '! listening host udp 7101'
for a in "$HOST4" "$HOST6"; do
	ok "... UDP from outside to $a" udprefused world "$a" 7101
	ok "... TCP from outside to $a" refused world "$a" 7101
done
ok '... UDP from loopback' udprefused host 127.0.0.1 7101
pasta_down

# the other way: the guest's own address is the host's, which the one that says so is,
# whatever the guest calls it
pasta_up --config-net -t none -u none -T none -U none \
	--map-guest-addr 169.254.1.2 --map-guest-addr fd00:1::2
for a in 169.254.1.2 fd00:1::2 "$GW4" "$GW6" "$WORLD4" "$WORLD6"; do
	ok "from inside to $a: UDP" udprefused "ns:$ns" "$a" 7201
	ok '... TCP' refused "ns:$ns" "$a" 7201
done
iptables -A OUTPUT -p udp --dport 7202 -j REJECT 2>/dev/null &&
	ok "the host's own firewall says so" udprefused "ns:$ns" "$WORLD4" 7202
pasta_down

# frames only
pasta_up --config-net --no-splice -t 7001 -u none
for a in "$HOST4" "$HOST6" 127.0.0.1 ::1; do
	ok "--no-splice: TCP from the host to $a" refused host "$a" 7001
done
pasta_down

done_testing
