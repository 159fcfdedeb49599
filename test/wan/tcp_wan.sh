#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# serial
# timeout 3600
#
# TCP over long and lossy paths: throughput through pasta, divided by that of a
# socket of the host's own on the same emulated link; interleaved, medians.
#
#	MATRIX=full	round trips of 0, 1, 10, 50, 200 ms, losses of 0, 0.1, 1 %,
#			cubic and bbr, up and down; default: a few of these
#	WAN_CELLS	instead: "RTT:LOSS:CC:DIRECTION ...", RTT:LOSS:CC:both
#	WAN_TIMES	measurements of each (2, full: 3)
#	WAN_MIN		least ratio that passes, in percent (70, full: 90: a short
#			run on a machine that has other work to do varies)
#	WAN_RATE	of the link, Mbit/s (200: little for the processor, so that
#			the path decides)
#	WAN_GUEST=1	also with delay and loss on the guest's own link: passt
#			behind linkemu; only printed

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
command -v iperf3 >/dev/null || skip_all 'no iperf3'
world_up
need_tun
tools=${PASST_TOOLS_DIR:-$TOP/build/tools}
[ -x "$tools/linkemu" ] || bail "no $tools/linkemu: run make tools first"

rate=${WAN_RATE:-200}
if [ "${MATRIX:-}" = full ]; then
	times=${WAN_TIMES:-3} least=${WAN_MIN:-90}
	cells=
	for rtt in 0 1 10 50 200; do
		for loss in 0 0.1 1; do
			for cc in cubic bbr; do
				cells="$cells $rtt:$loss:$cc:both"
			done
		done
	done
else
	times=${WAN_TIMES:-2} least=${WAN_MIN:-70}
	cells='0:0:cubic:both 10:0:bbr:both 50:0.1:bbr:up 50:0:cubic:down'
fi
cells=${WAN_CELLS:-$cells}

# The cable between host and world, with faults
link_up()
{
	ip link del eth0 2>/dev/null
	# room for what is under way in a round trip, but not for much delay
	spawn host "$tools/linkemu" --stats --rate "$rate" \
		--queue "$(awk "BEGIN { print int($rate * $1 / 4 + 256) }")" \
		--delay "$1" --loss "$2" tap=eth0@/run/netns/host \
		tap=eth0@/run/netns/world >"$T/emu.out" 2>"$T/emu.err"
	emu=$pid
	wait_for "grep -q ready '$T/emu.out'" || bail "$(cat "$T/emu.err")"
	for link_ns in host world; do
		ip netns exec $link_ns sh -c "$world_sysctl"
	done
	ip address add $HOST4/24 dev eth0
	in_world ip address add $GW4/24 dev eth0
	in_world ip route add $HOST4 dev eth0 src $WORLD4
	ip route add default via $GW4
}

link_down()
{
	stop "$emu"
}

# Sockets take the congestion control of their route, whoever opens them
control()
{
	ip route replace default via $GW4 congctl "$1"
	in_world ip route replace $HOST4 dev eth0 src $WORLD4 congctl "$1"
}

# Mbit/s, as the receiver counts them, from the world's or another's server:
# measure WHERE ADDR DIRECTION CC
measure()
{
	case $3 in
	up)	m_opt= ;;
	*)	m_opt=-R ;;
	esac
	# shellcheck disable=SC2086 # no word, if empty
	(world_exec "$1" timeout $((seconds + 25)) iperf3 -c "$2" -p 5201 \
		-t "$seconds" -P "$streams" -C "$4" $m_opt -J 2>/dev/null) |
		python3 -c '
import json, sys
try:
    r = json.load(sys.stdin)["end"]["sum_received"]
    print("%.3f" % (r["bits_per_second"] / 1e6))
except (ValueError, KeyError):
    print("0.000")'
}

median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# one RTT LOSS CC DIRECTION
one()
{
	control "$3"
	# On a lossy path a single stream's luck varies much. A long round trip
	# needs time to begin.
	streams=1 seconds=2
	case $2:$3 in
	0:*)	;;
	*)	streams=4 ;;
	esac
	[ "$1" -lt 50 ] || seconds=4
	[ "$1" -lt 200 ] || seconds=8
	one_d='' one_p=''
	for _ in $(seq "$times"); do
		one_d="$one_d $(measure host $WORLD4 "$4" "$3")"
		one_p="$one_p $(measure "ns:$ns" $WORLD4 "$4" "$3")"
	done
	# shellcheck disable=SC2086 # lists
	one_dm=$(median $one_d) one_pm=$(median $one_p)
	ratio=$(awk "BEGIN { print ($one_dm > 0) ? $one_pm / $one_dm : 0 }")
	printf '# %5s %5s %-6s %-5s %9s %9s  %4.2f  (%s;%s )\n' "$1" "$2" \
		"$3" "$4" "$one_dm" "$one_pm" "$ratio" "${one_d# }" "$one_p"
	one_name="$1 ms, $2 %, $3, $4"
	ok "$one_name" awk "BEGIN { exit !($ratio * 100 >= $least) }"
}

spawn world iperf3 -s >/dev/null 2>&1
server=$pid
wait_port world tcp 5201
echo '#   RTT  loss  by     to      direct     pasta  ratio'
last=
for cell in $cells; do
	IFS=: read -r rtt loss cc way <<-E
		$cell
		E
	if [ "$rtt:$loss" != "$last" ]; then
		if [ "$last" ]; then
			pasta_down
			link_down
		fi
		link_up "$(awk "BEGIN { print $rtt / 2 }")" "$loss"
		pasta_up --config-net -t none -u none -T none -U none
		last=$rtt:$loss
	fi
	case $way in
	both)
		one "$rtt" "$loss" "$cc" up
		one "$rtt" "$loss" "$cc" down ;;
	*)	one "$rtt" "$loss" "$cc" "$way" ;;
	esac
done
pasta_down
link_down
stop "$server"
done_testing
