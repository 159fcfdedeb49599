#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Messages that nobody takes, and disks that hang, are no reason to stop.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets

# it_works NAME: the namespace $ns has its network, with many lines of messages
it_works()
{
	in_ns "$ns" ping -q -A -c 1500 -W 5 "$WORLD4" >"$T/ping" 2>&1
	like "$(cat "$T/ping")" '* 0% packet loss*' "$1: pings" ||
		diag "$(cat "$T/ping")"
	is "$(in_ns "$ns" curl -s -m 10 "http://$WORLD4/hello")" \
		'hello from the world' "$1: TCP"
}

# up ARGS...: pasta with --trace, for the namespace of a process that waits
up()
{
	spawn user unshare -rn sleep 1000
	ns=$pid
	wait_for 'in_ns "$ns" true'
	spawn user pasta --config-net --trace -f "$@" "$ns"
	pasta_pid=$pid
	wait_for 'in_ns "$ns" ping -q -c 1 -W 1 "$WORLD4" >"$T/ping" 2>&1' ||
		bail 'pasta does not start'
}

down()
{
	stop "$pasta_pid" "$ns"
}

### a pipe that nobody reads, until somebody does

mkfifo -m 666 "$T/user/pipe"
exec 7<>"$T/user/pipe"
up 2>"$T/user/pipe"
it_works 'unread pipe'
timeout 5 cat "$T/user/pipe" >"$T/lines" &
reader=$!
wait_for '[ -s "$T/lines" ]'
in_ns "$ns" ping -q -c 3 -i 0.2 "$WORLD4" >"$T/ping"
ok 'unread pipe: it says how many were lost' \
	wait_for 'grep -q "[0-9] messages lost" "$T/lines"'
kill "$reader"
wait "$reader" 2>/dev/null
exec 7<&-
in_ns "$ns" ping -q -c 3 -i 0.2 "$WORLD4" >"$T/ping"
like "$(cat "$T/ping")" '* 0% packet loss*' 'a pipe without a reader: pings'
down

### whoever can connect to the guest's socket can cause messages, but not many

cat >"$T/flood" <<'E'
import socket, sys, time
end = time.monotonic() + 2
n = 0
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(b"\\xff" * 4)
        s.recv(1)
    except OSError:
        pass
    s.close()
    n += 1
print(n)
E
spawn user passt -f -s "$T/user/socket" 2>"$T/err"
wait_for '[ -S "$T/user/socket" ]'
n=$(as_user /usr/bin/python3 "$T/flood" "$T/user/socket")
ok 'clients that send a bad length' test "$n" -gt 1000 || diag "$n"
n=$(grep -c . "$T/err")
ok '... cause few lines' test "$n" -lt 100 || diag "$n" "$(tail "$T/err")"
ok '... which tell how many there would be' \
	grep -q 'Bad frame size.*and [0-9]* more such messages' "$T/err"
stop "$pid"

### a flood of SIGUSR1 is a list a second, whole

cat >"$T/flood" <<'E'
import os, signal, sys, time
end = time.monotonic() + 2.5
while time.monotonic() < end:
    os.kill(int(sys.argv[1]), signal.SIGUSR1)
E
up -t none -u none 2>"$T/err"
not_ok 'nobody listens there' in_ns "$ns" socat -u "TCP:$WORLD4:9" - 2>"$T/refused"
begin=$(date +%s)
as_user /usr/bin/python3 "$T/flood" "$pasta_pid"
ok '... which is counted' grep -q \
	'dropped:.* 1 connections refused by the host that they are for' "$T/err"
n=$(grep -c '^[0-9.: ]*now: ' "$T/err")
# one a second; 2.5 seconds are more where the machine is busy
seconds=$(($(date +%s) - begin + 1))
ok 'a flood of SIGUSR1: some lists' test "$n" -ge 2 -a "$n" -le $((seconds + 1)) ||
	diag "$n in $seconds s"
it_works 'after that'
down

### a disk that hangs: a file system whose process is stopped

if ! [ -c /dev/fuse ] || ! command -v bindfs >/dev/null; then
	skip 'no FUSE, or no bindfs' 8
	done_testing
	exit
fi
mkdir -m 777 "$T/below" "$T/disk"
spawn host bindfs -f -o direct_io,allow_other,attr_timeout=0 "$T/below" "$T/disk"
disk=$pid
if ! wait_for 'mountpoint -q "$T/disk"' 3; then
	skip 'FUSE does not work here' 8
	done_testing
	exit
fi
: >"$T/disk/err"
chmod 666 "$T/disk/err"
up -l "$T/disk/log" --log-size 1000000 -p "$T/disk/pcap" 2>"$T/disk/err"
it_works 'log and capture'
wait_for 'grep -q "protocol 1 " "$T/below/log"' ||
	diag "$(tail -n 3 "$T/below/log")"
for f in log pcap err; do
	ok "$f: written" test "$(stat -c %s "$T/below/$f")" -gt 4096
done
kill -STOP "$disk"
it_works 'on a disk that hangs'
kill -CONT "$disk"
ok 'the capture can be read' wait_for \
	'tcpdump -r "$T/below/pcap" -c 2000 icmp 2>&1 | grep -q "echo reply"'
down
umount -l "$T/disk"
stop "$disk"

done_testing
