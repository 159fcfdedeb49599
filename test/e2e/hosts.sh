#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hosts with odd networks, and what a namespace with --config-net makes of
# them. Each host is a network namespace of its own; nothing is sent anywhere.

# shellcheck disable=SC2154 # the libraries set T and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up

host_n=0

# host: a new one, made by the commands of ip on standard input
host()
{
	host_n=$((host_n + 1))
	ip netns add "host$host_n"
	in_this_host sh -c 'sysctl -qw net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0'
	in_this_host ip link set lo up
	in_this_host ip -b - ||
		bail "host $host_n"
	wait_for 'world_settled in_this_host'
}

in_this_host()
{
	nsenter --net="/run/netns/host$host_n" -- "$@"
}

# in_guest ARGS -- CMD...: CMD in a namespace of the ordinary user on that host
pasta=pasta
# shellcheck disable=SC2086 # words
in_guest()
{
	if [ "$WORLD_ROOT" ]; then
		set -- setpriv --reuid "$WORLD_UID" --regid "$WORLD_UID" \
			--clear-groups -- $pasta --config-net "$@"
	else
		set -- unshare -U --map-user="$WORLD_CALLER" \
			--map-group="$WORLD_GROUP" -- $pasta --config-net "$@"
	fi
	in_this_host "$@" 2>"$T/err"
}

# Everything about addresses and routes that people can see, one per line, in
# a form that doesn't depend on the versions of kernel and iproute2
# shellcheck disable=SC2016 # not for this shell
state='
	ip -o address show | awk "
		\$2 != \"lo\" && \$4 !~ /^fe80/ {
			peer = \$5 == \"peer\" ? \" peer \" \$6 : \"\"
			print \$2, \$4 peer
		}"
	(ip -4 route; ip -6 route) | awk "
		function put() {
			if (line != \"\" && line !~ /^(fe80|ff00)/)
				print line
		}
		/^[ \t]/ { \$1 = \$1; line = line \" \" \$0; next }
		{ put(); line = \$0 }
		END { put() }" |
		sed "s/ proto [a-z0-9]*//; s/ src [0-9a-f.:]*//;
			s/ pref [a-z]*//; s/ nhid [0-9]*//g; s/ *\$//;
			s/ linkdown//g; s/ scope global//; s/  */ /g"
'

# guest NAME WANT ARGS...: compare all of that, WANT is one per line
guest()
{
	guest_name=$1
	guest_want=$2
	shift 2
	guest_got=$(in_guest "$@" -- sh -c "$state" | sort)
	is "$guest_got" "$(echo "$guest_want" | sed '/^[ \t]*$/d;s/^[ \t]*//' |
		sort)" "$guest_name" || diag "$(cat "$T/err")"
}

veth='link add eth0 address 02:00:00:00:00:01 type veth peer name peer0
	link set eth0 up
	link set peer0 up'

### Nothing there

host </dev/null
guest 'no interface: local mode' '
	tap0 169.254.2.1/16
	default via 169.254.2.2 dev tap0
	169.254.0.0/16 dev tap0 scope link
	default via fe80::1 dev tap0 metric 1024'

host <<E
$veth
address add 192.0.2.2/24 dev eth0
route add default via 192.0.2.1
E
in_this_host sysctl -qw net.ipv6.conf.all.disable_ipv6=1
guest 'no IPv6: local mode for it' '
	eth0 192.0.2.2/24
	default via 192.0.2.1 dev eth0
	192.0.2.0/24 dev eth0 scope link
	default via fe80::1 dev eth0 metric 1024'
guest 'no IPv6, and none wanted' '
	eth0 192.0.2.2/24
	default via 192.0.2.1 dev eth0
	192.0.2.0/24 dev eth0 scope link' -4

host <<E
$veth
address add 2001:db8::2/64 dev eth0 nodad
route add default via 2001:db8::1
E
guest 'no IPv4: local mode for it' '
	eth0 169.254.2.1/16
	default via 169.254.2.2 dev eth0
	169.254.0.0/16 dev eth0 scope link
	eth0 2001:db8::2/64
	2001:db8::/64 dev eth0 metric 256
	default via 2001:db8::1 dev eth0 metric 1024'

### Routes

host <<E
$veth
address add 192.0.2.2/24 dev eth0
address add 2001:db8::2/64 dev eth0 nodad
route add 198.51.100.0/24 via 192.0.2.9 metric 7
E
guest 'no default route' '
	eth0 192.0.2.2/24
	192.0.2.0/24 dev eth0 scope link
	198.51.100.0/24 via 192.0.2.9 dev eth0 metric 7
	eth0 2001:db8::2/64
	2001:db8::/64 dev eth0 metric 256'

host <<E
$veth
address add 192.0.2.2/32 dev eth0
route add 203.0.113.1 dev eth0
route add default via 203.0.113.1
address add 2001:db8::2/128 dev eth0 nodad
route add 2001:db8:9::1 dev eth0
route add default via 2001:db8:9::1
E
guest 'gateway outside the subnet, with a route' '
	eth0 192.0.2.2/32
	default via 203.0.113.1 dev eth0
	203.0.113.1 dev eth0 scope link
	eth0 2001:db8::2/128
	2001:db8::2 dev eth0 metric 256
	2001:db8:9::1 dev eth0 metric 1024
	default via 2001:db8:9::1 dev eth0 metric 1024'
guest 'gateway by option outside the subnet' '
	eth0 192.0.2.2/32
	default via 198.51.100.7 dev eth0 onlink
	eth0 2001:db8::2/128
	2001:db8::2 dev eth0 metric 256
	default via 2001:db8:7::7 dev eth0 metric 1024 onlink' \
	-g 198.51.100.7 -g 2001:db8:7::7
guest 'address and gateway by option have nothing in common' '
	eth0 192.0.2.99/24
	192.0.2.0/24 dev eth0 scope link
	default via 198.51.100.7 dev eth0 onlink' \
	-4 -a 192.0.2.99/24 -g 198.51.100.7

host <<E
$veth
address add 192.0.2.2/32 dev eth0
route add default via 203.0.113.1 dev eth0 onlink
address add 2001:db8::2/128 dev eth0 nodad
route add default via 2001:db8:9::1 dev eth0 onlink
E
guest 'gateway outside the subnet, on-link' '
	eth0 192.0.2.2/32
	default via 203.0.113.1 dev eth0 onlink
	eth0 2001:db8::2/128
	2001:db8::2 dev eth0 metric 256
	default via 2001:db8:9::1 dev eth0 metric 1024 onlink'

host <<E
$veth
address add 192.0.2.2/24 dev eth0
route add default dev eth0
address add 2001:db8::2/64 dev eth0 nodad
route add ::/0 dev eth0
E
guest 'default route without a gateway' '
	eth0 192.0.2.2/24
	default dev eth0 scope link
	192.0.2.0/24 dev eth0 scope link
	eth0 2001:db8::2/64
	2001:db8::/64 dev eth0 metric 256
	default dev eth0 metric 1024'

host <<E
$veth
address add 192.0.2.2/24 dev eth0
route add default nexthop via 192.0.2.1 weight 1 nexthop via 192.0.2.3 weight 5
address add 2001:db8::2/64 dev eth0 nodad
route add ::/0 nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8::3 dev eth0
E
guest 'multipath' '
	eth0 192.0.2.2/24
	default nexthop via 192.0.2.1 dev eth0 weight 1 nexthop via 192.0.2.3 dev eth0 weight 5
	192.0.2.0/24 dev eth0 scope link
	eth0 2001:db8::2/64
	2001:db8::/64 dev eth0 metric 256
	default metric 1024 nexthop via 2001:db8::1 dev eth0 weight 1 nexthop via 2001:db8::3 dev eth0 weight 1'

host <<E
$veth
link add eth1 type veth peer name peer1
link set eth1 up
address add 192.0.2.2/24 dev eth0
address add 198.51.100.2/24 dev eth1
route add default nexthop via 192.0.2.1 weight 1 nexthop via 198.51.100.1 weight 5
E
guest 'multipath by two interfaces: the weightier one' '
	eth1 198.51.100.2/24
	default via 198.51.100.1 dev eth1
	198.51.100.0/24 dev eth1 scope link' -4
guest 'multipath by two interfaces: the one asked for' '
	eth0 192.0.2.2/24
	default via 192.0.2.1 dev eth0
	192.0.2.0/24 dev eth0 scope link' -4 -i eth0

host <<E
$veth
address add 192.0.2.2/24 dev eth0
nexthop add id 1 via 192.0.2.1 dev eth0
nexthop add id 2 via 192.0.2.3 dev eth0
nexthop add id 10 group 1/2
route add default nhid 10
route add 198.51.100.0/24 nhid 2
E
guest 'nexthop objects' '
	eth0 192.0.2.2/24
	default nexthop via 192.0.2.1 dev eth0 weight 1 nexthop via 192.0.2.3 dev eth0 weight 1
	192.0.2.0/24 dev eth0 scope link
	198.51.100.0/24 via 192.0.2.3 dev eth0' -4

host <<E
$veth
address add 192.0.2.2/24 dev eth0
route add 0.0.0.0/0 via inet6 fe80::1 dev eth0
E
guest 'IPv6 gateway of an IPv4 route' '
	eth0 192.0.2.2/24
	default via inet6 fe80::1 dev eth0
	192.0.2.0/24 dev eth0 scope link' -4

host <<E
$veth
address add 192.0.2.2/24 dev eth0
address add 2001:db8::2/64 dev eth0 nodad
route add 0.0.0.0/0 nexthop via inet6 2001:db8::1 dev eth0 nexthop via inet6 2001:db8::3 dev eth0 weight 5
route add 198.51.100.0/24 nexthop via inet6 fe80::1 dev eth0 nexthop via 192.0.2.3 dev eth0 nexthop via inet6 fe80::3 dev eth0
E
guest 'multipath by IPv6 gateways' '
	eth0 192.0.2.2/24
	default nexthop via inet6 2001:db8::1 dev eth0 weight 1 nexthop via inet6 2001:db8::3 dev eth0 weight 5
	198.51.100.0/24 nexthop via inet6 fe80::1 dev eth0 weight 1 nexthop via 192.0.2.3 dev eth0 weight 1 nexthop via inet6 fe80::3 dev eth0 weight 1
	192.0.2.0/24 dev eth0 scope link
	eth0 2001:db8::2/64
	2001:db8::/64 dev eth0 metric 256'

host <<E
$veth
address add 192.0.2.2/24 dev eth0
address add 2001:db8::2/128 dev eth0 nodad
route add 2001:db8:1::/64 dev eth0 metric 77
route add 198.51.100.0/24 via inet6 2001:db8:1::1 dev eth0
route add 0.0.0.0/0 nexthop via inet6 2001:db8:1::1 dev eth0 nexthop via inet6 2001:db8:1::3 dev eth0
E
guest 'IPv6 gateways that nothing leads to' '
	eth0 192.0.2.2/24
	default nexthop via inet6 2001:db8:1::1 dev eth0 weight 1 onlink nexthop via inet6 2001:db8:1::3 dev eth0 weight 1 onlink
	198.51.100.0/24 via inet6 2001:db8:1::1 dev eth0 onlink
	192.0.2.0/24 dev eth0 scope link' -4

host <<E
$veth
link add eth1 type veth peer name peer1
link set eth1 up
address add 192.0.2.2/24 dev eth0
address add 198.51.100.2/24 dev eth1
route add default via 192.0.2.1 metric 300
route add default via 198.51.100.1 metric 200 mtu 1400
route add default via 198.51.100.3 metric 250
route add blackhole 203.0.113.0/24
route add 203.0.113.128/25 via 198.51.100.4 table 77
rule add from 192.0.2.2 table 77
E
guest 'several default routes, other types, other tables' '
	eth1 198.51.100.2/24
	default via 198.51.100.1 dev eth1 metric 200 mtu 1400
	default via 198.51.100.3 dev eth1 metric 250
	198.51.100.0/24 dev eth1 scope link' -4

### Addresses

host <<E
$veth
address add 192.0.2.7/24 dev eth0 valid_lft 1000 preferred_lft 0
address add 192.0.2.2/24 dev eth0 label eth0:a
address add 192.0.2.3/24 dev eth0
address add 198.51.100.1 peer 198.51.100.9 dev eth0
address add 169.254.7.7/16 dev eth0 scope link
route add default via 192.0.2.1
address add 2001:db8::7/64 dev eth0 nodad valid_lft 1000 preferred_lft 0
address add 2001:db8::2/64 dev eth0 nodad
address add 2001:db8:1::3/48 dev eth0 nodad
route add default via fe80::9 dev eth0
E
guest 'several addresses, deprecated ones, a peer' '
	eth0 192.0.2.2/24
	eth0 192.0.2.3/24
	eth0 198.51.100.1 peer 198.51.100.9/32
	192.0.2.0/24 dev eth0 scope link
	198.51.100.9 dev eth0 scope link
	169.254.0.0/16 dev eth0 scope link
	default via 192.0.2.1 dev eth0
	eth0 2001:db8::2/64
	eth0 2001:db8:1::3/48
	2001:db8::/64 dev eth0 metric 256
	2001:db8:1::/48 dev eth0 metric 256
	default via fe80::9 dev eth0 metric 1024'

host <<E
$veth
address add 192.0.2.2/24 dev eth0 noprefixroute
address add 192.0.2.3/24 dev eth0 noprefixroute
route add 192.0.2.0/25 dev eth0 metric 100
route add default via 192.0.2.1 metric 100
address add 2001:db8::2/64 dev eth0 nodad noprefixroute
route add default via fe80::9 dev eth0 metric 100
E
guest 'addresses without their prefix routes' '
	eth0 192.0.2.2/24
	eth0 192.0.2.3/24
	192.0.2.0/25 dev eth0 scope link metric 100
	default via 192.0.2.1 dev eth0 metric 100
	eth0 2001:db8::2/64
	default via fe80::9 dev eth0 metric 100'
guest '... which are needed beside a gateway by option' '
	eth0 192.0.2.2/24
	eth0 192.0.2.3/24
	192.0.2.0/24 dev eth0 scope link
	default via 192.0.2.5 dev eth0' -4 -g 192.0.2.5

ll=$(in_guest -- ip -6 -o address show dev eth0)
like "$ll" '*fe80::*' 'a link-local address'
case $ll in
*tentative*)	fail 'no address is tentative'; diag "$ll" ;;
*)		pass 'no address is tentative' ;;
esac
is "$(in_guest -- cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" 0 \
	'router advertisements are off'
is "$(in_guest -- cat /proc/sys/net/ipv6/conf/eth0/addr_gen_mode)" 0 \
	'link-local addresses are made as ever'
out=$(in_guest -m 1279 -- sh -c "$state")
like "$out" '*192.0.2.2/24*' 'MTU too small for IPv6: IPv4 works'

# A namespace to join, which has no IPv6
spawn user unshare -Urn sh -c 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
	net.ipv6.conf.default.disable_ipv6=1 && exec sleep 1000'
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
ok 'guest without IPv6: starts' as_user pasta --config-net -P "$T/user/pid" \
	"$target"
like "$(in_ns "$target" ip -4 -o address)" "*$HOST4*" \
	'guest without IPv6: has IPv4'
kill "$target"

host <<E
link add eth0.7 type veth peer name peer7
link set peer7 up
link set eth0.7 up
address add 192.0.2.2/24 dev eth0.7
address add 2001:db8::2/64 dev eth0.7 nodad
route add default via 192.0.2.1
route add default via fe80::9 dev eth0.7
E
guest 'the name of a VLAN' '
	eth0.7 192.0.2.2/24
	default via 192.0.2.1 dev eth0.7
	192.0.2.0/24 dev eth0.7 scope link
	eth0.7 2001:db8::2/64
	2001:db8::/64 dev eth0.7 metric 256
	default via fe80::9 dev eth0.7 metric 1024'
is "$(in_guest -- cat /proc/sys/net/ipv6/conf/eth0.7/accept_ra)" 0 \
	'... router advertisements are off'

# Addresses that the kernel makes, or has doubts about
host <<E
$veth
address add 192.0.2.2/24 dev eth0
route add default via 192.0.2.1
route add default via fe80::9 dev eth0
E
in_this_host sysctl -qw net.ipv6.conf.eth0.use_tempaddr=2
in_this_host ip address add 2001:db8::2/64 dev eth0 nodad mngtmpaddr
wait_for 'in_this_host ip -6 -o address show dev eth0 temporary | grep -q .'
both=$(in_this_host ip -6 -o address show dev eth0 scope global |
	awk '{ print $4 }' | sort | xargs)
is "$(in_guest -d -- ip -6 -o address show dev eth0 scope global |
	awk '{ print $4 }' | sort | xargs)" "$both" \
	'temporary addresses: all of them'
like "$(cat "$T/err")" '*guest: 2001:db8::2/64*' '... the lasting one counts'
is "$(in_guest -- ip -6 -o address show dev eth0 temporary)" '' \
	'... none is temporary inside'
out=$(in_guest -- ip -6 -o address show dev eth0 scope global)
like "$out" '*valid_lft forever*' '... nor runs out'

host <<E
$veth
address add 192.0.2.2/24 dev eth0
address add 2001:db8::2/64 dev eth0 nodad
address add 2001:db8::66/64 dev peer0 nodad
route add default via 192.0.2.1
route add default via fe80::9 dev eth0
E
in_this_host sysctl -qw net.ipv6.conf.all.accept_dad=1 \
	net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=1
in_this_host ip address add 2001:db8::66/64 dev eth0
wait_for 'in_this_host ip -6 -o address show dev eth0 dadfailed | grep -q .'
in_this_host sysctl -qw net.ipv6.conf.eth0.dad_transmits=100
in_this_host ip address add 2001:db8::3/64 dev eth0
is "$(in_this_host ip -6 -o address show dev eth0 scope global tentative \
	-dadfailed | awk '{ print $4 }')" 2001:db8::3/64 'an address that is being verified'
guest '... is taken, a duplicate is not' '
	eth0 192.0.2.2/24
	default via 192.0.2.1 dev eth0
	192.0.2.0/24 dev eth0 scope link
	eth0 2001:db8::2/64
	eth0 2001:db8::3/64
	2001:db8::/64 dev eth0 metric 256
	default via fe80::9 dev eth0 metric 1024'
is "$(in_guest -- ip -6 -o address show tentative)" '' \
	'... and usable inside at once'

# A kernel that has no IPv6 at all
if command -v lacking >/dev/null; then
	pasta="lacking ipv6 pasta"
	guest 'no IPv6 in the kernel: none inside' '
		eth0 192.0.2.2/24
		default via 192.0.2.1 dev eth0
		192.0.2.0/24 dev eth0 scope link'
	guest '... with ports, resolvers and all' '
		eth0 192.0.2.2/24
		default via 192.0.2.1 dev eth0
		192.0.2.0/24 dev eth0 scope link' -t 8080 -u 8080 -T 8081 \
		-U 8081 --dns-forward 169.254.1.1 --map-guest-addr 169.254.1.2
	in_guest -6 -- true
	is $? 1 '... and none wanted'
	like "$(cat "$T/err")" '*IPv6 not available but --ipv6-only given*' \
		'... says so'
	in_guest -t ::1/8080 -- true
	is $? 1 '... a port of IPv6'
	like "$(cat "$T/err")" '*IPv6 not enabled*' '... says so'
	pasta=pasta
else
	skip 'no shims' 6
fi

### Many

{
	echo "$veth"
	i=0
	while [ $((i += 1)) -le 60 ]; do
		echo "link add d$i type veth peer name p$i"
		echo "link set d$i up"
		echo "address add 10.$i.0.1/24 dev d$i"
		echo "address add fd00:$i::1/64 dev d$i nodad"
		echo "route add 10.$i.128.0/24 via 10.$i.0.2"
	done
	echo 'address add 192.0.2.2/24 dev eth0'
	echo 'address add 2001:db8::2/64 dev eth0 nodad'
	echo 'route add default via 192.0.2.1'
	echo 'route add default via 2001:db8::1'
	i=0
	while [ $((i += 1)) -le 500 ]; do
		echo "route add 172.16.$((i / 4)).$((i % 4 * 64))/26 via 192.0.2.9"
		echo "route add 2001:db8:a:$i::/64 via 2001:db8::9"
	done
} >"$T/many"
host <"$T/many"
is "$(in_guest -- ip -4 route | grep -c 'via 192.0.2.9 dev eth0')" 500 \
	'60 interfaces: 500 routes of IPv4'
is "$(in_guest -- ip -6 route | grep -c 'via 2001:db8::9 dev eth0')" 500 \
	'60 interfaces: 500 routes of IPv6'
is "$(in_guest -- ip -o address | grep -c ' eth0 .* scope global')" 2 \
	'60 interfaces: the addresses of one'
guest 'an interface named' '
	d7 10.7.0.1/24
	10.7.0.0/24 dev d7 scope link
	10.7.128.0/24 via 10.7.0.2 dev d7' -4 -i d7

done_testing
