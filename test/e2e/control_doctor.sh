#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --doctor: what it says of each thing that a start needs, where that's there and
# where it isn't; whether the start agrees; and that nothing is changed by asking.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
d=$T/user/d
mkdir "$d" && chmod 777 "$d"

# doctor STATUS NAME CMD...: what it says is $T/out
doctor()
{
	doctor_status=$1 doctor_name=$2
	shift 2
	as_user timeout 30 "$@" >"$T/out" 2>"$T/err"
	is "$? $(cat "$T/err")" "$doctor_status " "$doctor_name: status $doctor_status" ||
		diag "$(cat "$T/out")"
}

# a line of those matches
says()
{
	ok "... $1" grep -qE -- "^$1" "$T/out" || diag "$(cat "$T/out")"
}

# The same options: does a start agree? Those of pasta, with a command that does
# nothing; passt goes to the background, and is ended.
starts()
{
	starts_status=$1
	shift
	case $1 in
	pasta)	as_user timeout 30 "$@" -- true >/dev/null 2>&1 ;;
	*)	as_user timeout 30 "$@" --pid "$d/pid" >/dev/null 2>&1 ;;
	esac
	is $? "$starts_status" '... so does a start' || diag "$*"
	if [ -s "$d/pid" ]; then
		kill "$(cat "$d/pid")"
		wait_gone "$(cat "$d/pid")"
		rm -f "$d/pid"
	fi
}

sysctl -qw net.ipv4.ping_group_range='0 2147483647'
world_dns
doctor 0 'a host with all' pasta --doctor --config-net -t 8080,8081
says 'ok   options: '
says "ok   network: IPv4: as eth0 has it: $HOST4/24, gateway $GW4"
says "ok   network: IPv6: as eth0 has it: $HOST6/64, gateway $GW6LL|ok   network: IPv6"
says "ok   resolver: $DNS4 answers"
says 'ok   namespaces: '
says 'ok   /dev/net/tun: '
says 'ok   ping: '
says 'ok   system call filter: '
says 'ok   ports: 2 '
says 'ok   open files: '
says 'ok   kernel: SO_PEEK_OFF'
says 'ok   kernel: SO_BUF_LOCK'
says 'ok   kernel: SO_BINDTODEVICE'
says 'ok   start: it would work'
not_ok '... nothing else' grep -v '^ok ' "$T/out"
starts 0 pasta --config-net -t 8080,8081
doctor 0 'a virtual machine' passt --doctor -s "$d/vm" --pid "$d/pid" -t 8080
says 'ok   start: '
not_ok '... of which no tap is wanted' grep -q /dev/net/tun "$T/out"
is "$(ls "$d")" '' '... nothing is left'
starts 0 passt -s "$d/vm" -t 8080
doctor 0 'by vhost-user' passt --doctor --vhost-user -s "$d/vm"
like "$(as_user pasta --doctor --help)" 'Usage: pasta *' '--help comes first'

# options
doctor 1 'a port that is none' pasta --doctor -t x
says 'FAIL options: .*-t'
says 'ok   namespaces: '
says 'FAIL start: '
starts 1 pasta -t x
doctor 1 'an interface that is none' pasta --doctor --interface nonsense0
says 'FAIL options: .*nonsense0.*--interface'
starts 1 pasta --interface nonsense0

# the host's network
doctor 0 'no network' unshare -rn pasta --doctor --config-net
says 'warn network: IPv4: .*--interface'
says 'warn network: IPv6: '
says 'ok   start: '
ip link add dummy0 type veth peer name dummy1
ip link set dummy1 up
ip addr add 192.0.2.77/24 dev dummy0
ip link set dummy0 up
ip route add default via 192.0.2.1 dev dummy0 metric 5000
doctor 0 'two networks' pasta --doctor -4
says 'ok   network: IPv4: as eth0 .*first of several'
says 'ok   network: no IPv6'
doctor 0 'the other one' pasta --doctor -4 --interface dummy0
says 'ok   network: IPv4: as dummy0 has it: 192.0.2.77'
ip link del dummy0

# resolvers
doctor 0 'a resolver that refuses' pasta --doctor --dns "$GW4"
says "warn resolver: $GW4 doesn't answer: Connection refused.*--dns"
in_world ip route add blackhole "$HOST4/32" table 100
in_world ip rule add from "$DNS4" table 100
doctor 0 'a silent one' pasta --doctor
says "warn resolver: $DNS4 doesn't answer within .*/etc/resolv.conf"
in_world ip rule del from "$DNS4" table 100
doctor 0 'without any' unshare -rm sh -c '
	mount --bind /dev/null /etc/resolv.conf && exec pasta --doctor'
says 'warn resolver: there are none: .*/etc/resolv.conf'

# rights
doctor 1 'no user namespaces' "$T/bin/lacking" userns pasta --doctor
says "FAIL namespaces: Couldn't create user namespace"
says 'FAIL start: '
doctor 1 'no mounts' "$T/bin/lacking" mount pasta --doctor
says 'FAIL namespaces: .*mount'
mkdir -p "$T/dev"
mknod "$T/dev/closed" c 10 200 2>/dev/null && chmod 600 "$T/dev/closed" ||
	{ : >"$T/dev/closed" && chmod 600 "$T/dev/closed"; }
mount --bind "$T/dev/closed" /dev/net/tun
doctor 1 'a tun device that is closed' pasta --doctor
says "FAIL /dev/net/tun: Couldn't open /dev/net/tun: Permission denied.*0666"
starts 1 pasta --config-net
doctor 0 '... which a virtual machine needs not' passt --doctor -s "$d/vm"
umount /dev/net/tun
sysctl -qw net.ipv4.ping_group_range='1 0'
doctor 0 'no echo requests' pasta --doctor
says 'warn ping: .*net.ipv4.ping_group_range, which is "1 0"'
doctor 0 '... which none wants' pasta --doctor --no-icmp
not_ok '... nor hears of' grep -q ping "$T/out"

# ports
spawn user socat TCP4-LISTEN:8080,reuseaddr,fork SYSTEM:true
socat=$pid
spawn host socat UDP4-LISTEN:8081,reuseaddr SYSTEM:true
wait_port host tcp 8080
wait_port host udp 8081
doctor 1 'a port that is busy' pasta --doctor -t 8080,8082 -u 8081
says 'FAIL ports: TCP port 8080: in use already by socat \(PID [0-9]+\): '
says 'FAIL ports: UDP port 8081: in use already by a process of user 0: |FAIL ports: UDP port 8081: in use already by socat'
says 'ok   ports: 1 can be opened'
says 'FAIL start: '
starts 1 pasta -t 8080,8082 -u 8081
stop "$socat" "$pid"
doctor 1 'one below 1024' pasta --doctor -t 80
says 'FAIL ports: TCP port 80: it is below .*ip_unprivileged_port_start, 1024'
starts 1 pasta -t 80
sysctl -qw net.ipv4.ip_unprivileged_port_start=80
doctor 0 '... that is allowed' pasta --doctor -t 80
sysctl -qw net.ipv4.ip_unprivileged_port_start=1024
doctor 1 'an address that is nobody'"'"'s' pasta --doctor -t 192.0.2.99/8080
says 'FAIL ports: .*192.0.2.99.*--freebind'
starts 1 pasta -t 192.0.2.99/8080
doctor 0 '... freely' pasta --doctor --freebind -t 192.0.2.99/8080

# descriptors
doctor 1 'many ports, few files' prlimit --nofile=128:128 pasta --doctor \
	-t 8000-8199
says 'FAIL open files: .*200 ports.*ulimit -Hn'
starts 1 prlimit --nofile=128:128 pasta -t 8000-8199
doctor 0 'few files' prlimit --nofile=512:512 pasta --doctor
says 'warn open files: .*ulimit -Hn'

# the kernel
doctor 0 'no SO_PEEK_OFF' "$T/bin/lacking" peek-off pasta --doctor
says 'warn kernel: no SO_PEEK_OFF: .*slower'
doctor 0 'no SO_BUF_LOCK' "$T/bin/lacking" buf-lock pasta --doctor
says 'warn kernel: no SO_BUF_LOCK: .*slower'
doctor 0 'no USO' "$T/bin/lacking" uso pasta --doctor
says 'warn /dev/net/tun: no USO '

# what only a start finds out, and what is others'
spawn user passt -f -s "$d/vm"
wait_for '[ -S "$d/vm" ]'
doctor 1 'a socket that is taken' passt --doctor -s "$d/vm"
says 'FAIL start: .*already in use'
ok '... and stays its owner'"'"'s' sh -c "[ -S '$d/vm' ] &&
	socat -u OPEN:/dev/null 'UNIX-CONNECT:$d/vm'"
starts 1 passt -s "$d/vm"
stop "$pid"
doctor 1 'a file that can'"'"'t be written' pasta --doctor --log-file /nonsense/x
says 'FAIL start: --log-file: .*/nonsense/x'
rm -f "$d/vm"
for f in pid log pcap audit; do
	echo old >"$d/$f"
	chmod 666 "$d/$f"
done
doctor 0 'files of somebody' pasta --doctor --config-net --pid "$d/pid" \
	--log-file "$d/log" --pcap "$d/pcap" --audit "$d/audit" \
	--control "$d/control" -c "$d/pesto"
is "$(cat "$d/pid" "$d/log" "$d/pcap" "$d/audit" | sort -u)" old '... stay as they are'
is "$(ls "$d" | tr '\n' ' ')" 'audit log pcap pid ' '... and no other is left' ||
	diag "$(ls -l "$d")"
rm -f "$d/pid"
pasta_up --config-net
spawn user unshare -rn sleep 100000
other=$pid
wait_for 'grep -q sleep "/proc/$other/comm"'
doctor 0 'a namespace to join' pasta --doctor --config-net "$other"
says 'ok   namespaces: they can be joined'
is "$(in_ns "$other" ip -o link | grep -c eth0)" 0 \
	'... that stays as it is'
doctor 1 'one that is gone' pasta --doctor --netns "$d/nonsense"
says 'FAIL namespaces: .*nonsense'
is "$(pgrep -c -x 'pasta|passt')" 1 'no process is left'
pasta_down
done_testing
