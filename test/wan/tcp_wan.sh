#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# serial
# timeout 3600
#
# TCP over long and lossy paths: throughput through pasta, divided by that of a
# socket of the host's own on the same emulated link; in turn, medians. At the end
# a table of ratios.
#
#	MATRIX=full	round trips of 0, 1, 10, 50, 200 ms, losses of 0, 0.1, 1 %,
#			cubic and bbr, up and down: 25 minutes for each family;
#			default: a few of these
#	WAN_CELLS	instead: "RTT:LOSS:CC:DIRECTION ...", RTT:LOSS:CC:both
#	WAN_FAMILY	4, 6 or both (4)
#	WAN_TIMES	pairs of measurements (2)
#	WAN_SECONDS	of each (5; default matrix 2, or 4 from 50 ms on)
#	WAN_MIN		least ratio that passes, in percent (70, full: 90: a short
#			run on a machine that has other work to do varies)
#	WAN_RATE	of the link, Mbit/s (200: little for the processor, so that
#			the path decides)
#	WAN_FILE	for machines (build/wan.tsv): a line for each cell, separated
#			by tabs: family, round trip, loss, congestion control,
#			direction, streams, seconds, medians of direct and pasta,
#			their ratio, all figures of direct, of pasta
#	WAN_GUEST=1	instead of all this, loss on the guest's own link: passt
#			behind linkemu, beside a plain connection over such a link;
#			only printed

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
times=${WAN_TIMES:-2}
if [ "${MATRIX:-}" = full ]; then
	least=${WAN_MIN:-90}
	length=${WAN_SECONDS:-5}
	cells=
	for rtt in 0 1 10 50 200; do
		for loss in 0 0.1 1; do
			for cc in cubic bbr; do
				cells="$cells $rtt:$loss:$cc:both"
			done
		done
	done
else
	least=${WAN_MIN:-70}
	length=${WAN_SECONDS:-}
	cells='0:0:cubic:both 10:0:bbr:both 50:0.1:bbr:up 50:0:cubic:down'
fi
cells=${WAN_CELLS:-$cells}
case ${WAN_FAMILY:-4} in
both)	families='4 6' ;;
*)	families=${WAN_FAMILY:-4} ;;
esac
file=${WAN_FILE:-$TOP/build/wan.tsv}
mkdir -p "${file%/*}" && : >"$file" || bail "can't write $file"

# The cable between host and world, with faults: link_up DELAY LOSS
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
	ip -b - <<-E
		address add $HOST4/24 dev eth0
		address add $HOST6/64 dev eth0 nodad
		route add default via $GW4
		E
	in_world ip -b - <<-E
		address add $GW4/24 dev eth0
		address add $GW6/64 dev eth0 nodad
		address add $GW6LL/64 dev eth0 nodad
		E
	control cubic
}

link_down()
{
	stop "$emu"
}

# Sockets take the congestion control of their route, whoever opens them
control()
{
	ip route replace default via $GW4 congctl "$1"
	ip -6 route replace default via $GW6LL dev eth0 congctl "$1"
	in_world ip route replace $HOST4 dev eth0 src $WORLD4 congctl "$1"
	in_world ip -6 route replace $HOST6 dev eth0 src $WORLD6 congctl "$1"
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
	(world_exec "$1" timeout $((seconds + 15)) iperf3 -c "$2" -p 5201 \
		-t "$seconds" -P "$streams" -C "$4" $m_opt -J 2>/dev/null) |
		python3 -c '
import json, sys
text = sys.stdin.read()
try:
    r = json.loads(text)["end"]["sum_received"]
    print("%.3f" % (r["bits_per_second"] / 1e6))
except (ValueError, KeyError):
    print("# iperf3:", text[-300:] or "no end", file=sys.stderr)
    print("0.000")'
}

median()
{
	printf '%s\n' "$@" | sort -n | awk '
		{ v[NR] = $1 }
		END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# one FAMILY RTT LOSS CC DIRECTION
one()
{
	control "$4"
	# On a lossy path a single stream's luck varies much. A long round trip
	# needs time to begin.
	streams=1 seconds=2
	case $3:$4 in
	0:*)	;;
	*)	streams=4 ;;
	esac
	[ "$2" -lt 50 ] || seconds=4
	[ "$2" -lt 200 ] || seconds=6
	seconds=${length:-$seconds}
	one_to=$WORLD4
	[ "$1" = 4 ] || one_to=$WORLD6
	one_d='' one_p=''
	for _ in $(seq "$times"); do
		# both meet the same losses, each pair others
		kill -HUP "$emu"
		one_d="$one_d $(measure host "$one_to" "$5" "$4")"
		kill -USR2 "$emu"
		one_p="$one_p $(measure "ns:$ns" "$one_to" "$5" "$4")"
	done
	# shellcheck disable=SC2086 # lists
	one_dm=$(median $one_d) one_pm=$(median $one_p)
	ratio=$(awk "BEGIN { printf \"%.3f\", \
		($one_dm > 0) ? $one_pm / $one_dm : 0 }")
	diag "$(printf 'IPv%s %4s ms %5s %% %-6s %-5s %9s %9s  %4.2f  (%s;%s )' \
		"$1" "$2" "$3" "$4" "$5" "$one_dm" "$one_pm" "$ratio" \
		"${one_d# }" "$one_p")"
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" \
		"$3" "$4" "$5" "$streams" "$seconds" "$one_dm" "$one_pm" \
		"$ratio" "${one_d# }" "${one_p# }" >>"$file"
	one_name="IPv$1, $2 ms, $3 %, $4, $5"
	ok "$one_name" awk "BEGIN { exit !($ratio * 100 >= $least) }"
}

# Ratios: a line for each path, columns for congestion control and direction
table()
{
	awk -F '\t' '
		function key(f, r, l) { return sprintf("%2d %5s %5s", f, r, l) }
		{
			k = key($1, $2, $3); c = $4 " " $5
			if (!(k in seen)) { seen[k] = 1; line[n++] = k }
			if (!(c in col)) { col[c] = 1; name[m++] = c }
			v[k, c] = $10
		}
		END {
			printf "# IP   RTT  loss"
			for (j = 0; j < m; j++) printf "  %10s", name[j]
			print ""
			for (i = 0; i < n; i++) {
				printf "# %s", line[i]
				for (j = 0; j < m; j++)
					printf "  %10s", ((line[i], name[j]) in v) ? \
						v[line[i], name[j]] : "-"
				print ""
			}
		}' "$file"
}

# A guest behind a link that loses frames, on a machine whose own link is good
lossy_guest()
{
	diag 'Mbit/s    loss     up   down   (a plain link like that: up, down)'
	streams=1 seconds=${length:-5}
	for guest_loss in 0 0.1 1; do
		link_up 0 "$guest_loss"
		guest_p="$(measure host $WORLD4 up cubic) \
			$(measure host $WORLD4 down cubic)"
		link_down
		link_up 0 0
		rm -f "$T/user/guest.sock"
		spawn user passt -f -s "$T/user/guest.sock" 2>"$T/passt.err"
		passt=$pid
		wait_for "[ -S '$T/user/guest.sock' ]" || bail "$(cat "$T/passt.err")"
		ip netns add guest
		spawn host "$tools/linkemu" --mtu 1500 --loss "$guest_loss" \
			--rate "$rate" --queue 256 tap=eth0@/run/netns/guest \
			"unix=$T/user/guest.sock" >"$T/emu2.out" 2>&1
		emu2=$pid
		wait_for "grep -q ready '$T/emu2.out'" || bail "$(cat "$T/emu2.out")"
		ip -n guest -b - <<-E
			link set lo up
			address add $HOST4/24 dev eth0
			route add default via $GW4
			E
		guest_r="$(measure net:guest $WORLD4 up cubic) \
			$(measure net:guest $WORLD4 down cubic)"
		# shellcheck disable=SC2086 # lists
		diag "$(printf '%15s%% %6.0f %6.0f   (%.0f, %.0f)' "$guest_loss" \
			$guest_r $guest_p)"
		# shellcheck disable=SC2086 # a list
		ok "a guest behind a link that loses $guest_loss %" awk "BEGIN {
			exit !($(printf '%s > 0 && ' $guest_r) 1) }"
		stop "$passt" "$emu2"
		ip netns del guest
		link_down
	done
}

spawn world iperf3 -s >/dev/null 2>&1
server=$pid
wait_port world tcp 5201
if [ "${WAN_GUEST:-}" = 1 ]; then
	lossy_guest
	stop "$server"
	done_testing
	exit
fi
diag 'IP      RTT    loss  by     to       direct     pasta  ratio'
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
	for family in $families; do
		case $way in
		both)
			one "$family" "$rtt" "$loss" "$cc" up
			one "$family" "$rtt" "$loss" "$cc" down ;;
		*)	one "$family" "$rtt" "$loss" "$cc" "$way" ;;
		esac
	done
done
pasta_down
link_down
stop "$server"
table
done_testing
