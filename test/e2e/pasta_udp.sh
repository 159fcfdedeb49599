#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# UDP through pasta: sizes, ports, refusal, DNS.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_dns || bail 'no name server'
peer=$TOP/test/tools/peer

spawn world "$peer" serve 9003 >"$T/serve.world" 2>&1
wait_for "grep -q ready '$T/serve.world'"
pasta_up --config-net -t none -u 9003,9004 -T none -U none \
	--dns-forward 192.0.2.53 --dns-forward 2001:db8:f::53
spawn "ns:$ns" "$peer" serve 9003 >"$T/serve.inside" 2>&1
wait_for "grep -q ready '$T/serve.inside'"
spawn "ns:$ns" socat UDP4-RECVFROM:9004,fork PIPE
spawn "ns:$ns" socat UDP6-RECVFROM:9004,ipv6only=1,fork PIPE
wait_port "ns:$ns" udp 9004

for a in "$WORLD4" "$WORLD6"; do
	for size in 1 1400 1472 9000 60000; do
		ok "$size bytes to $a and back" \
			in_ns "$ns" "$peer" udp "$a" 9003 $size 20
	done
	is "$(in_ns "$ns" "$peer" udprefused "$a" 9999)" refused "refused by $a"
	ok "1000 datagrams to $a and back" \
		in_ns "$ns" "$peer" udp "$a" 9003 100 1000
done
for a in "$HOST4" "$HOST6"; do
	for size in 1 1400 60000; do
		ok "$size bytes to inside, by $a, and back" \
			in_world "$peer" udp "$a" 9003 $size 20
	done
	ok "1000 datagrams to inside, by $a, and back" \
		in_world "$peer" udp "$a" 9003 100 1000
done

is "$(in_world "$peer" udpask $HOST4 9003 WHO | cut -d ' ' -f 1)" $WORLD4 \
	'the service inside sees the client'"'s address"
is "$(in_world "$peer" udpask $HOST6 9003 WHO | cut -d ' ' -f 1)" $WORLD6 \
	'the service inside sees the client'"'s address, v6"
out=$(PEER_SOURCE=$GW4 in_world "$peer" udpask $HOST4 9003 WHO)
is "${out%% *}" $GW4 'the gateway itself is a client'
# answers go out from the host's address, not from the one that was asked
like "$(echo hello | in_world timeout 15 socat -t 10 - UDP4-DATAGRAM:\
255.255.255.255:9004,broadcast,so-bindtodevice=eth0,readbytes=6)" \
	hello 'an answer to a broadcast'
like "$(echo hello | in_world timeout 10 socat -T 1 - \
	UDP4-DATAGRAM:224.0.0.1:9004,so-bindtodevice=eth0)" \
	hello 'an answer to a multicast'
like "$(echo hello | in_world timeout 10 socat -T 1 - \
	'UDP6-DATAGRAM:[ff02::1]:9004,so-bindtodevice=eth0')" \
	hello 'an answer to a multicast, v6'
# "ADDR PORT from port PORT"
out=$(in_ns "$ns" "$peer" udpask $WORLD4 9003 WHO)
is "${out#*port }" "$(echo "$out" | cut -d ' ' -f 2)" \
	'the world sees the source port used inside'

# names: the host's resolver directly, and by the forwarding address
for a in $DNS4 $DNS6 192.0.2.53 2001:db8:f::53; do
	for proto in udp tcp; do
		is "$(in_ns "$ns" "$peer" dns $proto $a www.example.org AAAA)" \
			'1 61' "name from $a by $proto"
	done
done
like "$(in_ns "$ns" "$peer" dns tcp 192.0.2.53 big.example.org TXT)" \
	'6 1[0-9][0-9][0-9]' 'large answer by TCP'
if command -v getent >/dev/null; then
	like "$(in_ns "$ns" getent ahostsv6 www.example.org)" "$WORLD6*" \
		'name by the C library'
fi
pasta_down

done_testing
