#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The configuration that real clients get from pasta.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# Clients' scripts write their environment to a file, and change nothing
cat >"$T/bin/client" <<'E'
#!/bin/sh
out=/run/test/user/out
if [ "$1" ] && [ -z "$reason" ]; then
	reason=$1		# udhcpc
	[ "$1" != deconfig ] || ip link set "$interface" up
fi
case $reason in
PREINIT*)	ip link set "$interface" up ;;
esac
env | sort >"$out.tmp"
mv "$out.tmp" "$out.$reason"
E
chmod 755 "$T/bin/client"

# run a client inside until the file $1 is there: seconds, command
client()
{
	client_file=$1
	shift
	rm -f "$T/user/out".*
	spawn "ns:$ns" "$@" >"$T/client.log" 2>&1
	client_pid=$pid
	wait_for "[ -s '$client_file' ]" 30
	client_rc=$?
	stop "$client_pid"
	[ $client_rc -eq 0 ] || diag "$(cat "$T/client.log")"
	return $client_rc
}
# value of variable $2 in the file $1
value()
{
	sed -n "s/^$2=//p" "$1" 2>/dev/null
}

opts='-t none -u none -T none -U none --dhcp-dns --dhcp-search'
# shellcheck disable=SC2086 # words
pasta_up $opts -H guest --fqdn guest.example.org
is "$(in_ns "$ns" ip -o address show dev eth0)" '' \
	'no address without --config-net'
# nothing to wait for
in_ns "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
	net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0

client "$T/user/out.bound" busybox udhcpc -f -i eth0 -s "$T/bin/client" \
	-t 5 -T 1 -O search -O mtu -O hostname
f=$T/user/out.bound
is "$(value "$f" ip)" $HOST4 'udhcpc: address'
is "$(value "$f" mask)" 24 'udhcpc: mask'
is "$(value "$f" router)" $GW4 'udhcpc: router'
is "$(value "$f" dns)" $DNS4 'udhcpc: resolver'
is "$(value "$f" search)" example.org 'udhcpc: search list'
is "$(value "$f" mtu)" 65520 'udhcpc: MTU'
is "$(value "$f" hostname)" guest 'udhcpc: host name'

if command -v dhclient >/dev/null; then
	cat >"$T/user/dhclient.conf" <<-'E'
	request subnet-mask, routers, domain-name-servers, domain-search,
		interface-mtu, host-name;
	also request dhcp6.name-servers, dhcp6.domain-search;
	E
	client "$T/user/out.BOUND" dhclient -4 -d -cf "$T/user/dhclient.conf" \
		-lf "$T/user/leases4" -pf "$T/user/dhclient4.pid" \
		-sf "$T/bin/client" eth0
	f=$T/user/out.BOUND
	is "$(value "$f" new_ip_address)" $HOST4 'dhclient: address'
	is "$(value "$f" new_subnet_mask)" 255.255.255.0 'dhclient: mask'
	is "$(value "$f" new_routers)" $GW4 'dhclient: router'
	is "$(value "$f" new_domain_name_servers)" $DNS4 'dhclient: resolver'
	like "$(value "$f" new_domain_search)" 'example.org*' \
		'dhclient: search list'
	is "$(value "$f" new_interface_mtu)" 65520 'dhclient: MTU'
	is "$(value "$f" new_host_name)" guest 'dhclient: host name'

	client "$T/user/out.BOUND6" dhclient -6 -d \
		-cf "$T/user/dhclient.conf" -lf "$T/user/leases6" \
		-pf "$T/user/dhclient6.pid" -sf "$T/bin/client" eth0
	f=$T/user/out.BOUND6
	is "$(value "$f" new_ip6_address)" $HOST6 'dhclient -6: address'
	is "$(value "$f" new_dhcp6_name_servers)" $DNS6 \
		'dhclient -6: resolver'
	like "$(value "$f" new_dhcp6_domain_search)" 'example.org*' \
		'dhclient -6: search list'
else
	skip 'no dhclient' 10
fi

# the kernel's own, by router advertisement
ok 'SLAAC: address' wait_for \
	"in_ns $ns ip -6 -o address show dev eth0 | grep -q 2001:db8:1:"
ok 'SLAAC: router' wait_for \
	"in_ns $ns ip -6 route | grep -q '^default via fe80::1 .*proto ra'"
if command -v rdisc6 >/dev/null; then
	out=$(in_ns "$ns" rdisc6 -1 -r 3 -w 1000 eth0 2>&1)
	like "$out" "*2001:db8:1::*/64*" 'advertisement: prefix'
	like "$out" "*$DNS6*" 'advertisement: resolver'
	like "$out" '*example.org*' 'advertisement: search list'
	like "$out" '*MTU*65520*' 'advertisement: MTU'
else
	skip 'no rdisc6' 4
fi
# duplicate address detection: not ours to answer for the guest's address
ok 'no ARP answer for its own address' \
	in_ns "$ns" busybox arping -D -c 2 -w 2 -I eth0 $HOST4
ok 'ARP answer for the router' \
	in_ns "$ns" busybox arping -c 1 -w 2 -I eth0 $GW4
pasta_down

if command -v dhcpcd >/dev/null; then
	# shellcheck disable=SC2086 # words
	pasta_up $opts
	cat >"$T/user/dhcpcd.conf" <<-E
	script $T/bin/client
	option interface_mtu, domain_search, domain_name_servers
	ipv6ra_autoconf
	E
	# it wants its directories, and to change nobody else's files
	cat >"$T/bin/dhcpcd-inside" <<-E
	#!/bin/sh
	mount -t tmpfs tmpfs /var/lib
	mkdir -p /var/lib/dhcpcd
	mount -t tmpfs tmpfs /run/dhcpcd 2>/dev/null
	exec $(command -v dhcpcd) -B -4 -f $T/user/dhcpcd.conf eth0
	E
	chmod 755 "$T/bin/dhcpcd-inside"
	mkdir -p /run/dhcpcd
	client "$T/user/out.BOUND" unshare -m "$T/bin/dhcpcd-inside"
	f=$T/user/out.BOUND
	is "$(value "$f" new_ip_address)" $HOST4 'dhcpcd: address'
	is "$(value "$f" new_subnet_cidr)" 24 'dhcpcd: mask'
	is "$(value "$f" new_routers)" $GW4 'dhcpcd: router'
	is "$(value "$f" new_domain_name_servers)" $DNS4 'dhcpcd: resolver'
	is "$(value "$f" new_domain_search)" example.org 'dhcpcd: search list'
	is "$(value "$f" new_interface_mtu)" 65520 'dhcpcd: MTU'
	pasta_down
else
	skip 'no dhcpcd' 6
fi

# options
pasta_up -t none -u none -T none -U none -a 192.0.2.9/25 -g 192.0.2.1 \
	-m 1400 -D 192.0.2.53 --dhcp-dns
client "$T/user/out.bound" busybox udhcpc -f -i eth0 -s "$T/bin/client" \
	-t 5 -T 1 -O mtu
f=$T/user/out.bound
is "$(value "$f" ip)/$(value "$f" mask)" 192.0.2.9/25 'address by option'
is "$(value "$f" router)" 192.0.2.1 'router by option'
is "$(value "$f" mtu)" 1400 'MTU by option'
is "$(value "$f" dns)" 192.0.2.53 'resolver by option'
ok 'MTU by advertisement' wait_for \
	"[ \$(in_ns $ns sysctl -n net.ipv6.conf.eth0.mtu) -eq 1400 ]"
pasta_down

pasta_up -t none -u none -T none -U none --no-dhcp -4
in_ns "$ns" ip link set eth0 up
not_ok '--no-dhcp' in_ns "$ns" busybox udhcpc -n -f -q -i eth0 \
	-s /bin/true -t 2 -T 1
pasta_down

done_testing
