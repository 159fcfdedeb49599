#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The host's addresses, routes and links change while we run, in namespace mode:
# what exists goes on, what is new uses the network that the host has by then.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/follow.sh
. "$TOP/test/lib/follow.sh"
world_up
need_tun
peer=$TOP/test/tools/peer
spawn world "$peer" serve 7000 >"$T/world.log"
spawn host "$peer" serve 7001 >"$T/host.log"
wait_for "grep -q ready '$T/world.log' && grep -q ready '$T/host.log'" ||
	bail 'no servers'

plain='--config-net --no-map-gw -t none -u none -T none -U none'
host4=169.254.1.2 host6=fd00:1::2
mapped="--map-guest-addr $host4 --map-guest-addr $host6"

# guest CMD...: in the namespace, for a second at most
guest()
{
	in_ns "$ns" timeout 1 "$@"
}
# out NAME: the guest gets out
out()
{
	soon "$1: by IPv4" guest "$peer" ask "$WORLD4" 7000 hello
	soon "$1: by IPv6" guest "$peer" ask "$WORLD6" 7000 hello
}
# the host is where --map-guest-addr says
to_host()
{
	soon "$1: to the host by IPv4" \
		guest "$peer" ask "$host4" 7001 hello
	soon "$1: to the host by IPv6" \
		guest "$peer" ask "$host6" 7001 hello
}
# in the namespace: has WHAT, as ip shows it on one line
has()
{
	in_ns "$ns" ip -o addr show dev eth0 | grep -q "$1"
}
route()
{
	in_ns "$ns" ip -o "$@" | grep -q "$route"
}
up4()
{
	ip addr add "$HOST4/24" dev eth0
	ip route replace default via "$GW4"
}
up6()
{
	ip addr add "$HOST6/64" dev eth0 nodad
	ip -6 route replace default via "$GW6LL" dev eth0
}
down()
{
	ip addr flush dev eth0 scope global
	ip route flush default 2>/dev/null
	ip -6 route flush default 2>/dev/null
}

# the host's addresses change: DHCP, a new prefix
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped -t 7002
spawn "ns:$ns" "$peer" serve 7002 >"$T/guest.log"
wait_for "grep -q ready '$T/guest.log'"
out 'before'
to_host 'before'
ip addr add 203.0.113.77/25 dev eth0
ip addr add 2001:db8:1::77/64 dev eth0 nodad
ip addr del "$HOST4/24" dev eth0
ip addr del "$HOST6/64" dev eth0
ip route replace default via "$GW4"
to_host 'other addresses'
out 'other addresses'
soon '... the guest has the IPv4 address, too' eval 'has 203.0.113.77/25'
soon '... and the IPv6 one' eval 'has 2001:db8:1::77/64'
soon '... the old one is deprecated' eval "has '$HOST6/64.*deprecated'"
ok '... and still there' has "$HOST4/24"
like "$(in_world "$peer" ask 203.0.113.77 7002 WHO)" '203.0.113.1 *' \
	'published ports are there at the new address'
is "$(in_world "$peer" ask 203.0.113.77 7002 WHERE)" 203.0.113.77 \
	'... for the guest, too'
ip addr add "$HOST4/24" dev eth0
ip addr add "$HOST6/64" dev eth0 nodad
ip addr del 203.0.113.77/25 dev eth0
ip addr del 2001:db8:1::77/64 dev eth0
ip route replace default via "$GW4"
to_host 'back again'
soon '... not deprecated any more' eval \
	"has '$HOST6/64' && ! has '$HOST6/64.*deprecated'"

# a connection whose address is gone ends at once
held
ip addr add 203.0.113.78/25 dev eth0
ip addr del "$HOST4/24" dev eth0
ip route replace default via "$GW4"
soon 'the address is gone: the connection ends' grep -q reset "$T/held"
ip addr add "$HOST4/24" dev eth0
ip addr del 203.0.113.78/25 dev eth0
ip route replace default via "$GW4"
out 'back again'
held

# cable out, and in: nothing happens to the guest
network()
{
	in_ns "$ns" ip -o addr show dev eth0 | sed 's/[0-9]*sec//g'
	in_ns "$ns" ip -o route
}
before=$(network)
down
pause 0.5
is "$(network)" "$before" 'no network: the guest keeps what it has'
for a in "$WORLD4" "$WORLD6"; do
	for proto in tcp udp; do
		is "$(in_ns "$ns" "$peer" fails $proto "$a" 7000 2>&1)" \
			'Network is unreachable' \
			"... $proto, $a: told at once that there is none"
	done
done
up4
up6
held_says
soon '... a connection has lived through it' grep -q two "$T/held"
stop "$held_pid"
out 'the network is back'
to_host 'the network is back'
pasta_down

# routes that weren't there at the start
ip route del default
ip -6 route del default
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped
ip route add default via "$GW4"
ip -6 route add default via "$GW6LL" dev eth0
out 'default routes come later'
route="default via $GW4"
soon '... they are inside' eval 'route route show default'
ip route add 192.0.2.0/24 via 203.0.113.9
route='192.0.2.0/24 via 203.0.113.9'
soon '... so is another route' eval 'route route show'
pasta_down
ip route del 192.0.2.0/24

# nothing at all at the start
down
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped
route='default via 169.254.2.2'
ok 'started in local mode' route route show default
in_ns "$ns" ip route add 198.18.0.0/15 via 169.254.2.2
in_ns "$ns" ip addr add 198.19.0.1/32 dev tap0 2>/dev/null ||
	in_ns "$ns" ip addr add 198.19.0.1/32 dev lo
up4
soon 'IPv4 first: the guest gets out' \
	guest "$peer" ask "$WORLD4" 7000 hello
up6
out 'then both'
to_host 'then both'
route="default via $GW4"
soon '... the host'\''s default route is inside' eval 'route route show default'
route='default via 169.254.2.2'
not_ok '... ours of local mode is not' route route show default
route='198.18.0.0/15 via 169.254.2.2'
ok '... what a user put there stays: a route' route route show
ok '... and an address' sh -c "$(command -v nsenter) --preserve-credentials \
	-U -n -t $ns ip addr | grep -q 198.19.0.1/32"
pasta_down

# a default route that a user has put in place of ours
# shellcheck disable=SC2086 # words
pasta_up $plain
in_ns "$ns" ip route replace default via 203.0.113.9
ip addr add 203.0.113.77/25 dev eth0
ip addr del "$HOST4/24" dev eth0
ip route replace default via 203.0.113.8
soon 'another gateway, another address' eval 'has 203.0.113.77/25'
route='default via 203.0.113.9'
ok "a user's default route stays" route route show default
ip addr add "$HOST4/24" dev eth0
ip addr del 203.0.113.77/25 dev eth0
ip route replace default via "$GW4"
pasta_down

# without --config-net, as in a virtual machine: told by RA and DHCP
# shellcheck disable=SC2086 # words
pasta_up --no-map-gw -t none -u none -T none -U none
in_ns "$ns" sysctl -qw net.ipv6.conf.eth0.accept_dad=0 \
	net.ipv6.conf.eth0.addr_gen_mode=0
in_ns "$ns" ip link set eth0 up
soon 'RA: the prefix' eval "has '2001:db8:1:.*dynamic'"
cat >"$T/lease" <<-'X'
	#!/bin/sh
	[ "$1" != bound ] || echo "$ip $router $lease"
	X
chmod 755 "$T/lease"
lease()
{
	in_ns "$ns" busybox udhcpc -fnq -i eth0 -t 5 -T 1 -s "$T/lease" "$@" \
		2>/dev/null
}
is "$(lease)" "$HOST4 $GW4 3600" 'DHCP: a lease that ends'
ip addr add 2001:db8:9::2/64 dev eth0 nodad
ip addr del "$HOST6/64" dev eth0
ip addr add 203.0.113.77/25 dev eth0
ip addr del "$HOST4/24" dev eth0
ip route replace default via 203.0.113.9
soon 'RA: another prefix' eval "has '2001:db8:9:.*dynamic'"
ok '... the old one is deprecated' has '2001:db8:1:.*deprecated'
ok '... and valid for two hours' eval "has '2001:db8:1:.*valid_lft 7[12]..sec'"
is "$(lease -r "$HOST4")" '203.0.113.77 203.0.113.9 3600' \
	'DHCP: another address for who asks again'
ip addr del 2001:db8:9::2/64 dev eth0
ip addr add "$HOST6/64" dev eth0 nodad
ip addr add "$HOST4/24" dev eth0
ip addr del 203.0.113.77/25 dev eth0
ip route replace default via "$GW4"
pasta_down

# another network that is better: a VPN, a cable
ip route replace default via "$GW4" metric 100
ip route del default metric 0 2>/dev/null
ip -6 route flush default
ip -6 route add default via "$GW6LL" dev eth0 metric 100
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped
helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
ip route add default via "$GW4" metric 90
route="default via $GW4.*metric 90"
soon 'another metric' eval 'route route show default'
out 'before'
second_up
soon 'a better route: the guest has that network' eval 'has 203.0.114.2/24'
out 'a better route'
to_host 'a better route'
route='default via 203.0.114.1'
soon '... its gateway' eval 'route route show default'
route="default via $GW4"
not_ok '... and that of before is not, of any metric' route route show default
# and away, with its interface
ip link del eth1
out 'its interface is gone'
to_host 'its interface is gone'
soon '... deprecated inside' eval "has '2001:db8:2::2/64.*deprecated'"
# renamed
ip link set eth0 down
ip link set eth0 name lan0
ip link set lan0 up
ip addr add "$HOST6/64" dev lan0 nodad
ip route replace default via "$GW4"
ip -6 route replace default via "$GW6LL" dev lan0
out 'renamed'
to_host 'renamed'
ip link set lan0 down
ip link set lan0 name eth0
ip link set eth0 up
ip addr add "$HOST6/64" dev eth0 nodad
ip route replace default via "$GW4"
ip -6 route replace default via "$GW6LL" dev eth0
out 'and back'

# a hundred changes, and nothing left of them: the helper works them off by looks,
# with rests between them that are as long as what they cost demands
fds_before=$(steady 1 fds_of "$helper")
for i in $(seq 50); do
	ip addr add "203.0.113.$((100 + i))/24" dev eth0
	ip addr del "203.0.113.$((100 + i))/24" dev eth0
done
out 'after a hundred changes'
is "$(steady 1 fds_of "$helper")" "$fds_before" '... no descriptor more'
kib=$(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$helper/smaps_rollup")
ok "... $kib KiB of its own" [ "$kib" -lt 400 ]
ok '... no wake-up without a change' steady 2 wakeups_of "$helper"

# a routing daemon: a hundred thousand routes come and go, all the time
awk 'BEGIN { for (i = 0; i < 100000; i++)
	printf "route add 10.%d.%d.%d/32 via 203.0.113.1\n",
		i / 65536, i / 256 % 256, i % 256 }' >"$T/add"
sed 's/ add / del /' "$T/add" >"$T/del"
# processor time, in milliseconds
cpu()
{
	awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' \
		"/proc/$1/stat"
}
begin=$(date +%s%N)
cpu_helper=$(cpu "$helper") cpu_main=$(cpu "$pasta_pid")
for i in 1 2 3; do
	ip -b "$T/add"
	ip -b "$T/del"
done
ms=$((($(date +%s%N) - begin) / 1000000))
spent=$(($(cpu "$helper") - cpu_helper)) main=$(($(cpu "$pasta_pid") - cpu_main))
diag "600000 changes in $ms ms: helper $spent ms, main process $main ms"
ok 'a flood of changes: 2 % of the time at most' \
	[ $((spent + main)) -le $((ms / 50 + 20)) ]
out 'after the flood'
ok '... the helper is there' alive "$helper"
kib=$(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$helper/smaps_rollup")
ok "... $kib KiB of its own" [ "$kib" -lt 512 ]
pasta_down

# more IPv6 routes than we copy: the default one, which the kernel tells last, is there
awk 'BEGIN { for (i = 0; i < 15000; i++)
	printf "route add 2001:db8:ff::%x/128 via fe80::1 dev eth0\n", i }' >"$T/add"
sed 's/ add / del /' "$T/add" >"$T/del"
ip -6 -b "$T/add"
# shellcheck disable=SC2086 # words
pasta_up $plain
defaults6()
{
	in_ns "$ns" ip -6 route show default
}
like "$(defaults6)" 'default via fe80::1 *' 'many IPv6 routes: the default one'
in_world ip addr add fe80::5/64 dev eth0 nodad
ip -6 route flush default
ip -6 route add default via fe80::5 dev eth0
soon '... follows' eval 'defaults6 | grep -q "via fe80::5 "'
ip -6 route flush default
ip -6 route add default via "$GW6LL" dev eth0
soon '... and back' eval 'defaults6 | grep -q "via fe80::1 "'
ip -6 -b "$T/del"
pasta_down

# what was given by option, and --no-follow-host: another network is better, and isn't
# taken
ip route replace default via "$GW4" metric 100
ip route del default metric 0 2>/dev/null
# shellcheck disable=SC2086 # words
pasta_up $plain -a 10.0.2.15 -n 24 -g 10.0.2.2
second_up
soon '-a: the other family follows' eval 'has 2001:db8:2::2'
ok '-a: no other address' eval '! has 203.0.114.2'
route='default via 10.0.2.2'
ok '-g: no other gateway' route route show default
soon '... but out it gets' guest "$peer" ask "$WORLD4" 7000 hello
ip link del eth1
pasta_down
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped --no-follow-host
ns1=$ns pid1=$pasta_pid
# shellcheck disable=SC2086 # words
pasta_up $plain $mapped
second_up
soon 'one follows' eval 'has 203.0.114.2 && has 2001:db8:2::2'
pasta_down
ns=$ns1 pasta_pid=$pid1
ok '--no-follow-host: no other address' \
	eval '! has 203.0.114.2 && ! has 2001:db8:2::2'
ip link del eth1
pasta_down

done_testing
