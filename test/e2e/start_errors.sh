#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Starts that fail: status 1, a line that names the cause, nothing left.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

d=$T/user/d
long=$(printf '%0300d' 0)

# nothing of a failed start: socket, PID, process
left()
{
	find "$d" -type s
	[ ! -s "$d/pid" ] || echo "PID file: $(cat "$d/pid")"
	for p in $(processes); do
		# one that is on its way out has no command line any more
		cmd=$(tr '\0' ' ' <"/proc/$p/cmdline")
		[ -z "$cmd" ] || ! alive "$p" || echo "process: $cmd"
	done
}

processes()
{
	pgrep -x 'passt|pasta'
	pgrep -x 'passt.avx2'
	pgrep -f '^sleep 4711'
}

# judge NAME PATTERN, after a run with its $status and output in $T/err
judge()
{
	what=
	[ "$status" -eq 1 ] || what="status $status"
	[ "$(wc -l <"$T/err")" -le 3 ] || case $1 in
		*' --no-such-option'*)	;;
		*)	what="$what, $(wc -l <"$T/err") lines" ;;
	esac
	grep -qiE -e "$2" "$T/err" || what="$what, does not say '$2'"
	left=$(left)
	[ -z "$left" ] || what="$what, left: $left"
	if [ -z "$what" ]; then
		pass "$1"
	else
		fail "$1"
		diag "${what#, }"
		diag "$(head -n 5 "$T/err")"
		left=$(processes)
		# shellcheck disable=SC2086 # a list
		[ -z "$left" ] || kill -KILL $left
	fi
}

fresh()
{
	rm -rf "$d"
	as_user mkdir "$d"
}

# options|extended regular expression, in passt mode
passt_table="
--no-such-option|unrecognized option
-m 65522|65522
-m qqq|qqq
-a 127.0.0.1|127.0.0.1
-a 300.1.2.3|300.1.2.3
-a 192.0.2.1/33|192.0.2.1/33
-a 0.0.0.0|0.0.0.0
-a 192.0.2.1/24 -n 24|prefix
-n 24 -a 192.0.2.1/24|prefix
-n 255.0.255.0|255.0.255.0
-n 33|33
-M 00:11:22|00:11:22
-M 00:11:22:33:44:5g|5g
-g 0.0.0.0|0.0.0.0
-g 127.0.0.1|127.0.0.1
-i nonexistent0|nonexistent0
-o 999.1.1.1|999.1.1.1
--outbound-if4 nonexistent0|nonexistent0|outbound
--dns-forward 127.0.0.1|127.0.0.1
--dns-forward 0.0.0.0|0.0.0.0
-D qqq|qqq
-H $long|host|name
--fqdn $long|fqdn|name
--map-host-loopback 127.0.0.1|127.0.0.1
--map-host-loopback 224.0.0.1|224.0.0.1
--map-guest-addr 127.0.0.1|127.0.0.1
-t 0|-t 0|port 0|'0'
-t 65536|65536
-t 80-70|80-70
-t 22-23:32-40|22-23:32-40
-t 80x|80x
-t 80:|80:
-t 1000/80|1000/80
-t ::1.2/80|::1.2/80
-t 8001 -t 8001:80|conflict
-t auto|auto
-t 0.0.0.0/8001:2001:db8::1/80|8001
-t 8001:192.0.2.1/80|8001
-u 0|-u 0|port 0|'0'
-u 9000-8000|9000-8000
--no-tcp -t 8001|TCP
--no-udp -u 8001|UDP
-T 80|pasta
--config-net|config-net.*pasta
--netns /x|netns.*pasta
-I eth7|(ns-ifname|-I).*pasta
-F 1|fd: 1
-F qqq|qqq
-l $d/log --log-size 10|log-size|size
--stats 1|stats
--runas nosuchuser|runas|nosuchuser|root
-s /etc/passwd|/etc/passwd exists, and is no socket
--vhost-user true|Extra non-option argument: true .--vhost-user
-P /nonexistent/pid|/nonexistent/pid
-l /nonexistent/log|/nonexistent/log
-p /nonexistent/pcap|/nonexistent/pcap
-s /nonexistent/socket|/nonexistent/socket
-s $d/$long|path|long
word|word
-6 -4 word|word
"

# the same, in pasta mode
pasta_table="
-s $d/s|-s
-1|(one-off|-1)
--netns nosuchname|nosuchname
--netns /nonexistent/ns|/nonexistent/ns
--netns /etc/passwd|/etc/passwd
--netns /proc/1/ns/net -- sleep 4711|netns
--userns /nonexistent/ns --netns /run/netns/world|/nonexistent/ns
999999999|999999999
-I name-that-is-too-long-for-it -- sleep 4711|name-that-is-too-long
--ns-mac-addr qqq -- sleep 4711|qqq
-t 0 -- sleep 4711|-t 0|port 0|'0'
-T 127.0.0.1/80 -- sleep 4711|127.0.0.1
-T 0 -- sleep 4711|-T 0|port 0|'0'
-U 80-70 -- sleep 4711|80-70
--no-splice --splice-only -- sleep 4711|splice
--no-splice --host-lo-to-ns-lo -- sleep 4711|host-lo-to-ns-lo|splice
--no-copy-routes -- sleep 4711|config-net|copy-routes
--config-net -a 127.0.0.1 -- sleep 4711|127.0.0.1
--config-net -i nonexistent0 -- sleep 4711|nonexistent0
--config-net -m 65522 -- sleep 4711|65522
-P /nonexistent/pid -- sleep 4711|/nonexistent/pid
"

run_table()
{
	while IFS='|' read -r args pattern; do
		[ "$args" ] || continue
		fresh
		case "$1 $args" in
		passt*' -s '* | passt*' -F '*)	set -- "$1" ;;
		passt*)				set -- "$1" -s "$d/sock" ;;
		esac
		case $args in
		*-P*)	;;
		*)	set -- "$@" -P "$d/pid" ;;
		esac
		prog=$1
		shift
		# shellcheck disable=SC2086 # words
		(cd "$d" && as_user timeout 5 "$prog" "$@" $args) \
			</dev/null >"$T/out" 2>"$T/err"
		status=$?
		judge "$prog $(echo "$args" | cut -c 1-60)" "$pattern"
		set -- "$prog"
	done
}

echo "$passt_table" >"$T/passt.table"
echo "$pasta_table" >"$T/pasta.table"
run_table passt <"$T/passt.table"
run_table pasta <"$T/pasta.table"

# facts of the host
fresh
spawn user passt -q -f -1 -s "$d/busy" >/dev/null 2>&1
busy=$pid
wait_for "[ -S '$d/busy' ]"
as_user timeout 5 passt -s "$d/busy" -P "$d/pid" 2>"$T/err" >&2
is $? 1 'socket in use: status'
like "$(cat "$T/err")" "*$d/busy*in use*" '... says so'
is "$(cat "$d/pid" 2>/dev/null)" '' '... no PID'
ok '... the first one is unharmed' alive "$busy"
stop "$busy"
as_user timeout 5 passt -q -s "$d/busy" -P "$d/pid" 2>"$T/err" >&2
is $? 0 'left-over socket is used again'
kill "$(cat "$d/pid")"
wait_gone "$(cat "$d/pid")"

spawn host socat TCP6-LISTEN:8001,reuseaddr,fork EXEC:true
busy=$pid
wait_port host tcp 8001
fresh
as_user timeout 5 passt -t 8001 -s "$d/sock" -P "$d/pid" 2>"$T/err" >&2
status=$?
judge 'passt, busy port' 8001
fresh
as_user timeout 5 pasta -t 8000-8002 -P "$d/pid" -- sleep 4711 2>"$T/err" >&2
status=$?
judge 'pasta, busy port in a range' 8001
stop "$busy"
fresh
as_user timeout 5 passt -t 80 -s "$d/sock" -P "$d/pid" 2>"$T/err" >&2
status=$?
judge 'passt, privileged port' 80

if [ "$WORLD_ROOT" ]; then
	mkdir "$T/none"
	mknod -m 600 "$T/dev/closed" c 10 200
	for how in 'mount --bind /run/test/none /dev/net' \
		   'mount --bind /run/test/dev/closed /dev/net/tun'; do
		fresh
		unshare -m sh -c "$how"' && shift && exec setpriv --reuid "$0" \
			--regid "$0" --clear-groups "$@"' "$WORLD_UID" \
			x timeout 5 pasta --config-net -P "$d/pid" -- \
			sleep 4711 2>"$T/err" >&2
		status=$?
		judge "pasta, $how" /dev/net/tun
	done
else
	skip 'not root' 2
fi

# lacked WHAT PASST...: its start where that is lacking; errors in $T/err
lacked()
{
	fresh
	lacked_still "$@"
}
lacked_still()
{
	(cd "$d" && as_user timeout 5 lacking "$@") 2>"$T/err" >&2
}

# called off: by a signal while it starts
if command -v lacking >/dev/null; then
	for how in 'passt -s sock' 'pasta -- sleep 4711'; do
		for fore in '' -f; do
			set -- ${how%% *} $fore -P pid ${how#* }
			lacked peace "$@"
			is "$? $(left)$(ls "$d")" '143 ' \
				"SIGTERM during the start of $*"
		done
	done
	fresh
	as_user sh -c ': >"$1"' sh "$d/pid"
	lacked_still peace passt -P pid -s sock
	is "$(ls "$d")" pid '... a file that was there stays'
else
	skip 'no shims' 5
fi

# the last step fails: who was to go on in the background doesn't
fresh
(cd "$d" && as_user timeout 5 passt -P /dev/full -s sock) 2>"$T/err" >&2
is "$?" 1 "a PID file that can't be written"
like "$(cat "$T/err")" '*PID file*' '... is the reason that is told'
ok '... nothing is left' wait_for '[ -z "$(left)" ]'

# ... and what was in it stays. The limit is the user's, for all files.
fresh
echo 'of another' >"$d/pid"
[ -z "$WORLD_ROOT" ] || chown "$WORLD_UID" "$d/pid"
err=$(cd "$d" && as_user sh -c 'trap "" XFSZ; ulimit -f 0
	exec timeout 5 passt -P pid -s sock' 2>&1)
is "$? $(cat "$d/pid")" '1 of another' \
	"a PID file that can't be written keeps what it has"
like "$err" '*PID file: File too large*' '... is the reason that is told'

# one that can be written is the file that was there, and no longer than it should be
pid_to()
{
	fresh
	echo 'longer than a PID' >"$d/old"
	[ -z "$WORLD_ROOT" ] || chown "$WORLD_UID" "$d/old"
	# shellcheck disable=SC2086 # an option, or none
	[ -z "$2" ] || as_user ln $2 "$d/old" "$d/pid"
	(cd "$d" && exec setpriv --reuid "$WORLD_UID" --clear-groups \
		timeout 5 passt -q -P "$3" -s sock) 2>"$T/err" >>"$d/old"
	is "$(tr -c 0-9 x <"$d/old")" "$(pgrep -x 'passt|passt.avx2')x" \
		"PID file: $1"
	kill "$(cat "$d/old")"
	wait_for '[ -z "$(processes)" ]'
}

pid_to 'a hard link' ' ' pid
pid_to 'a symbolic link' -s pid
pid_to 'what stdout is' '' /dev/stdout
fresh
(cd "$d" && as_user timeout 5 passt -q -P /dev/stdout -s sock) 2>"$T/err" |
	cat >"$T/pid"
is "$(cat "$T/pid")" "$(pgrep -x 'passt|passt.avx2')" 'PID file: a pipe'
kill "$(cat "$T/pid")"
wait_for '[ -z "$(processes)" ]'

# at the last moment, and with a reason that has no remedy of its own
if command -v lacking >/dev/null; then
	lacked quiet passt -f -P pid -s sock
	is "$? $(left)$(ls "$d")" '143 ' 'SIGTERM at the end of a start, foreground'
	lacked quiet passt -P pid -s sock
	is "$? $(left)$(ls "$d")" '1 ' '... in the background'
	like "$(cat "$T/err")" '*by signal 15*' '... is the reason that is told'
	lacked namespaces passt -P pid -s sock
	is "$? $(left)$(ls "$d")" '1 ' 'no mount namespaces'
	# the loop's end by a failure is none by its filter
	lacked epoll passt -f -s sock
	is "$?" 1 'a failure in the loop'
	like "$(cat "$T/err")" '*epoll_wait() failed*' '... is told'
else
	skip 'no shims' 6
fi

# killed while it starts
if command -v lacking >/dev/null; then
	lacked life passt -P pid -s sock
	is "$?" 1 'killed while it starts, in the background'
	like "$(cat "$T/err")" '*killed by signal*' '... is the reason that is told'
	is "$(left)$(ls "$d")" '' '... nothing is left'
else
	skip 'no shims' 3
fi

# whoever waits for the process in the background is killed: right after the fork...
if command -v lacking >/dev/null; then
	lacked parent passt -P pid -s sock
	is "$?" 137 'the parent is killed after the fork'
	ok '... nothing is left' wait_for '[ -z "$(left)$(ls "$d")" ]'
else
	skip 'no shims' 2
fi

# ... or when the child is ready, while it writes the PID file
filtered()
{
	for c in $(pgrep -x 'passt|passt.avx2'); do
		[ "$c" = "$p" ] ||
			! grep -q '^Seccomp:.*2' "/proc/$c/status" || return 0
	done
	return 1
}

fresh
as_user mkfifo "$d/pid"
exec 9<>"$d/pid"
dd if=/dev/zero of="$d/pid" oflag=nonblock bs=4096 2>/dev/null
(cd "$d" && exec setpriv --reuid "$WORLD_UID" --clear-groups \
	passt -P pid -s sock) 2>"$T/err" >&2 &
p=$!
ok 'the child is ready, the parent waits for a pipe' wait_for filtered
kill -KILL "$p"
wait "$p"
ok '... the parent is killed: nothing goes on' wait_for '[ -z "$(processes)" ]'
exec 9>&-

# called off, at whatever moment: nothing goes on, or it is all there; after SIGKILL
# what has a name may stay
any_moment()
{
	signal=$1
	killed=$2
	fresh
	bad=
	for ms in $(seq 1 40); do
		[ -z "$bad" ] || break
		(cd "$d" && exec setpriv --reuid "$WORLD_UID" --clear-groups \
			passt -P pid -s sock) 2>"$T/err" >&2 &
		p=$!
		pause "0.0$(printf '%02d' "$ms")"
		kill -s "$signal" "$p" 2>/dev/null
		wait "$p"
		status=$?
		if [ "$status" -eq 0 ]; then
			kill -TERM "$(cat "$d/pid")"
		elif [ "$status" -ne "$killed" ]; then
			bad="$bad $ms: status $status"
		elif [ "$signal" = KILL ] && [ -s "$d/pid" ]; then
			# it may have said that all is there, and not ended by itself yet
			kill -TERM "$(cat "$d/pid")" 2>/dev/null
		fi
		wait_for '[ -z "$(processes)" ]' 5 || bad="$bad $ms: runs on"
		[ ! -S "$d/sock" ] || [ "$status" -eq 0 ] ||
			[ "$signal" = KILL ] || bad="$bad $ms: socket"
		rm -f "$d/sock" "$d/pid"
	done
	is "$bad" '' "SIG$signal at any moment of a start"
}

any_moment TERM 143
any_moment ALRM 142
any_moment KILL 137

# files of another instance
fresh
for f in pid log pcap audit; do
	as_user sh -c 'echo "of another" >"$1"' sh "$d/$f"
done
as_user timeout 5 passt -P "$d/pid" -l "$d/log" -p "$d/pcap" \
	--audit "$d/audit" -s /nonexistent/sock 2>"$T/err" >&2
is "$?" 1 "a start that fails behind another's files"
is "$(cat "$d/pid" "$d/log" "$d/pcap" "$d/audit" | uniq -c | tr -s ' ')" \
	' 4 of another' '... leaves them as they are'
as_user timeout 5 unshare -Ur sh -c \
	'echo 0 >/proc/sys/user/max_pid_namespaces && exec unshare -Ur "$@"' \
	sh passt -p "$d/pcap" -s "$d/sock" 2>"$T/err" >&2
is "$? $(cat "$d/pcap")" '1 of another' '... a capture, when it fails late'
like "$(cat "$T/err")" '*max_pid_namespaces*' '... for lack of a PID namespace'
rm "$d"/*
as_user timeout 5 passt -P "$d/pid" -l "$d/log" -p "$d/pcap" \
	--audit "$d/audit" -s /nonexistent/sock 2>"$T/err" >&2
is "$? $(ls "$d")" '1 ' '... and those that it made are gone'

# root has become somebody else by then, whose directory it isn't
if [ "$WORLD_ROOT" ]; then
	mkdir "$T/roots"
	for args in '-s /nonexistent/sock' '-s sock' '-s sock --control ctl'; do
		for fore in '' -f; do
			# shellcheck disable=SC2086 # words
			(cd "$T/roots" && timeout 5 passt $fore -P pid -l log \
				-p pcap $args) 2>"$T/err" >&2
			is "$? $(ls "$T/roots")" '1 ' \
				"root: a start that fails, $fore $args"
		done
	done
	(cd "$T/roots" && timeout 5 passt -P pid -l log -s "$T/user/sock" --runas \
		"$WORLD_UID") 2>"$T/err" >&2
	is "$? $(ls -m "$T/roots")" '0 log, pid' '... and one that succeeds'
	ok '... and nobody stays to clean up' wait_for '! pgrep -x passt-cleaner'
	kill "$(cat "$T/roots/pid")"
	wait_for '[ -z "$(processes)" ]'
else
	skip 'not root' 8
fi

# links that others have put there
fresh
ln -s "$d/target" "$d/mine"
[ -z "$WORLD_ROOT" ] || chown -h "$WORLD_UID:$WORLD_UID" "$d/mine"
as_user sh -c 'ln -s "$1" "$2"' sh "$d/target" "$d/users"
as_user timeout 5 pasta -l "$d/users" -- true 2>"$T/err"
is "$? $(ls -m "$d")" '0 mine, target, users' "a link of one's own is followed"
if [ "$WORLD_ROOT" ]; then
	rm "$d/target"
	for opt in -l -p -P; do
		timeout 5 pasta $opt "$d/users" -- true 2>"$T/err"
		is "$? $(ls -m "$d")" '1 mine, users' \
			"root: another's link isn't, $opt"
		like "$(cat "$T/err")" "*couldn't open $d/users*" '... and says so'
	done
else
	skip 'not root' 6
fi

# namespaces of another user
fresh
as_user timeout 5 pasta -P "$d/pid" 1 2>"$T/err" >&2
status=$?
judge "pasta, another user's process" namespace

# a failing start must not take long, or leave a command that runs
fresh
start=$(date +%s%N)
as_user timeout 5 pasta --config-net -g 192.0.2.1 -a 192.0.2.9/33 -- \
	touch "$d/ran" 2>"$T/err" >&2
ok 'no command after a failed start' test ! -e "$d/ran"
ok 'a failed start is quick' \
	test $((($(date +%s%N) - start) / 1000000)) -lt 3000

done_testing
