#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 300
#
# vhost-user: what Linux' driver acknowledges, one feature less at a time, is what is
# used. One guest with an interface for each of them, at a daemon of its own.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
VM_LINK=vu
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

world_up
vm_build || bail 'no guest'

bulk_serve world "${VU_FEATURES_MIB:-1}"

# What an interface with these properties has less than the first one, and what it has
# more, as bits; MTU in the guest; properties. virtio 1.x 5.1.3, 6.
none=csum=off,guest_csum=off,gso=off,guest_tso4=off,guest_tso6=off,guest_ecn=off
none=$none,guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off
none=$none,mrg_rxbuf=off,event_idx=off,indirect_desc=off,any_layout=off
cat >"$T/kinds" <<E
-	-	1500	status=on
0,11-13	-	1500	csum=off,host_tso4=off,host_tso6=off,host_ecn=off
1,7-9	-	1500	guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off
7,12	-	1500	guest_tso4=off,host_tso6=off
8,11	-	1500	guest_tso6=off,host_tso4=off
9,13	-	1500	guest_ecn=off,host_ecn=off
15	-	1500	mrg_rxbuf=off
15	-	65520	mrg_rxbuf=off
29	-	1500	event_idx=off
28	-	1500	indirect_desc=off
28	-	65520	indirect_desc=off,rx_queue_size=1024,tx_queue_size=1024
-	3	1400	host_mtu=1400
0,1,7-9,11-13,15,28,29	-	1500	$none
32	27	1500	disable-modern=on
0,1,7-9,11-13,15,28,29,32	-	1500	disable-modern=on,$none
E

# mask LIST: a number with those bits set
mask()
{
	m=0
	for b in $(echo "$1" | tr ',' ' '); do
		case $b in
		-)	;;
		*)	for i in $(seq "${b%-*}" "${b#*-}"); do
				m=$((m | 1 << i))
			done ;;
		esac
	done
	echo $m
}

# the driver's, not the firmware's, since there is none
features()
{
	sed -n 's/.*a driver takes features //p' "$T/passt$1.err" | tail -n 1
}

n=0
set --
while read -r less more mtu props; do
	sock=$T/user/$n.socket
	spawn user passt --vhost-user -d -f -m "$mtu" -s "$sock" \
		>"$T/passt$n.err" 2>&1
	wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt$n.err")"
	# as in passt_vm_vu.sh
	VM_NIC=,vectors=0,$props
	mac=52:54:00:12:34:$(printf %02x "$n")
	# shellcheck disable=SC2046 # words
	set -- "$@" $(vm_nic "n$n" "$sock" "$mac")
	n=$((n + 1))
done <"$T/kinds"

mkdir -p "$T/vmfs"
# in a namespace with interface eth0, whose number is $1
cat >"$T/vmfs/try" <<E
sysctl -qw net.ipv6.conf.eth0.accept_dad=0
busybox udhcpc -q -f -n -t 20 -T 1 -i eth0 -O mtu >/dev/null 2>&1
ip link show eth0 | grep -o 'mtu [0-9]*' | sed "s/^/\$1 /"
until ip -6 address show dev eth0 scope global | grep -q 2001:; do
	sleep 0.05
done
for a in "$WORLD4" "[$WORLD6]"; do
	socat -u -b 65536 "TCP:\$a:9001" OPEN:/tmp/file,creat,trunc
	# what came, goes: that's one checksum, and not the guest's
	echo "\$1 sum \$(socat -t 60 -b 65536 - "TCP:\$a:9002" </tmp/file)"
done
E
cat >"$T/script" <<E
i=0
while [ \$i -lt $n ]; do
	mac=52:54:00:12:34:\$(printf %02x \$i)
	for d in /sys/class/net/*; do
		[ "\$(cat \$d/address)" != \$mac ] || dev=\${d##*/}
	done
	ip netns add n\$i
	ip link set \$dev netns n\$i name eth0
	nsenter --net=/run/netns/n\$i sh /try \$i
	i=\$((i + 1))
done
echo DONE
E
# shellcheck disable=SC2046 # words
vm_start "$T/script" -- $(vm_memory) "$@"
ok "a guest with $n interfaces gets to its end" vm_said DONE 240 ||
	diag "$(vm_output | tail -n 20; tail -n 5 "$vm_console")"
all=$(features 0)
n=0
while read -r less more mtu props; do
	[ "$props" != "$none" ] || props='nothing at all'
	name=$(echo "$props, MTU $mtu" | sed "s/$none/and nothing else/")
	is "$(($(features $n)))" "$((all & ~$(mask "$less") | $(mask "$more")))" \
		"$name"
	is "$(vm_output | sed -n "s/^$n mtu //p")" "$mtu" '... MTU'
	is "$(vm_output | grep -c "^$n sum $sum  -")" 2 '... down and up'
	not_ok '... no complaint' grep 'ending the connection' "$T/passt$n.err"
	n=$((n + 1))
done <"$T/kinds"
stop "$vm_pid"
done_testing
