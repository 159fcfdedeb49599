# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What clients that run containers need, after world_up, in its private mounts:
# an ordinary user with subordinate ids, and an image without a registry.
#
#	rootless_up		the user `roots`, for whom as_user and spawn user
#				run things, with HOME and XDG_RUNTIME_DIR; bails
#				out or skips the file if there can't be one
#	serve_script PATH	write a server: port 80 TCP and 81 UDP answer
#				"peer ADDRESS", then what they were sent
#	image_tar PATH		a root file system with busybox, socat, and that
#				as `serve`
#	helper_up NAME		this program by another name, first in PATH

rootless_up()
{
	[ "$WORLD_ROOT" ] ||
		skip_all 'not root: a user with subordinate ids is needed'
	command -v newuidmap >/dev/null || skip_all "newuidmap isn't installed"

	ids="roots:x:$WORLD_UID:"
	printf '%s:\n' "$ids" >"$T/group.add"
	printf '%s%s::%s:/bin/sh\n' "$ids" "$WORLD_UID" "$T/home" \
		>"$T/passwd.add"
	for f in passwd group; do
		cat "/etc/$f" "$T/$f.add" >"$T/$f"
		mount --bind "$T/$f" "/etc/$f"
	done
	echo 'roots:2000000000:65536' >"$T/subid"
	for f in subuid subgid; do
		[ -e "/etc/$f" ] || skip_all "there is no /etc/$f"
		mount --bind "$T/subid" "/etc/$f"
	done

	# neither v1 nor v2 (which some runtimes refuse), but v2 without
	# controllers: that's enough to follow processes
	mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null

	XDG_RUNTIME_DIR=$T/user/run
	mkdir -p "$XDG_RUNTIME_DIR"
	chown -R "$WORLD_UID:$WORLD_UID" "$T/home" "$T/user"
	chmod 700 "$XDG_RUNTIME_DIR"
	unset DBUS_SESSION_BUS_ADDRESS
}

helper_up()
{
	ln -sf passt "$T/bin/$1"
}

serve_script()
{
	cat >"$1" <<-'E'
		#!/bin/sh
		# an answer may take longer than the half second after the question's end
		socat -t 10 TCP-LISTEN:80,fork,reuseaddr \
			'SYSTEM:echo peer $SOCAT_PEERADDR; exec cat' &
		exec socat -t 10 UDP-RECVFROM:81,fork \
			'SYSTEM:echo peer $SOCAT_PEERADDR; exec cat'
		E
	chmod 755 "$1"
}

image_tar()
{
	img=$T/img
	mkdir -p "$img/bin" "$img/etc" "$img/tmp" "$img/proc" "$img/sys" \
		"$img/dev"
	cp "$(command -v busybox)" "$img/bin/busybox"
	for f in sh ip wget nslookup sleep cat ping; do
		ln -s busybox "$img/bin/$f"
	done
	cp "$(command -v socat)" "$img/bin/socat"
	for f in $(ldd "$(command -v socat)" | grep -o '/[^ ]*'); do
		mkdir -p "$img$(dirname "$f")"
		cp -L "$f" "$img$f"
	done
	serve_script "$img/bin/serve"
	tar -C "$img" -cf "$1" .
	chmod 644 "$1"
}
