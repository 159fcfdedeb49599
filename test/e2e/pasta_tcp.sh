#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# TCP through pasta: bulk data, half-close, reset, refusal, many connections,
# mapped addresses.
# timeout 240

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
peer=$TOP/test/tools/peer

# servers WHERE NAME: bulk_serve's, and port 9003 echoes
servers()
{
	bulk_serve "$1" 100
	spawn "$1" "$peer" serve 9003 >"$T/serve.$2" 2>&1
	wait_for "grep -q ready '$T/serve.$2'"
}

# run in WHERE, to ADDR: the checksum of what is received, and of what is sent
download()
{
	(world_exec "$1" timeout 60 socat -u -b 1048576 "TCP:$2:9001" -) |
		sha256sum | cut -d ' ' -f 1
}

upload()
{
	(world_exec "$1" timeout 60 socat -t 60 -b 1048576 - "TCP:$2:9002") \
		<"$T/file" | cut -d ' ' -f 1
}

servers world world
pasta_up --config-net -t 9001-9003 -t 9100 -u none -T none -U none
servers "ns:$ns" inside

for a in "$WORLD4" "[$WORLD6]"; do
	is "$(download "ns:$ns" "$a")" "$sum" "100 MiB from $a"
	is "$(upload "ns:$ns" "$a")" "$sum" \
		"100 MiB to $a, checksum after half-close"
done
for a in "$HOST4" "[$HOST6]"; do
	is "$(download world "$a")" "$sum" "100 MiB from inside, by $a"
	is "$(upload world "$a")" "$sum" \
		"100 MiB to inside, by $a, checksum after half-close"
done

# the other half-close: the server closes first, the client goes on sending
cat >"$T/bin/half" <<'E'
#!/usr/bin/python3
import socket, sys
if sys.argv[1] == "serve":
    l = socket.create_server(("::", 9004), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    for i in range(2):
        c, _ = l.accept()
        c.sendall(b"bye")
        c.shutdown(socket.SHUT_WR)
        n = 0
        while d := c.recv(65536):
            n += len(d)
        print("got", n, flush=True)
else:
    s = socket.create_connection((sys.argv[2], 9004), 10)
    b = b""
    while d := s.recv(10):
        b += d
    for i in range(100):
        s.sendall(b"x" * 10000)
    s.shutdown(socket.SHUT_WR)
    print(b.decode())
E
chmod 755 "$T/bin/half"
spawn world "$T/bin/half" serve >"$T/half"
wait_for "grep -q ready '$T/half'"
is "$(in_ns "$ns" "$T/bin/half" connect $WORLD4)" bye 'server closes first'
is "$(in_ns "$ns" "$T/bin/half" connect $WORLD6)" bye 'server closes first, v6'
ok '... and still gets all' \
	wait_for "[ \$(grep -c '^got 1000000\$' '$T/half') -eq 2 ]"

# refusal and reset
for a in "$WORLD4" "$WORLD6"; do
	is "$(in_ns "$ns" "$peer" refused "$a" 9999)" refused "refused by $a"
	is "$(in_ns "$ns" "$peer" reset "$a" 9003)" reset "reset by $a"
	: >"$T/serve.world"
	is "$(in_ns "$ns" "$peer" abort "$a" 9003)" aborted "reset to $a"
	ok '... arrives' wait_for "grep -q reset '$T/serve.world'"
done
for a in "$HOST4" "$HOST6"; do
	is "$(in_world "$peer" reset "$a" 9003)" reset "reset from inside, by $a"
	: >"$T/serve.inside"
	is "$(in_world "$peer" abort "$a" 9003)" aborted "reset to inside, by $a"
	ok '... arrives' wait_for "grep -q reset '$T/serve.inside'"
done
# nobody listens inside: accepted by the host, but then quickly closed
in_world timeout 5 socat -u "TCP:$HOST4:9100" - >/dev/null 2>&1
not_ok 'forwarded to a closed port: ends at once' test $? -eq 124

# who is seen
is "$(in_world "$peer" ask $HOST4 9003 WHO | cut -d ' ' -f 1)" $WORLD4 \
	'the service inside sees the client'"'s address"
is "$(in_world "$peer" ask $HOST6 9003 WHO | cut -d ' ' -f 1)" $WORLD6 \
	'the service inside sees the client'"'s address, v6"
out=$(PEER_SOURCE=$GW4 in_world "$peer" ask $HOST4 9003 WHO)
is "${out%% *}" $GW4 'the gateway itself is a client'
is "$(in_ns "$ns" "$peer" ask $WORLD4 9003 WHO | cut -d ' ' -f 1)" $HOST4 \
	'the world sees the host'

# many connections, and nothing left of them
rss()
{
	awk '/VmRSS/ { print $2 }' "/proc/$pasta_pid/status"
}
few_fds()
{
	[ "$(fds_of "$pasta_pid")" -le $((fds_before + 2)) ]
}
ok 'warm-up' in_ns "$ns" "$peer" each $WORLD4 9003 20
fds_before=$(steady 1 fds_of "$pasta_pid")
rss_before=$(rss)
ok '500 connections at a time' in_ns "$ns" "$peer" hold $WORLD4 9003 500
ok '500 connections at a time, v6' in_ns "$ns" "$peer" hold $WORLD6 9003 500
ok '500 connections at a time from outside' \
	in_world "$peer" hold $HOST4 9003 500
ok '2000 connections one by one' in_ns "$ns" "$peer" each $WORLD4 9003 2000
ok '1000 connections one by one from outside' \
	in_world "$peer" each $HOST6 9003 1000
ok 'no descriptor is left' wait_for few_fds 15 ||
	diag "before $fds_before, after $(fds_of "$pasta_pid")"
rss_after=$(rss)
ok 'no memory is left' test "$rss_after" -le $((rss_before + 2048))
diag "KiB before $rss_before, after $rss_after"

# the host's loopback, by the gateway's address
spawn host socat TCP4-LISTEN:9010,bind=127.0.0.1,reuseaddr,fork \
	SYSTEM:'echo loopback4'
spawn host socat TCP6-LISTEN:9010,bind=::1,reuseaddr,fork \
	SYSTEM:'echo loopback6'
spawn host socat TCP4-LISTEN:9011,bind=$HOST4,reuseaddr,fork \
	SYSTEM:'echo host4'
spawn world socat TCP6-LISTEN:9010,reuseaddr,fork SYSTEM:'echo world'
wait_for '[ $(ss -Hltn "sport = :9010 or sport = :9011" | wc -l) -eq 3 ]'
wait_port world tcp 9010
from()
{
	in_ns "$ns" timeout 15 socat -u "TCP:$1" - 2>&1
}
is "$(from $GW4:9010)" loopback4 'the gateway is the host'"'s loopback"
is "$(from "[$GW6LL%eth0]:9010")" loopback6 \
	'the gateway is the host'"'s loopback, v6"

# DSCP of the guest's segments, seen in the world: that of the SYN, of data, and
# of data after it has changed
cat >"$T/sniff.py" <<'E'
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
s.bind(("eth0", 3))
s.settimeout(15)
print("ready", flush=True)
seen = []
while True:
    p, a = s.recvfrom(65536)
    v4 = a[1] == 0x800
    if not v4 and a[1] != 0x86dd:
        continue
    tos, l4 = (p[1], p[(p[0] & 15) * 4:]) if v4 else (
        int.from_bytes(p[:2], "big") >> 4 & 255, p[40:])
    if int.from_bytes(l4[2:4], "big") != 9003 or a[2] != socket.PACKET_HOST:
        continue
    if l4[13] & 2 or len(l4) > (l4[12] >> 4) * 4:
        seen.append(hex(tos & 0xfc))
    if l4[13] & 1:
        break
print(*dict.fromkeys(seen), flush=True)
E
cat >"$T/dscp.py" <<'E'
import socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
opt = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (
    socket.IPPROTO_IP, socket.IP_TOS)
s.setsockopt(*opt, 0xb8)
s.connect((sys.argv[1], 9003))
for tos in 0xb8, 0x28, 0:
    s.setsockopt(*opt, tos)
    s.sendall(b"x" * 100)
    got = 0
    while got < 100:
        got += len(s.recv(100))
E
for a in $WORLD4 $WORLD6; do
	spawn world python3 "$T/sniff.py" >"$T/sniff.out"
	sniffer=$pid
	wait_for "grep -q ready '$T/sniff.out'"
	in_ns "$ns" python3 "$T/dscp.py" "$a"
	wait_gone "$sniffer"
	is "$(tail -n 1 "$T/sniff.out")" '0xb8 0x28 0x0' "DSCP to $a"
done
pasta_down

pasta_up --config-net --no-map-gw -t none -u none -T none -U none
is "$(from $GW4:9010)" world '--no-map-gw: the gateway is itself'
pasta_down

pasta_up --config-net --map-host-loopback 192.0.2.1 \
	--map-host-loopback 2001:db8:f::1 --map-guest-addr 192.0.2.2 \
	-t none -u none -T none -U none
is "$(from 192.0.2.1:9010)" loopback4 '--map-host-loopback'
is "$(from '[2001:db8:f::1]:9010')" loopback6 '--map-host-loopback, v6'
is "$(from $GW4:9010)" world '--map-host-loopback: the gateway is itself'
is "$(from 192.0.2.2:9011)" host4 '--map-guest-addr'
pasta_down

done_testing
