#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The TTL of the guest's SYN is that of the host's, so that traceroute by TCP sees
# the routers on the way.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# host --- world --- far
far4=10.50.0.9 far6=2001:db8:50::9
ip netns add far
ip link add far0 type veth peer name far0 netns far
ip link set far0 netns world
in_far() { ip netns exec far "$@"; }
in_world ip link set far0 up
in_far ip link set far0 up
in_world ip addr add 10.50.0.1/24 dev far0
in_far ip addr add $far4/24 dev far0
in_world ip addr add 2001:db8:50::1/64 dev far0 nodad
in_far ip addr add $far6/64 dev far0 nodad
in_far ip route add default via 10.50.0.1
in_far ip -6 route add default via 2001:db8:50::1
in_world sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

# What becomes of a connection with that TTL, and who says so
cat >"$T/bin/hop" <<'E2'
#!/usr/bin/python3
import errno, socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
level, ttl, recverr = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 25) if v6 \
    else (socket.IPPROTO_IP, socket.IP_TTL, 11)
s.setsockopt(level, ttl, int(sys.argv[2]))
s.setsockopt(level, recverr, 1)
s.settimeout(3)
e = s.connect_ex((sys.argv[1], 80))
who = ""
if e == errno.EHOSTUNREACH:
    _, anc, _, _ = s.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    d = anc[0][2]
    kind = d[5], d[6]
    who = " %d.%d " % kind + (socket.inet_ntop(socket.AF_INET6, d[24:40]) if v6
                              else socket.inet_ntoa(d[20:24]))
print(errno.errorcode[e] + who)
E2
chmod 755 "$T/bin/hop"

pasta_up --config-net -t none -u none -T none -U none
# same ADDR NAME: the same as for a process of the host, router and destination
same()
{
	for ttl in 1 2; do
		is "$(in_ns "$ns" hop "$1" $ttl)" "$(hop "$1" $ttl)" \
			"$2, $ttl: as for a process of the host"
	done
}

like "$(hop $far4 1) $(hop $far6 1)" 'EHOSTUNREACH 11.0 *EHOSTUNREACH 3.0 *' \
	'there is a router on the way'
is "$(hop $far4 2) $(hop $far6 2)" 'ECONNREFUSED ECONNREFUSED' \
	'and a destination behind it'
same $far4 IPv4
same $far6 IPv6
pasta_down

done_testing
