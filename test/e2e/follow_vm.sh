#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 240
#
# The host's network changes, and a real virtual machine learns of it: booted without
# any network, which comes later; then a better link, with other addresses and another
# resolver, that goes again; then none.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/follow.sh
. "$TOP/test/lib/follow.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

# follow_vm_vu.sh: the same by vhost-user
VM_LINK=${VM_LINK:-stream}
mode=
[ "$VM_LINK" = stream ] || mode=--vhost-user

world_up
vm_build || bail 'no guest'
ip addr show dev eth0 | grep -q "$HOST4" || bail 'not in a network of our own'

world_peer 7000

up()
{
	ip addr add "$HOST4/24" dev eth0
	ip addr add "$HOST6/64" dev eth0 nodad
	ip route replace default via "$GW4" metric 100
	ip -6 route replace default via "$GW6LL" dev eth0 metric 100
}
down()
{
	ip addr flush dev eth0 scope global
	ip route flush default 2>/dev/null
	ip -6 route flush default 2>/dev/null
}
resolver()
{
	printf 'nameserver %s\n' "$1" >"$T/resolv.conf"
}

addr()
{
	vm_sh 'ip -o address show dev eth0' | grep -q "$1"
}
# asks ADDR WHO: a new connection of the guest's, which comes from there
asks()
{
	vm_sh "printf WHO | timeout 3 socat -t 2 - TCP:$1:7000" | grep -q "^$2 "
}
out()
{
	soon "$1: by IPv4" asks "$WORLD4" "$2"
	soon "$1: by IPv6" asks "[$WORLD6]" "$3"
}
# fails ADDR: it is told at once that there is no way
fails()
{
	vm_sh "timeout 3 socat -u TCP:$1:7000 -" >"$T/fails"
	case $? in
	0 | 124 | 143)	return 1 ;;
	esac
}
# hold NAME ADDR: the guest has a connection, with something to say all the time
hold()
{
	hold_ticks='while sleep 0.2 && echo tick; do :; done'
	vm_sh "($hold_ticks | socat - TCP:$2:7000 >/tmp/$1 2>&1; echo end >>/tmp/$1) &" \
		>/dev/null
	soon "a connection to $2" vm_sh "grep -q tick /tmp/$1"
}
lives()
{
	lives_n=$(vm_sh "wc -l </tmp/$1")
	wait_for "[ \"\$(vm_sh 'wc -l </tmp/$1')\" -gt $((lives_n + 2)) ]" 5 &&
		vm_sh "! grep -q end /tmp/$1"
}
lease()
{
	vm_sh 'ip -4 -o address show dev eth0; cat /etc/resolv.conf' >"$T/lease"
	grep -q " $1/" "$T/lease" && grep -q "$2\$" "$T/lease"
}
# The client asks again, as if half of the time of its lease had gone by. It waits
# three seconds when it is refused.
renewed()
{
	vm_sh 'kill -USR1 $(cat /run/udhcpc.pid)' >/dev/null
	ok "... DHCP: its address, its resolver" wait_for "lease '$1' '$2'" 20 ||
		diag "$(cat "$T/lease")"
}

# dhcp6 NAME ADDR: a client that starts, with the lease it has, gets this address
mkdir -p "$T/vmfs"
cat >"$T/vmfs/dhscript" <<-'X'
	#!/bin/sh
	[ -z "$new_ip6_address" ] || echo "$new_ip6_address" >/run/address6
	X
chmod 755 "$T/vmfs/dhscript"
dhcp6()
{
	command -v dhclient >/dev/null || return 0
	vm_sh 'rm -f /run/address6' >/dev/null
	vm_sh 'dhclient -6 -d -sf /dhscript -lf /run/leases6 eth0 >/dev/null 2>&1 & echo $! >/run/client6' \
		>/dev/null
	soon "... $1: $2" vm_sh "grep -qx '$2' /run/address6"
	vm_sh 'kill $(cat /run/client6)' >/dev/null
}

# Nothing at all at the start, but for a resolver of later
down
resolver "$DNS4"
sock=$T/user/passt.socket
# shellcheck disable=SC2086 # none or one word
spawn user passt $mode -f -s "$sock" --no-map-gw >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"
# shellcheck disable=SC2046 # words
vm_start_shell -- $(vm_net "$sock") || bail "no guest: $(cat "$T/vm1.qemu" "$vm_console")"
vm_sh 'busybox udhcpc -f -t 100 -T 1 -A 1 -i eth0 -p /run/udhcpc.pid >/dev/null 2>&1 &' >/dev/null
soon 'booted without network: a link-local lease' lease 169.254.2.1 ''
ok '... no way out: told at once, IPv4' fails "$WORLD4"
ok '... IPv6' fails "[$WORLD6]"

up
out 'the network comes' "$HOST4" "$HOST6"
soon '... RA: the prefix' addr '2001:db8:1:.*/64'
renewed "$HOST4" "$DNS4"
dhcp6 'DHCPv6' "$HOST6"
hold old4 "$WORLD4"
hold old6 "[$WORLD6]"

second_up
resolver 198.51.100.54
soon 'a better link: RA, its prefix' addr '2001:db8:2:.*/64'
soon '... the old one is deprecated' addr '2001:db8:1:.*/64.*deprecated'
out '... new connections take it' 203.0.114.2 2001:db8:2::2
ok '... those of before go on, IPv4' lives old4
ok '... IPv6' lives old6
renewed 203.0.114.2 198.51.100.54
ok '... the IPv6 connection goes on' lives old6
dhcp6 'DHCPv6, for who had another address' 2001:db8:2::2
hold new4 "$WORLD4"
hold new6 "[$WORLD6]"

ip link del eth1
resolver "$DNS4"
soon 'that link is gone: what was by it ends at once, IPv4' \
	vm_sh 'grep -q end /tmp/new4'
soon '... IPv6' vm_sh 'grep -q end /tmp/new6'
ok '... what was by the other one goes on' lives old6
out '... new connections' "$HOST4" "$HOST6"
soon '... RA: the prefix of before' \
	eval 'addr "2001:db8:1:.*/64" && ! addr "2001:db8:1:.*/64.*deprecated"'
ok '... that of the other one is deprecated' addr '2001:db8:2:.*/64.*deprecated'
renewed "$HOST4" "$DNS4"

down
soon 'no network any more: told at once, IPv4' fails "$WORLD4"
soon '... IPv6' fails "[$WORLD6]"
up
out 'and back' "$HOST4" "$HOST6"
ok '... a connection has lived through all of it' lives old6
kill -STOP "$passt"
pause 2
kill -CONT "$passt"
ok 'stopped for 2 s: a connection goes on' lives old6
ok 'passt is there' alive "$passt"
[ "$tap_failed" -eq 0 ] ||
	diag "$(vm_output | tail -n 20; tail -n 20 "$T/passt.err")"
stop "$vm_pid"

done_testing
