#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What pasta says where a machine refuses what it needs, and that
# doc/containers.md has each of these messages to the letter.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
command -v lacking >/dev/null || bail 'no shims: run make tools first'
doc=$TOP/doc/containers.md

pod_up
# in a mount namespace of its own there
in_mounts()
{
	in_pod unshare -m --propagation private -- sh -c "$@"
}
limit()
{
	in_pod sh -c "echo $2 >/proc/sys/user/max_$1_namespaces"
}

# refused NAME STATUS LINES CMD...: its messages, that many, are in the document
refused()
{
	ref_name=$1 ref_want="$2 $3"
	shift 3
	"$@" </dev/null 2>"$T/err" >&2
	ref_got="$? $(grep -c . "$T/err")"
	is "$ref_got" "$ref_want" "$ref_name: status, lines" ||
		diag "$(cat "$T/err")"
	sed "s,$T/user,/run/user/1000," "$T/err" >"$T/messages"
	while read -r ref_line; do
		ok "... documented: $(echo "$ref_line" | cut -c 1-50)" \
			grep -qxF "    $ref_line" "$doc" || diag "$ref_line"
	done <"$T/messages"
}

mkdir -p "$T/none"
refused 'no tun device' 1 1 in_mounts \
	"mount --bind '$T/none' /dev/net && exec pasta --config-net -- true"
as_user touch "$T/user/closed"
chmod 000 "$T/user/closed"
: >"$T/closed"
chmod 600 "$T/closed"
if [ "$WORLD_ROOT" ]; then
	refused 'a closed tun device' 1 1 in_mounts \
		"mount --bind '$T/closed' /dev/net/tun &&
		exec pasta --config-net -- true"
	refused 'something else in its place' 1 1 in_mounts \
		"mount --bind /dev/zero /dev/net/tun &&
		exec pasta --config-net -- true"
else
	skip 'not root' 4
fi

limit user 0
refused 'no user namespaces' 1 2 in_pod pasta --config-net -- true
limit user 1000
limit net 0
refused 'no network namespaces' 1 2 in_pod pasta --config-net -- true
limit net 1000
refused 'user namespaces forbidden' 1 2 \
	as_user lacking userns pasta --config-net -- true
for knob in apparmor_restrict_unprivileged_userns=1 unprivileged_userns_clone=0
do
	refused "... by $knob" 1 2 in_mounts "
		mount -t tmpfs tmpfs /proc/sys/kernel &&
		echo ${knob#*=} >/proc/sys/kernel/${knob%=*} &&
		exec lacking userns pasta --config-net -- true"
done
refused 'a security module forbids mounts' 1 1 \
	as_user lacking mount pasta --config-net -- true
refused 'part of /proc is hidden' 0 1 in_mounts '
	mount -t tmpfs tmpfs /proc/sys/fs && exec unshare -Urm -- \
	pasta --config-net -- true'

# joining
refused 'no such namespace' 1 1 as_user pasta --config-net \
	--netns "$T/user/netns/blue"
spawn user unshare -Urn sleep 100001
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
as_user ln -s "/proc/$target/ns/net" "$T/user/blue"
refused "a namespace of another user namespace" 1 1 \
	as_user pasta --config-net --netns "$T/user/blue"
as_user sh -c ': >"$1"' sh "$T/user/file"
refused 'no namespace at all' 1 1 \
	as_user pasta --config-net --netns "$T/user/file"

# ports
spawn host socat TCP6-LISTEN:8080,reuseaddr,fork EXEC:true
busy=$pid
wait_port host tcp 8080
refused 'a port in use' 1 2 as_user pasta --config-net -t 8080 -- true
stop "$busy"
refused 'a privileged port' 1 3 as_user pasta --config-net -t 80 -- true
refused 'too few files' 1 1 as_user prlimit --nofile=1000 \
	pasta --config-net -t 2000-4999 -- true

# a name that is taken
refused 'an interface of that name' 1 1 as_user pasta --config-net -I lo -- true

done_testing
