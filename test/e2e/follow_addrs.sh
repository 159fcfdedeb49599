#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Addresses of a host whose network changes: at interfaces that we know nothing of, such
# that can't be used yet, link-local ones, and those of a namespace that we may not
# change.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/follow.sh
. "$TOP/test/lib/follow.sh"
world_up
need_tun
world_peer 7000

plain='--config-net --no-map-gw -t none -u none -T none -U none'
OTHER4=198.51.100.20 OTHER6=2001:db8:100::20
NEAR6=fe80::10
in_world ip addr add "$OTHER4/32" dev lo
in_world ip addr add "$OTHER6/128" dev lo nodad
in_world ip addr add "$NEAR6/64" dev eth0 nodad

guest_asks()
{
	in_ns "$ns" timeout 1 "$peer" ask "$1" 7000 hello
}
# in the namespace: has WHAT, as ip shows it on one line
has()
{
	in_ns "$ns" ip -o addr show dev eth0 | grep -q "$1"
}
# a link that is there, and has nothing yet
eth1_up()
{
	ip link add eth1 type veth peer name eth1 netns world
	in_world ip -b - <<-X
		link set eth1 up
		address add 203.0.114.1/24 dev eth1
		address add 2001:db8:2::1/64 dev eth1 nodad
		address add fe80::1/64 dev eth1 nodad
		X
	ip link set eth1 up
}

# A VPN for some destinations comes later, and goes
# shellcheck disable=SC2086 # words
pasta_up $plain
helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
eth1_up
ip -b - <<-X
	address add 203.0.114.2/24 dev eth1
	address add 2001:db8:2::2/64 dev eth1 nodad
	route add $OTHER4/32 via 203.0.114.1
	X
ip -6 route add "$OTHER6/128" via fe80::1 dev eth1
for a in "$OTHER4 203.0.114.2/24" "$OTHER6 2001:db8:2::2/64"; do
	held "${a% *}"
	ip addr del "${a#* }" dev eth1
	soon "${a#* } is gone: a connection from there ends" \
		grep -q reset "$T/held"
done
# ... and comes and goes between two looks of the helper's
kill -STOP "$helper"
ip addr add 203.0.114.3/24 dev eth1
ip route replace "$OTHER4/32" via 203.0.114.1
held "$OTHER4"
ip addr del 203.0.114.3/24 dev eth1
kill -CONT "$helper"
soon 'an address that was there for a moment: so does one from there' \
	grep -q reset "$T/held"
ip link del eth1

# The next network is another interface's, and gets its address later than its route
ip addr flush dev eth0 scope global
ip -6 route flush default
eth1_up
ip route replace default via 203.0.114.1 dev eth1 onlink
ip -6 route replace default via fe80::1 dev eth1
pause 1
ip addr add 203.0.114.2/24 dev eth1
soon 'an address comes after its route, elsewhere: the guest has it' \
	eval 'has 203.0.114.2/24'
soon '... and gets out by IPv4' guest_asks "$WORLD4"
pause 1
ip addr add 2001:db8:2::2/64 dev eth1 nodad
soon '... IPv6 even later' eval 'has 2001:db8:2::2/64'
soon '... out by that, too' guest_asks "$WORLD6"
ip link del eth1
ip addr add "$HOST4/24" dev eth0
ip addr add "$HOST6/64" dev eth0 nodad
ip route replace default via "$GW4"
ip -6 route replace default via "$GW6LL" dev eth0
soon 'and back: IPv4' guest_asks "$WORLD4"
soon '... IPv6' guest_asks "$WORLD6"
pasta_down

# Down and up: IPv6 addresses go, and come back such that they can't be used until it is
# known that nobody else has them
tentative()
{
	ip -6 -o addr show dev eth0 tentative | grep -q "$HOST6/"
}
usable()
{
	! tentative
}
sysctl -qw net.ipv6.conf.eth0.accept_dad=1
# shellcheck disable=SC2086 # words
pasta_up $plain
for keep in 0 1; do
	sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=$keep
	held "$WORLD6"
	ip link set eth0 down
	pause 0.3
	ip link set eth0 up
	ip addr add "$HOST6/64" dev eth0 2>/dev/null
	ip route replace default via "$GW4"
	ip -6 route replace default via "$GW6LL" dev eth0
	ok "down and up, keep_addr_on_down=$keep: the address is tentative" \
		tentative
	soon '... and no more' usable
	pause 0.2
	lives '... a connection goes on'
	stop "$held_pid"
	soon '... and others begin' guest_asks "$WORLD6"
done
pasta_down
# ... and for who starts just then
ip link set eth0 down
ip link set eth0 up
ip addr add "$HOST6/64" dev eth0 2>/dev/null
ip route replace default via "$GW4"
ip -6 route replace default via "$GW6LL" dev eth0
ok 'started while an address is tentative' tentative
# shellcheck disable=SC2086 # words
pasta_up $plain --no-follow-host
soon '... with --no-follow-host' guest_asks "$WORLD6"
pasta_down
sysctl -qw net.ipv6.conf.eth0.accept_dad=0

# From a link-local address, while another interface has the better route by now
# shellcheck disable=SC2086 # words
pasta_up $plain
held "$NEAR6%eth0"
second_up
soon 'a better route elsewhere' eval \
	'in_ns "$ns" timeout 1 "$peer" ask "$WORLD6" 7000 WHO | grep 2001:db8:2::2'
ip addr add 2001:db8:2::3/64 dev eth1 nodad
ip addr add 2001:db8:2::4/64 dev eth1 nodad
pause 0.2
ip addr del 2001:db8:2::3/64 dev eth1
pause 0.3
lives '... and an address lost there: a link-local connection goes on'
ll=$(ip -6 -o addr show dev eth0 scope link | awk '{ print $4 }')
ip addr del "$ll" dev eth0
soon '... its own address is gone: it ends' grep -q reset "$T/held"
ip addr add "$ll" dev eth0 nodad
ip link del eth1
pasta_down

# Many addresses go, and the metric of the default routes changes
for i in $(seq 90); do
	echo "address add 203.0.113.$((100 + i))/24 dev eth0"
	echo "address add 2001:db8:1::$((100 + i))/64 dev eth0 nodad"
done >"$T/many"
ip -b "$T/many"
# shellcheck disable=SC2086 # words
pasta_up $plain
# deprecated FAMILY: how many addresses inside are
deprecated()
{
	in_ns "$ns" ip "-$1" -o addr show dev eth0 deprecated | wc -l
}
is "$(deprecated 4) $(deprecated 6)" '0 0' '90 addresses more'
sed 's/ add / del /;s/ nodad//' "$T/many" >"$T/none"
ip -b "$T/none"
soon '... are gone: all are deprecated inside, IPv4' \
	eval '[ "$(deprecated 4)" = 90 ]'
soon '... and IPv6' eval '[ "$(deprecated 6)" = 90 ]'
for i in 1 2 3 4 5; do
	ip route add default via "$GW4" metric "$((500 - i))"
	ip -6 route add default via "$GW6LL" dev eth0 metric "$((500 - i))"
	ip route del default metric "$([ "$i" -eq 1 ] && echo 0 || echo $((501 - i)))"
	ip -6 route del default metric \
		"$([ "$i" -eq 1 ] && echo 1024 || echo $((501 - i)))"
	for f in 4 6; do
		wait_for "in_ns $ns ip -$f route show default |
			grep -q 'metric $((500 - i))'"
	done
done
soon 'the metric changes five times: one default route is left inside, IPv4' \
	eval '[ "$(in_ns "$ns" ip -4 route show default | wc -l)" = 1 ]'
soon '... and IPv6' \
	eval '[ "$(in_ns "$ns" ip -6 route show default | wc -l)" = 1 ]'
pasta_down

# A namespace that we may not change, as our user namespace has the host's, too: it has
# its old address, and its ports are there
if [ "$WORLD_ROOT" ]; then
	ip netns add box
	pasta --config-net --no-map-gw -u none -T none -U none -t 7005 \
		-P "$T/box.pid" --netns /run/netns/box 2>"$T/box.err"
	spawn net:box "$peer" serve 7005 >"$T/box.log"
	wait_for "grep -q ready '$T/box.log'" || diag "$(cat "$T/box.err")"
	is "$(in_world timeout 1 "$peer" ask "$HOST4" 7005 hello)" hello \
		"root's namespace: a port is there"
	ip addr add 203.0.113.77/25 dev eth0
	ip addr add 2001:db8:1::77/64 dev eth0 nodad
	ip addr del "$HOST4/24" dev eth0
	ip addr del "$HOST6/64" dev eth0
	ip route replace default via "$GW4"
	pause 0.5
	like "$(ip -n box -o addr show dev eth0)" "*$HOST4/24*" \
		'... the host has another address, and the namespace not'
	is "$(in_world timeout 1 "$peer" ask 203.0.113.77 7005 WHERE)" "$HOST4" \
		'... the port is there by IPv4'
	is "$(in_world timeout 1 "$peer" ask 2001:db8:1::77 7005 WHERE)" \
		"$HOST6" '... and by IPv6'
	kill "$(cat "$T/box.pid")"
else
	skip "root's namespace: we aren't root" 4
fi

done_testing
