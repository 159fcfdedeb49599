#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# As slirp4netns: command line, namespaces of each kind, ready and exit
# descriptors, DHCP, ends. The API has a test of its own (slirp_api.sh), and so
# have Podman and RootlessKit.

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

# what clients look for
help=$(as_user slirp4netns --help)
is $? 0 '--help: status'
for word in --disable-host-loopback --mtu --enable-sandbox --enable-seccomp \
	    --cidr --outbound-addr --enable-ipv6 --api-socket --netns-type \
	    --userns-path --exit-fd --ready-fd --configure --macaddress \
	    --disable-dns --target-type; do
	like "$help" "*$word*" "--help has $word"
done
version=$(as_user slirp4netns --version)
is $? 0 '--version: status'
like "$version" 'slirp4netns version [0-9a-z]*commit:*libslirp:*SLIRP_CONFIG_VERSION_MAX: 4*libseccomp:*' \
	'--version'

world_greets

# a namespace of the user's, by its process
ns_new
slirp_up -c "$ns" tap0
is "$(cat "$T/ready")" 1 'ready: one byte, when all is there'
like "$(in_ns "$ns" ip addr show tap0)" '*UP*mtu 1500*10.0.2.100/24*' \
	'... address and MTU'
like "$(in_ns "$ns" ip route)" 'default via 10.0.2.2 dev tap0*' '... route'
is "$(in_ns "$ns" ip -6 addr show tap0 scope global)" '' '... no IPv6'
is "$(in_ns "$ns" curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'TCP'
is "$(in_ns "$ns" busybox nslookup v4.example.org 10.0.2.3 | grep -c "$WORLD4")" \
	1 'names, by UDP'
is "$(in_ns "$ns" socat -T 10 -u TCP:10.0.2.2:7777 -)" loopback \
	"the gateway is the host's loopback"
ok 'ping' in_ns "$ns" ping -c 1 -W 5 "$WORLD4"
like "$(cat "$T/out")" 'Starting slirp
\* MTU:  *1500
\* Network:  *10.0.2.0
\* Netmask:  *255.255.255.0
\* Gateway:  *10.0.2.2
\* DNS:  *10.0.2.3
\* DHCP begin:  *10.0.2.100
\* DHCP end:  *10.0.2.100
\* Recommended IP:  *10.0.2.100
WARNING: 127.0.0.1:\* on the host is accessible as 10.0.2.2 *' 'banner'
is "$(cat "$T/err")" '' 'nothing on stderr'
ok 'it is in a sandbox' in_sandbox "$slirp_pid"
stop_by TERM 'SIGTERM'
is "$(in_ns "$ns" ip -o link show tap0 2>&1 | grep -c UP)" 0 \
	'the interface ends with it'

# other addresses, in the same namespace
slirp_up -c --cidr=10.9.0.0/16 -m 9000 --disable-host-loopback -6 \
	--macaddress=02:00:00:00:00:07 "$ns" tap7
like "$(in_ns "$ns" ip addr show tap7)" \
	'*mtu 9000*02:00:00:00:00:07*10.9.0.100/16*fd00::*' \
	'another network, MTU, MAC, and IPv6'
is "$(in_ns "$ns" curl -s "http://[$WORLD6]/hello")" 'hello from the world' \
	'TCP, IPv6'
is "$(in_ns "$ns" busybox nslookup v4.example.org fd00::3 |
	grep -c "$WORLD4")" 1 'names, by the IPv6 address'
cat >"$T/udp_error" <<'E'
import os, socket, sys
host = sys.argv[1].strip("[]")
v6 = ":" in host
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
# IPV6_RECVERR, IP_RECVERR: what isn't fatal is told, too
s.setsockopt(socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP,
             25 if v6 else 11, 1)
s.connect((host, 7777))
s.send(b"x")
try:
    s.recv(1)
except OSError as e:
    print(os.strerror(e.errno) if e.errno else e)
E
for to in 10.9.0.2 '[fd00::2]' 10.9.0.3 10.9.7.7 '[fd00::7]'; do
	like "$(in_ns "$ns" socat -u "TCP:$to:7777,connect-timeout=5" - 2>&1)" \
		'*Network is unreachable*' "nobody is at $to"
	is "$(in_ns "$ns" /usr/bin/python3 "$T/udp_error" "$to" 2>&1)" \
		'Network is unreachable' '... by UDP, too'
done
not_ok 'no warning about it' grep WARNING "$T/out"
stop_by QUIT 'SIGQUIT'

slirp_up -c --disable-dns --outbound-addr="$HOST4" "$ns"
is "$(in_ns "$ns" "$TOP/test/tools/peer" fails udp 10.0.2.3 53 2>&1)" \
	'Network is unreachable' '--disable-dns: no resolver'
is "$(in_ns "$ns" curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'--outbound-addr=ADDRESS'
stop_by TERM 'SIGTERM again'
slirp_up -c --outbound-addr=eth0 "$ns"
is "$(in_ns "$ns" curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'--outbound-addr=INTERFACE'

# what is left of the descriptors that it was started with
mkfifo "$T/r" "$T/other"
spawn host sh -c "cat '$T/r' >'$T/r.got'; echo end >>'$T/r.got'"
spawn host sh -c "cat '$T/other'; echo end >'$T/other.got'"
exec 7>"$T/r" 8>"$T/other"
spawn user slirp4netns -r 7 "$ns" tap2 >"$T/out"
descriptors=$pid
exec 7>&- 8>&-
ok 'the ready descriptor is closed behind its byte' \
	wait_for '[ "$(cat "$T/r.got")" = 1end ]'
ok 'others are closed' wait_for '[ -s "$T/other.got" ]'
ok '... while it goes on' alive "$descriptors"
stop "$descriptors"

# how it ends
slirp_end_of_exit_fd()
{
	kill "$exit_holder"
	wait_gone "$slirp_pid"
}
ok 'exit descriptor: its end' slirp_end_of_exit_fd
wait "$slirp_pid"
is $? 0 '... status'
slirp_up -c "$ns"
echo x >"$T/exit"
ok 'exit descriptor: a byte' wait_gone "$slirp_pid"
slirp_up -c "$ns"
stop "$ns"
ok 'the end of the namespace' wait_gone "$slirp_pid"
wait "$slirp_pid"
is $? 0 '... status'

# without -c: the interface is there, and set up by others
ns_new
in_ns "$ns" ip tuntap add name tap0 mode tap
in_ns "$ns" ip link set tap0 up mtu 1400
slirp_up "$ns" tap0
is "$(in_ns "$ns" ip -4 addr show tap0)" '' 'without -c: no address'
cat >"$T/bin/lease" <<'E'
#!/bin/sh
[ "$1" != bound ] || echo "$ip/$mask $router $dns $mtu"
E
chmod 755 "$T/bin/lease"
is "$(in_ns "$ns" busybox udhcpc -i tap0 -n -q -f -O mtu -s "$T/bin/lease" \
	2>/dev/null)" '10.0.2.100/24 10.0.2.2 10.0.2.3 1500' '... DHCP'
in_ns "$ns" ip addr add 10.0.2.77/24 dev tap0
in_ns "$ns" ip route add default via 10.0.2.2
is "$(in_ns "$ns" curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'... any address of the network will do'
head -c 20000000 /dev/zero >"$T/web/zeros"
is "$(in_ns "$ns" curl -s "http://$WORLD4/zeros" | wc -c)" 20000000 \
	'... bulk, by an interface made by others'
stop_by TERM 'without -c'
ok '... leaves the interface there' in_ns "$ns" ip link show tap0

# by path
slirp_up -c --netns-type=path --userns-path="/proc/$ns/ns/user" \
	"/proc/$ns/ns/net" tap1
like "$(in_ns "$ns" ip addr show tap1)" '*10.0.2.100/24*' 'by path'
stop_by TERM 'by path'
if [ "$WORLD_ROOT" ]; then
	ip netns add blue
	slirp_where=host slirp_up -c --netns-type=path /run/netns/blue tap0
	is "$(ip netns exec blue curl -s "http://$WORLD4/hello")" \
		'hello from the world' 'as root, a named one'
	ip netns del blue
	ok '... until its name is gone' wait_gone "$slirp_pid"
else
	skip 'not root' 2
fi

# a tap device that somebody hands over
cat >"$T/handover" <<'E'
import os, socket, subprocess, sys
pid, slirp = sys.argv[1], sys.argv[2:]
here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
maker = r'''
import fcntl, os, socket, struct
fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tap9", 0x1002))
s = socket.socket(fileno=0)
socket.send_fds(s, [b"x"], [fd])
'''
subprocess.run(["nsenter", "--preserve-credentials", "-U", "-n", "-t", pid,
                sys.executable, "-c", maker], stdin=there, check=True)
_, fds, _, _ = socket.recv_fds(here, 1, 1)
os.dup2(fds[0], 7, inheritable=True)
os.set_inheritable(3, True)
os.execvp(slirp[0], slirp)
E
in_ns "$ns" ip link del tap0
spawn user /usr/bin/python3 "$T/handover" "$ns" slirp4netns -r 3 \
	--netns-type=tapfd 7 tap9 3>"$T/ready.tapfd" >"$T/out" 2>"$T/err"
slirp_pid=$pid
wait_for '[ -s "$T/ready.tapfd" ]' || diag "$(cat "$T/err")"
in_ns "$ns" ip addr add 10.0.2.100/24 dev tap9
in_ns "$ns" ip link set tap9 up
in_ns "$ns" ip route replace default via 10.0.2.2
is "$(in_ns "$ns" curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'by tap descriptor'
ok '... in a sandbox' in_sandbox "$slirp_pid"
# its namespace lives as long as somebody has the descriptor: us
stop_by TERM 'by tap descriptor'
stop "$ns"

# starts that fail: a line, status 1, no byte, nothing left
ns_new
bad()
{
	what=$1 pattern=$2
	shift 2
	: >"$T/ready"
	as_user timeout 5 slirp4netns -r 3 -a "$T/user/api" "$@" \
		3>"$T/ready" >"$T/out" 2>"$T/err"
	is "$?:$(cat "$T/ready")" 1: "$what: status, not ready"
	like "$(cat "$T/err")" "$pattern" "$what: message"
	ok "$what: no socket is left" test ! -e "$T/user/api"
}
bad 'no such process' '*namespace*4194303*' 4194303
bad "another user's process" '*namespace*' 1
bad 'no such path' '*/nonexistent*' --netns-type=path /nonexistent
bad 'not a namespace' '*/etc/passwd*' --netns-type=path /etc/passwd
bad 'not a tap' '*tap*' --netns-type=tapfd 0 </dev/null
bad 'a file as exit descriptor' '*exit-fd*' -e 0 "$ns" </etc/passwd
bad 'bess' '*bess*not supported*' --target-type=bess /tmp/x
bad 'no such socket directory' '*/nonexistent/api*' \
	--api-socket=/nonexistent/api "$ns"
spawn user slirp4netns -r 3 "$ns" tap0 3>"$T/ready2" >"$T/out"
first=$pid
wait_for '[ -s "$T/ready2" ]'
bad 'name taken' '*tap0*' "$ns" tap0
stop "$first" "$ns"

done_testing
