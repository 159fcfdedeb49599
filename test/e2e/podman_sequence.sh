#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What Podman, Buildah and RootlessKit do with pasta, word for word, by an
# ordinary user: their command lines, how they judge the outcome, what they look
# at next, and how they stop it. They aren't needed for it.
# timeout 180

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_dns || bail 'no name server'
peer=$TOP/test/tools/peer

pod_up

# inside PATH CMD...: in a namespace, on the host
inside()
{
	inside_path=$1
	shift
	in_pod nsenter --net="$inside_path" -- "$@"
}
# serve PATH PORT: a server in a namespace, sets $pid
serve()
{
	spawn user nsenter --preserve-credentials -U -m -t "$pod" -- \
		nsenter --net="$1" -- "$peer" serve "$2" >"$T/serve.$2"
	wait_for "grep -q ready '$T/serve.$2'"
}

# run ARGS...: pasta, as exec.Command(...).CombinedOutput() runs it: sets $status,
# $out when all who hold the output have let go, and $ms that this has taken
run()
{
	run_start=$(date +%s%N)
	out=$(in_pod timeout 20 pasta "$@" 2>&1 </dev/null)
	status=$?
	ms=$((($(date +%s%N) - run_start) / 1000000))
}
# Addresses that Podman counts: of IPv4 all but loopback, of IPv6 global ones
counted()
{
	inside "$1" ip -o address show | awk '
		$3 == "inet" && $4 !~ /^127\./ ||
		$3 == "inet6" && $4 !~ /^(::1|fe80:)/ {
			sub("/.*", "", $4); print $4
		}' | sort | xargs
}
# the daemon of a namespace's path
daemon_of()
{
	pgrep -f -- "^pasta .*--netns[= ]$1( |\$)" | head -n 1
}
both=$(printf '%s\n' "$HOST4" "$HOST6" | sort | xargs)

### podman info

out=$(in_pod pasta --version 2>"$T/err")
is $? 0 'podman info: --version exits with 0'
like "$out" 'pasta *' '... its name and version on standard output'
is "$(cat "$T/err")" '' '... nothing on standard error'

### podman run

dir=$T/user/netns
as_user mkdir "$dir"
n=$dir/netns-1
netns_new "$n"
run --config-net --dns-forward 169.254.1.1 -t none -u none -T none -U none \
	--no-map-gw --quiet --netns "$n" --map-guest-addr 169.254.1.2
is "$status $out" '0 ' 'podman run: status 0, no warning'
# otherwise it is open for as long as the process is there
is "$(test "$ms" -lt 10000 && echo yes)" yes '... its output ends at once'
diag "$ms ms"
is "$(counted "$n")" "$both" '... the addresses are there'
is "$(inside "$n" ip -6 -o address show tentative)" '' '... usable at once'
is "$(inside "$n" ip -4 route show default | awk '{ print $3, $5 }')" \
	"$GW4 eth0" '... the default route'
is "$(inside "$n" ip -6 route show default | awk '{ print $3, $5 }')" \
	"$GW6LL eth0" '... that of IPv6'
like "$(inside "$n" ip link show eth0)" '*,UP*mtu 65520*' \
	'... the interface is up, MTU 65520'
like "$(inside "$n" ip link show lo)" '*LOOPBACK,UP*' '... lo is up'
d=$(daemon_of "$n")
for fd in 0 1 2; do
	is "$(readlink "/proc/$d/fd/$fd")" /dev/null "... descriptor $fd"
done

# resolv.conf begins with 169.254.1.1, host.containers.internal is 169.254.1.2
for proto in udp tcp; do
	is "$(inside "$n" "$peer" dns $proto 169.254.1.1 www.example.org A)" \
		'1 49' "... the container's resolver, by $proto"
done
spawn host "$peer" serve 7777 >"$T/serve.host"
host_server=$pid
wait_for "grep -q ready '$T/serve.host'"
like "$(inside "$n" "$peer" ask 169.254.1.2 7777 WHO)" "$HOST4 *" \
	'... host.containers.internal is the host'
ok '... loopback is its own' inside "$n" "$peer" refused 127.0.0.1 7777
# the world's port 7777 is nobody's
ok '... the gateway is the gateway' inside "$n" "$peer" refused "$GW4" 7777

# Stop: the file is unmounted, then deleted
in_pod umount "$n"
ok '... runs as long as there is the file' alive "$d"
in_pod rm -f "$n"
ok '... ends when it is deleted' wait_gone "$d"

### podman run -p

n=$dir/netns-2
netns_new "$n"
run --config-net -t 8080-8080:80-80 -t 8080-8080:80-80 \
	-t ::1/8081-8081:80-80 -t "$HOST4/8082-8082:80-80" \
	-t 8090-8092:8190-8192 -u 8080-8080:80-80 -u ::1/8081-8081:80-80 \
	--dns-forward 169.254.1.1 -T none -U none --no-map-gw --quiet \
	--netns "$n" --map-guest-addr 169.254.1.2
is "$status $out" '0 ' 'published ports, one of them twice'
for p in 8080 8081 8082 8090 8091 8092; do
	ok "... TCP $p" listening host tcp $p
done
ok '... UDP 8080' listening host udp 8080
ok '... UDP 8081' listening host udp 8081
serve "$n" 80
serve "$n" 8191
# who asks: from the world its own address, as does its datagram
for a in "$HOST4" "$HOST6"; do
	client=$WORLD4
	[ "$a" = "$HOST4" ] || client=$WORLD6
	like "$(in_world "$peer" ask "$a" 8080 WHO)" "$client *" "... TCP by $a"
	like "$(in_world "$peer" udpask "$a" 8080 WHO)" "$client *" \
		"... UDP by $a"
	is "$(in_world "$peer" ask "$a" 8091 hello)" hello \
		"... TCP in a range, by $a"
done
for a in 127.0.0.1 ::1; do
	is "$("$peer" ask $a 8080 hello)" hello "... TCP by $a"
	like "$("$peer" udpask $a 8080 hello)" 'hello *' "... UDP by $a"
done
# the host by the address that it shares: the one of host.containers.internal
like "$("$peer" ask "$HOST4" 8080 WHO)" '169.254.1.2 *' '... the host, TCP'
like "$("$peer" udpask "$HOST4" 8080 WHO)" '169.254.1.2 *' '... the host, UDP'
is "$("$peer" ask ::1 8081 hello)" hello '... TCP of ::1 only'
like "$("$peer" udpask ::1 8081 hello)" 'hello *' '... UDP of ::1 only'
ok '... which is not for others' in_world "$peer" refused "$HOST6" 8081
is "$(in_world "$peer" ask "$HOST4" 8082 hello)" hello '... TCP of one address'
ok '... nor is that' "$peer" refused 127.0.0.1 8082

# the same ports once more, for another container
other=$dir/netns-3
netns_new "$other"
run --config-net -t 8080-8080:80-80 --dns-forward 169.254.1.1 -u none -T none \
	-U none --no-map-gw --quiet --netns "$other" \
	--map-guest-addr 169.254.1.2
is "$status" 1 'a port that is taken: status 1'
like "$out" '*Listen failed for HOST TCP port \*/8080: Address already in use*' \
	'... the reason is in the combined output'
is "$(daemon_of "$other")" '' '... nothing is left running'
is "$(inside "$other" ip -o link show | wc -l)" 1 '... nor in the namespace'
d=$(daemon_of "$n")
netns_delete "$n"
ok '... the first one ends' wait_gone "$d"
ok '... and its ports are free' sh -c '! ss -Hltn "sport = :8080" | grep .'

### User's options: --network pasta:...

# opts NAME COMMAND WANT ARGS...: what COMMAND prints inside
opts()
{
	opts_name=$1 opts_cmd=$2 opts_want=$3
	shift 3
	netns_new "$dir/opts"
	run --config-net "$@" --dns-forward 169.254.1.1 -t none -u none \
		-T none -U none --no-map-gw --quiet --netns "$dir/opts" \
		--map-guest-addr 169.254.1.2
	is "$status $(inside "$dir/opts" sh -c "$opts_cmd" | xargs)" \
		"0 $opts_want" "$opts_name" || diag "$out"
	d=$(daemon_of "$dir/opts")
	netns_delete "$dir/opts"
	wait_gone "$d"
}
show4="ip -4 -o address show scope global | awk '{ print \$2, \$4 }'"
link='ip -o link show eth0'
show6="ip -6 -o address show scope global | awk '{ print \$2, \$4 }'"
opts '-4: no IPv6' "$show4; $show6" "eth0 $HOST4/24" -4
opts '--ipv4-only: the same' "$show4; $show6" "eth0 $HOST4/24" --ipv4-only
opts '-6: no IPv4' "$show4; $show6" "eth0 $HOST6/64" -6
opts '-I' "$show4" "mynet $HOST4/24" -I mynet
opts '--ns-mac-addr' "$link | grep -o 9a:[0-9a-f:]*" 9a:dd:31:ea:92:98 \
	--ns-mac-addr 9a:dd:31:ea:92:98
opts '-m' "$link | grep -o 'mtu [0-9]*'" 'mtu 1280' -m 1280
opts '--mtu' "$link | grep -o 'mtu [0-9]*'" 'mtu 1500' --mtu 1500
opts '-a, -n, -g' "$show4; ip -4 route show default" \
	'eth0 192.0.2.9/24 default via 192.0.2.1 dev eth0' \
	-a 192.0.2.9 -n 24 -g 192.0.2.1
opts '--no-ndp, --no-dhcp, --no-dhcpv6' "$show4" "eth0 $HOST4/24" \
	--no-ndp --no-dhcp --no-dhcpv6
netns_new "$dir/opts"
run --config-net -t auto -u auto -T 5201 -U auto --dns-forward 169.254.1.1 \
	--netns "$dir/opts" --quiet --map-guest-addr 169.254.1.2
is "$status $out" '0 ' '-t auto, -u auto, -T 5201, -U auto'
d=$(daemon_of "$dir/opts")
netns_delete "$dir/opts"
wait_gone "$d"

### Errors

# an older pasta: Podman takes the last two words away and tries again
netns_new "$dir/err"
run --config-net --quiet --netns "$dir/err" --map-guest-addr-x 169.254.1.2
is "$status" 1 'unknown option: status 1'
like "$out" "*unrecognized option '--map-guest-addr*" '... the words Podman matches'
like "$out" "*
*unrecognized option '--map-guest-addr-x'*" '... which are the last line, too'
run --config-net --quiet --netns "$dir/nothing" --map-guest-addr 169.254.1.2
is "$status" 1 'no such namespace: status 1'
like "$out" "Couldn't open network namespace $dir/nothing*" '... says which'
netns_delete "$dir/err"

### podman network: one namespace for all, a PID file, SIGTERM

n=$dir/rootless-netns
pid_file=$dir/rootless-netns-conn.pid
netns_new "$n"
for i in 1 2 3; do
	run --config-net --pid "$pid_file" --dns-forward 169.254.1.1 -t none \
		-u none -T none -U none --no-map-gw --quiet --netns "$n" \
		--map-guest-addr 169.254.1.2
	is "$status $out" '0 ' "rootless-netns, start $i"
	d=$(cat "$pid_file")
	like "$d" '[1-9]*' '... the PID file is filled'
	is "$(od -c "$pid_file" | head -n 1 | grep -o '[0-9]  *\\n')" \
		"$(printf '%s' "$d" | tail -c 1)  \n" \
		'... with the number, and an end of line'
	ok '... kill -0 finds it' as_user kill -0 "$d"
	is "$(counted "$n")" "$both" '... addresses'
	case $i in
	1)	# Podman finds it dead, and starts it again
		as_user kill -KILL "$d"
		ok '... gone' wait_gone "$d" ;;
	2)	as_user kill -TERM "$d"
		ok '... SIGTERM ends it' wait_gone "$d" ;;
	esac
	[ "$i" -eq 3 ] ||
		wait_for "! inside '$n' ip link show eth0 >/dev/null 2>&1"
done
in_pod umount "$n"
as_user kill -TERM "$d"
ok '... SIGTERM after unmounting' wait_gone "$d"
in_pod rm -f "$n"

### Buildah: a namespace of a process, by its path in procfs

spawn user unshare -Urn sleep 100001
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
out=$(as_user nsenter --preserve-credentials -U -t "$target" \
	timeout 20 pasta --config-net --dns-forward 169.254.1.1 -t none \
	-u none -T none -U none --no-map-gw --quiet \
	--netns "/proc/$target/ns/net" --map-guest-addr 169.254.1.2 2>&1)
is "$? $out" '0 ' 'buildah: status 0, no warning'
d=$(daemon_of "/proc/$target/ns/net")
like "$(in_ns "$target" ip -o address show eth0)" "*$HOST4/24*" '... addresses'
kill "$target"
ok '... ends with the process' wait_gone "$d"

### RootlessKit

out=$(as_user pasta --version 2>&1)
is $? 0 'rootlesskit: first probe'
as_user pasta --host-lo-to-ns-lo --version >/dev/null 2>&1
is $? 0 'rootlesskit: second probe'
as_user pasta --no-such-option --version >/dev/null 2>&1
is $? 1 '... that tells of an option that is missing'

# rk NAME WORDS...: its command line, and what to join
rk()
{
	rk_name=$1
	shift
	out=$(as_user timeout 20 pasta --stderr --ns-ifname=tap0 --mtu=65520 \
		--config-net --address=10.0.2.100 --netmask=24 \
		--gateway=10.0.2.2 --dns-forward=10.0.2.3 --no-map-gw \
		--ipv4-only --tcp-ports=auto --udp-ports=auto \
		--host-lo-to-ns-lo "$@" 2>&1)
	is $? 0 "$rk_name: status" || diag "$out"
}
# its process has a user namespace, a mount namespace, and one for the network
# either of its own, or of a path that only it has
spawn user unshare -Urmn --propagation private sh -c "
	: >'$dir/detached' && unshare --net='$dir/detached' -- true &&
	exec sleep 100002"
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
rk 'rootlesskit, PID' "$target"
is "$(in_ns "$target" ip -4 -o address show tap0 | awk '{ print $4 }')" \
	10.0.2.100/24 '... address'
is "$(in_ns "$target" ip -4 route show default | xargs)" \
	'default via 10.0.2.2 dev tap0' '... route'
is "$(in_ns "$target" "$peer" dns udp 10.0.2.3 www.example.org A)" '1 49' \
	'... resolver'
# docker run -p: its own proxy listens in the namespace
spawn "ns:$target" "$peer" serve 8085 >"$T/serve.8085"
ok '... an automatic port' wait_port host tcp 8085
like "$("$peer" ask 127.0.0.1 8085 WHO)" '127.0.0.1 *' \
	'... loopback is loopback inside'
d=$(pgrep -f -- "^pasta --stderr .* $target\$")

rk 'rootlesskit, detached' "--userns=/proc/$target/ns/user" \
	"--netns=/proc/$target/root$dir/detached"
d2=$(daemon_of "/proc/$target/root$dir/detached")
is "$(as_user nsenter --preserve-credentials -U -m -t "$target" \
	nsenter --net="$dir/detached" ip -4 -o address show tap0 |
	awk '{ print $4 }')" 10.0.2.100/24 '... address'
as_user rm -f "$dir/detached" 2>/dev/null ||
	as_user nsenter --preserve-credentials -U -m -t "$target" \
		sh -c "umount '$dir/detached'; rm -f '$dir/detached'"
ok '... ends with the file' wait_gone "$d2"
ok '... the other one is there' alive "$d"
kill "$target"
ok '... and ends with the process' wait_gone "$d"

# with IPv6, another port driver, and the host's loopback allowed
spawn user unshare -Urn sleep 100003
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
out=$(as_user timeout 20 pasta --stderr --ns-ifname=tap0 --mtu=65520 \
	--config-net --address=10.0.2.100 --netmask=24 --gateway=10.0.2.2 \
	--dns-forward=10.0.2.3 --tcp-ports=none --udp-ports=none "$target" 2>&1)
is $? 0 'rootlesskit, port driver none: status' || diag "$out"
like "$(in_ns "$target" ip -6 -o address show tap0 scope global)" "*$HOST6*" \
	'... IPv6'
like "$(in_ns "$target" "$peer" ask 10.0.2.2 7777 WHO)" '127.0.0.1 *' \
	"... the gateway leads to the host's loopback"
spawn "ns:$target" "$peer" serve 8086 >"$T/serve.8086"
wait_for "grep -q ready '$T/serve.8086'"
pause 0.3
is "$(ss -Hltn 'sport = :8086')" '' '... no automatic port'
kill "$target"
wait_for '! pgrep -x pasta >/dev/null'

stop "$host_server"
is "$(pgrep -x pasta | xargs)" '' 'nothing is left running'
done_testing
