#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# QEMU guests by passt's socket: addresses, ping, bulk data, a forwarded port,
# a second guest, one-off mode.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"

# passt_vm_vu.sh: the same by vhost-user
VM_LINK=${VM_LINK:-stream}
mode=
[ "$VM_LINK" = stream ] || mode=--vhost-user

world_up
world_dns || bail 'no name server'
vm_build || bail 'no guest'

bulk_serve world 32
mkdir -p "$T/vmfs"

sock=$T/user/passt.socket
# shellcheck disable=SC2086 # none or one word
spawn user passt $mode -f -s "$sock" -t 9003,9004 -H guest >"$T/passt.err" 2>&1
passt=$pid
wait_for "[ -S '$sock' ]" || bail "passt: $(cat "$T/passt.err")"

# what the guest says: "NAME VALUE"
said()
{
	vm_output | sed -n "s/^$1  *//p" | tail -n 1
}

cat >"$T/script" <<E
say()
{
	echo "\$1 \$(eval "\$2" 2>/dev/null)"
}
eventually()
{
	n=0
	until eval "\$1" >/dev/null 2>&1; do
		[ \$((n += 1)) -lt 100 ] || return
		sleep 0.1
	done
}
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 -O search -O mtu
. /run/udhcpc.bound
echo "dhcp \$ip/\$mask \$router \$mtu \$dns \$search \$hostname"
say mtu 'cat /sys/class/net/eth0/mtu'
eventually 'ip -6 address show dev eth0 scope global | grep 2001: |
	grep -v tentative'
say slaac 'ip -6 -o address show dev eth0 scope global |
	sed "s/.*inet6 \([^ ]*\) .*/\1/"'
say router6 'ip -6 route show default'
if command -v dhclient >/dev/null; then
	printf '#!/bin/sh\nenv >/run/dhclient.\$reason\n' >/run/dhscript
	chmod 755 /run/dhscript
	dhclient -6 -d -sf /run/dhscript -lf /run/leases eth0 &
	eventually '[ -s /run/dhclient.BOUND6 ]'
	kill \$!
	say dhcp6 'sed -n "s/^new_ip6_address=//p" /run/dhclient.BOUND6'
	say dns6 'sed -n "s/^new_dhcp6_name_servers=//p" /run/dhclient.BOUND6'
fi
for a in $WORLD4 $WORLD6 $GW4; do
	say "ping \$a" "ping -c 3 -i 0.1 -w 15 \$a | grep -o '[0-9]* received'"
done
say name 'getent ahostsv4 www.example.org | cut -d " " -f 1 | head -n 1'
for a in $WORLD4 [$WORLD6]; do
	socat -u -b 262144 "TCP:\$a:9001" OPEN:/tmp/file,creat,trunc
	say "down \$a" 'sha256sum </tmp/file'
	say "up \$a" "socat -t 60 -b 262144 - TCP:\$a:9002 </tmp/file"
done
socat TCP6-LISTEN:9003,reuseaddr,fork EXEC:sha256sum,nofork &
socat TCP6-LISTEN:9004,reuseaddr,fork "EXEC:cat /tmp/file,nofork" &
eventually '[ \$(netstat -ltn | grep -c ":900[34] ") -eq 2 ]'
echo READY
sleep 300
E
# shellcheck disable=SC2046 # words
vm_start "$T/script" -- $(vm_net "$sock")
ok 'guest got to its end' vm_said READY 240 ||
	diag "$(vm_output | tail -n 20; tail -n 5 "$vm_console")"
is "$(said dhcp)" "$HOST4/24 $GW4 65520 $DNS4 example.org guest" 'udhcpc'
is "$(said mtu)" 65520 'MTU set'
like "$(said slaac)" '2001:db8:1:*/64' 'SLAAC: address'
like "$(said router6)" "default via $GW6LL dev eth0*" 'SLAAC: router'
is "$(said dhcp6)" "$HOST6" 'DHCPv6: address'
is "$(said dns6)" "$DNS6" 'DHCPv6: resolver'
for a in $WORLD4 $WORLD6 $GW4; do
	is "$(said "ping $a")" '3 received' "ping $a"
done
is "$(said name)" $WORLD4 'name'
for a in "$WORLD4" "$WORLD6"; do
	# brackets would be a pattern
	like "$(said "down .*${a}[^ ]*")" "$sum*" "32 MiB from $a"
	like "$(said "up .*${a}[^ ]*")" "$sum*" "32 MiB to $a"
done
for a in "$HOST4" "[$HOST6]"; do
	out=$(in_world timeout 60 socat -u "TCP:$a:9004" - | sha256sum)
	like "$out" "$sum*" "32 MiB from the guest's service at $a"
	out=$(in_world timeout 60 socat -t 60 - "TCP:$a:9003" <"$T/file")
	like "$out" "$sum*" "32 MiB to the guest's service at $a"
done
out=$(timeout 5 socat -u "UNIX-CONNECT:$sock" - 2>&1)
is "$?$out" 0 'one guest at a time: another one is turned away'
stop "$vm_pid"
[ "$tap_failed" -eq 0 ] || diag "$(tail -n 20 "$T/passt.err")"

# the next guest, at the same socket
ok 'passt waits for another guest' alive "$passt"
cat >"$T/script" <<E
busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
ping -c 1 -W 5 $WORLD4 >/dev/null && socat -u TCP:$WORLD4:9001 - | sha256sum
exit 7
E
# shellcheck disable=SC2046 # words
out=$(vm_run "$T/script" -- $(vm_net "$sock" 52:54:00:00:00:02))
is $? 7 'second guest'
like "$out" "$sum*" '... 32 MiB'
kill -TERM "$passt"
wait_gone "$passt"
wait "$passt"
is $? 0 'SIGTERM: exit status 0'

# one-off, in background
# shellcheck disable=SC2086 # none or one word
out=$(as_user timeout 10 passt $mode -q -1 -s "$sock" -P "$T/user/pid" 2>&1)
is "$?$out" 0 'one-off: background'
one=$(cat "$T/user/pid")
ok '... waits for its guest' alive "$one"
# shellcheck disable=SC2046 # words
out=$(vm_run "$T/script" -- $(vm_net "$sock"))
is $? 7 '... guest'
ok '... ends with it' wait_gone "$one"

done_testing
