#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names inside, whatever the host's resolvers are: on its loopback, of the other
# family only, by TCP and UDP, and encrypted.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_dns || bail 'no name server'
peer=$TOP/test/tools/peer

# the host's own, as systemd-resolved has it, and one at ::1
sed "s/^listen-address=.*/listen-address=127.0.0.53,::1/" "$T/dnsmasq.conf" \
	>"$T/local.conf"
spawn host dnsmasq --no-daemon -C "$T/local.conf" --pid-file= \
	--log-facility=- >"$T/local.log" 2>&1
wait_port host udp 53 && wait_port host tcp 53 || bail 'no local name server'
# what stands for DNS over TLS and QUIC
spawn world "$peer" serve 853 >"$T/serve.853"
wait_for "grep -q ready '$T/serve.853'"

# resolvers ADDR...: the host's resolv.conf
resolvers()
{
	for r; do
		echo "nameserver $r"
	done >"$T/resolv.conf"
}
# names HOW ADDR: a name is found by asking that address, by UDP and TCP
names()
{
	for proto in udp tcp; do
		is "$(in_ns "$ns" "$peer" dns $proto "$2" www.example.org AAAA \
			2>&1)" '1 61' "$1, by $proto"
	done
}
podman='--config-net --no-map-gw -t none -u none -T none -U none'

# as with Podman: an address that means the host's resolver
for how in "127.0.0.53" "$DNS4" "$DNS6" "::1" "$DNS4 127.0.0.53" \
	   "$DNS6 127.0.0.53"; do
	# shellcheck disable=SC2086 # words
	resolvers $how
	# shellcheck disable=SC2086 # words
	pasta_up $podman --dns-forward 169.254.1.1 \
		--dns-forward 2001:db8:f::53
	names "host has $how: 169.254.1.1" 169.254.1.1
	names "host has $how: an IPv6 address" 2001:db8:f::53
	is "$(grep -vi 'nobody' "$T/pasta$pasta_n.err")" '' '... no warning'
	pasta_down
done

# other ports than 53
resolvers "$DNS4"
# shellcheck disable=SC2086 # words
pasta_up $podman --dns-forward 169.254.1.1
is "$(in_ns "$ns" "$peer" ask 169.254.1.1 853 hello)" hello 'port 853 by TCP'
like "$(in_ns "$ns" "$peer" udpask 169.254.1.1 853 hello)" 'hello *' \
	'port 853 by UDP'
# ... but to whoever has that address
in_world ip addr add 169.254.1.1/32 dev lo
spawn world "$peer" serve 80 >"$T/serve.80"
wait_for "grep -q ready '$T/serve.80'"
is "$(in_ns "$ns" "$peer" ask 169.254.1.1 80 WHERE)" 169.254.1.1 \
	'no other port leads there'
in_world ip addr del 169.254.1.1/32 dev lo
pasta_down

# resolvers by option
resolvers 127.0.0.53
# shellcheck disable=SC2086 # words
pasta_up $podman --dns-forward 169.254.1.1 --dns-host "$DNS6"
names '--dns-host of the other family' 169.254.1.1
pasta_down

# without any option: the file is the host's, and so is its loopback resolver
for r in 127.0.0.53 ::1; do
	resolvers $r
	is "$(as_user pasta --config-net -- sh -c "
		'$peer' dns udp $r www.example.org AAAA
		'$peer' dns tcp $r www.example.org AAAA" 2>&1 | xargs)" \
		'1 61 1 61' "pasta --config-net, host has $r: as it is"
done
if command -v getent >/dev/null; then
	resolvers 127.0.0.53
	like "$(as_user pasta --config-net -- getent ahostsv6 www.example.org)" \
		"$WORLD6*" '... and by the C library'
fi

# a host without IPv4, then without any network: local mode
ip -4 address flush dev eth0
resolvers "$DNS6"
# shellcheck disable=SC2086 # words
pasta_up $podman --dns-forward 169.254.1.1
names 'a host with IPv6 only: 169.254.1.1' 169.254.1.1
pasta_down
ip link set eth0 down
resolvers 127.0.0.53
# shellcheck disable=SC2086 # words
pasta_up $podman --dns-forward 169.254.1.1
names 'a host without network, its own resolver: 169.254.1.1' 169.254.1.1
pasta_down
is "$(as_user pasta --config-net -- "$peer" dns udp 127.0.0.53 \
	www.example.org AAAA 2>/dev/null)" '1 61' '... 127.0.0.53'

# none at all
resolvers
out=$(as_user pasta --config-net -- true 2>&1)
like "$out" "*Couldn't get any nameserver address*" 'no resolver: a warning'
# shellcheck disable=SC2086 # words
out=$(as_user pasta $podman --dns-forward 169.254.1.1 -- true 2>&1)
is $? 0 '... which is no failure'

done_testing
