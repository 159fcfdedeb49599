#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Addresses keep their identity: who asks a forwarded port at one of the host's
# addresses reaches the guest at that address, if it has it, is seen as himself,
# but never as the guest, and is answered from where he asked.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
identity=$TOP/test/tools/identity

# beside the world's own: a neighbour in the same network, another network, a
# private prefix, and an address that the guest doesn't get
SAME4=203.0.113.7 OTHER4=192.0.2.5 SAME6=2001:db8:1::3 ULA6=fd00:1::2
AWAY4=192.0.2.129 AWAY6=2001:db8:2::1
ip -b - <<-E
	address add $SAME4/24 dev eth0
	address add $OTHER4/25 dev eth0
	address add $SAME6/64 dev eth0 nodad
	address add $ULA6/64 dev eth0 nodad
	link add away type veth peer name far netns world
	link set away up
	address add $AWAY4/25 dev away
	address add $AWAY6/64 dev away nodad
	address add fe80::88/64 dev away nodad
	address add fe80::99/64 dev eth0 nodad
	E
in_world ip -b - <<-E
	address add 192.0.2.1/25 dev eth0
	address add fd00:1::1/64 dev eth0 nodad
	link set far up
	address add fe80::77/64 dev far nodad
	E
wait_for 'world_settled in_host && world_settled in_world'
host4="$HOST4 $SAME4 $OTHER4" host6="$HOST6 $SAME6 $ULA6"
world4="$WORLD4 $GW4 192.0.2.1" world6="$WORLD6 $GW6 fd00:1::1"

# rows SOURCES ASKED... : as test/tools/identity wants them, for each way
#	$client: what the guest sees instead of a source that is its own
#	$own: the guest's only address; empty: that which was asked
rows()
{
	sources=$1
	shift
	for source in $sources; do
		for asked; do
				seen=$source
			case " $host4 $host6 " in
			*" $source "*)	[ -n "$own" ] || seen=$client ;;
			esac
			for proto in tcp udp any all; do
				echo "$proto $source $asked $seen ${own:-$asked}"
			done
		done
	done
}

# serve_inside: the service, once it's ready
serve_inside()
{
	: >"$T/serve"
	spawn "ns:$ns" "$identity" serve 80 >"$T/serve" 2>&1
	server=$pid
	wait_for "grep -q ready '$T/serve'" || bail "$(cat "$T/serve")"
}

# asked WHERE NAME: each row of $T/rows is right
asked()
{
	[ -s "$T/rows" ] || fail "$2: no rows"
	(world_exec "$1" "$identity" ask 8080) <"$T/rows" >"$T/out" 2>&1
	is "$(grep -c . "$T/out")" "$(grep -c . "$T/rows")" "$2: all rows"
	is "$(grep -v '^ok ' "$T/out" | head -n 20)" '' \
		"$2: each as it should be"
}

# both_families CLIENT4 CLIENT6 OWN4 OWN6 WHERE SOURCES4 SOURCES6 NAME
both_families()
{
	# shellcheck disable=SC2086 # words
	{
		client=$1 own=$3
		rows "$6" $host4 $away4
		client=$2 own=$4
		rows "$7" $host6 $away6
	} >"$T/rows"
	asked "$5" "$8"
}

ports='-t 8080:80 -u 8080:80,8081:81 -T none -U none'

away4='' away6=''
# shellcheck disable=SC2086 # words
pasta_up --config-net $ports
serve_inside
both_families - - '' '' world "$world4" "$world6" 'from outside'
both_families "$GW4" "$GW6LL" '' '' host "$host4" "$host6" 'from the host'
own='' client=-
# shellcheck disable=SC2086 # words
{
	rows "$AWAY4" $host4
	rows "$AWAY6" $host6
} >"$T/rows"
asked host 'from the host, by an address that the guest has not'

# what the guest hasn't is asked at the one that it used last: no matter which
for proto in tcp udp any all; do
	echo "$proto $WORLD4 $AWAY4 $WORLD4 -"
	echo "$proto $WORLD6 $AWAY6 $WORLD6 -"
done >"$T/rows"
in_world ip route add $AWAY4 via $HOST4
in_world ip route add $AWAY6 via $HOST6
asked world 'at an address that the guest has not'

# by links: another than the one whose addresses the guest has, too
for proto in tcp udp any all; do
	echo "$proto fe80::77%far fe80::88%far fe80::77 -"
	echo "$proto $GW6LL%eth0 fe80::99%eth0 $GW6LL -"
done >"$T/rows"
asked world 'link-local addresses'

# loopback, spliced: seen as the guest, as it is a connection of the guest's own.
# What inside a host is asked at another than its first address is answered from
# there only by who cares: no "any"
{
	for proto in tcp udp any all; do
		echo "$proto 127.0.0.1 127.0.0.1 - -"
		echo "$proto ::1 ::1 - -"
	done
	for proto in tcp udp; do
		for a in $host4; do
			echo "$proto 127.0.0.1 $a - $a"
		done
	done
} >"$T/rows"
asked host 'from loopback'
stop "$server"
pasta_down

# as Podman
# shellcheck disable=SC2086 # words
pasta_up --config-net $ports --no-map-gw --map-guest-addr 169.254.1.2
serve_inside
both_families - - '' '' world "$world4" "$world6" 'as Podman, from outside'
both_families 169.254.1.2 "$GW6LL" '' '' host "$host4" "$host6" \
	'as Podman, from the host'
stop "$server"
pasta_down

# shellcheck disable=SC2086 # words
pasta_up --config-net $ports --host-lo-to-ns-lo
serve_inside
{
	for proto in tcp udp any all; do
		echo "$proto 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1"
		echo "$proto ::1 ::1 ::1 ::1"
	done
	for proto in tcp udp; do
		echo "$proto 127.0.0.1 127.0.0.2 127.0.0.1 127.0.0.2"
	done
} >"$T/rows"
asked host '--host-lo-to-ns-lo, from loopback'
both_families - - '' '' world "$world4" "$world6" \
	'--host-lo-to-ns-lo, from outside'
stop "$server"
pasta_down

# shellcheck disable=SC2086 # words
pasta_up --config-net $ports --no-splice
serve_inside
{
	for proto in tcp udp any; do
		echo "$proto 127.0.0.1 127.0.0.1 $GW4 -"
		echo "$proto 127.0.0.2 127.0.0.1 $GW4 -"
		echo "$proto ::1 ::1 $GW6LL -"
		for a in $host4; do
			echo "$proto 127.0.0.1 $a $GW4 $a"
		done
	done
} >"$T/rows"
asked host '--no-splice, from loopback'
both_families "$GW4" "$GW6LL" '' '' host "$host4" "$host6" \
	'--no-splice, from the host'
stop "$server"
pasta_down

# the guest has none of the host's addresses, as with RootlessKit
# shellcheck disable=SC2086 # words
pasta_up --config-net $ports -a 10.0.2.100 -n 24 -g 10.0.2.2 -a fd00:9::100
serve_inside
away4=$AWAY4 away6=$AWAY6
both_families - - 10.0.2.100 fd00:9::100 world "$WORLD4" "$WORLD6" \
	'-a: from outside'
both_families - - 10.0.2.100 fd00:9::100 host "$host4" "$host6" \
	'-a: from the host'
stop "$server"
pasta_down

done_testing
