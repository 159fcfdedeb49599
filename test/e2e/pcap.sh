#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --pcap: what another program reads in it is what went over the link, trains of
# datagrams and segments of 64 KiB included; and a reader that stops reading stops
# nothing but the capture.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
command -v tcpdump >/dev/null || bail 'no tcpdump: run contrib/setup check'

# packets FILTER: one line for each that tcpdump finds, with its length
packets()
{
	tcpdump -nn -r "$T/user/pcap" "$@" 2>"$T/tcpdump"
}

# less than waits for a disk without loss, however slow that is
make_file "$T/file" 1
spawn world socat -u OPEN:"$T/file" TCP6-LISTEN:9001,reuseaddr
wait_port world tcp 9001
pasta_up --config-net -m 1500 -p "$T/user/pcap" -u 9002 -t none -T none -U none
out=$(in_ns "$ns" socat -u "TCP:$WORLD4:9001" - | sha256sum | cut -d ' ' -f 1)
is "$out" "$(sha256 "$T/file")" 'a download'

# 60 datagrams that wait together: the daemon takes them as one train
spawn "ns:$ns" socat -u UDP4-RECV:9002 "OPEN:$T/user/got,creat,append"
wait_port "ns:$ns" udp 9002
kill -STOP "$pasta_pid"
in_world python3 - "$HOST4" <<'P'
import socket
import sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(60):
    s.sendto(bytes([i]) * 100, (sys.argv[1], 9002))
P
kill -CONT "$pasta_pid"
wait_for "[ \"\$(stat -c %s '$T/user/got')\" -ge 6000 ]"
is "$(stat -c %s "$T/user/got")" 6000 '60 datagrams arrived'
in_ns "$ns" ping -c 1 -W 5 "$GW4" >"$T/ping"
pasta_down

packets >"$T/all"
is "$?" 0 'tcpdump reads it to its end' || diag "$(tail -n 3 "$T/tcpdump")"
ok '... nothing is cut off' sh -c "! grep truncated '$T/tcpdump'"
n=$(packets -v 'udp dst port 9002' |
	sed -n 's/.*UDP, length \([0-9]*\)$/\1/p' | awk '{ n += $1 } END { print n }')
is "$n" 6000 'the datagrams are in it, every byte'
n=$(packets "tcp src port 9001" | sed -n 's/.*length \([0-9]*\)$/\1/p' |
	awk '{ n += $1 } END { print (n >= 1048576) }')
is "$n" 1 'the download is in it'
n=$(packets 'icmp[icmptype] == icmp-echoreply' | wc -l)
is "$n" 1 '... and what came last'

# a pipe that nobody reads on
as_user mkfifo "$T/user/fifo"
spawn user sh -c "exec 3<>'$T/user/fifo'; exec sleep 300"
holder=$pid
pasta_up --config-net -p "$T/user/fifo" -t none -u none -T none -U none
n=$(in_ns "$ns" ping -c 200 -i 0.002 -s 20000 -W 5 "$GW4" |
	sed -n 's/.* \([0-9]*\) received.*/\1/p')
is "$n" 200 'nobody reads the capture: networking goes on'
# what is in it; its error is that there is no more
drain()
{
	while :; do
		dd if="$T/user/fifo" iflag=nonblock bs=65536 status=none \
			>"$T/part" 2>"$T/dd" || :
		[ -s "$T/part" ] || break
		cat "$T/part"
		pause 0.05
	done
}
drain >"$T/user/pcap"
n=$(in_ns "$ns" ping -c 1 -W 5 "$GW4" | sed -n 's/.* \([0-9]*\) received.*/\1/p')
is "$n" 1 '... when somebody does'
drain >>"$T/user/pcap"
n=$(packets 'icmp' | wc -l)
ok '... whole frames only' [ "$n" -gt 20 ]
ok '... and nothing cut off' sh -c "! grep truncated '$T/tcpdump'"
pasta_down
like "$(cat "$T/pasta$pasta_n.err")" '*frames are missing in the capture*' '... which is told'
stop "$holder"
done_testing
