#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a command finds in its namespaces, and the ways to name namespaces that
# are there already.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck disable=SC2016 # text is for other shells
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun

# inside NAME WANT ARGS... -- CMD...: what a command prints
inside()
{
	ins_name=$1 ins_want=$2
	shift 2
	is "$(as_user pasta --config-net "$@" 2>"$T/err" </dev/null)" \
		"$ins_want" "$ins_name" || diag "$(cat "$T/err")"
}

inside 'it is root' '0 0' -- sh -c 'echo $(id -u) $(id -g)'
inside 'host name' pasta-host -- hostname
inside 'host name by option' somename -H somename -- hostname
inside 'its own /proc' '1' -- sh -c \
	'set -- /proc/[0-9]*; echo $#; exit $#'
# a pipe would be the shell's for a moment
inside 'descriptors: only the standard ones' "$(printf '0\n1\n2')" -- sh -c \
	'ls /proc/$$/fd; :'
inside 'signals: as they were' 'SigBlk: 0000000000000000' -- sh -c \
	'grep SigBlk /proc/self/status | tr "\t" " "'
is "$(as_user pasta --config-net -- sh -c 'grep SigIgn /proc/$$/status')" \
	"$(as_user sh -c 'grep SigIgn /proc/$$/status')" \
	'... ignored ones, too'
for limit in -Sn -Hn; do
	inside "limit of open files, $limit" "$(as_user sh -c "ulimit $limit")" \
		-- sh -c "ulimit $limit"
done
inside 'directory' "$T/user" -- pwd
is "$(as_user env SOME=thing pasta -- sh -c 'echo $SOME')" thing 'environment'
inside 'ping is for root' '0 0' -- sh -c \
	'echo $(cat /proc/sys/net/ipv4/ping_group_range)'
ok '... and works' as_user pasta --config-net -- ping -c 1 -W 3 "$WORLD4"
as_user pasta -- sh -c ": >'$T/user/made'"
is "$(as_user stat -c '%u %g' "$T/user/made")" "$(as_user id -u) $(as_user id -g)" \
	'files belong to the user outside'
is "$(as_user pasta -- sh -c 'mount -t tmpfs tmpfs /mnt && echo mounted')" \
	mounted 'it may mount'
is "$(grep -c ' /mnt ' /proc/mounts)" 0 '... only for itself'
is "$(as_user pasta -- sh -c '(sleep 0.1; exit 3) & wait $!; echo $?')" 3 \
	'children as usual'
as_user pasta -- sh -c 'sleep 100004 & exit 7'
is $? 7 'status of the command, whoever it leaves'
ok '... who ends with it' wait_for '! pgrep -xf "sleep 100004"'

# by user namespace and path
spawn user unshare -Urn sleep 100005
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
out=$(as_user pasta --config-net -q -P "$T/user/pid" \
	--userns "/proc/$target/ns/user" --netns "/proc/$target/ns/net" 2>&1)
is "$? $out" '0 ' '--userns and --netns'
d=$(cat "$T/user/pid")
is "$(readlink "/proc/$d/ns/user")" "$(readlink "/proc/$target/ns/user")" \
	'... in that user namespace'
like "$(in_ns "$target" ip -o address)" "*$HOST4*" '... connected'
out=$(as_user pasta --config-net -q -I eth9 "$target" 2>&1)
is "$? $out" '0 ' 'a second one for the same namespace, another interface'
kill "$d"
wait_gone "$d"
ok '... takes its own interface away, and no other' wait_for \
	"[ \"\$(in_ns $target ip -o link | wc -l)\" = 2 ]" 3
kill "$target"
ok '... ends with it' wait_for '! pgrep -x pasta'

# the process goes, the namespace doesn't matter
spawn user unshare -Urn sleep 100006
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
as_user pasta --config-net -q --no-netns-quit -P "$T/user/pid" "$target"
d=$(cat "$T/user/pid")
kill "$target"
wait_gone "$target"
pause 1.2
ok '--no-netns-quit: stays' alive "$d"
kill "$d"
ok '... until it is told to go' wait_gone "$d"

# without a user namespace of its own
pod_up
is "$(in_pod pasta --config-net --netns-only -- sh -c \
	'readlink /proc/self/ns/user; ip -4 -o address show dev eth0 | wc -l' |
	xargs)" "$(in_pod readlink /proc/self/ns/user) 1" \
	'--netns-only: the same user namespace'
out=$(as_user pasta --config-net --netns-only -- true 2>&1)
is $? 1 '... which must be one of ours'
like "$out" '*Operation not permitted*CAP_SYS_ADMIN*' '... says so'
out=$(in_pod pasta --netns-only --userns /proc/self/ns/user -- true 2>&1)
is "$? $out" '1 --userns needs --netns or a PID' '--userns without --netns'

done_testing
