#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Show what passt and pasta do, on a small Internet made of namespaces.
#
#	doc/demo.sh [--shell] [--no-vm]
#
# --shell leaves you in pasta's namespace at the end, --no-vm leaves out the
# virtual machine. Nothing outside the demo's own namespaces is touched, and
# everything goes when it ends. The status is 0 if all that was shown worked.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on

MIB=100

for arg; do
	case $arg in
	--shell | --no-vm)	;;
	*)	echo "usage: $0 [--shell] [--no-vm]" >&2
		exit 1 ;;
	esac
done

# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../test/lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

bail()
{
	echo "demo: $*" >&2
	exit 1
}

skip_all()
{
	bail "$*: run as root"
}

shell='' vm=1
for arg; do
	case $arg in
	--shell)	shell=1 ;;
	--no-vm)	vm= ;;
	esac
done

bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ "${NO_COLOR:-}" = "" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$(printf '\033[1m')
	dim=$(printf '\033[2m')
	green=$(printf '\033[32m')
	red=$(printf '\033[31m')
	plain=$(printf '\033[0m')
fi
failures=0

title()
{
	printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"
}

say()
{
	printf '  %s\n' "$@"
}

# run WHERE COMMAND [SHOWN]: show the command and run it there, output to $out
run()
{
	printf '  %s%s$ %s%s\n' "$dim" "$1" "${3:-$2}" "$plain"
	case $1 in
	host)	out=$(as_user sh -c "$2" 2>&1) ;;
	world)	out=$(in_world sh -c "$2" 2>&1) ;;
	inside)	out=$(in_ns "$ns" sh -c "$2" 2>&1) ;;
	esac
}

# good WHAT FIGURES, bad WHAT REASON: what came of it
good()
{
	printf '  %sok%s    %-26s %s\n' "$green" "$plain" "$1" "$2"
}

bad()
{
	failures=$((failures + 1))
	printf '  %sFAIL%s  %-26s %s\n' "$red" "$plain" "$1" "$2"
}

# check WHAT CONDITION FIGURES
check()
{
	if eval "$2"; then
		good "$1" "$3"
	else
		bad "$1" "$3"
		[ -z "$out" ] || printf '%s\n' "$out" | tail -n 5 |
			sed 's/^/        /'
	fi
}

now_ms()
{
	date +%s%N | sed 's/......$//'
}

# bytes per second as bits
rate()
{
	awk -v b="$1" 'BEGIN {
		b *= 8
		if (b >= 1e9)
			printf "%.1f Gbit/s", b / 1e9
		else
			printf "%.0f Mbit/s", b / 1e6
	}'
}

# the process as the kernel sees it
isolation()
{
	field()
	{
		sed -n "s/^$1:[[:space:]]*//p" "/proc/$2/status" |
			cut -f 1
	}
	iso_caps=$(field CapEff "$1")
	# our view may be that of a user namespace
	iso_uid=$(field Uid "$1")
	[ "$WORLD_ROOT" ] || iso_uid=$WORLD_CALLER
	iso_text="uid $iso_uid, capabilities $iso_caps,"
	iso_text="$iso_text no_new_privs $(field NoNewPrivs "$1"),"
	iso_text="$iso_text seccomp $(field Seccomp "$1")"
	out=
	check 'what it is allowed' \
		'[ "$(field NoNewPrivs '"$1"') $(field Seccomp '"$1"')" = "1 2" ]' \
		"$iso_text"
}

world()
{
	world_up
	need_tun
	world_dns && world_web || bail "no servers"
	make_file "$T/web/file" $MIB
	sum=$(sha256 "$T/web/file")
	: "$sum"
	echo '<p>hello from inside</p>' >"$T/user/index.html"

	title "A small Internet"
	cat <<-E
		     inside              host                    world
		  +----------+   +----------------+   +------------------+
		  | a name-  |   | 203.0.113.2    |   | 198.51.100.10    |
		  | space or |-A-| 2001:db8:1::2  |---| 2001:db8:100::10 |
		  | a guest  |   |                |   | web, name server |
		  +----------+   +----------------+   +------------------+

		  A: pasta or passt, a process of an ordinary user of the host
		E
}

start_up()
{
	title "A namespace: pasta"
	say "As uid $(as_user id -u), which may do nothing special. Configured by pasta itself:"
	t0=$(now_ms)
	run host 'pasta --config-net -- ip -o address show scope global'
	check 'start to finish' \
		'case $out in *"$HOST4"*"$HOST6"*) ;; *) false ;; esac' \
		"$(($(now_ms) - t0)) ms, with the host's own addresses"
	printf '\n'
	say "Once more, to stay, with a port forwarded, and configured by the usual clients:"
	printf '  %s%s%s\n' "$dim" 'host$ pasta -t 8080:80 -- sleep' "$plain"
	pasta_up -t 8080:80
	good 'pasta runs' "pid $pasta_pid, $(awk '/VmRSS/ { print $2 }' \
		"/proc/$pasta_pid/status") KiB of memory"
	isolation "$pasta_pid"
	in_ns "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0
	iface=$(in_ns "$ns" ip -o link | awk -F': ' '$2 != "lo" { print $2 }')
	in_ns "$ns" sysctl -qw "net.ipv6.conf.$iface.accept_dad=0"
}

# Scripts that the clients call: print what they were given, and apply it, but
# leave the resolver's configuration, which here is the host's, alone.
client_scripts()
{
	cat >"$T/user/udhcpc" <<-'E'
		#!/bin/sh
		case $1 in
		deconfig)
			ip link set "$interface" up ;;
		bound)	ip link set "$interface" mtu "$mtu"
			ip address add "$ip/$mask" dev "$interface"
			ip route add default via "$router" dev "$interface"
			echo "got $ip/$mask, router $router, mtu $mtu" ;;
		esac
		E
	cat >"$T/user/dhclient" <<-'E'
		#!/bin/sh
		[ "$reason" = BOUND6 ] || exit 0
		ip -6 address add "$new_ip6_address/128" dev "$interface" nodad
		echo "got $new_ip6_address"
		kill $PPID
		E
	chmod 755 "$T/user/udhcpc" "$T/user/dhclient"
}

addresses()
{
	printf '\n'
	client_scripts
	run inside "busybox udhcpc -q -f -n -t 5 -T 1 -i $iface \
		-s $T/user/udhcpc" "udhcpc -q -i $iface"
	got=$(echo "$out" | sed -n 's/^got //p')
	check 'IPv4 by DHCP' '[ "$got" ]' "${got:-no answer}"

	run inside "wait_ra() { ip -6 route | grep -q '^default'; }; n=0
		until wait_ra || [ \$((n += 1)) -gt 50 ]; do sleep 0.1; done
		ip -6 -o address show scope global; ip -6 route show default" \
		"ip -6 address show; ip -6 route show default"
	router=$(echo "$out" | sed -n 's/^default via \([^ ]*\).*/\1/p')
	got=$(echo "$out" | sed -n 's/.*inet6 \([^ ]*\) .*/\1/p' | head -n 1)
	check 'IPv6 by advertisement' '[ "$router" ] && [ "$got" ]' \
		"$got, router $router"

	command -v dhclient >/dev/null || return 0
	run inside "timeout 20 dhclient -6 -1 -d -q -sf $T/user/dhclient \
		-lf $T/user/leases -pf $T/user/dhclient.pid $iface" \
		"dhclient -6 $iface"
	got=$(echo "$out" | sed -n 's/^got //p')
	check 'IPv6 by DHCPv6' '[ "$got" ]' "${got:-no answer}"
}

ping_names()
{
	printf '\n'
	for a in "$WORLD4" "$WORLD6"; do
		run inside "ping -c 3 -i 0.2 $a"
		rtt=$(echo "$out" | sed -n 's,^rtt.*= [^/]*/\([^/]*\)/.*,\1,p')
		check 'ping' '[ "$rtt" ]' "${rtt:-no answer}${rtt:+ ms}"
	done
	run inside 'getent ahosts www.example.org'
	got=$(echo "$out" | awk '{ print $1 }' | sort -u | tr '\n' ' ')
	check 'name' 'case $got in *"$WORLD4"*) ;; *) false ;; esac' "$got"
}

transfers()
{
	printf '\n'
	for a in "$WORLD4" "[$WORLD6]"; do
		run inside "curl -sS -o /dev/null -w %{speed_download} http://$a/file"
		speed=$out
		got=$(in_ns "$ns" curl -sS "http://$a/file" | sha256sum |
			cut -d ' ' -f 1)
		check "download, $MIB MiB" '[ "$got" = "$sum" ]' \
			"$(rate "$speed"), sha256 ${got%"${got#????????}"}"
		run inside "curl -sS -o /dev/null -T $T/web/file -w %{speed_upload} http://$a:8000/"
		speed=$out
		got=$(sha256 "$T/put")
		rm -f "$T/put"
		check "upload, $MIB MiB" '[ "$got" = "$sum" ]' \
			"$(rate "$speed"), sha256 ${got%"${got#????????}"}"
	done
	down=$(curl -sS -o /dev/null -w '%{speed_download}' "http://$WORLD4/file")
	up=$(curl -sS -o /dev/null -T "$T/web/file" -w '%{speed_upload}' \
		"http://$WORLD4:8000/")
	say "      (the host itself: $(rate "$down") down, $(rate "$up") up)"
}

inbound()
{
	printf '\n'
	spawn "ns:$ns" busybox httpd -f -p '[::]:80' -h "$T/user"
	wait_port "ns:$ns" tcp 80
	for a in "$HOST4" "[$HOST6]"; do
		run world "curl -sS http://$a:8080/"
		check 'service inside' \
			'[ "$out" = "<p>hello from inside</p>" ]' "$out"
	done
}

# value of NAME in the guest's output
said()
{
	vm_output | sed -n "s/^$1: *//p" | tail -n 1
}

vm_script()
{
	cat >"$T/script" <<-E
	ping_to()
	{
		ping -c 3 -i 0.2 "\$1" | sed -n 's,^rtt.*= [^/]*/\([^/]*\)/.*,\1 ms,p'
	}
	eventually()
	{
		n=0
		until eval "\$1"; do
			[ \$((n += 1)) -lt 100 ] || return
			sleep 0.1
		done
	}
	echo "boot: \$(cut -d ' ' -f 1 /proc/uptime)"
	echo "kernel: \$(uname -r)"
	busybox udhcpc -q -f -n -t 10 -T 1 -i eth0
	. /run/udhcpc.bound
	echo "dhcp: \$ip/\$mask, router \$router, mtu \$mtu"
	eventually 'ip -6 route | grep -q ^default'
	eventually '! ip -6 address show dev eth0 | grep -q tentative'
	echo "ra: \$(ip -6 -o address show dev eth0 scope global |
		sed 's/.*inet6 \([^ ]*\) .*/\1/;q')"
	echo "ping4: \$(ping_to $WORLD4)"
	echo "ping6: \$(ping_to $WORLD6)"
	echo "name: \$(getent ahosts www.example.org |
		awk '{ print \$1 }' | sort -u | tr '\n' ' ')"
	echo "down: \$(curl -sS -o /tmp/file -w '%{speed_download}' http://$WORLD4/file)"
	echo "downsum: \$(sha256sum </tmp/file)"
	echo "up: \$(curl -sS -o /dev/null -T /tmp/file -w '%{speed_upload}' 'http://[$WORLD6]:8000/')"
	mkdir /tmp/www
	echo '<p>hello from the guest</p>' >/tmp/www/index.html
	busybox httpd -p '[::]:80' -h /tmp/www
	echo READY
	sleep 100
	E
}

machine()
{
	title "A virtual machine: passt"
	if ! command -v qemu-system-x86_64 >/dev/null; then
		bad 'QEMU' 'not installed: contrib/setup demo'
		return
	fi
	vm_build || bail "no guest image"
	sock=$T/user/passt.socket
	printf '  %s%s%s\n' "$dim" "host\$ passt -f -t 8080:80 -s passt.socket" "$plain"
	spawn user passt -f -t 8080:80 -s "$sock" >"$T/passt.out" 2>&1
	passt_pid=$pid
	wait_for "[ -S '$sock' ]" || { cat "$T/passt.out"; bail "no passt"; }
	good 'passt runs' "pid $passt_pid, $(awk '/VmRSS/ { print $2 }' \
		"/proc/$passt_pid/status") KiB of memory"
	isolation "$passt_pid"
	printf '\n'

	vm_script
	printf '  %s%s%s\n' "$dim" "host\$ qemu-system-x86_64 $(vm_accel) \\" "$plain"
	printf '          %s%s%s\n' "$dim" "-netdev stream,id=n,server=off,addr.type=unix,addr.path=passt.socket \\" "$plain"
	printf '          %s%s%s\n' "$dim" "-device virtio-net-pci,netdev=n ..." "$plain"
	# shellcheck disable=SC2046 # words
	vm_start "$T/script" -- $(vm_net "$sock")
	ready=
	vm_said READY 180 2>/dev/null && ready=1
	out=$(vm_output | tail -n 5)
	check 'guest boots' '[ "$(said boot)" ]' \
		"Linux $(said kernel), after $(said boot) s"
	check 'IPv4 by DHCP' '[ "$(said dhcp)" ]' "$(said dhcp)"
	check 'IPv6 by advertisement' '[ "$(said ra)" ]' "$(said ra)"
	check "ping $WORLD4" '[ "$(said ping4)" ]' "$(said ping4)"
	check "ping $WORLD6" '[ "$(said ping6)" ]' "$(said ping6)"
	check 'name' 'case $(said name) in *"$WORLD4"*) ;; *) false ;; esac' \
		"$(said name)"
	got=$(said downsum)
	got=${got%% *}
	check "download, $MIB MiB, IPv4" '[ "$got" = "$sum" ]' \
		"$(rate "$(said down)"), sha256 ${got%"${got#????????}"}"
	speed=$(said up)
	got=$(sha256 "$T/put")
	check "upload, $MIB MiB, IPv6" '[ "$got" = "$sum" ]' \
		"$(rate "$speed"), sha256 ${got%"${got#????????}"}"
	[ "$(vm_accel | grep tcg)" ] &&
		say "      (the processor is emulated here, speeds are not passt's)"
	printf '\n'
	if [ "$ready" ]; then
		for a in "$HOST4" "[$HOST6]"; do
			run world "curl -sS --max-time 20 http://$a:8080/"
			check 'service in the guest' \
				'[ "$out" = "<p>hello from the guest</p>" ]' \
				"$out"
		done
	else
		bad 'service in the guest' 'the guest did not get that far'
		tail -n 5 "$vm_console" | sed 's/^/        /'
	fi
	stop "$vm_pid" "$passt_pid"
}

world
start_up
addresses
ping_names
transfers
inbound
if [ "$shell" ]; then
	title "A shell inside: try ping, curl http://www.example.org/, ip address"
	in_ns "$ns" "${SHELL:-/bin/sh}"
fi
pasta_down
[ -z "$vm" ] || machine

if [ "$failures" -gt 0 ]; then
	title "$failures of the things shown did not work."
	exit 1
fi
title "All of it worked."
