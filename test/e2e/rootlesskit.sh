#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# RootlessKit (rootless Docker, nerdctl) with our program as its slirp4netns.
# Other than Podman, it makes the tap interface itself, and sets addresses.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$(dirname "$0")/../lib/rootless.sh"

command -v rootlesskit >/dev/null || skip_all "rootlesskit isn't installed"
world_up
need_tun
rootless_up
helper_up slirp4netns
diag "$(rootlesskit --version)"

world_greets

serve_script "$T/bin/serve"

# kit OPTIONS... -- COMMAND...
kit()
{
	as_user timeout 30 rootlesskit --net=slirp4netns \
		--slirp4netns-binary="$T/bin/slirp4netns" --copy-up=/etc "$@"
}

in_kit()
{
	kit --disable-host-loopback "$@" 2>"$T/err" || cat "$T/err"
}

is "$(in_kit curl -s "http://$WORLD4/hello")" 'hello from the world' 'TCP'
is "$(in_kit curl -s http://v4.example.org/hello)" 'hello from the world' \
	'by name'
like "$(in_kit ip addr show tap0)" '*mtu 65520*10.0.2.100/24*' \
	'address and MTU, by RootlessKit'
is "$(in_kit --mtu=1500 --cidr=10.9.0.0/24 curl -s "http://$WORLD4/hello")" \
	'hello from the world' 'another network, another MTU'
is "$(in_kit sh -c 'echo start
	socat -u TCP:10.0.2.2:7777,connect-timeout=2 -; echo end' 2>/dev/null |
	grep -xe loopback -e start -e end)" 'start
end' "the host's loopback is out of reach"
is "$(kit socat -u TCP:10.0.2.2:7777 - 2>/dev/null)" loopback \
	'... unless it may be reached'
is "$(in_kit --slirp4netns-sandbox=true --slirp4netns-seccomp=true \
	curl -s "http://$WORLD4/hello")" 'hello from the world' \
	'with sandbox and seccomp'

if rootlesskit --help | grep -q -- --ipv6; then
	cat >"$T/bin/by-ipv6" <<-'E'
		#!/bin/sh
		n=0
		until [ "$(ip -6 addr show tap0 scope global -tentative)" ]; do
			n=$((n + 1))
			[ $n -lt 100 ] || break
			sleep 0.1
		done
		exec curl -m 5 -s "$1"
		E
	chmod 755 "$T/bin/by-ipv6"
	is "$(in_kit --ipv6 by-ipv6 "http://[$WORLD6]/hello" |
		grep -v experimental)" 'hello from the world' \
		'IPv6, by router advertisement'
else
	skip "this RootlessKit has no --ipv6"
fi

# ports: ask WHERE PROTO ADDR:PORT BYTES: so many are the end of the answer
ask()
{
	echo hello | "$1" timeout 15 socat -t 5 - "$2:$3,readbytes=$4" \
		2>/dev/null | sed 1q
}

# published DRIVER SOURCE: by this port driver, the service sees that client
published()
{
	spawn user rootlesskit --net=slirp4netns --copy-up=/etc \
		--slirp4netns-binary="$T/bin/slirp4netns" \
		--disable-host-loopback --state-dir="$T/user/kit" \
		--port-driver="$1" -p 0.0.0.0:8080:80/tcp \
		-p 0.0.0.0:8081:81/udp "$T/bin/serve" 2>"$T/err"
	kit=$pid
	answer="peer $2"
	wait_for '[ "$(ask in_host TCP 127.0.0.1:8080 1)" ]' 30 ||
		diag "$(cat "$T/err")"
	is "$(ask in_world TCP "$HOST4:8080" ${#answer})" "$answer" "$1: TCP"
	wait_for '[ "$(ask in_host UDP 127.0.0.1:8081 1)" ]' 30
	is "$(ask in_world UDP "$HOST4:8081" ${#answer})" "$answer" "$1: UDP"
	stop "$kit"
	ok "$1: no process is left" wait_for \
		'! pgrep -x "slirp4netns|rootlesskit|exe"'
	ok "$1: nothing listens any more" wait_for \
		'! listening host tcp 8080 && ! listening host udp 8081'
}

published builtin 127.0.0.1
published slirp4netns "$WORLD4"

ok 'no process is left' wait_for '! pgrep -x "slirp4netns|rootlesskit"'

done_testing
