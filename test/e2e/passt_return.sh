#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest whose connection ends, and that is back at once: what it has sent before
# is read, and it isn't taken for a second one.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up

sock=$T/user/passt.socket
spawn user passt -f -s "$sock" >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"

cat >"$T/guest.py" <<'P'
"""guest.py SOCKET PID BYTES: a guest that leaves BYTES unread, goes, and comes
back while the daemon stands still. Prints what the new one gets for its ARP
request: "answer", or "end"."""
import os
import signal
import socket
import struct
import sys

path, pid, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
arp = bytes.fromhex("ffffffffffff525400123456 0806 0001080006040001"
                    "525400123456 cb007102 000000000000 cb007101")


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    s.settimeout(10)
    return s


def frame(data):
    return struct.pack("!I", len(data)) + data


def ask(s):
    s.sendall(frame(arp))
    buf = b""
    while True:
        got = s.recv(65536)
        if not got:
            return "end"
        buf += got
        while len(buf) >= 4 and len(buf) >= 4 + int.from_bytes(buf[:4], "big"):
            size = int.from_bytes(buf[:4], "big")
            one, buf = buf[4:4 + size], buf[4 + size:]
            if one[12:14] == b"\x08\x06" and one[20:22] == b"\0\2":
                return "answer"


old = connect()
assert ask(old) == "answer"
os.kill(pid, signal.SIGSTOP)
one = frame(bytes(1000))
old.settimeout(0)
try:
    for _ in range(n // len(one)):
        old.send(one)
except BlockingIOError:
    pass
old.close()
new = connect()
os.kill(pid, signal.SIGCONT)
print(ask(new))
P
for n in 0 1500 100000 4000000; do
	is "$(timeout 20 python3 "$T/guest.py" "$sock" "$passt" $n 2>&1)" answer \
		"back at once, $n bytes left unread"
done
ok 'nobody was turned away' sh -c "! grep discarding '$T/passt.err'"

# it goes while the daemon is anywhere, and even before it was accepted
cat >"$T/hasty.py" <<'P'
"""hasty.py SOCKET: a guest that says much, reads nothing, goes, and is back at
once. Prints how many times it was turned away."""
import sys

sys.argv += ["0", "0"]
exec(open(sys.path[0] + "/guest.py").read().split("old = connect()")[0])
bad = 0
for _ in range(100):
    old = connect()
    old.sendall(frame(arp) * 500)
    old.close()
    new = connect()
    try:
        bad += ask(new) != "answer"
    except OSError:
        bad += 1
    new.close()
print(bad)
P
is "$(timeout 60 python3 "$T/hasty.py" "$sock" 2>&1)" 0 \
	'back at once, a hundred times'
ok '... which few messages tell' [ "$(wc -l <"$T/passt.err")" -lt 60 ]
ok 'nobody was turned away' sh -c "! grep discarding '$T/passt.err'"

# a second guest beside one that is there still
spawn host socat -u "UNIX-CONNECT:$sock" - >"$T/first"
first=$pid
wait_for "[ -s '$T/first' ]"
out=$(timeout 5 socat -u "UNIX-CONNECT:$sock" - 2>&1)
is "$?$out" 0 'a second one is turned away still'
stop "$first"
kill -TERM "$passt"
wait_gone "$passt"
wait "$passt"
is $? 0 'exit status'
done_testing
