#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 180
#
# Ports that come and go while the daemon runs, by pesto's protocol: our client,
# and one that is written for this test, as others speak it.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

conf=$T/user/conf
pesto()
{
	as_user pesto "$@"
}
# says STATUS TEXT NAME ARGS...: what pesto says, with "; " for line ends
says()
{
	says_want="$1 $2" says_name=$3
	shift 3
	says_got=$(pesto "$@" "$conf" 2>&1)
	is "$? $(echo "$says_got" | sed ':a; N; $!ba; s/\n/; /g')" \
		"$says_want" "$says_name"
}
title="passt/pasta configuration ($conf)"

# nobody may, where somebody listens already, or a file is
spawn user socat "UNIX-LISTEN:$conf,fork" EXEC:true
wait_for '[ -S "$conf" ]'
is "$(as_user pasta -c "$conf" -- true 2>&1)" \
	"Socket path $conf already in use (--conf-path)" 'a path in use'
stop "$pid"
rm -f "$conf"
as_user sh -c ": >'$conf'"
like "$(as_user pasta -c "$conf" -- true 2>&1)" \
	"--conf-path: couldn't listen at $conf: *" "somebody's file"
ok '... is left alone' test -f "$conf"
rm -f "$conf"

pasta_up --config-net -t 8080:80 -u none -T none -U none -c "$conf"
is "$(stat -c '%a %F' "$conf")" '600 socket' 'a socket for its owner'
says 0 "$title;   HOST;     TCP [*]:8080  =>  80 ;   SPLICE" 'what there is'

# inode WHERE PORT: the socket that listens there
inode()
{
	world_exec "$1" ss -Hltne "sport = :$2" | sed 's/.*ino:\([0-9]*\).*/\1/'
}
first=$(inode host 8080)
ok 'a port is open' test "$first"

says 0 '' 'add' --add -t 8081 -u 8081 -T 8082
ok '... TCP' listening host tcp 8081
ok '... UDP' listening host udp 8081
ok '... inside' listening "ns:$ns" tcp 8082
says 0 '' 'the same again' -A -t 8081
is "$(inode host 8080)" "$first" '... the others have kept their sockets'
says 1 'Forwarding configuration conflict: TCP [*]:8081  =>  90  versus TCP [*]:8081  =>  8081 ' \
	'another one in its place' -A -t 8081:90
says 0 '' 'delete' -D -t 8081 -T 8082
not_ok '... closed' listening host tcp 8081
not_ok '... inside, too' listening "ns:$ns" tcp 8082
ok '... not that of UDP' listening host udp 8081
says 1 "Can't delete: there is no rule TCP [*]:8081  =>  8081 " \
	'once more' -D -t 8081
says 1 "Can't delete: UDP [*]:8081  =>  90  conflicts with rule UDP [*]:8081  =>  8081 , but doesn't match it" \
	'another one' -D -u 8081:90
says 0 '' 'to another port of the guest' -D -t 8080:80 -A -t 8080:90
is "$(inode host 8080)" "$first" '... by the same socket'
says 0 "$title;   HOST;     TCP [*]:8080  =>  90 ;     UDP [*]:8081  =>  8081 ;   SPLICE; $title;   HOST;     TCP [*]:8084  =>  8084 ;   SPLICE" \
	'other rules instead, shown' -s -t 8084
not_ok '... none of UDP' listening host udp 8081
says 0 '' 'in brackets' -A -t '0.0.0.0/8085:10.88.0.5/80' -t '[::]/8085:fd00::5/80'
says 0 '' 'without them, and by long names' -A --tcp-ports=127.0.0.1/8086:80 --udp-ports=::1/8086:80
says 0 "$title;   HOST;     TCP [*]:8084  =>  8084 ;     TCP [0.0.0.0]:8085  =>  10.88.0.5:80 ;     TCP [::]:8085  =>  [fd00::5]:80 ;     TCP [127.0.0.1]:8086  =>  80 ;     UDP [::1]:8086  =>  80 ;   SPLICE" \
	'all of them'
says 0 '' 'none at all' --clear HOST
not_ok '... closed' listening host tcp 8084
says 1 '--clear: there is no interface WORLD' 'no such thing' -C WORLD
says 1 "Invalid port specifier 'x': expected a port, not 'x' (option -t)" \
	'no port' -t x
says 1 "Listening address not allowed for -T 127.0.0.1/1 (option -T)" \
	'an address inside' -T 127.0.0.1/1
says 1 '-t none makes no sense with --add' 'nothing to add' -A -t none

# as a whole, or not at all
spawn host socat TCP4-LISTEN:8092,reuseaddr,fork EXEC:true
wait_port host tcp 8092
says 0 '' 'two ports' -t 8090-8091
first=$(inode host 8090)
says 1 'Listen failed for HOST TCP port */8092: Address already in use' \
	'one that is busy' -t 8090,8092-8093,8094
is "$(inode host 8090)" "$first" '... nothing is changed'
ok '... nor closed' listening host tcp 8091
not_ok '... nor opened' listening host tcp 8094
says 0 "$title;   HOST;     TCP [*]:8090-8091  =>  8090-8091 ;   SPLICE" \
	'... as before'
says 1 'Listen failed for HOST TCP port */80: Permission denied (Ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE)' \
	'one that is forbidden' -A -t 80
says 0 "Couldn't listen on 1 of 3 ports: TCP 8092 (Address already in use)" \
	'best effort' -t "~1-8091,~8095-65535"
ok '... opens what it can' listening host tcp 8093

# connections outlive their rule, and come by a new one
spawn "ns:$ns" socat TCP-LISTEN:9000,reuseaddr,fork 'SYSTEM:cat'
wait_port "ns:$ns" tcp 9000
says 0 '' 'to a service' -t 8100:9000
spawn host sh -c "(echo one; while [ ! -e '$T/go' ]; do sleep 0.05; done;
	echo two) | socat -t 10 - TCP:127.0.0.1:8100 >'$T/long'"
client=$pid
wait_for '[ -s "$T/long" ]'
says 0 '' 'elsewhere' -t 8101:9000
: >"$T/go"
wait_gone "$client"
is "$(tr '\n' ' ' <"$T/long")" 'one two ' '... the connection has lived on'
is "$(echo hello | timeout 10 socat -t 5 - TCP:127.0.0.1:8101)" hello \
	'... a new one by the new rule'

# automatic ones
says 0 '' 'automatic' -t 8200-8210,auto
spawn "ns:$ns" socat TCP-LISTEN:8205,reuseaddr,fork 'SYSTEM:cat'
ok '... a service inside is seen' wait_port host tcp 8205
stop "$pid"
ok '... its end, too' wait_for '! listening host tcp 8205'
says 0 '' 'no longer' -t none -T 8300-8310,auto
spawn host socat TCP-LISTEN:8305,bind=127.0.0.1,reuseaddr,fork 'SYSTEM:cat'
ok '... one on the host is seen inside' wait_port "ns:$ns" tcp 8305
is "$(echo hello | in_ns "$ns" timeout 10 socat -t 5 - TCP:127.0.0.1:8305)" \
	hello '... and reached'
says 0 '' 'none at all' -T none

# many at once: none misses what another one has done
many=
for i in $(seq 8400 8419); do
	spawn user pesto -A -t "$i" "$conf"
	many="$many $pid"
done
for i in $many; do
	wait "$i" || fail "one of many: status $?"
done
is "$(pesto "$conf" | grep -c 'TCP \[\*\]:84[01][0-9]')" 20 \
	'twenty at once, all are there'
pesto -C HOST "$conf"

# as others speak it
cat >"$T/client.py" <<'P'
import os, socket, sys, time
from checks import finish, ok
from pesto import *
path = sys.argv[1]

def listens(port):
    s = socket.socket()
    try:
        s.connect(("127.0.0.1", port))
        return True
    except ConnectionRefusedError:
        return False
    finally:
        s.close()

def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()

c = Client(path)
ok(c.names == {HOST: "HOST", SPLICE: "SPLICE"}, "names", c.names)
ok(c.can == {HOST: 63, SPLICE: 63}, "what they can", c.can)
ok(c.tables == {HOST: [], SPLICE: []}, "no rules", c.tables)
c.close()

c = Client(path)
c.send({HOST: [rule(8500, to=80)]})
c.close()
ok(until(lambda: listens(8500)), "a client that closes: it has happened")
c = Client(path)
ok(c.tables[HOST] == [rule(8500, to=80)], "the rule, as it was sent")
c.send({})
ok(c.outcome() == (0, ""), "nothing to be changed")

c = Client(path)
c.send({HOST: [rule(8500, to=80), rule(8500, to=80), rule(8501)]})
ok(c.outcome() == (0, ""), "one that is there, twice")
ok(listens(8501), "a port is open when that is said")

for tables, name in (
        ({HOST: [rule(8502), rule(8502, to=81)]}, "at odds with itself"),
        ({HOST: [rule(0)]}, "port 0"),
        ({HOST: [rule(8502, proto=132)]}, "another protocol"),
        ({HOST: [rule(8502, flags=255)]}, "unknown flags"),
        ({HOST: [rule(8502, last=8501)]}, "backwards"),
        ({HOST: [rule(8502, last=8510, to=65535)]}, "to no ports"),
        ({HOST: [rule(8502, ifname="x" * 16)]}, "no end of a name"),
        ({HOST: [rule(8502, ifname="none0")]}, "no such interface"),
        ({HOST: [rule(8502, listen="192.0.2.99")]}, "nobody's address"),
        ({HOST: [rule(8502, target="10.0.0.1")]}, "target of any family"),
        ({HOST: [rule(8502, listen="::", target="10.0.0.1")]},
         "target of another family"),
        ({TAP: [rule(8502)]}, "an interface without rules"),
        ({77: [rule(8502)]}, "no such interface at all"),
        ({SPLICE: [rule(8502, listen="192.0.2.1")]}, "not at loopback"),
        ({HOST: [rule(8502)], SPLICE: [rule(0)]}, "the second of two"),
):
    c = Client(path)
    c.send(tables)
    got = c.outcome()
    ok(got and got[0] == 1 and got[1], f"refused: {name}", got)
c = Client(path)
ok(c.tables[HOST] == [rule(8500, to=80), rule(8501)],
   "after all that: as before", c.tables)
c.close()
ok(not listens(8502), "nothing was opened")

c = Client(path)
c.send({HOST: [rule(8503)]}, end=False)
ok(c.outcome()[0] == 1, "cut off")
c = Client(path)
c.s.sendall(b"\x01\0\0\0\x05" + rule(8503)[:30])
c.close()
c = Client(path)
c.s.sendall(b"\x01\xff\xff\xff\xff" + rule(8503) * 40000)
ok(c.outcome()[0] == 1, "too many rules")
c = Client(path)
c.s.sendall(os.urandom(100000))
c.close()
c = Client(path, read=False)
c.s.sendall(b"\x01\0\0\0\x01" + rule(8503) + b"\0")
c.s.close()

begin = time.monotonic()
silent = Client(path, read=False)
c = Client(path)
waited = time.monotonic() - begin
ok(3 < waited < 15, f"a silent client is dropped after {waited:.1f} s")
c.send({HOST: [rule(8600 + i) for i in range(1000)]})
got = c.outcome()
ok(got == (0, ""), "a thousand rules", got)
ok(listens(8600) and listens(9599), "are open")
c = Client(path)
ok(len(c.tables[HOST]) == 1000, "are told")
c.send({HOST: []})
ok(c.outcome() == (0, ""), "no rules")
ok(not listens(8600), "are closed")
finish()
P
spawn host python3 "$T/client.py" "$conf" >"$T/client.out" 2>&1
wait "$pid"
is $? 0 'another client' || diag "$(cat "$T/client.out")"
grep -q 'NOT OK' "$T/client.out" || diag "$(grep -c '^ok' "$T/client.out") held"

# the end: however it comes about, the name goes
cleaner=$(pgrep -x passt-cleaner)
ok 'somebody waits for the end' test "$cleaner"
pasta_down
ok 'by the end of the namespace: the socket has gone' \
	wait_for '[ ! -e "$conf" ]'
ok '... and who has seen to it' wait_gone "$cleaner"
for signal in TERM KILL QUIT; do
	pasta_up -c "$conf" --control "$conf.2"
	kill -s "$signal" "$pasta_pid"
	ok "by SIG$signal: the sockets have gone" \
		wait_for '[ ! -e "$conf" ] && [ ! -e "$conf.2" ]'
	wait_gone "$pasta_pid" || pasta_down
done
as_user pasta -c "$conf" --netns /nowhere 2>/dev/null
ok 'a start that fails' wait_for '[ ! -e "$conf" ]'
# somebody else's by then
wait_for '! pgrep -x passt-cleaner'
pasta_up -c "$conf"
rm "$conf"
as_user sh -c ": >'$conf'"
cleaner=$(pgrep -x passt-cleaner)
pasta_down
wait_gone "$cleaner"
ok 'what has its name now stays' test -f "$conf"
rm "$conf"

# a virtual machine's
spawn user passt -f -t 8080 -c "$conf" -s "$T/user/passt" 2>"$T/passt.err"
passt=$pid
wait_for '[ -S "$conf" ]'
says 0 "$title;   HOST;     TCP [*]:8080  =>  8080 " 'passt: one direction'
says 0 '' 'passt: add' -A -t 8081
ok '... open' listening host tcp 8081
says 1 "-T: nothing is forwarded that way by $conf" 'passt: -T' -T 8081
says 1 "Invalid port specifier 'auto': in pasta mode only: 'auto' (option -t)" \
	'passt: auto' -t auto
stop "$passt"
says 1 "Couldn't connect to $conf: No such file or directory" 'nobody there'
# one that tells of a direction twice
cat >"$T/false.py" <<'P'
import os, socket, struct, sys
from pesto import HOST, rule
os.umask(0)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
table = struct.pack("!B128sII", HOST, b"HOST", 255, 16384) + b"".join(
    rule(n + 1) for n in range(16384))
s = listener.accept()[0]
s.sendall(struct.pack("!8sIII", b"basil:s", 2, 128, 16) + table + table + b"\0")
s.recv(1)
P
spawn host python3 "$T/false.py" "$conf"
wait_for '[ -S "$conf" ]'
says 1 "$conf has two tables of one direction" 'one that tells too much' -s
stop "$pid"
rm -f "$conf"
is "$(pesto 2>&1 | head -n 1)" 'Usage: pesto [OPTION]... PATH' 'no socket'
like "$(pesto --version)" 'pesto *' 'version'
done_testing
