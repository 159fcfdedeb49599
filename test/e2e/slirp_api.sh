#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 180
#
# As slirp4netns: the API socket. Its answers to the letter, ports that come and
# go, and clients that mean no good.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/slirp.sh
. "$(dirname "$0")/../lib/slirp.sh"
world_up
need_tun
slirp_init

api=$T/user/api

ask()
{
	printf '%s' "$1" | timeout 20 socat -t 20 - "UNIX-CONNECT:$api"
}

# what was there before is replaced
: >"$api"
ns_new
slirp_up -c -6 -a "$api" "$ns"
like "$(cat "$T/out")" "*\* API Socket:  *$api*" 'banner'
ok 'a file of that name has been replaced' test -S "$api"

answers()
{
	while IFS='|' read -r request answer; do
		is "$(ask "$request")" "$answer" \
			"$(echo "$request" | cut -c 1-100)"
	done <<'E'
{"execute":"list_hostfwd"}|{"entries":[]}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}|{"return":{"id":1}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed"}}
{"execute":"add_hostfwd","arguments":{"proto":"udp","host_port":8081,"guest_port":81}}|{"return":{"id":2}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"","host_port":8082,"guest_addr":"","guest_port":80}}|{"return":{"id":3}}
{"execute":"list_hostfwd"}|{"entries":[{"id":1,"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80},{"id":2,"proto":"udp","host_addr":"0.0.0.0","host_port":8081,"guest_addr":"10.0.2.100","guest_port":81},{"id":3,"proto":"tcp","host_addr":"0.0.0.0","host_port":8082,"guest_addr":"10.0.2.100","guest_port":80}]}
{"execute":"remove_hostfwd","arguments":{"id":2}}|{"return":{}}
{"execute":"remove_hostfwd","arguments":{"id":2}}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"remove_hostfwd","arguments":{"id":0}}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"remove_hostfwd","arguments":{"id":4294967297}}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"remove_hostfwd","arguments":{"id":"1"}}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"remove_hostfwd","arguments":{}}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"remove_hostfwd"}|{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id"}}
{"execute":"add_hostfwd","arguments":{"proto":"udp","host_port":8081,"guest_port":81}}|{"return":{"id":4}}
{"execute":"add_hostfwd"}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.proto"}}
{"execute":"add_hostfwd","arguments":[]}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.proto"}}
{"execute":"add_hostfwd","arguments":{"proto":"sctp","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.proto"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp4","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.proto"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"foo","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"224.0.0.1","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":1,"host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"192.0.2.77","host_port":8085,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":0,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":65536,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":-1,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085.5,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":"8085","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.host_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085,"guest_addr":"x","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.guest_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085,"guest_addr":"127.0.0.1","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.guest_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085,"guest_addr":"fd00::1","guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.guest_addr"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.guest_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8085,"guest_port":0}}|{"error":{"desc":"bad request: add_hostfwd: bad arguments.guest_port"}}
{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,"guest_port":80}}|{"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed"}}
{"execute":"foo"}|{"error":{"desc":"bad request: unknown execute"}}
{"execute":"a name that is longer than any other one of these"}|{"error":{"desc":"bad request: unknown execute"}}
{"execute":1}|{"error":{"desc":"bad request: no execute found"}}
{"foo":1}|{"error":{"desc":"bad request: no execute found"}}
{}|{"error":{"desc":"bad request: no execute found"}}
[{"execute":"list_hostfwd"}]|{"error":{"desc":"bad request: json_object() failed"}}
1|{"error":{"desc":"bad request: json_object() failed"}}
x|{"error":{"desc":"bad request: cannot parse JSON"}}
|{"error":{"desc":"bad request: cannot parse JSON"}}
{|{"error":{"desc":"bad request: cannot parse JSON"}}
}|{"error":{"desc":"bad request: cannot parse JSON"}}
{'execute':'list_hostfwd'}|{"error":{"desc":"bad request: cannot parse JSON"}}
{"execute":"list_hostfwd","execute":"list_hostfwd"}|{"error":{"desc":"bad request: cannot parse JSON"}}
{"execute":"list_hostfwd"} x|{"error":{"desc":"bad request: cannot parse JSON"}}
 { "arguments" : { "id" : 3 , "more":[{}] } , "execute" : "remove_hostfwd" } |{"return":{}}
{"execut\u0065":"list_hostf\u0077d"}|{"entries":[{"id":1,"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80},{"id":4,"proto":"udp","host_addr":"0.0.0.0","host_port":8081,"guest_addr":"10.0.2.100","guest_port":81}]}
E
}
answers
like "$(cat "$T/err")" '*0.0.0.0:80*ip_unprivileged_port_start*' \
	'why a port could not be had is on stderr'

# traffic: whom the service sees
# -t: socat waits for half a second otherwise, once the question has ended
spawn "ns:$ns" socat -t 10 TCP4-LISTEN:80,fork,reuseaddr \
	'SYSTEM:echo $SOCAT_PEERADDR; cat'
spawn "ns:$ns" socat -t 10 UDP4-RECVFROM:81,fork \
	'SYSTEM:echo $SOCAT_PEERADDR; cat'
wait_port "ns:$ns" tcp 80
wait_port "ns:$ns" udp 81
say()
{
	echo hello | "$1" timeout 15 socat -t 10 - "$2" 2>/dev/null |
		tr '\n' ' '
}
# says WHERE ADDRESS WANT NAME: of UDP, so many bytes are the end
says()
{
	is "$(say "$1" "$2,readbytes=${#3}")" "$3" "$4"
}
says in_host TCP:127.0.0.1:8080 '10.0.2.2 hello ' \
	'TCP from the host: from the gateway'
says in_world "TCP:$HOST4:8080" "$WORLD4 hello " \
	'TCP from the world: from its own address'
says in_host UDP:127.0.0.1:8081 '10.0.2.2 hello ' 'UDP from the host'
says in_world "UDP:$HOST4:8081" "$WORLD4 hello " 'UDP from the world'

# another address of the guest's
in_ns "$ns" ip addr add 10.0.2.200/24 dev tap0
spawn "ns:$ns" socat -t 10 TCP4-LISTEN:82,bind=10.0.2.200,fork,reuseaddr \
	'SYSTEM:echo second; cat'
wait_port "ns:$ns" tcp 82
is "$(ask '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":8083,"guest_addr":"10.0.2.200","guest_port":82}}')" \
	'{"return":{"id":5}}' 'another address of the guest, one of the host'
says in_host TCP:127.0.0.1:8083 'second hello ' '... reaches it'
is "$(say in_world "TCP:$HOST4:8083")" '' '... from there only'

# a connection outlives its rule, UDP answers don't
spawn host sh -c "sleep 1000000 | socat - TCP:127.0.0.1:8080 >'$T/long'"
wait_for '[ -s "$T/long" ]'
is "$(ask '{"execute":"remove_hostfwd","arguments":{"id":1}}')" \
	'{"return":{}}' 'remove a port in use'
not_ok '... it is free' listening host tcp 8080
ok '... its connection lives on' in_ns "$ns" \
	sh -c 'ss -Htn state established "( sport = :80 )" | grep -q .'
ask '{"execute":"remove_hostfwd","arguments":{"id":4}}' >/dev/null
not_ok 'remove a UDP port' listening host udp 8081
is "$(ask '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_port":8081,"guest_port":81}}')" \
	'{"return":{"id":6}}' '... and have it again'
says in_host UDP:127.0.0.1:8081 '10.0.2.2 hello ' '... it works'

# clients that mean no good
cat >"$T/hostile" <<'E'
import json, os, socket, sys, threading, time
from checks import ok, worked
PATH = sys.argv[1]
LIST = b'{"execute":"list_hostfwd"}'

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    for _ in range(1000):
        try:
            s.connect(PATH)
            return s
        except BlockingIOError:         # its queue is full
            time.sleep(0.01)
    raise TimeoutError

def read_all(s):
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece

def ask(request, half_close=True):
    s = connect()
    s.sendall(request)
    if half_close:
        s.shutdown(socket.SHUT_WR)
    return read_all(s)

def error(text):
    return b'{"error":{"desc":"bad request: %s"}}' % text

def entries():
    return len(json.loads(ask(LIST))["entries"])

parse, large = error(b"cannot parse JSON"), error(b"too large message")
got = ask(LIST + b"\n", False)
ok(got.startswith(b'{"entries":['), "no half-close", got)
got = ask(LIST, False)
ok(got.startswith(b'{"entries":['), "neither that nor a newline", got)
for size in 4094, 4095:
    got = ask(LIST.ljust(size))
    ok(got.startswith(b'{"entries":['), f"{size} bytes", got)
for size in 4096, 4097, 5000, 60000:
    got = ask(b" " * (size - len(LIST)) + LIST)
    ok(got == large, f"{size} bytes: too large", got)
ok(ask(b"[" * 4000) == parse, "deep nesting")
ok(ask(b'{"a":' * 600 + b"1" + b"}" * 600) == parse, "deep objects")
ok(ask(b"\0" * 100) == parse, "NULs")
ok(ask(LIST + b"\0") == parse, "a NUL behind it")
ok(ask(b'{"execute":"list_hostfwd\0"}') == parse, "a NUL in it")
ok(ask(b'{"execute":"list_hostfwd\\u0000"}') ==
   error(b"unknown execute"), "an escaped NUL in it")
ok(ask(b"\xff" * 100) == parse, "not UTF-8")
ok(ask(LIST[:-1]) == parse, "half of it")
def members(n):
    return b",".join(b'"%03x":1' % i for i in range(n))
ok(ask(b'{"execute":"foo",' + members(63) + b"}") ==
   error(b"unknown execute"), "many members")
ok(ask(b'{"execute":"foo",' + members(400) + b"}") == parse, "too many")

s = connect()
for i in range(len(LIST)):
    s.sendall(LIST[i:i + 1])
    time.sleep(0.002)
got = read_all(s)
ok(got.startswith(b'{"entries":['), "byte by byte", got)

# in the middle of others
silent = [connect() for _ in range(40)]
half = []
for i in range(20):
    half.append(connect())
    half[-1].sendall(LIST[:i])
start = time.monotonic()
got = ask(LIST)
ok(got.startswith(b'{"entries":[') and time.monotonic() - start < 4,
   "answered at once beside 60 that aren't finished")

# they wake nobody up
pid = int(sys.argv[2])
n = worked(pid, 1)
ok(n <= 0.02, "nothing spins meanwhile", n)

start = time.monotonic()
silent[0].settimeout(20)
ok(silent[0].recv(10) == b"" and time.monotonic() - start < 15,
   "a silent client is closed in the end")
for s in silent + half:
    s.close()

# more than there is room for, who say a little now and then: who says it all at
# once isn't kept waiting
def dawdle():
    while not served:
        for s in slow:
            try:
                s.send(b" ")
            except OSError:
                pass
        time.sleep(0.1)
slow, served = [connect() for _ in range(149)], False
t = threading.Thread(target=dawdle)
t.start()
start = time.monotonic()
got = ask(LIST)
waited = time.monotonic() - start
served = True
t.join()
ok(got.startswith(b'{"entries":[') and waited < 4, "answered beside 149 slow ones",
   (got, waited))
print(f"# in {waited:.1f} s")
for s in slow:
    s.close()

# 1000 at once, most of them silent: others have to wait, but are served
many = []
for i in range(1000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(PATH)
        many.append(s)
    except BlockingIOError:
        s.close()
ok(len(many) > 64, f"{len(many)} of 1000 got in")
n = worked(pid, 1)
ok(n <= 0.02, "nothing spins with them", n)
for s in many:
    s.close()
got = ask(LIST)
ok(got.startswith(b'{"entries":['), "served when they are gone", got)
for i in range(1000):
    s = connect()
    if i % 3:
        s.sendall(LIST[:i % 30])
    s.close()
got = ask(LIST)
ok(got.startswith(b'{"entries":['), "1000 that hang up", got)

# answers that nobody reads
for i in range(200):
    s = connect()
    s.sendall(LIST)
    s.close()

# a thousand ports, and an answer that doesn't fit into a socket's buffer
have = entries()
ids = []
for port in range(20000, 22500):
    got = json.loads(ask(b'{"execute":"add_hostfwd","arguments":{"proto":"tcp",'
        b'"host_addr":"127.0.0.1","host_port":%d,"guest_port":80}}' % port))
    ids.append(got.get("return", {}).get("id"))
ok(all(ids) and ids == sorted(set(ids)), "2500 ports, ids in order", ids[:3])
ok(entries() == have + 2500, "all in the list", entries())
s = connect()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.sendall(LIST)
time.sleep(0.2)
data = b""
while True:
    piece = s.recv(1000)
    if not piece:
        break
    data += piece
ok(len(json.loads(data)["entries"]) == have + 2500, "read slowly", len(data))
s = connect()
s.sendall(LIST)         # and never read
n = worked(pid, 1)
ok(n <= 0.02, "nothing spins with a reader that doesn't", n)
for i in ids:
    got = ask(b'{"execute":"remove_hostfwd","arguments":{"id":%d}}' % i)
    if got != b'{"return":{}}':
        ok(False, "remove", got)
        break
ok(entries() == have, "all gone", entries())
s.close()
if os.environ.get("WORLD_ROOT"):
    print("fds", len(os.listdir(f"/proc/{pid}/fd")))
E
/usr/bin/python3 "$T/hostile" "$api" "$slirp_pid" >"$T/hostile.out" \
	2>"$T/hostile.err"
is "$?:$(cat "$T/hostile.err")" 0: 'hostile clients: all were tried'
while read -r line; do
	case $line in
	'ok '*)		pass "${line#ok }" ;;
	'NOT OK '*)	fail "${line#NOT OK }" ;;
	'# '*)		diag "${line#\# }" ;;
	'fds '*)	fds=${line#fds } ;;
	esac
done <"$T/hostile.out"
# those of the start, and 64 that are kept for datagrams
if [ "${fds:-}" ]; then
	ok "few descriptors are left open: $fds" [ "$fds" -lt 104 ]
else
	skip 'only root can look at its descriptors'
fi
ok 'it is alive' alive "$slirp_pid"
says in_host UDP:127.0.0.1:8081 '10.0.2.2 hello ' '... and well'

# another one takes the name: the first leaves it alone
first=$slirp_pid
ns1=$ns
ns_new
slirp_up -c -a "$api" "$ns"
like "$(ask '{"execute":"list_hostfwd"}')" '{"entries":\[\]}' \
	'another one of that name answers'
wait_gone "$first"	# its exit descriptor's other end has gone
ok '... the end of the first one leaves it there' test -S "$api"
stop_by TERM 'the second one'

# root may have any port, of what root's namespace is
if [ "$WORLD_ROOT" ]; then
	ip netns add blue
	slirp_where=host slirp_up -c -a "$api" --netns-type=path \
		/run/netns/blue
	is "$(ask '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,"guest_port":80}}')" \
		'{"return":{"id":1}}' 'as root: a port below 1024'
	is "$(awk '/^CapEff:/ { print $2 }' "/proc/$slirp_pid/status")" \
		0000000000000400 '... and no other privilege'
	is "$(awk '/^Uid:/ { print $3 }' "/proc/$slirp_pid/status")" \
		65534 '... as nobody'
	stop_by TERM 'as root'
	ip netns del blue
else
	skip 'not root' 5
fi

# a start that fails leaves what it doesn't replace. (As nobody, in a directory
# of another user, it could not remove the socket.)
rm -f "$api"
: >"$api"
not_ok 'no such process' as_user slirp4netns -a "$api" 4194303
ok '... a file of the name of the socket is still there' test -f "$api"

# no descriptors left
cat >"$T/bin/few" <<'E'
#!/bin/sh
ulimit -n 24 || exit 1
exec slirp4netns "$@"
E
chmod 755 "$T/bin/few"
rm -f "$T/ready"
spawn user few -r 3 -c -a "$api" "$ns" 3>"$T/ready" >"$T/out" 2>"$T/err"
slirp_pid=$pid
wait_for '[ -s "$T/ready" ]'
/usr/bin/python3 - "$api" "$slirp_pid" >"$T/hostile.out" 2>&1 <<'E'
import socket, sys
from checks import worked
many = []
for i in range(60):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    many.append(s)
print("spins" if worked(sys.argv[2], 1) > 0.02 else "rests")
for s in many:
    s.close()
E
is "$(cat "$T/hostile.out")" rests 'without descriptors: nothing spins'
like "$(ask '{"execute":"list_hostfwd"}')" '{"entries":\[\]}' \
	'... it goes on with new ones'
stop "$slirp_pid" "$ns" "$ns1"

done_testing
