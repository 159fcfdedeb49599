# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# A small Internet out of namespaces, for tests and for the demo.
#
#	host			world
#	eth0 203.0.113.2/24 --- 203.0.113.1/24, fe80::1
#	     2001:db8:1::2/64	2001:db8:1::1/64
#				lo 198.51.100.10, 2001:db8:100::10 (services)
#				   198.51.100.53, 2001:db8:100::53 (names)
#
# Sourcing this file starts the script once more, in mount, network, PID, IPC
# and UTS namespaces of its own (and a user namespace, if the caller isn't
# root). These *are* the host: whatever the script runs, runs there. The world
# is one more network namespace. Files go to a private tmpfs on /run. When the
# script ends, even by SIGKILL, all processes, addresses and files go with it.
#
#	world_up		make it; the start of every script
#	need_tun		skip the file if users can't open /dev/net/tun
#	in_host CMD...		run in the host (the script is there already)
#	in_world CMD...		run in the world
#	as_user CMD...		run in the host as an ordinary user
#	in_ns PID CMD...	run in the namespaces of PID, as its root
#	spawn WHERE CMD...	start in background (host, world, user, ns:PID,
#				net:NAME of ip-netns), sets $pid
#	stop PID...		end what spawn started, and wait for it
#	alive PID		is it there, and not a zombie?
#	wait_for COND [SECS]	poll a shell condition, fail after 10 seconds
#	wait_gone PID [SECS]	until the process has ended
#	fds_of PID, wakeups_of PID	how many descriptors it has, how often it slept
#	wait_port WHERE tcp|udp PORT [SECS]
#	steady SECS CMD...	what CMD prints, once it has been the same for so many
#				whole seconds; fails if that doesn't come to pass in
#				five times as long
#	pause SECS		a part of a second; never to synchronise
#	world_dns		name server in the world, see below for names
#	world_web		files in $T/web on port 80, PUT on port 8000 to $T/put
#	world_greets		both, with a page /hello, and a service on the host's
#				loopback, at TCP port 7777, that says "loopback"
#	bulk_serve WHERE MIB	port 9001 there gives a file of that size, 9002 says the
#				checksum of what it gets, once the sender has closed
#				its side. It's $T/file, of checksum $sum, and made
#				by the first
#	bulk_by CMD...		it goes both ways, by IPv4 and IPv6, between the world
#				and where CMD runs socat
#	world_peer PORT		test/tools/peer serves in the world, by TCP and UDP; sets
#				$peer, the program
#	pod_up			as Podman: a user's user namespace, with mounts of its
#				own, which the process $pod holds
#	in_pod CMD...		run in there, as its root
#	netns_new PATH		as Podman's library makes a network namespace in there
#	netns_delete PATH	... and ends it
#	lacking WHAT CMD...	CMD with a kernel that lacks something, see
#				test/shims/kernel.c; to be used in as_user, spawn
#	failing FILE CMD...	CMD whose system calls fail as FILE says, see
#				test/shims/fault.c; likewise
#	pasta_up ARGS...	pasta as the user, in foreground, with a namespace
#				that does nothing: sets $pasta_pid and $ns, which
#				is a PID for in_ns; pasta_down ends it. Bails out
#				if it doesn't start. $pasta_with: words in front
#				of the command
#	linkemu_guest SOCKET ARGS...	a guest on passt's stream link, which is the
#				namespace "guest", behind linkemu with ARGS: sets $emu
#	make_file PATH MIB	a file that doesn't compress
#	sha256 PATH		its checksum, nothing else
#
#	$T			private directory, $T/user belongs to the user
#	$TOP			the source tree; after world_up a view of it, in which
#				users can run test/tools, too, and Python finds
#				what is in test/lib
#	WORLD_CC		congestion control of the routes between the two,
#				default the machine's
#	PASST_BIN_DIR		where passt and pasta are, default $TOP

TOP=$(cd "$(dirname "$0")" && while [ ! -e test/lib/world.sh ] && [ / != "$PWD" ]
do cd ..; done; pwd)
export TOP
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
PASST_BIN_DIR=${PASST_BIN_DIR:-$TOP}

if [ "${WORLD_INSIDE:-}" != 1 ]; then
	export WORLD_INSIDE=1
	WORLD_ROOT=1 WORLD_OPT=
	WORLD_CALLER=$(id -u)
	if [ "$WORLD_CALLER" -ne 0 ]; then
		WORLD_ROOT=
		WORLD_OPT=-r
	fi
	WORLD_GROUP=$(id -g)
	export WORLD_ROOT WORLD_CALLER WORLD_GROUP
	# PID 1 gets no signals unless it asks for them, and has to reap
	# orphans: that's not for the script itself
	set -- -mnpiu ${WORLD_OPT:+"$WORLD_OPT"} --fork --kill-child \
		--mount-proc --propagation private -- \
		/bin/sh -c 'trap : INT TERM HUP; "$@"; exit $?' \
		init /bin/sh "$0" "$@"
	if unshare -mnpiu ${WORLD_OPT:+"$WORLD_OPT"} --fork --mount-proc true
	then
		exec unshare "$@"
	fi
	echo "1..0 # SKIP namespaces can't be made here"
	exit 0
fi

WORLD_UID=47001			# no such user need exist

HOST4=203.0.113.2
HOST6=2001:db8:1::2
GW4=203.0.113.1
GW6=2001:db8:1::1
GW6LL=fe80::1
WORLD4=198.51.100.10
WORLD6=2001:db8:100::10
DNS4=198.51.100.53
DNS6=2001:db8:100::53
# not used by anybody, for tests that map or assign addresses
FREE4=192.0.2.0			# /24
FREE6=2001:db8:f::		# /64
export HOST4 HOST6 GW4 GW6 GW6LL WORLD4 WORLD6 DNS4 DNS6 FREE4 FREE6

world_pids=
pid=

# Become CMD in the host, the world, the host as an ordinary user, or in the
# namespaces of a process of that user as their root.
#
# The ordinary user is another user id, if we're root. In a user namespace,
# where no other id exists, it's the caller's, in one more user namespace which
# the process $WORLD_USER holds; from outside of that we are root in the
# namespaces of that user's processes.
world_exec()
{
	world_where=$1
	shift
	case $world_where in
	world | net:*)
		set -- nsenter --net="/run/netns/${world_where#net:}" -- "$@" ;;
	ns:*)	set -- nsenter --preserve-credentials -U -n \
			-t "${world_where#ns:}" -- "$@" ;;
	esac
	case $WORLD_ROOT:$world_where in
	1:user | 1:ns:*)
		set -- setpriv --reuid "$WORLD_UID" --regid "$WORLD_UID" \
			--clear-groups -- "$@" ;;
	:user)	set -- nsenter --preserve-credentials -U -t "$WORLD_USER" \
			-- "$@" ;;
	esac
	exec "$@"
}

in_host()
{
	"$@"
}

in_world()
{
	(world_exec world "$@")
}

as_user()
{
	(world_exec user "$@")
}

in_ns()
{
	in_ns_pid=$1
	shift
	(world_exec "ns:$in_ns_pid" "$@")
}

spawn()
{
	(world_exec "$@") &
	pid=$!
	world_pids="$world_pids $pid"
}

alive()
{
	alive_s=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
	case $alive_s in
	# with another thread it still has all that is open
	Z*)		set -- "/proc/$1/task/"*
			[ $# -gt 1 ] ;;
	'' | X*)	return 1 ;;
	esac
}

stop()
{
	for stop_p; do
		kill "$stop_p" 2>/dev/null
	done
	for stop_p; do
		wait_gone "$stop_p" 3 || kill -KILL "$stop_p" 2>/dev/null
		wait "$stop_p" 2>/dev/null
	done
	return 0
}

pause()
{
	sleep "$1"
}

wait_for()
{
	wait_end=$(($(date +%s) + ${2:-10}))
	until eval "$1"; do
		if [ "$(date +%s)" -gt "$wait_end" ]; then
			echo "waited ${2:-10} s for: $1" >&2
			return 1
		fi
		sleep 0.02
	done
}

steady()
{
	steady_same=0 steady_want=$(($1 * 10)) steady_left=$(($1 * 50))
	shift
	steady_now=$("$@")
	while [ "$steady_same" -lt "$steady_want" ] && [ "$steady_left" -gt 0 ]
	do
		pause 0.1
		steady_left=$((steady_left - 1)) steady_was=$steady_now
		steady_now=$("$@")
		steady_same=$((steady_same + 1))
		[ "$steady_now" = "$steady_was" ] || steady_same=0
	done
	printf '%s\n' "$steady_now"
	[ "$steady_now" ] && [ "$steady_same" -ge "$steady_want" ]
}

fds_of()
{
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

wakeups_of()
{
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$1/status"
}

wait_gone()
{
	wait_for "! alive $1" "${2:-10}"
}

# is something listening in $1 at port $3 of protocol $2 (tcp, udp)?
listening()
{
	case $2 in
	tcp)	lst_opt=-Hltn ;;
	*)	lst_opt=-Hlun ;;
	esac
	[ "$(world_exec "$1" ss "$lst_opt" "sport = :$3" 2>/dev/null)" ]
}

wait_port()
{
	wait_for "listening $1 $2 $3" "${4:-10}"
}

need_tun()
{
	as_user sh -c 'exec 3<>/dev/net/tun' 2>/dev/null ||
		skip_all '/dev/net/tun is missing, or closed to users'
}

world_cleanup()
{
	# the rest ends with the PID namespace
	# shellcheck disable=SC2086 # a list
	[ -z "$world_pids" ] || kill $world_pids 2>/dev/null
	world_pids=
}

# a device node that users may open, as on any ordinary machine; $T/dev/tun
world_tun()
{
	[ -e /dev/net/tun ] || return 0
	if [ "$WORLD_ROOT" ]; then
		mkdir "$T/dev"
		if mknod -m 666 "$T/dev/tun" c 10 200 2>/dev/null; then
			mount --bind "$T/dev/tun" /dev/net/tun
		fi
	fi
}

# as the host's resolver configuration, wherever /etc/resolv.conf points to
world_resolv()
{
	printf 'nameserver %s\nnameserver %s\nsearch example.org\n' \
		"$DNS4" "$DNS6" >"$T/resolv.conf"
	resolv=$(readlink -m /etc/resolv.conf)
	if [ ! -e "$resolv" ]; then
		mkdir -p "$(dirname "$resolv")" && : >"$resolv"
	fi
	mount --bind "$T/resolv.conf" "$resolv"
}

# nothing waits for duplicate addresses, in the namespace where it's run
world_sysctl='sysctl -qw net.ipv6.conf.all.accept_dad=0 \
	net.ipv6.conf.default.accept_dad=0'

# world_settled CMD...: the kernel makes the routes to IPv6 addresses in the
# background, and what comes before is lost. Has the namespace where CMD runs its
# arguments those of all?
world_settled()
{
	"$@" awk 'FNR == 1 { file++ }
		file == 1 && $2 == 80 && $9 ~ /^[89a-f]/ { route[$1] = 1 }
		file == 2 && !($1 in route) { exit 1 }' \
		/proc/net/ipv6_route /proc/net/if_inet6
}

world_links()
{
	mkdir -p /run/netns
	ip netns add world
	ip netns attach host $$

	sh -c "$world_sysctl"
	sysctl -qw 'net.ipv4.ping_group_range=0 2147483647' 2>/dev/null ||
		sysctl -qw 'net.ipv4.ping_group_range=0 0'
	ip -b - <<-E
		link set lo up
		link add eth0 type veth peer name eth0 netns world
		link set eth0 address 02:00:cb:00:71:02 up
		address add $HOST4/24 dev eth0
		address add $HOST6/64 dev eth0 nodad
		E
	in_world sh -c "$world_sysctl"
	in_world ip -b - <<-E
		link set lo up
		link set eth0 address 02:00:cb:00:71:01 up
		address add $GW4/24 dev eth0
		address add $GW6/64 dev eth0 nodad
		address add $GW6LL/64 dev eth0 nodad
		address add $WORLD4/32 dev lo
		address add $DNS4/32 dev lo
		address add $WORLD6/128 dev lo nodad
		address add $DNS6/128 dev lo nodad
		E
	# the world's clients are not the gateway
	# a namespace's sysctl takes only what the machine allows to users, a
	# route takes every congestion control
	# shellcheck disable=SC2086 # words or nothing
	set -- ${WORLD_CC:+congctl $WORLD_CC}
	in_world ip route add "$HOST4" dev eth0 src "$WORLD4" "$@"
	in_world ip -6 route add "$HOST6" dev eth0 src "$WORLD6" "$@"
	ip route add default via "$GW4" "$@"
	ip -6 route add default via "$GW6LL" dev eth0 "$@"
	wait_for 'world_settled in_host && world_settled in_world'
}

# The tree may be in a directory that the user can't enter, or its files be for
# their owner alone: what a user runs is copied, and the rest linked to
world_tree()
{
	[ "$WORLD_ROOT" ] || return 0
	mkdir -p "$T/top/test"
	for tree_f in "$TOP"/* "$TOP"/test/*; do
		[ "$tree_f" = "$TOP/test" ] ||
			ln -s "$tree_f" "$T/top/${tree_f#"$TOP"/}"
	done
	for tree_f in tools lib; do
		rm "$T/top/test/$tree_f"
		cp -a "$TOP/test/$tree_f" "$T/top/test/$tree_f"
	done
	chmod -R a+rX "$T/top/test/tools" "$T/top/test/lib"
	TOP=$T/top
}

world_up()
{
	trap world_cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	mount -t tmpfs -o mode=755 tmpfs /run || bail "no tmpfs on /run"
	T=/run/test
	mkdir -p "$T/user" "$T/bin" "$T/home" "$T/tmp" "$T/web"
	chmod 1777 "$T/tmp"
	[ -z "$WORLD_ROOT" ] || chown "$WORLD_UID:$WORLD_UID" "$T/user" "$T/home"
	export WORLD_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}"
	HOME=$T/home
	TMPDIR=$T/tmp
	XDG_RUNTIME_DIR=$T/user
	WORLD_CC=${WORLD_CC:-}
	export T HOME TMPDIR XDG_RUNTIME_DIR WORLD_CC

	world_tree
	export PYTHONPATH="$TOP/test/lib" PYTHONDONTWRITEBYTECODE=1
	if [ -x "$PASST_BIN_DIR/passt" ]; then
		cp "$PASST_BIN_DIR/passt" "$T/bin/passt"
		ln -s passt "$T/bin/pasta"
		cp "$PASST_BIN_DIR/pesto" "$T/bin"
		PATH=$T/bin:$PATH
	elif [ "${WORLD_NO_PASST:-}" != 1 ]; then
		bail "no program in $PASST_BIN_DIR: run make first"
	fi

	if [ -z "$WORLD_ROOT" ]; then
		unshare -U --map-user="$WORLD_CALLER" \
			--map-group="$WORLD_GROUP" -- sleep 1000000 &
		WORLD_USER=$!
		world_pids=$WORLD_USER
		wait_for "grep -q sleep /proc/$WORLD_USER/comm"
	fi
	hostname host
	world_tun
	world_resolv
	world_links
	world_shim
	cd "$T/user" || exit 1
}

# www, v4, v6, host .example.org; a TXT record of 1.5 KiB for big.example.org
world_dns()
{
	cat >"$T/dnsmasq.conf" <<-E
		no-resolv
		no-hosts
		bind-interfaces
		cache-size=0
		local=/example.org/
		listen-address=$DNS4,$DNS6
		host-record=www.example.org,$WORLD4,$WORLD6
		host-record=v4.example.org,$WORLD4
		host-record=v6.example.org,$WORLD6
		host-record=host.example.org,$HOST4,$HOST6
		E
	for dns_i in 1 2 3 4 5 6; do
		printf 'txt-record=big.example.org,%0250d\n' "$dns_i"
	done >>"$T/dnsmasq.conf"
	spawn world dnsmasq --no-daemon -C "$T/dnsmasq.conf" --pid-file= \
		--log-facility=- >"$T/dnsmasq.log" 2>&1
	wait_port world udp 53 && wait_port world tcp 53
}

# Files of $T/web by HTTP on port 80; what is PUT on port 8000 is then $T/put
world_web()
{
	spawn world busybox httpd -f -p "[::]:80" -h "$T/web"
	cat >"$T/bin/http-put" <<-'E'
		#!/bin/sh
		cr=$(printf '\r')
		while read -r key value && [ "$key" != "$cr" ]; do
			case $key in
			[Cc]ontent-[Ll]ength:)	length=${value%"$cr"} ;;
			[Ee]xpect:)	printf 'HTTP/1.1 100 Continue\r\n\r\n' ;;
			esac
		done
		dd of=/run/test/put bs=1M iflag=count_bytes,fullblock \
			count="$length" status=none
		printf 'HTTP/1.0 200 OK\r\n\r\nthank you'
		E
	chmod 755 "$T/bin/http-put"
	spawn world socat TCP6-LISTEN:8000,reuseaddr,fork,backlog=64 \
		"EXEC:$T/bin/http-put,nofork"
	wait_port world tcp 80 && wait_port world tcp 8000
}

bulk_serve()
{
	[ -e "$T/file" ] || make_file "$T/file" "$2"
	sum=$(sha256 "$T/file")
	spawn "$1" socat TCP6-LISTEN:9001,reuseaddr,fork,backlog=64 \
		"EXEC:cat $T/file,nofork"
	spawn "$1" socat TCP6-LISTEN:9002,reuseaddr,fork,backlog=64 \
		EXEC:sha256sum,nofork
	wait_port "$1" tcp 9001 && wait_port "$1" tcp 9002
}

bulk_by()
{
	for bulk_at in "$WORLD4" "[$WORLD6]"; do
		is "$("$@" timeout 60 socat -u -b 1048576 "TCP:$bulk_at:9001" - |
			sha256sum | cut -d ' ' -f 1)" \
			"$sum" "... download from $bulk_at"
		is "$("$@" timeout 60 socat -t 60 -b 1048576 - \
			"TCP:$bulk_at:9002" <"$T/file" | cut -d ' ' -f 1)" \
			"$sum" "... upload to $bulk_at"
	done
}

world_peer()
{
	peer=$TOP/test/tools/peer
	spawn world "$peer" serve "$1" >"$T/serve"
	wait_for "grep -q ready '$T/serve'"
}

world_greets()
{
	echo 'hello from the world' >"$T/web/hello"
	world_dns
	world_web
	spawn host socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork \
		'SYSTEM:echo loopback'
	wait_port host tcp 7777
}

# A command of its own, so that it can be an argument
world_shim()
{
	shim=${PASST_TOOLS_DIR:-$TOP/build/tools}/kernel.so
	[ -e "$shim" ] || return 0
	cp "$shim" "$T/bin/kernel.so"
	cat >"$T/bin/lacking" <<-E
		#!/bin/sh
		export LD_PRELOAD=$T/bin/kernel.so NO_KERNEL="\$1"
		export ASAN_OPTIONS=verify_asan_link_order=0
		shift
		exec "\$@"
		E
	chmod 755 "$T/bin/lacking"
	cp "${shim%/*}/fault.so" "$T/bin/fault.so"
	cat >"$T/bin/failing" <<-E
		#!/bin/sh
		export LD_PRELOAD=$T/bin/fault.so FAULTS=\$1
		export ASAN_OPTIONS=verify_asan_link_order=0
		shift
		exec "\$@"
		E
	chmod 755 "$T/bin/failing"
}

pod_up()
{
	spawn user unshare -Urm --propagation private -- sleep 100000
	pod=$pid
	wait_for "grep -q sleep /proc/$pod/comm"
}

in_pod()
{
	as_user nsenter --preserve-credentials -U -m -t "$pod" -- "$@"
}

netns_new()
{
	# shellcheck disable=SC2016 # for the other shell
	in_pod sh -c ': >"$1" && exec unshare --net="$1" -- true' sh "$1"
}

netns_delete()
{
	in_pod umount "$1"
	in_pod rm -f "$1"
}

pasta_n=0

pasta_with=
pasta_up()
{
	pasta_n=$((pasta_n + 1))
	rm -f "$T/user/up"
	# shellcheck disable=SC2086 # words
	spawn user $pasta_with pasta "$@" -- sh -c \
		": >'$T/user/up'; exec sleep 100000$pasta_n" \
		2>"$T/pasta$pasta_n.err"
	pasta_pid=$pid
	ns=
	if ! wait_for "[ -e '$T/user/up' ] || ! alive $pasta_pid" ||
	   ! alive "$pasta_pid"; then
		bail "pasta $*: $(cat "$T/pasta$pasta_n.err")"
	fi
	wait_for "ns=\$(pgrep -xf 'sleep 100000$pasta_n')"
}

pasta_down()
{
	# as the first process of its namespace it gets no other signal
	kill -KILL "$ns" 2>/dev/null
	wait_gone "$pasta_pid" 3 || stop "$pasta_pid"
}

linkemu_guest()
{
	emu_socket=$1
	shift
	ip netns add guest
	spawn host "${PASST_TOOLS_DIR:-$TOP/build/tools}/linkemu" "$@" \
		tap=eth0@/run/netns/guest "unix=$emu_socket" \
		>"$T/emu.out" 2>"$T/emu.err"
	# shellcheck disable=SC2034 # for the caller
	emu=$pid
	wait_for "grep -q ready '$T/emu.out'" || bail "$(cat "$T/emu.err")"
	ip netns exec guest sh -c "$world_sysctl
		sysctl -qw net.ipv6.conf.eth0.accept_ra=0"
	ip -n guest -b - <<-E
		link set lo up
		address add $HOST4/24 dev eth0
		address add $HOST6/64 dev eth0 nodad
		route add default via $GW4
		E
	ip -n guest -6 route replace default via "$GW6LL" dev eth0
	# passt has to know the guest before it can forward to it
	ip netns exec guest ping -qc 3 -i 0.1 "$GW4" >/dev/null 2>&1
}

# make_file PATH MIB: a file that doesn't compress
make_file()
{
	head -c "$2M" /dev/urandom >"$1"
}

sha256()
{
	sha256sum <"$1" | cut -d ' ' -f 1
}
