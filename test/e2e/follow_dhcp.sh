#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The host's network changes, and a real client (dhcpcd: DHCP, DHCPv6, router
# advertisements) learns of it, when it renews its leases and without.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/follow.sh
. "$TOP/test/lib/follow.sh"
command -v dhcpcd >/dev/null || skip_all 'no dhcpcd'
world_up
need_tun
world_peer 7000
for n in 7 8 9; do
	in_world ip -6 route add "2001:db8:$n::/64" dev eth0
done

pasta_up --no-map-gw -t none -u none -T none -U none
in_ns "$ns" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
in_ns "$ns" ip link set eth0 up

cat >"$T/user/dhcpcd.conf" <<-'E2'
	option domain_name_servers
	duid
	slaac hwaddr
	noarp
	E2
cat >"$T/bin/inside" <<-E2
	#!/bin/sh
	mount -t tmpfs tmpfs /var/lib
	mkdir -p /var/lib/dhcpcd
	mount -t tmpfs tmpfs /run/dhcpcd
	mount --bind /dev/null /etc/resolv.conf
	exec $(command -v dhcpcd) -B -d -f $T/user/dhcpcd.conf -c /bin/true eth0
	E2
chmod 755 "$T/bin/inside"
mkdir -p /run/dhcpcd
spawn "ns:$ns" unshare -m "$T/bin/inside" >"$T/dhcpcd.log" 2>&1
client=$pid
# renew: it asks again, as if half of the time of its leases had gone by
renew()
{
	in_ns "$ns" nsenter -m -t "$client" -- \
		"$(command -v dhcpcd)" -N eth0 >"$T/renew.log" 2>&1
}
addr()
{
	in_ns "$ns" ip -o addr show dev eth0 | grep -q "$1"
}
soon 'DHCP' addr "$HOST4/24"
soon 'DHCPv6' addr "$HOST6/128"
soon 'RA' addr '2001:db8:1:.*/64'

# move OLD4 NEW4 OLD6 NEW6, with their prefix lengths
move()
{
	ip addr add "$2" dev eth0
	ip addr add "$4" dev eth0 nodad
	ip addr del "$1" dev eth0
	ip addr del "$3" dev eth0
	ip route replace default via "$GW4"
}
move "$HOST4/24" 203.0.113.77/25 "$HOST6/64" 2001:db8:9::77/64
soon 'RA: the new prefix, at once' addr '2001:db8:9:.*/64'
soon '... the old one is deprecated' addr '2001:db8:1:.*/64.*deprecated'
renew
soon 'DHCP, renewed: the new address' addr 203.0.113.77/25
not_ok '... the old one is gone' addr "$HOST4/"
soon 'DHCPv6, renewed: the new address' addr 2001:db8:9::77/128
soon '... the old one is deprecated' addr "$HOST6/128.*deprecated"
valid=$(in_ns "$ns" ip -o addr show dev eth0 |
	sed -n "s,.*$HOST6/128.*valid_lft \([0-9]*\)sec.*,\1,p")
ok "... and valid for ${valid:-no} seconds more" \
	[ "${valid:-0}" -gt 7000 ] && [ "${valid:-0}" -le 7200 ]
is "$(PEER_SOURCE=$HOST6 in_ns "$ns" "$peer" ask "$WORLD6" 7000 hello)" hello \
	'... and can be used'

move 203.0.113.77/25 203.0.113.19/26 2001:db8:9::77/64 2001:db8:8::99/64
soon 'once more: RA' addr '2001:db8:8:.*/64'
renew
soon '... DHCP' addr 203.0.113.19/26
soon '... DHCPv6' addr 2001:db8:8::99/128
soon '... the one of before is deprecated' addr 2001:db8:9::77/128.*deprecated
ok '... and the one before that goes on' addr "$HOST6/128.*deprecated"

move 203.0.113.19/26 "$HOST4/24" 2001:db8:8::99/64 "$HOST6/64"
soon 'back again: RA, that prefix is the preferred one' \
	eval 'addr "2001:db8:1:.*/64" && ! addr "2001:db8:1:.*/64.*depr"'
renew
soon '... DHCP' addr "$HOST4/24"
soon '... DHCPv6: preferred' eval 'addr "$HOST6/128" && ! addr "$HOST6/128.*depr"'
soon '... the others are deprecated' addr 2001:db8:8::99/128.*deprecated
[ "$tap_failed" -eq 0 ] || diag "$(tail -n 50 "$T/dhcpcd.log")"
stop "$client"

# A client that asks anybody (REBIND), as who gave it the lease hasn't answered for long:
# dhclient, with a lease of 55 minutes ago. It waits for its script: so the host moves
# when the lease has been confirmed, just before that.
cat >"$T/bin/client6" <<-E2
	#!/bin/sh
	echo "\$reason \$new_ip6_address \$new_preferred_life" >>$T/user/client6
	[ "\$reason" = BOUND6 ] || exit 0
	while [ -e $T/user/client6.waits ]; do sleep 0.05; done
	E2
chmod 755 "$T/bin/client6"
client6()
{
	: >"$T/user/client6"
	chmod 666 "$T/user/client6"
	spawn "ns:$ns" dhclient -6 -d -lf "$T/user/leases6" -pf "$T/user/pid6" \
		-sf "$T/bin/client6" eth0 >"$T/dhclient.log" 2>&1
	wait_for "grep -q ^BOUND6 '$T/user/client6'"
}
# rebinds: when it has bound; the lines of its script since then
rebinds()
{
	rm -f "$T/user/client6.waits"
	wait_for "grep -q ^REBIND6 '$T/user/client6'" || tail -n 50 "$T/dhclient.log"
	stop "$pid"
	sed -n 's/^REBIND6 //p' "$T/user/client6" | xargs
}
if command -v dhclient >/dev/null; then
	client6
	is "$(tail -n 1 "$T/user/client6")" "BOUND6 $HOST6 3600" 'dhclient: DHCPv6'
	stop "$pid"
	sed -i "s/starts [0-9]*;/starts $(($(date +%s) - 3300));/" "$T/user/leases6"
	cp "$T/user/leases6" "$T/leases6"
	client6
	is "$(rebinds)" "$HOST6 3600" '... REBIND'
	cp "$T/leases6" "$T/user/leases6"
	: >"$T/user/client6.waits"
	client6
	move "$HOST4/24" 203.0.113.77/25 "$HOST6/64" 2001:db8:7::77/64
	wait_for "grep -q 'guest: 2001:db8:7::77' '$T/pasta$pasta_n.err'"
	is "$(rebinds)" "2001:db8:7::77 3600 $HOST6 0" \
		'... when the host has moved: the new address, the old one deprecated'
else
	skip 'no dhclient' 3
fi
pasta_down

done_testing
