#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Egress policy by names: we are the resolver, what DNS says opens the way, and the
# name that is given in TLS and HTTP has to be one that is allowed. Then attempts to
# get out.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_web
peer=$TOP/test/tools/peer
echo 'hello from the world' >"$T/web/hello"
OTHER4=${WORLD4%.*}.11
HINT4=${WORLD4%.*}.12
in_world ip address add "$OTHER4/32" dev lo
in_world ip address add "$HINT4/32" dev lo

# one zone, with names that point everywhere
cat >"$T/dnsmasq.conf" <<-E
	no-resolv
	no-hosts
	bind-interfaces
	cache-size=0
	local=/example.org/example.net/
	listen-address=$DNS4,$DNS6,$HINT4,$WORLD6
	host-record=www.example.org,$WORLD4,$WORLD6
	host-record=evil.example.org,$OTHER4
	host-record=short.example.org,$OTHER4,1
	host-record=deep.sub.example.org,$WORLD4
	host-record=xn--bcher-kva.example.org,$WORLD4
	host-record=target.example.net,$WORLD4
	cname=c1.example.org,c2.example.net
	cname=c2.example.net,c3.example.net
	cname=c3.example.net,target.example.net
	host-record=loop.sub.example.org,127.0.0.1
	host-record=gw.sub.example.org,$GW4
	host-record=inside.sub.example.org,10.1.2.3
	host-record=self.sub.example.org,$HOST4
	srv-host=_imaps._tcp.example.org,www.example.org,993
E
# HTTPS: priority 1, the same name, an address for it
printf 'dns-rr=hinted.example.org,65,000100%s%s\n' 00040004 \
	"$(echo "$HINT4" | awk -F. '{ printf "%02x%02x%02x%02x", $1, $2, $3, $4 }')" \
	>>"$T/dnsmasq.conf"
for i in 1 2 3 4 5 6; do
	printf 'txt-record=big.example.org,%0250d\n' "$i"
done >>"$T/dnsmasq.conf"
spawn world dnsmasq --no-daemon -C "$T/dnsmasq.conf" --pid-file= \
	--log-facility=- --log-queries >"$T/dnsmasq.log" 2>&1
wait_for 'listening world udp 53 && listening world tcp 53' ||
	bail 'no name server'
spawn host socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork \
	'SYSTEM:echo loopback'

# a server that takes every name, and tells which one it was
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj /CN=test -addext 'subjectAltName=DNS:*.example.org' -days 2 \
	-keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
spawn world sh -c "cd '$T/web' && exec openssl s_server -quiet -WWW -accept 443 \
	-key '$T/key.pem' -cert '$T/cert.pem'" >/dev/null 2>&1
spawn world "$peer" serve 853 >"$T/serve.853"
wait_port world tcp 443
wait_for "grep -q ready '$T/serve.853'"

dig()	# ADDR NAME TYPE [OPTION...]: status and sorted answers, on one line
{
	dig_at=$1
	shift
	in_ns "$ns" dig +tries=1 +time=3 @"$dig_at" "$@" 2>&1 | awk '
		/status:/ { sub(/.*status: /, ""); sub(/,.*/, ""); print; next }
		/timed out|no servers|refused$/ { print "no answer"; exit }
		/^[^;]/ { print $NF }' | sort -r | xargs
}
curl_()	# ARGS...: the page, or "curl STATUS"
{
	in_ns "$ns" curl -gsS -m 5 --noproxy '*' --cacert "$T/cert.pem" "$@" \
		2>/dev/null || echo "curl $?"
}
log()
{
	cat "$T/pasta$pasta_n.err"
}

pasta_up -d --config-net -T auto -U auto --allow www.example.org:80,443 \
	--allow c1.example.org:80 --allow short.example.org:80 \
	--allow '*.sub.Example.ORG.' --allow big.example.org \
	--allow bücher.example.org --allow _imaps._tcp.example.org \
	--allow hinted.example.org:80 --allow 192.0.2.77:53

# queries
for how in +notcp +tcp; do
	for at in "$DNS4" "$DNS6"; do
		is "$(dig "$at" www.example.org A $how)" "NOERROR $WORLD4" \
			"a name that is allowed, $how at $at"
		is "$(dig "$at" evil.example.org A $how)" REFUSED \
			'  one that is not'
	done
	is "$(dig "$DNS4" x.evil.example.org TXT $how)" REFUSED \
		"a tunnel by TXT, $how"
	is "$(dig "$DNS4" x.www.example.org TXT $how)" REFUSED \
		"  below a name that is allowed"
	is "$(dig "$DNS4" example.org NS $how)" REFUSED '  whatever the type'
	is "$(dig "$DNS4" . NS $how)" REFUSED '  the root'
	is "$(dig "$DNS4" WWW.example.ORG. A $how)" "NOERROR $WORLD4" \
		"upper case and a dot, $how"
	is "$(dig "$DNS4" c1.example.org A $how)" "$(echo "NOERROR
target.example.net.
c3.example.net.
c2.example.net.
$WORLD4" | sort -r | xargs)" "a chain of names, $how"
	is "$(dig "$DNS4" big.example.org TXT $how | wc -w)" 7 \
		"a large answer, $how"
	is "$(dig "$DNS4" xn--bcher-kva.example.org A $how)" \
		"NOERROR $WORLD4" "a name of another alphabet, $how"
done
like "$(in_ns "$ns" dig +tries=1 +time=3 "@$DNS4" big.example.org TXT +notcp \
	+ignore +noedns)" '*;; flags: qr*tc*;*ANSWER: [01],*' 'truncated'
like "$(dig "$DNS4" _imaps._tcp.example.org SRV)" 'www.example.org. NOERROR*' \
	'a name of a service'
is "$(grep -c evil "$T/dnsmasq.log")" 0 'nothing of it came to the resolver'
like "$(log)" '*DNS: query for evil.example.org * refused by default*' \
	'the log tells'

# TLS and HTTP, by the guest's own resolver
is "$(curl_ http://www.example.org/hello)" "hello from the world" 'HTTP'
is "$(curl_ https://www.example.org/hello)" "hello from the world" 'HTTPS'
is "$(curl_ -6 https://www.example.org/hello)" "hello from the world" \
	'  IPv6'
is "$(curl_ http://c1.example.org/hello)" "hello from the world" \
	'HTTP to a chain of names'
is "$(LC_ALL=C.UTF-8 curl_ http://bücher.example.org/hello)" "hello from the world" \
	'  another alphabet'
is "$(curl_ https://deep.sub.example.org/hello --insecure)" \
	"hello from the world" '  below a name'
is "$(curl_ http://evil.example.org/)" 'curl 6' 'a name that is denied'

# the name that counts
is "$(curl_ "http://$WORLD4/hello")" 'curl 56' 'the address as Host: reset'
is "$(curl_ -k "https://$WORLD4/hello")" 'curl 35' \
	'the address in TLS: no name, reset'
is "$(curl_ -H 'Host: evil.example.org' http://www.example.org/hello)" \
	'curl 56' 'the Host of another site: reset'
is "$(curl_ -k --connect-to "evil.example.org:443:$WORLD4:443" \
	https://evil.example.org/hello)" 'curl 35' \
	'another name in TLS: reset'
is "$(curl_ -H 'Host: www.example.org' --request-target \
	http://evil.example.org/hello http://www.example.org)" 'curl 56' \
	'another name in the target: reset'
# said TEXT PORT: what comes of a connection on which the guest says it, and ends
said()
{
	in_ns "$ns" python3 -c "
import errno, socket
s = socket.create_connection(('$WORLD4', $2), 5)
try:
    s.sendall(b'$1')
    s.shutdown(socket.SHUT_WR)
    print(s.recv(100))
except OSError as e:
    print('reset' if e.errno in (errno.ECONNRESET, errno.ENOTCONN) else e)
" 2>&1
}
is "$(said 'SSH-2.0-x\r\n' 443)" reset \
	'another protocol: reset'
is "$(said 'GET / HTTP/1.0\r\nHost: www' 80)" reset \
	'an end before the name: reset'
like "$(log)" "*denied: its server name is $WORLD4*" 'the log tells'

# in pieces
for size in 1 7 1000; do
	is "$(in_ns "$ns" python3 -c "
import socket, ssl, time
ctx = ssl.create_default_context(cafile='$T/cert.pem')
raw = socket.create_connection(('$WORLD4', 443), 5)
inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ctx.wrap_bio(inc, out, server_hostname='www.example.org')
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = out.read()
raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, $size % 2)
for i in range(0, len(hello), $size):
    raw.sendall(hello[i:i + $size])
    time.sleep(0.0005)
while True:
    inc.write(raw.recv(65536))
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        pass
    if out.pending:
        raw.sendall(out.read())
raw.sendall(out.read())
tls.write(b'GET /hello HTTP/1.0\r\n\r\n')
raw.sendall(out.read())
got = b''
while b'hello from' not in got:
    inc.write(raw.recv(65536))
    try:
        got += tls.read(65536)
    except ssl.SSLWantReadError:
        pass
print('served')
" 2>&1 | tail -1)" served "a hello in pieces of $size bytes"
	is "$(in_ns "$ns" python3 -c "
import socket, time
s = socket.create_connection(('$WORLD4', 80), 5)
req = b'GET /hello HTTP/1.0\r\nX: ' + 1200 * b'x' + b'\r\nHost: www.example.org\r\n\r\n'
for i in range(0, len(req), $size):
    s.sendall(req[i:i + $size])
got = b''
while True:
    d = s.recv(65536)
    if not d:
        break
    got += d
print(got.splitlines()[-1].decode())
" 2>&1 | tail -1)" 'hello from the world' "  HTTP"
done
is "$(in_ns "$ns" python3 -c "
import socket
s = socket.create_connection(('$WORLD4', 80), 5)
try:
    for i in range(20):
        s.sendall(b'GET / HTTP/1.0\r\n' if not i else b'X: ' + 1000 * b'x' + b'\r\n')
    s.recv(1)
except OSError as e:
    print(e.strerror)
" 2>&1)" 'Connection reset by peer' 'no name within 16 KiB: reset'
# attempts to get out
for at in "$HINT4" "$WORLD6"; do
	for how in udp tcp; do
		like "$("$peer" dns $how "$at" www.example.org A)" '1 *' \
			"another resolver, $how: it is there, $at"
		is "$(in_ns "$ns" "$peer" dns $how "$at" www.example.org A 2>&1 |
			sed 's/.*\(denied\|refused\|No route\).*/refused/')" \
			refused '... not for the guest'
	done
done
is "$(in_ns "$ns" timeout 5 "$peer" ask "$DNS4" 853 hello 2>&1 |
	sed 's/.*refused.*/refused/')" refused 'DNS over TLS'
like "$(in_ns "$ns" timeout 5 "$peer" udpask "$WORLD4" 443 hello 2>&1)" \
	'*No route to host*' 'QUIC to a name'
for name in loop gw inside self; do
	like "$(dig "$DNS4" "$name.sub.example.org" A)" 'NOERROR *' \
		"a name that leads inside: $name"
done
is "$(in_ns "$ns" timeout 5 "$peer" ask "$GW4" 7777 hello 2>&1 |
	sed 's/.*refused.*/refused/')" refused \
	'... opens nothing: the loopback behind the gateway'
is "$(in_ns "$ns" timeout 5 "$peer" ask 127.0.0.1 7777 hello 2>&1 |
	sed 's/.*reset.*/refused/')" refused '... by the short cut'
is "$(in_ns "$ns" timeout 5 "$peer" ask 10.1.2.3 80 hello 2>&1 |
	sed 's/.*refused.*/refused/')" refused '... a private network'
is "$(curl_ "http://$OTHER4/hello" -H 'Host: short.example.org')" 'curl 7' \
	'an address that nobody has asked for'
like "$(dig "$DNS4" short.example.org A)" "NOERROR $OTHER4" '... and then has'
is "$(curl_ "http://$OTHER4/hello" -H 'Host: short.example.org')" \
	'hello from the world' '... opens it'
is "$(curl_ "http://$HINT4/hello" -H 'Host: hinted.example.org')" 'curl 7' \
	'... nor for its HTTPS record'
like "$(dig "$DNS4" hinted.example.org TYPE65)" '*NOERROR*' '... which one asks for,'
is "$(curl_ "http://$HINT4/hello" -H 'Host: hinted.example.org')" \
	'hello from the world' '... and has'
pasta_down

# without verification
pasta_up --config-net --allow www.example.org --no-verify-names
is "$(dig "$DNS4" www.example.org A)" "NOERROR $WORLD4" '--no-verify-names'
is "$(curl_ "http://$WORLD4/hello")" 'hello from the world' \
	'  the address will do'
pasta_down

# resolvers: on the host's loopback, by --dns-forward, the next if one is silent
sed "s/^listen-address=.*/listen-address=127.0.0.53,127.0.0.1/" "$T/dnsmasq.conf" \
	>"$T/local.conf"
spawn host dnsmasq --no-daemon -C "$T/local.conf" --pid-file= \
	--log-facility=- >"$T/local.log" 2>&1
wait_for 'listening host udp 53 && listening host tcp 53' ||
	bail 'no local name server'
echo 'nameserver 127.0.0.53' >"$T/resolv.conf"
pasta_up --config-net --allow www.example.org -T auto -U auto
for how in +notcp +tcp; do
	is "$(dig 127.0.0.53 www.example.org A $how)" "NOERROR $WORLD4" \
		"the resolver on the loopback, $how"
	is "$(dig 127.0.0.53 evil.example.org A $how)" REFUSED '  refused'
done
is "$(curl_ http://www.example.org/hello)" "hello from the world" '  curl'
pasta_down
pasta_up --config-net --no-map-gw -t none -u none -T none -U none \
	--dns-forward 169.254.1.1 --allow www.example.org
for how in +notcp +tcp; do
	is "$(dig 169.254.1.1 www.example.org A $how)" "NOERROR $WORLD4" \
		"--dns-forward, $how"
	is "$(dig 169.254.1.1 evil.example.org A $how)" REFUSED '  refused'
done
pasta_down
# ... also where a rule opens the loopback behind the gateway, with a resolver
pasta_up --config-net -t none -u none -T none -U none \
	--dns-forward 169.254.1.1 --allow www.example.org --allow host
for how in +notcp +tcp; do
	is "$(dig "$GW4" www.example.org A $how)" "NOERROR $WORLD4" \
		"the host's loopback by the gateway, $how"
	is "$(dig "$GW4" evil.example.org A $how)" REFUSED '  refused'
done
pasta_down
# one is chosen, and told, where the host's is out of the guest's reach
pasta_up --config-net --no-map-gw -t none -u none -T none -U none \
	--dhcp-dns -4 --allow www.example.org
is "$(dig 169.254.1.1 www.example.org A)" "NOERROR $WORLD4" \
	'an address of our choice'
pasta_down
pasta_up --config-net --no-map-gw -t none -u none -T none -U none \
	-6 --allow www.example.org
is "$(dig fd70:6173:7374::53 www.example.org AAAA)" "NOERROR $WORLD6" \
	'  IPv6'
pasta_down
printf 'nameserver %s\nnameserver %s\n' "$OTHER4" "$DNS4" >"$T/resolv.conf"
pasta_up --config-net --allow www.example.org
is "$(dig "$OTHER4" www.example.org A)" "NOERROR $WORLD4" \
	"a resolver that isn't there: the next one"
is "$(dig "$OTHER4" www.example.org A +tcp)" "NOERROR $WORLD4" '  TCP'
pasta_down

# what was held until the name was known has to be written in spite of a fault
f=$T/user/faults
head -c 4096 /dev/zero >"$f"
chmod 666 "$f"
pasta_with="failing $f"
pasta_up --config-net --allow www.example.org
pasta_with=
is "$(dig "$DNS4" www.example.org A)" "NOERROR $WORLD4" 'before writing fails'
for rule in 'tcp:send=ENOBUFS@1' \
	'tcp:send=ENOMEM@1 tcp:send=EINTR@2 tcp:send=ENOBUFS@3' 'tcp:send=short%1'
do
	is "$(in_ns "$ns" python3 -c "
import os, socket, time
f = os.open('$f', os.O_RDWR)
os.pwrite(f, b'$rule'.ljust(4086, b'\\0'), 10)
before = int(os.pread(f, 8, 0))
s = socket.create_connection(('$WORLD4', 80), 5)
s.sendall(b'GET /hello HTTP/1.0\\r\\n')
time.sleep(0.1)
s.sendall(b'Host: www.example.org\\r\\n\\r\\n')
got = b''
while d := s.recv(65536):
    got += d
print(got.splitlines()[-1].decode(), int(os.pread(f, 8, 0)) > before)
" 2>&1 | tail -1)" 'hello from the world True' "$rule"
done
pasta_down

done_testing
