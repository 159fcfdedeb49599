# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# shellcheck disable=SC2016 # conditions are for wait_for
# shellcheck disable=SC2154 # the libraries set pid and so on
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
#
# Podman, with this program as its network:
#
#	podman_up		set up for the user: an image `img` of the above;
#				$version, $major, $minor
#	tree_podman_up		the same in the tree of tree.sh, with a world that
#				greets; skips the file if this program can't run there
#	podman ARGS...		as the user, who gives up after a minute
#	run CMD...		`podman run` in the foreground, with the network $net
#	ask_tcp WHO ADDRESS:PORT, ask_udp	what a service says, or nothing; WHO:
#				in_host, in_world
#	published NAME LOOPBACK WORLD	a container with published ports, from its
#				start to its end; patterns for who clients on the
#				host and in the world are to it
#	outbound NAME		TCP, names and ping from a container
#	nothing_runs		no network's process is left
#	left_files		what is left of them
#	podman_down		the end: nothing of the user's is left
#
#	PODMAN			another podman
#	CONTAINERS_HELPER_BINARY_DIR	and its helpers, which we leave alone

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

PODMAN=${PODMAN:-podman}

# Whatever Podman brings along, our names go first; not in /run, of which Podman
# mounts another one for its bridges
podman_helpers()
{
	mount -t tmpfs -o mode=1777 tmpfs /mnt || bail 'no tmpfs on /mnt'
	cp -a "$T/bin" /mnt/bin
	for dir in ${CONTAINERS_HELPER_BINARY_DIR:+"$CONTAINERS_HELPER_BINARY_DIR"} \
		   /usr/lib/podman /usr/libexec/podman; do
		for f in "$dir"/*; do
			name=$(basename "$f")
			[ -x "$f" ] && [ ! -e "/mnt/bin/$name" ] &&
				ln -s "$f" "/mnt/bin/$name"
		done
	done
	export CONTAINERS_HELPER_BINARY_DIR=/mnt/bin
}

podman_config()
{
	mkdir -p "$HOME/.config/containers"
	cat >"$HOME/.config/containers/containers.conf" <<-E
		[containers]
		cgroups = "disabled"
		cgroupns = "host"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		network_cmd_path = "/mnt/bin/slirp4netns"
		E
	cat >"$HOME/.config/containers/storage.conf" <<-E
		[storage]
		driver = "vfs"
		runroot = "$XDG_RUNTIME_DIR/containers"
		graphroot = "/mnt/storage"
		E
	chown -R "$WORLD_UID:$WORLD_UID" "$HOME"
}

tree_podman_up()
{
	world_up
	need_tun
	rootless_up
	"$T/bin/passt" --version >/dev/null 2>&1 ||
		skip_all "our program, from this machine, doesn't run in the tree"
	world_greets
	podman_up
}

podman_up()
{
	podman_helpers
	podman_config
	version=$("$PODMAN" --version | sed 's/.* //')
	# shellcheck disable=SC2034 # for whoever asks
	major=${version%%.*} minor=${version#*.}
	minor=${minor%%.*}
	diag "podman $version"
	image_tar "$T/img.tar"
	ok 'an image' podman import -q "$T/img.tar" img
}

podman()
{
	as_user timeout 60 "$PODMAN" "$@"
}

run()
{
	podman run --rm --network "$net" img "$@"
}

outbound()
{
	is "$(run wget -qO- "http://$WORLD4/hello")" 'hello from the world' \
		"$1: TCP, IPv4"
	is "$(run wget -qO- "http://[$WORLD6]/hello" 2>&1)" \
		'hello from the world' "$1: TCP, IPv6"
	is "$(run wget -qO- http://v4.example.org/hello)" \
		'hello from the world' "$1: by name"
	like "$(podman run --rm --cap-add net_raw --network "$net" img \
		ping -c 1 -W 5 "$WORLD4" 2>&1)" '*1 packets received*' \
		"$1: ping"
}

ask_tcp()
{
	"$1" timeout 5 socat -t 5 - "TCP:$2" </dev/null 2>/dev/null
}

ask_udp()
{
	echo ping | "$1" timeout 5 socat -t 3 - "UDP:$2" 2>/dev/null
}

published()
{
	if ! podman run -d --name served --network "$net" -p 8080:80 \
	     -p 8081:81/udp -p 8100-8119:61-80 -p 127.0.0.1:8082:80 img serve \
	     >"$T/id" 2>"$T/err"; then
		fail "$1: a container with ports"
		diag "$(cat "$T/err")"
		return
	fi
	pass "$1: a container with ports"
	wait_for '[ "$(ask_tcp in_host 127.0.0.1:8080)" ]'
	like "$(ask_tcp in_host 127.0.0.1:8080)" "peer $2" \
		"$1: TCP, from the host"
	like "$(ask_tcp in_world "$HOST4:8080")" "peer $3" \
		"$1: TCP, from the world"
	wait_for '[ "$(ask_udp in_host 127.0.0.1:8081)" ]'
	like "$(ask_udp in_world "$HOST4:8081")" "peer $3*ping" \
		"$1: UDP, from the world"
	like "$(ask_tcp in_host 127.0.0.1:8119)" "peer*" \
		"$1: the last port of a range"
	like "$(ask_tcp in_host 127.0.0.1:8082)" "peer*" \
		"$1: a port of one address"
	is "$(ask_tcp in_world "$HOST4:8082")" '' \
		"$1: ... and of no other"

	ok "$1: stop" podman rm -f -t 0 served
	ok "$1: nothing listens any more" wait_for \
		'! listening host tcp 8080 && ! listening host udp 8081'
	ok "$1: no process is left" nothing_runs
	is "$(left_files)" '' "$1: no file is left"
}

nothing_runs()
{
	wait_for '! pgrep -x "slirp4netns|pasta|passt|conmon|rootlessport|aardvark-dns"'
}

# sockets and names of namespaces; that of the API stays, as the original leaves it
left_files()
{
	find "$XDG_RUNTIME_DIR" /tmp "$T/tmp" -newer "$T/img.tar" \
		\( -name 'netns-*' -o -name '*slirp*.sock' \
		   -o -path '*/rp/*' \) 2>/dev/null
}

# its own process, which holds the user namespace
podman_down()
{
	podman system migrate >/dev/null 2>&1
	ok 'nothing of Podman is left' \
		wait_for '! pgrep -u "$WORLD_UID" -x "catatonit|podman"'
}
