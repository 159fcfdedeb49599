#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Flows of UDP outlive their rule, and nothing else comes by its port; a rule that
# comes again, comes beside them; automatic ports go with their service.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

control=$T/user/control
ctl()
{
	"$PASST_BIN_DIR/passtctl" "$control" "$@" 2>&1
}
cat >"$T/echo.py" <<'P'
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
while True:
    data, who = s.recvfrom(100)
    s.sendto(data, who)
P
# asks with each line of its input, and prints the answer or "-"
cat >"$T/ask.py" <<'P'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    s.settimeout(10 if line.startswith("y") else 0.5)
    try:
        s.send(line.encode())
        print(s.recv(100).decode().strip(), flush=True)
    except (socket.timeout, ConnectionRefusedError):
        print("-", flush=True)
P

# open WHERE NAME ADDRESS: a client with a socket of its own
open_client()
{
	mkfifo "$T/$2"
	spawn "$1" sh -c "exec python3 '$T/ask.py' '$3' 8081 <'$T/$2' >'$T/$2.out'"
	# held open for as long as this lasts
	spawn host sh -c "exec sleep 100000 >'$T/$2'"
}

# ask NAME TEXT: y…: there should be an answer, n…: there shouldn't
asked=0
ask()
{
	asked=$((asked + 1))
	before=$(wc -l <"$T/$1.out" 2>/dev/null || echo 0)
	echo "$2$asked" >"$T/$1"
	wait_for "[ \"\$(wc -l <'$T/$1.out')\" -gt $before ]" 15
	case $2 in
	y)	is "$(tail -n 1 "$T/$1.out")" "y$asked" "... $3" ;;
	*)	is "$(tail -n 1 "$T/$1.out")" '-' "... $3" ;;
	esac
}

pasta_up --config-net -t none -u 8081 -T none -U none --control "$control"
spawn "ns:$ns" /usr/bin/python3 "$T/echo.py" 8081
wait_port "ns:$ns" udp 8081
open_client world far "$HOST4"
open_client host near 127.0.0.1
: >"$T/far.out" && : >"$T/near.out"
ask far y 'from the network'
ask near y 'from loopback'
is "$(ctl delete -u 8081)" '' 'the rule goes'
is "$(ctl rules | wc -l)" 1 '... really'
ask far y 'a flow goes on'
ask near y '... that from loopback'
open_client world other "$HOST4"
: >"$T/other.out"
ask other n 'nobody else comes in'
is "$(ctl flows udp | grep -c BOTH_WAYS)" 2 '... nor makes a flow'

is "$(ctl add -u 8081)" '' 'it comes again'
ask other y 'somebody else comes in'
ask far y 'what was there goes on'
ask near y '... from loopback, too'
is "$(ctl delete -u 8081)" '' 'it goes again'
ask other y 'all go on'
ask far y '... the first one, too'
ok 'the port is bound' listening host udp 8081
for id in $("$PASST_BIN_DIR/passtctl" --json "$control" flows udp | grep -o '"id":"[0-9.]*"' |
	cut -d '"' -f 4); do
	ctl reset "$id"
done
not_ok '... until the last flow has ended' listening host udp 8081
ask far n 'and then nothing comes in'

# another one has the port for a moment: that is told, and nothing changes
ctl add -u 8081
ask far y 'once more'
ctl delete -u 8081
spawn host socat UDP4-LISTEN:8082,bind=127.0.0.1 SYSTEM:true
wait_port host udp 8082
out=$(ctl add -u 8081,8082)
is $? 1 'a port that is somebody else'"'"'s is refused'
like "$out" '*8082*Address already in use*' '... and told'
ask far y 'what was there goes on'
stop "$pid"
ctl drain >/dev/null
ask far y 'drain leaves it alone'
pasta_down
not_ok 'the end leaves nothing bound' listening host udp 8081

pasta_up --config-net -t none -T none -U none --control "$control"
spawn "ns:$ns" /usr/bin/python3 "$T/echo.py" 8081
echo=$pid
ok 'an automatic port' wait_port host udp 8081
ask far y 'is one'
stop "$echo"
ok '... that goes with its service' wait_for '! listening host udp 8081'
pasta_down
done_testing
