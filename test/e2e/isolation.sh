#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the running processes are still allowed to do.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/slirp.sh
. "$(dirname "$0")/../lib/slirp.sh"
world_up
need_tun

field()
{
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '
}

# limit PID -f4|-f5: of open files, soft or hard
limit()
{
	grep '^Max open files' "/proc/$1/limits" | tr -s ' ' | cut -d ' ' "$2"
}

# named NAME: the one process of that name
named()
{
	pgrep -x "$1"
}

# check_helper NAME PID ALLOWED-CAPABILITIES: what holds for each process of ours
check_helper()
{
	is "$(field "$2" NoNewPrivs)" 1 "$1: no new privileges"
	is "$(field "$2" Seccomp)" 2 "$1: system call filter"
	# of two, each would be in force before it is whole
	is "$(field "$2" Seccomp_filters)" $(($(field $$ Seccomp_filters) + 1)) \
		"$1: one filter"
	for set in CapInh CapPrm CapEff CapAmb; do
		caps=$(field "$2" $set)
		ok "$1: $set $caps" \
			test $((0x$caps & ~$3)) -eq 0
	done
	# the rest is in files of /proc that belong to the machine's root
	if [ -z "$WORLD_ROOT" ]; then
		not_ok "$1: not dumpable" ls "/proc/$2/fd"
		return
	fi
	is "$(stat -c %u "/proc/$2/environ")" 0 "$1: not dumpable"
	is "$(find "/proc/$2/fd" -lname "$T/leak*")" '' \
		"$1: no inherited descriptor"
}

# check NAME PID ALLOWED-CAPABILITIES NAMESPACES
check()
{
	root=/proc/$2/root
	check_helper "$1" "$2" "$3"
	is "$(limit "$2" -f4)" "$(limit "$2" -f5)" \
		"$1: as many files as may be"
	[ "$WORLD_ROOT" ] || return
	for n in $4; do
		not_ok "$1: $n namespace of its own" \
			test "$(readlink "/proc/$2/ns/$n")" = \
			"$(readlink "/proc/self/ns/$n")"
	done
	is "$(readlink "/proc/$2/ns/net")" "$(readlink /proc/self/ns/net)" \
		"$1: network namespace is the host's"
	is "$(find "$root/" -mindepth 1 2>/dev/null | head -n 3)" '' \
		"$1: root directory is empty"
	not_ok "$1: ... and read-only" touch "$root/file"
}

net_admin=$((1 << 12))
bind_admin=$((1 << 10 | 1 << 21))	# in its user namespace only
: >"$T/leak"
exec 9<"$T/leak"

spawn user passt -q -f -s "$T/user/sock"
wait_for "[ -S '$T/user/sock' ]"
wait_for "[ \"\$(field $pid Seccomp)\" = 2 ]"
check 'passt, foreground' "$pid" 0 'user mnt ipc uts'
stop "$pid"

# the shim's own filter makes it two
spawn user lacking close-range passt -q -f -s "$T/user/sock"
wait_for "[ -S '$T/user/sock' ]"
wait_for "[ \"\$(field $pid Seccomp_filters)\" = 2 ]"
is "$(find "/proc/$pid/fd" -lname "$T/leak*")" '' \
	'before Linux 5.9: no inherited descriptor'
stop "$pid"

as_user timeout 10 passt -q -s "$T/user/sock" -P "$T/user/pid"
daemon=$(cat "$T/user/pid")
check 'passt, background' "$daemon" 0 'user mnt ipc uts pid'
if [ "$WORLD_ROOT" ]; then
	is "$(readlink "/proc/$daemon/fd/0" "/proc/$daemon/fd/1" \
		"/proc/$daemon/fd/2" | sort -u)" /dev/null \
		'passt, background: standard descriptors'
fi
is "$(cut -d ' ' -f 6 "/proc/$daemon/stat")" "$(cut -d ' ' -f 1 \
	"/proc/$daemon/stat")" 'passt, background: a session of its own'
kill "$daemon"
ok 'passt, background: SIGTERM ends it' wait_gone "$daemon"

spawn user passt --vhost-user -q -f -s "$T/user/vu"
wait_for "[ -S '$T/user/vu' ]"
wait_for "[ \"\$(field $pid Seccomp)\" = 2 ]"
check 'vhost-user' "$pid" 0 'user mnt ipc uts'
stop "$pid"

pasta_up --config-net
check 'pasta' "$pasta_pid" $bind_admin 'user mnt ipc uts'
check_helper 'pasta, its watcher' "$(named pasta.watch)" $net_admin
pasta_down
pasta_up --config-net --no-splice
check 'pasta --no-splice' "$pasta_pid" 0 'user mnt ipc uts'
pasta_down
is "$(as_user prlimit -n100:200 pasta -q -- sh -c 'ulimit -Sn; ulimit -Hn' 2>/dev/null |
	tr '\n' ' ')" '100 200 ' 'pasta: the command has the limits of the caller'

slirp_init
ns_new
slirp_up "$ns" tap0
check 'slirp4netns' "$slirp_pid" 0 'user mnt ipc uts'
stop "$slirp_pid"

# with all that it can have: a log file, which a thread writes, and control sockets
spawn user passt -q -f -s "$T/user/all" --control "$T/user/control" \
	-c "$T/user/conf" --log-file "$T/user/log"
wait_for "[ -S '$T/user/all' ]"
wait_for "[ \"\$(field $pid Seccomp)\" = 2 ]"
check 'passt with all' "$pid" 0 'user mnt ipc uts'
for task in "/proc/$pid/task"/*; do
	check_helper "passt, thread ${task##*/}" "$pid/task/${task##*/}" 0
done
is "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" 2 \
	'... which are two'
check_helper 'passt, its watcher' "$(named passt.watch)" 0
check_helper 'passt, its cleaner' "$(named passt-cleaner)" 0

# strangers send descriptors along with what they say
if [ "$WORLD_ROOT" ]; then
	had=$(fds_of "$pid")
	for path in all control conf; do
		ok "descriptors sent to the socket '$path'" \
			"$TOP/test/tools/send_fds" "$T/user/$path"
	done
	ok '... have all gone' wait_for "[ \$(fds_of $pid) -le $had ]"
	ok '... and it lives' alive "$pid"
fi
stop "$pid"

if [ "$WORLD_ROOT" ]; then
	nobody=$(id -u nobody)
	chmod 1777 "$T/user"
	spawn host passt -f -s "$T/user/sock2" -P "$T/user/pid2" 2>"$T/err"
	wait_for "[ -s '$T/user/pid2' ]"
	like "$(cat "$T/err")" '*nobody*' 'root: says that it becomes nobody'
	is "$(field "$pid" Uid)" "$nobody $nobody $nobody $nobody" \
		'root: user is nobody'
	like "$(field "$pid" Gid)" '[1-9]*' 'root: group is not root'
	is "$(field "$pid" Groups | tr -d ' ')" '' 'root: no further groups'
	check 'passt, by root' "$pid" 0 'user mnt ipc uts'
	is "$(field "$pid" CapBnd)" 0000000000000000 'root: bounding set'
	stop "$pid"

	spawn host passt -q -f -s "$T/user/sock3" -P "$T/user/pid3" \
		--runas 47002:47003 2>"$T/err"
	wait_for "[ -s '$T/user/pid3' ]"
	is "$(field "$pid" Uid) $(field "$pid" Gid)" \
		"47002 47002 47002 47002 47003 47003 47003 47003" '--runas'
	stop "$pid"

	rm -f "$T/user/up"
	out=$(timeout 10 pasta --config-net -- id -u 2>&1)
	is $? 0 'pasta by root'
	like "$out" '*0' 'pasta by root: the command is root inside'
else
	skip 'not root' 5
fi

done_testing
