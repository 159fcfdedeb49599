#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# traceroute, tracepath and mtr, over three routers: inside they show what they show to
# a process of the host.
# timeout 240

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# host --- world --- r2 --- r3 --- far
far4=10.53.0.2 far6=2001:db8:53::2
# hop NUMBER NEAR FAR: a link between two of them, .1 and .2; FAR goes back that way
hop()
{
	ip netns add "$3"
	ip netns exec "$3" sh -c "$world_sysctl"
	ip -n "$2" link add "down$1" type veth peer name "up$1" netns "$3"
	ip -n "$2" -b - <<-E
		link set down$1 up
		address add 10.5$1.0.1/24 dev down$1
		address add 2001:db8:5$1::1/64 dev down$1 nodad
		E
	ip -n "$3" -b - <<-E
		link set lo up
		link set up$1 up
		address add 10.5$1.0.2/24 dev up$1
		address add 2001:db8:5$1::2/64 dev up$1 nodad
		route add default via 10.5$1.0.1
		E
	ip -n "$3" -6 route add default via "2001:db8:5$1::1"
}
hop 1 world r2
hop 2 r2 r3
hop 3 r3 far
for net in 2 3; do
	ip -n world route add "10.5$net.0.0/24" via 10.51.0.2
	ip -n world -6 route add "2001:db8:5$net::/64" via 2001:db8:51::2
done
ip -n r2 route add 10.53.0.0/24 via 10.52.0.2
ip -n r2 -6 route add 2001:db8:53::/64 via 2001:db8:52::2
for r in world r2 r3 far; do
	ip netns exec $r sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 \
		net.ipv6.icmp.ratelimit=0
	wait_for "world_settled ip netns exec $r"
done
spawn net:far "$TOP/test/tools/peer" serve 80 >"$T/serve"
wait_for "grep -q ready '$T/serve'"

# hops CMD...: "NUMBER ADDRESS" of each, and marks such as !H, of the last that the
# tool shows for it
hops()
{
	"$@" 2>&1 | sed 's/^ *\([0-9]*\)[.:][|-]* */\1 /' | awk '
		/^ *[0-9]+ +[0-9*]/ {
			n = $1; at[n] = $2
			for (i = 3; i <= NF; i++)
				if ($i ~ /^!|reached/)
					at[n] = at[n] " " $i
			if (n > max)
				max = n
		}
		END { for (n = 1; n <= max; n++) print n, at[n] }'
}
# same TOOL ARGS...: four hops, as for a process of the host
same()
{
	command -v "$1" >/dev/null || { skip "no $1"; return; }
	outside=$(hops "$@")
	inside=$(hops in_ns "$ns" "$@")
	is "$inside" "$outside" "$*"
	is "$(printf '%s\n' "$outside" | grep -c .)" 4 '... four hops'
}

pasta_up --config-net -t none -u none -T none -U none
for to in $far4 $far6; do
	same traceroute -n -q 1 -w 2 -U $to
	same traceroute -n -q 1 -w 2 -U -p 53 $to
	same traceroute -n -q 1 -w 2 -T -p 80 $to
	same traceroute -n -q 1 -w 2 -T -p 81 $to
	same traceroute -n -q 1 -w 2 -I $to
	same tracepath -n $to
	same mtr -n -r -c 2 -i 0.3 $to
	same mtr -n -r -c 2 -i 0.3 --udp $to
	same mtr -n -r -c 2 -i 0.3 --tcp -P 80 $to
	same mtr -n -r -c 2 -i 0.3 --tcp -P 81 $to
done
pasta_down

done_testing
