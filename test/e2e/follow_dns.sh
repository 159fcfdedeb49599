#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The host's resolvers change while we run: those that the guest reaches by
# --dns-forward do, too, within a second, whichever way the file is written.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/slirp.sh
. "$TOP/test/lib/slirp.sh"
world_up
need_tun
slirp_init
peer=$TOP/test/tools/peer

# resolvers A to D, which tell who they are
A=198.51.100.61 B=198.51.100.62 C=198.51.100.63 D=2001:db8:100::64
in_world ip -b - <<-E
	address add $A/32 dev lo
	address add $B/32 dev lo
	address add $C/32 dev lo
	address add $D/128 dev lo nodad
	E
spawn world "$peer" serve 53 >"$T/serve"
wait_for "grep -q ready '$T/serve'" || bail 'no server'

# an /etc of our own, where anything may be replaced
mkdir -p "$T/etc"
cp -a /etc/. "$T/etc" 2>/dev/null
rm -f "$T/etc/resolv.conf"
umount /etc/resolv.conf 2>/dev/null
mount --bind "$T/etc" /etc || bail 'no /etc'

# file PATH ADDR...: what a resolv.conf says
file()
{
	file_path=$1
	shift
	printf 'nameserver %s\n' "$@" >"$file_path"
}
# replace PATH ADDR...: by another file
replace()
{
	file "$1.new" "$2"
	mv "$1.new" "$1"
}
# leads TARGET: there's a link in its place
leads()
{
	ln -sfn "$1" /etc/resolv.new
	mv /etc/resolv.new /etc/resolv.conf
}

# who answers the guest, and in what time
who()
{
	# shellcheck disable=SC2086 # words
	$ask timeout "${who_secs:-1}" "$peer" udpask "$forward" 53 WHERE 2>/dev/null |
		sed 's/ .*//'
}
# answers NAME ADDR: who answers is that one
answers()
{
	wait_for 'answers_who=$(who) && [ "$answers_who" ]' 5
	is "$answers_who" "$2" "$1"
}
# looks CMD...: ... and the helper has noticed that, and looked: it has slept before
# the look, after it, and until the next news
looks()
{
	looks_from=$(sleeps_of "$helper")
	"$@"
	wait_for "[ \"\$(sleeps_of $helper)\" -ge $((looks_from + 3)) ]" ||
		fail "noticed: $*"
}
sleeps_of()
{
	awk '/^voluntary/ { print $2 }' "/proc/$1/status"
}
# stays NAME ADDR CMD...: who answers is the same one after CMD, which is noticed
stays()
{
	stays_name=$1 stays_addr=$2
	shift 2
	looks "$@"
	answers "$stays_name" "$stays_addr"
}
# follows NAME ADDR: by UDP and TCP; whoever asks after a second has that one's answer,
# however long it takes to ask
follows()
{
	follows_begin=$(date +%s%N)
	while
		follows_ms=$((($(date +%s%N) - follows_begin) / 1000000))
		follows_who=$(who)
		[ "$follows_who" != "$2" ] && [ "$follows_ms" -lt 1000 ]
	do
		pause 0.02
	done
	is "$follows_who" "$2" "$1 (asked after $follows_ms ms)"
	# shellcheck disable=SC2086 # words
	is "$($ask "$peer" ask "$forward" 53 WHERE)" "$2" '... by TCP'
}

# every way of writing it; $1 says for whom
all_ways()
{
	file /etc/resolv.conf "$B"
	follows "$1: written in place" "$B"
	replace /etc/resolv.conf "$A"
	follows "$1: replaced, as NetworkManager does" "$A"
	mkdir -p /run/NetworkManager
	file /run/NetworkManager/resolv.conf "$B"
	leads /run/NetworkManager/resolv.conf
	follows "$1: ... by a link" "$B"

	mkdir -p /run/systemd/resolve
	file /run/systemd/resolve/stub-resolv.conf "$C"
	leads ../run/systemd/resolve/stub-resolv.conf
	follows "$1: a link to a file in /run" "$C"
	replace /run/systemd/resolve/stub-resolv.conf "$A"
	follows "$1: replaced there, as systemd-resolved does" "$A"

	mkdir -p /run/resolvconf
	file /run/resolvconf/resolv.conf "$B"
	ln -sfn /run/resolvconf/resolv.conf /etc/resolv.conf
	follows "$1: the link leads elsewhere" "$B"
	file /run/resolvconf/resolv.conf "$C"
	follows "$1: written in place there, as resolvconf does" "$C"

	stays "$1: gone: the last one known is better than none" "$C" \
		rm -r /run/resolvconf
	mkdir /run/resolvconf
	file /run/resolvconf/resolv.conf "$A"
	follows "$1: and back" "$A"

	stays "$1: a link that leads nowhere" "$A" \
		leads ../run/sometime/resolv.conf
	looks mkdir /run/sometime
	file /run/sometime/resolv.conf "$C"
	follows "$1: what it leads to comes later" "$C"
	stays "$1: ... and goes" "$C" rm -r /run/sometime
	mkdir /run/sometime
	replace /run/sometime/resolv.conf "$A"
	follows "$1: ... and is back" "$A"
	rm -r /run/sometime

	mkdir -p /run/way/in /run/other/in
	file /run/way/in/resolv.conf "$C"
	file /run/other/in/resolv.conf "$A"
	leads ../run/way/in/resolv.conf
	follows "$1: a link through directories" "$C"
	mv /run/way /run/was
	mv /run/other /run/way
	follows "$1: another directory on the way" "$A"
	file /run/way/in/resolv.conf "$B"
	follows "$1: ... what happens there" "$B"
	rm -r /run/was /run/way

	rm -f /etc/resolv.conf
	file /etc/resolv.conf "$A"
	follows "$1: no link any more" "$A"

	file "$T/mounted" "$B"
	mount --bind "$T/mounted" /etc/resolv.conf
	follows "$1: another file is mounted over it" "$B"
	file "$T/mounted" "$C"
	follows "$1: ... which is written" "$C"
	umount /etc/resolv.conf
	follows "$1: ... and unmounted" "$A"
	mkdir -p "$T/etc2"
	file "$T/etc2/resolv.conf" "$B"
	mount --bind "$T/etc2" /etc
	follows "$1: another directory is mounted over its own" "$B"
	umount /etc
	follows "$1: ... and unmounted" "$A"
}

start()
{
	rm -rf /run/resolvconf /run/systemd/resolve /etc/resolv.conf
	file /etc/resolv.conf "$A"
}
plain='--config-net --no-map-gw -t none -u none -T none -U none'
forward=169.254.1.1
# up ARGS...: pasta, with $helper
up()
{
	# shellcheck disable=SC2086 # words
	pasta_up $plain --dns-forward $forward "$@"
	ask="in_ns $ns"
	helper=$(pgrep -P "$pasta_pid" | grep -vx "$ns")
}

start
up
follows 'pasta: before' "$A"
all_ways pasta

# no way to any: the host's programs know at once, and so do the guest's
file /etc/resolv.conf "$A"
follows 'pasta: the first' "$A"
ip route add unreachable "$A"
is "$(in_ns "$ns" "$TOP/test/tools/peer" fails udp $forward 53 2>&1)" \
	'Connection refused' 'no resolver can be reached: a query is refused'
ip route del unreachable "$A"
follows '... until one can' "$A"

# the other family's
file /etc/resolv.conf "$D"
follows 'only a resolver of the other family' "$D"
pasta_down

# many routes, which cost a look at them much: not for resolvers, however often they
# change
awk 'BEGIN { for (i = 0; i < 100000; i++)
	printf "route add 10.%d.%d.%d/32 via 203.0.113.1\n",
		i / 65536, i / 256 % 256, i % 256 }' >"$T/routes"
ip -b "$T/routes"
start
up
for i in 1 2 3 4; do
	file /etc/resolv.conf "$B"
	follows "100000 routes, change $i" "$B"
	replace /etc/resolv.conf "$A"
	follows '... and back' "$A"
done
pasta_down
ip route flush root 10.0.0.0/8

# all of them: the next one when one is silent, or not there; who answers is
# remembered
in_world ip route add blackhole 198.51.100.66
in_world ip route add unreachable 198.51.100.67
start
# a file that is mounted there, as in a container
file "$T/mounted" "$C"
mount --bind "$T/mounted" /etc/resolv.conf
up
follows 'a file that is mounted: before' "$C"
file /etc/resolv.conf "$B"
follows '... written in place' "$B"
umount /etc/resolv.conf
rm -f /etc/resolv.conf
for first in 198.51.100.66 198.51.100.67; do
	file /etc/resolv.conf "$A"
	follows "before $first" "$A"
	looks file /etc/resolv.conf $first "$B"
	wait_for "[ \"\$(who)\" = $B ]" 5
	who_secs=5		# of a machine with much to do, too
	is "$(who)$(who)$(who)" "$B$B$B" "$first doesn't answer: the next one does"
	who_secs=
done
# a client that asks from the same port all the time
cat >"$T/same.py" <<-'E'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("", 5353))
	s.settimeout(2)
	for line in sys.stdin:
	    s.sendto(b"WHERE", (sys.argv[1], 53))
	    print(s.recv(100).decode(), flush=True)
	E
file /etc/resolv.conf "$A"
follows 'before' "$A"
is "$({ echo; pause 0.3; looks file /etc/resolv.conf "$B"; echo; } |
	in_ns "$ns" python3 "$T/same.py" "$forward" | xargs)" "$A $B" \
	'asked from the same port: the new one'
# by TCP: to a silent one, the next one when the guest asks again; what is connected
# goes on where it is
file /etc/resolv.conf "$A"
follows 'before' "$A"
looks file /etc/resolv.conf 198.51.100.65 "$B"
in_world ip route add blackhole 198.51.100.65
is "$(in_ns "$ns" timeout 5 "$peer" ask "$forward" 53 WHERE)" "$B" \
	'by TCP, the first one is silent: the next one'
file /etc/resolv.conf "$A"
follows 'before' "$A"
is "$({ printf WHERE; pause 0.3; looks file /etc/resolv.conf "$B"
	printf WHERE; pause 0.3; } | in_ns "$ns" socat -t 3 - "TCP:$forward:53" |
	sed "s/$A$A/$A $A/")" "$A $A" \
	'a connection that exists stays where it is'
# link-local, on its own link, which IPv4's address leads to as well
file /etc/resolv.conf "fe80::1%eth0"
follows 'a link-local one with its link' fe80::1
# ... which comes and goes, and isn't that of anything else
usb_up()
{
	ip link add usb0 type veth peer name usb0 netns world
	in_world ip -b - <<-E
		address add fe80::53/64 dev usb0 nodad
		link set usb0 up
		E
	ip -b - <<-E
		address add fe80::2/64 dev usb0 nodad
		link set usb0 up
		E
}
in_world ip addr add fe80::53/64 dev eth0 nodad
file /etc/resolv.conf fe80::53%usb0 "$D"
follows "its link isn't there: the next one, and nobody on another link" "$D"
usb_up
follows 'its link comes' fe80::53
ip link del usb0
follows '... and goes' "$D"
ip link add usb1 type veth peer name usb2
usb_up
follows '... and is back, with another number' fe80::53
ip link del usb0
ip link del usb1
pasta_down

# options hold
start
up --dns-host "$C"
steady 1 sleeps_of "$helper" >/dev/null
stays '--dns-host is never overridden' "$C" file /etc/resolv.conf "$B"
pasta_down
# ... while one beside it follows
start
up --no-follow-host
is "$helper" '' '--no-follow-host: no helper process'
ns1=$ns pid1=$pasta_pid
up
file /etc/resolv.conf "$B"
follows 'one follows' "$B"
ask="in_ns $ns1"
answers '--no-follow-host: as at the start' "$A"
pasta_down
ns=$ns1 pasta_pid=$pid1
pasta_down

# something that nobody writes to, in place of the file
rm -f /etc/resolv.conf
mkfifo /etc/resolv.conf
up
is "$(who)" '' 'a FIFO at the start: no answer'
replace /etc/resolv.conf "$A"
follows 'a file in its place' "$A"
looks sh -c 'rm /etc/resolv.conf; mkfifo /etc/resolv.conf'
answers '... and a FIFO: the last one known' "$A"
pasta_down

# no file, at a place that isn't there yet
rm -f /etc/resolv.conf
ln -s /run/later/resolv.conf /etc/resolv.conf
up
is "$(who)" '' 'no file at the start: no answer'
looks mkdir /run/later
file /run/later/resolv.conf "$A"
follows 'it comes, with its directory' "$A"

# a hundred changes, and nothing left of them
fds_before=$(steady 1 fds_of "$helper")
for _ in $(seq 50); do
	replace /run/later/resolv.conf "$B"
	file /run/later/resolv.conf "$A"
done
replace /run/later/resolv.conf "$C"
follows 'after a hundred changes' "$C"
is "$(steady 1 fds_of "$helper")" "$fds_before" '... no descriptor more'

# its own sandbox
ok 'the helper: one capability in the namespace, a filter' sh -c "
	grep -qE '^CapPrm:[[:space:]]*0*1000\$' /proc/$helper/status &&
	grep -qE '^Seccomp:[[:space:]]*2\$' /proc/$helper/status &&
	grep -qE '^NoNewPrivs:[[:space:]]*1\$' /proc/$helper/status"
kib=$(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$helper/smaps_rollup")
ok "the helper: $kib KiB of its own" [ "$kib" -lt 400 ]
is "$(ps -o comm=,args= -p "$helper")" 'pasta.watch     pasta.watch' \
	'the helper: its name'
# its wake-ups, of which there are none
ok 'the helper: no wake-up without a change' steady 2 wakeups_of "$helper"
kill -KILL "$helper"
ok 'its death is told of' wait_for \
	"grep -q 'watches the host.s network is gone' '$T/pasta$pasta_n.err'"
answers '... and we go on' "$C"
ok '... nothing is left of it' wait_for "[ ! -e /proc/$helper ]"
pasta_down

# ends with us, whatever we die of
start
up
kill -KILL "$pasta_pid"
ok 'the helper ends with us' wait_gone "$helper"

start
ns_new
slirp_up -c "$ns" tap0
ask="in_ns $ns" forward=10.0.2.3 helper=$(pgrep -P "$slirp_pid")
follows 'slirp4netns: before' "$A"
all_ways slirp4netns
stop_by TERM 'slirp4netns'

done_testing
