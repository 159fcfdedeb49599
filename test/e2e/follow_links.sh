#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What exists while the host's network changes: connections, flows of datagrams and
# pings to where the host is, by an interface of a name, from an address. What can go
# on does; what can't ends at once, or finds the new way.

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
spawn host "$peer" serve 7001 >"$T/host.log"
wait_for "grep -q ready '$T/host.log'" || bail 'no server'

plain='--config-net --no-map-gw -t none -u none -T none -U none'
host4=169.254.1.2 host6=fd00:1::2
mapped="--map-guest-addr $host4 --map-guest-addr $host6"
OTHER4=203.0.113.77 OTHER6=2001:db8:1::77

# the host's addresses are others, and back
move_away()
{
	ip addr add "$OTHER4/25" dev eth0
	ip addr add "$OTHER6/64" dev eth0 nodad
	ip addr del "$HOST4/24" dev eth0
	ip addr del "$HOST6/64" dev eth0
	ip route replace default via "$GW4"
}
move_back()
{
	ip addr add "$HOST4/24" dev eth0
	ip addr add "$HOST6/64" dev eth0 nodad
	ip addr del "$OTHER4/25" dev eth0
	ip addr del "$OTHER6/64" dev eth0
	ip route replace default via "$GW4"
	ip -6 route replace default via "$GW6LL" dev eth0
}
# a client that asks the same from the same port, at each line of its input
cat >"$T/same.py" <<-'X'
	import socket, sys
	addr, port = sys.argv[1], int(sys.argv[2])
	s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
	                  socket.SOCK_DGRAM)
	s.settimeout(0.5)
	for line in open(sys.argv[3]):
	    for i in range(8):
	        s.sendto(line.strip().encode(), (addr, port))
	        try:
	            print(s.recv(100).decode(), flush=True)
	            break
	        except OSError as e:
	            why = str(e)
	    else:
	        print(why, flush=True)
	X
# same ADDR PORT TEXT: starts it, and has it ask once; same_again: once more
same()
{
	same_n=$((${same_n:-0} + 1))
	same_text=$3
	mkfifo -m 666 "$T/same$same_n"
	spawn "ns:$ns" python3 "$T/same.py" "$1" "$2" "$T/same$same_n" \
		>"$T/same$same_n.out"
	exec 7<>"$T/same$same_n"
	same_pid=$pid
	same_lines=0
	same_again
}
same_again()
{
	same_lines=$((same_lines + 1))
	echo "$same_text" >&7
	wait_for "[ \$(wc -l <'$T/same$same_n.out') -ge $same_lines ]"
}
same_end()
{
	exec 7>&-
	stop "$same_pid"
	xargs <"$T/same$same_n.out"
}

# The host's address changes, and we don't know yet
for a in "$host4" "$host6"; do
	# shellcheck disable=SC2086 # words
	pasta_up $plain $mapped
	helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
	same "$a" 7001 WHERE
	spawn "ns:$ns" ping -i 0.2 -c 25 "$a" >"$T/ping"
	ping=$pid
	wait_for "grep -q icmp_seq=2 '$T/ping'"
	kill -STOP "$helper"
	move_away
	spawn "ns:$ns" "$peer" ask "$a" 7001 WHERE >"$T/ask" 2>&1
	asks=$pid
	pause 0.3
	not_ok "$a: a connection waits for where the host isn't any more" \
		test -s "$T/ask"
	kill -CONT "$helper"
	wait_gone "$asks" 5
	there=$OTHER4
	[ "$a" = "$host4" ] || there=$OTHER6
	is "$(cat "$T/ask")" "$there" '... it finds the host as soon as we do'
	same_again
	was=$HOST4
	[ "$a" = "$host4" ] || was=$HOST6
	is "$(same_end)" "$was $there" '... so do datagrams from the same port'
	wait_gone "$ping"
	lost=$(sed -n 's/.* \([0-9]*\)% packet loss.*/\1/p' "$T/ping")
	ok "... and ping: $lost % lost" [ "${lost:-100}" -lt 50 ]
	move_back
	pasta_down
done

# What is bound to an interface that is replaced by another one of its name
replaced_up()
{
	ip link add eth1 type veth peer name eth1 netns world
	in_world ip -b - <<-X
		link set eth1 up
		address add 203.0.114.1/24 dev eth1
		X
	ip -b - <<-X
		link set eth1 up
		address add 203.0.114.2/24 dev eth1
		route add default via 203.0.114.1 metric 5000
		X
}
replaced_up
# shellcheck disable=SC2086 # words
pasta_up $plain --outbound-if4 eth1
held
same "$WORLD4" 7000 WHO
like "$(cat "$T/same$same_n.out")" '203.0.114.2 *' \
	'--outbound-if4: datagrams go that way'
ip link del eth1
replaced_up
soon 'another interface of that name: the connection ends' \
	grep -q reset "$T/held"
soon '... new ones go that way' eval \
	'in_ns "$ns" timeout 1 "$peer" ask "$WORLD4" 7000 WHO | grep 203.0.114.2'
same_again
like "$(same_end)" '203.0.114.2 * 203.0.114.2 *' \
	'... and datagrams from the same port'
pasta_down

# port_at_if NAME: the guest's port 7003, at eth1
port_at_if()
{
	spawn "ns:$ns" "$peer" serve 7003 >"$T/guest.log"
	wait_for "grep -q ready '$T/guest.log'"
	is "$(in_world timeout 1 "$peer" ask 203.0.114.2 7003 hello)" hello \
		"a port at an interface, by $1"
	ip link del eth1
	replaced_up
	soon '... at another one of its name' \
		in_world timeout 1 "$peer" ask 203.0.114.2 7003 hello
	ok '... and not at others' in_world "$peer" refused "$HOST4" 7003
	pasta_down
}
pasta_up --config-net --no-map-gw -u none -T none -U none -t %eth1/7003
port_at_if option
# shellcheck disable=SC2086 # words
pasta_up $plain --control "$T/user/control"
"$PASST_BIN_DIR/passtctl" "$T/user/control" add -t %eth1/7003 >/dev/null
port_at_if passtctl
# shellcheck disable=SC2086 # words
pasta_up $plain -c "$T/user/pesto"
as_user pesto --add -t %eth1/7003 "$T/user/pesto"
port_at_if pesto
ip link del eth1

# Renamed, cable out and in, a better route: a connection lives through all of it
# shellcheck disable=SC2086 # words
pasta_up $plain
held
ip link set eth0 down
ip link set eth0 name lan0
ip link set lan0 up
ip route replace default via "$GW4"
lives 'renamed: a connection goes on'
in_world ip link set eth0 down
pause 0.5
in_world ip link set eth0 up
lives 'cable out and in: it goes on'
ip addr add "$HOST6/64" dev lan0 nodad
ip -6 route replace default via "$GW6LL" dev lan0
ip addr del "$HOST4/24" dev lan0
pause 0.5
ip addr add "$HOST4/24" dev lan0
ip route replace default via "$GW4"
lives 'no IPv4 for a moment, with IPv6 going on: it goes on'
ip link set lan0 down
ip link set lan0 name eth0
ip link set eth0 up
ip route replace default via "$GW4"
lives 'renamed back: it goes on'
replaced_up
ip route replace default via 203.0.114.1 metric 5000
in_world ip route add "$HOST4/32" dev eth0 2>/dev/null
ip route add default via 203.0.114.1 metric 0 2>/dev/null ||
	ip route replace default via 203.0.114.1
lives 'a better route elsewhere: it goes on'
soon '... a new connection takes it' eval \
	'in_ns "$ns" timeout 1 "$peer" ask "$WORLD4" 7000 WHO | grep 203.0.114.2'
stop "$held_pid"
pasta_down
ip link del eth1

# An address is gone, and the news of it are: more than the helper could take came
# before
ip addr add "$OTHER4/24" dev eth0
ip route add "$WORLD4/32" via "$GW4" src "$OTHER4"
# shellcheck disable=SC2086 # words
pasta_up $plain
helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
held
kill -STOP "$helper"
awk -v gw="$GW4" 'BEGIN { for (i = 0; i < 1000; i++)
	printf "route add 10.0.%d.%d/32 via %s\n", i / 256, i % 256, gw }' \
	>"$T/add"
ip -b "$T/add"
sed 's/ add / del /' "$T/add" >"$T/del"
ip -b "$T/del"
ip addr del "$OTHER4/24" dev eth0
kill -CONT "$helper"
soon 'an address is gone, and the news of it are lost: the connection ends' \
	grep -q reset "$T/held"
pasta_down

done_testing
