#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# pasta with a command, a PID, a namespace by path and name, in foreground and
# background: configuration, exit status, readiness, and its end.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# a second address and a further route, to be copied as well
ip address add 203.0.113.7/24 dev eth0
ip route add 192.0.2.0/24 via 203.0.113.9
ip -6 route add 2001:db8:f::/64 via 2001:db8:1::9

state='
	echo "addr4 $(ip -4 -o address show dev eth0 | awk "{ print \$4 }" |
		sort | xargs)"
	echo "addr6 $(ip -6 -o address show dev eth0 scope global |
		awk "{ print \$4 }" | sort | xargs)"
	echo "route4 $(ip -4 route | sed "s/ proto [a-z]*//; s/ src [0-9.]*//" |
		sort | xargs)"
	echo "route6 $(ip -6 route | grep -v ^fe80 |
		sed "s/ proto [a-z]*//" | sort | xargs)"
'
line()
{
	echo "$2" | grep "^$1 "
}

host=$(sh -c "$state")
inside=$(as_user pasta --config-net -- sh -c "$state
	echo mtu \$(cat /sys/class/net/eth0/mtu) \
		\$(ip link show eth0 | grep -o 'mtu [0-9]*')
	ip link show lo" 2>&1)
for i in addr4 addr6 route4 route6; do
	is "$(line $i "$inside")" "$(line $i "$host")" "$i is the host's"
done
like "$inside" '*mtu 65520*' 'MTU 65520'
like "$inside" '*LOOPBACK,UP*' 'lo is up'
is "$(as_user pasta --config-net -I gre3n -- ip -o link | grep -c gre3n)" 1 \
	'interface name'
like "$(as_user pasta --config-net --ns-mac-addr 02:11:22:33:44:55 -- \
	ip link show eth0)" '*02:11:22:33:44:55*' 'MAC address'
like "$(as_user pasta --config-net -m 1400 -- ip link show eth0)" \
	'*mtu 1400*' 'MTU by option'
out=$(as_user pasta --config-net -4 -- ip -6 -o address show scope global)
is "$out" '' 'no IPv6 with -4'
out=$(as_user pasta --config-net -6 -- ip -4 -o address show dev eth0)
is "$out" '' 'no IPv4 with -6'
out=$(as_user pasta --config-net -a 192.0.2.9/24 -g 192.0.2.1 -4 -- \
	sh -c "$state" 2>&1)
is "$(line addr4 "$out")" 'addr4 192.0.2.9/24' 'address by option'
like "$(line route4 "$out")" '*default via 192.0.2.1 dev eth0*' \
	'gateway by option'

# exit status
for status in 0 7 255; do
	as_user pasta --config-net -- sh -c "exit $status" 2>/dev/null
	is $? $status "exit status $status"
done
as_user pasta --config-net -- /nonexistent/command 2>"$T/err"
is $? 1 'command that does not exist: 1'
like "$(cat "$T/err")" '*[Ff]ailed to start command*' '... and says so'
# directories of root's in PATH don't matter, nor does an empty one
mkdir -m 700 "$T/shut"
: >"$T/user/plain"
for where in "$T/shut:$PATH" ":$PATH" "$PATH:$T/shut"; do
	as_user env PATH="$where" pasta --config-net -- typo 2>"$T/err"
	is "$?, $(tail -n 1 "$T/err")" "1, Failed to start command or shell:\
 typo: No such file or directory" 'a command that is nowhere: is not found'
done
for command in "$T/user/plain" plain /; do
	as_user env PATH="$T/user:$PATH" pasta --config-net -- "$command" \
		2>"$T/err"
	is "$?, $(tail -n 1 "$T/err")" "1, Failed to start command or shell:\
 $command: Permission denied" "$command: found, but can't be run"
done
as_user env SHELL=/nonexistent/shell pasta --config-net 2>"$T/err"
is $? 1 'a shell that does not exist'
like "$(tail -n 1 "$T/err")" '*/nonexistent/shell: No such file*' '... likewise'
as_user pasta --config-net -- sh -c 'echo $$' >"$T/out" 2>/dev/null
is "$(cat "$T/out")" 1 'the command is PID 1'
is "$(echo hello | as_user pasta --config-net -- cat 2>/dev/null)" hello \
	'standard input and output are the command'"'s"
out=$(as_user pasta --config-net -- sh -c 'echo text >&2' 2>&1)
is "$out" text 'quiet with a command'

# a connection that never was isn't waited for
start=$(date +%s)
as_user pasta --config-net -- timeout 1 socat -u TCP:192.0.2.77:80 - 2>/dev/null
is $? 124 'a command that gives up connecting'
# it would be for ten seconds
ok '... is not waited for' test $(($(date +%s) - start)) -le 8
pasta_up --config-net
kill -KILL "$ns"
wait_gone "$pasta_pid"
wait "$pasta_pid"
is $? 137 'exit status of a killed command'

pasta_up --config-net
kill -TERM "$pasta_pid"
wait_gone "$pasta_pid"
wait "$pasta_pid"
is $? 0 'SIGTERM: exit status 0'
kill -KILL "$ns" 2>/dev/null

# a connection that is idle has no last words to wait for: not by a signal
spawn world socat -u TCP4-LISTEN:4300 -
wait_port world tcp 4300
pasta_up --config-net
spawn "ns:$ns" socat "TCP:$WORLD4:4300" PIPE
wait_for "[ \"\$(in_world ss -Htn state established sport = :4300)\" ]"
kill -TERM "$pasta_pid"
ok 'SIGTERM with a connection: ends at once' wait_gone "$pasta_pid" 3
kill -KILL "$ns" 2>/dev/null

# pasta PID
spawn user unshare -Urn sleep 1000
target=$pid
wait_for "[ \"\$(readlink /proc/$target/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
wait_for "grep -q sleep /proc/$target/comm"
out=$(as_user timeout 10 pasta --config-net -P "$T/user/pid" "$target" 2>&1)
is $? 0 'pasta PID goes to the background'
daemon=$(cat "$T/user/pid")
like "$(in_ns "$target" ip -o address)" "*$HOST4*" \
	'... with addresses when its parent ends'
ok '... and its PID in the file' alive "$daemon"
kill "$target"
ok '... and ends with the process' wait_gone "$daemon"

# one with ranges of users, as newuidmap makes them
if [ "$WORLD_ROOT" ]; then
	spawn user unshare -Un sleep 1000
	target=$pid
	wait_for "grep -q sleep /proc/$target/comm"
	for i in uid gid; do
		printf '0 %s 1\n1 100000 65536\n' "$WORLD_UID" \
			>"/proc/$target/${i}_map"
	done
	ok 'a namespace with ranges of users' as_user timeout 10 \
		pasta --config-net -P "$T/user/pid" "$target"
	like "$(in_ns "$target" ip -o address)" "*$HOST4*" '... addresses'
	daemon=$(cat "$T/user/pid")
	kill "$target"
	ok '... ends with it' wait_gone "$daemon"
else
	skip 'not root' 3
fi
is "$(as_user pasta --config-net -- sh -c 'id -u; id -g; cat /proc/self/uid_map' \
	2>/dev/null | xargs)" "0 0 0 $(as_user id -u) 1" \
	'a command is root, as which its user is known outside'

# foreground, SIGTERM
spawn user unshare -Urn sleep 1000
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
spawn user pasta -f --config-net -P "$T/user/pid2" "$target" 2>"$T/err"
wait_for "[ -s '$T/user/pid2' ]"
is "$(cat "$T/user/pid2")" "$pid" 'foreground: own PID in the file'
like "$(in_ns "$target" ip -o address)" "*$HOST4*" \
	'foreground: addresses when the file is filled'
kill -TERM "$pid"
wait_gone "$pid"
wait "$pid"
is $? 0 'foreground: SIGTERM, exit status 0'
like "$(in_ns "$target" ip -o link)" '*lo*' 'foreground: namespace survives'
spawn user pasta -f --config-net -P "$T/user/pid3" "$target" 2>"$T/err"
wait_for "[ -s '$T/user/pid3' ]"
kill -QUIT "$pid"
wait_gone "$pid"
wait "$pid"
is $? 0 'foreground: SIGQUIT, exit status 0'
kill "$target"

# its interface is deleted inside
spawn user unshare -Urn sleep 1000
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
as_user timeout 10 pasta --config-net -P "$T/user/pid4" -l "$T/user/log" "$target"
daemon=$(cat "$T/user/pid4")
like "$(head -n 1 "$T/user/log")" "pasta *: */passt ($daemon)" \
	'the first line of the log has its name, file and PID' ||
	diag "$(head -n 1 "$T/user/log")"
in_ns "$target" ip link delete eth0
ok 'interface deleted: ends' wait_gone "$daemon"
like "$(tail -n 1 "$T/user/log")" "*ERROR:   The namespace's interface is gone*" \
	'... an error in the log'
kill "$target"
as_user timeout 10 pasta --config-net -- sh -c \
	'ip link delete eth0; exec sleep 5' 2>"$T/err"
is $? 1 '... status of a command'

# As Podman does it: root of a user namespace, with namespaces by path or name
cat >"$T/inner" <<'E'
	mount -t tmpfs tmpfs /run/netns
	ip netns add one
	ip netns add two
	start=$(date +%s%N)
	out=$(timeout 20 pasta --config-net --quiet -P "$T/user/one.pid" \
		-t none -u none -T none -U none --dns-forward 169.254.1.1 \
		--no-map-gw --netns /run/netns/one \
		--map-guest-addr 169.254.1.2 2>&1)
	echo "status-path $?"
	echo "output-path $out"
	echo "ms-path $((($(date +%s%N) - start) / 1000000))"
	echo "file-path $(cat "$T/user/one.pid")"
	echo "address-path $(nsenter --net=/run/netns/one \
		ip -4 -o address show dev eth0 | grep -c 203.0.113.2/)"

	timeout 20 pasta --config-net -P "$T/user/two.pid" --netns two \
		</dev/null 2>"$T/user/two.err" | cat
	echo "status-name $?"
	echo "address-name $(nsenter --net=/run/netns/two \
		ip -4 -o address show dev eth0 | grep -c 203.0.113.2/)"
	echo "file-name $(cat "$T/user/two.pid")"

	umount /run/netns/one
	rm /run/netns/one
	p=$(cat "$T/user/one.pid")
	n=0
	while kill -0 "$p" 2>/dev/null && [ $n -lt 100 ]; do
		n=$((n + 1))
		sleep 0.05
	done
	kill -0 "$p" 2>/dev/null || echo "gone-path yes"
	kill -0 "$(cat "$T/user/two.pid")" && echo "stays-name yes"
	ip netns delete two
	n=0
	p=$(cat "$T/user/two.pid")
	while kill -0 "$p" 2>/dev/null && [ $n -lt 100 ]; do
		n=$((n + 1))
		sleep 0.05
	done
	kill -0 "$p" 2>/dev/null || echo "gone-name yes"
E
out=$(as_user timeout 60 unshare -Urm --propagation private sh "$T/inner" 2>&1)
is "$(line status-path "$out")" 'status-path 0' '--netns PATH: exit status 0'
is "$(line output-path "$out")" 'output-path ' \
	'--netns PATH: quiet, lets go of its output'
like "$(line file-path "$out")" 'file-path [1-9]*' '--netns PATH: PID file'
is "$(line address-path "$out")" 'address-path 1' \
	'--netns PATH: address when ready'
is "$(line gone-path "$out")" 'gone-path yes' \
	'--netns PATH: ends with the file'
is "$(line status-name "$out")" 'status-name 0' '--netns NAME: lets go'
is "$(line address-name "$out")" 'address-name 1' \
	'--netns NAME: address when ready'
is "$(line stays-name "$out")" 'stays-name yes' \
	'--netns NAME: unaffected by another'
is "$(line gone-name "$out")" 'gone-name yes' \
	'--netns NAME: ends with ip netns delete'
[ "$tap_failed" -eq 0 ] || diag "$out"

done_testing
