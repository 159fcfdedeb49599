#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recipes of doc/egress.md, as they are written there, with other names: from
# nothing to a policy, a sandbox, a virtual machine.
# timeout 300

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/vm.sh
. "$TOP/test/lib/vm.sh"
world_up
need_tun
world_web
echo 'hello from the world' >"$T/web/hello"
cat >"$T/dnsmasq.conf" <<-E
	no-resolv
	no-hosts
	bind-interfaces
	local=/org/com/
	listen-address=$DNS4,$DNS6
	host-record=api.example.com,$WORLD4,$WORLD6
	host-record=evil.example.com,$WORLD4,$WORLD6
	host-record=updates.example.org,$WORLD4
E
spawn world dnsmasq --no-daemon -C "$T/dnsmasq.conf" --pid-file= \
	--log-facility=- >"$T/dnsmasq.log" 2>&1
wait_for 'listening world udp 53 && listening world tcp 53' ||
	bail 'no name server'
home=$T/user/home
mkdir -m 777 "$home" "$home/project"

# recipe HEADING: the first piece of code below it
recipe()
{
	awk -v h="## $1" '
		/^## /		{ on = $0 == h; n = 0; next }
		on && /^```/	{ n++; next }
		on && n == 1' "$TOP/doc/egress.md"
}
# cook HEADING [SED]: run it, in a folder of the user's
cook()
{
	recipe "$1" | sed "${2:-}" >"$home/recipe"
	[ -s "$home/recipe" ] || bail "no recipe: $1" >&2
	(cd "$home/project" && HOME=$home as_user timeout 60 sh ../recipe)
}
script()	# FILE: a program of the user's, from standard input
{
	{ echo '#!/bin/sh'; cat; } >"$1"
	chmod 755 "$1"
}

# agent NAME: a sandbox has what is allowed
agent()
{
	cook "An agent's sandbox" 's/:443/:80/g; s/ agent$/ .\/agent/' \
		>"$T/out" 2>"$T/err"
	is "$(cat "$T/out")" 'hello from the world' \
		"$1: what is allowed" || diag "$(cat "$T/err")"
	like "$(cat "$T/err")" \
		'*resolve host: evil*agent.json*No such file*web/hello*No such file*' \
		'... nothing else, no record, no files'
	like "$(grep -c '"deny"' "$home/agent.json")" '[2-9]' '... on record'
}

# from nothing to a policy: what the first run did, the second may
script "$home/project/build.sh" <<'E'
curl -gsS -m 5 http://api.example.com/hello
[ -e build.policy.seen ] && curl -gsS -m 5 http://evil.example.com/hello
: >build.policy.seen
E
is "$(cook 'From nothing to a policy' 2>"$T/err")" \
	'hello from the world
hello from the world' 'learned, then held to it' || diag "$(cat "$T/err")"
like "$(cat "$T/err")" '*Could not resolve host: evil.example.com*' \
	'... another name is denied'
is "$(grep -c '^allow api.example.com:80' "$home/project/build.policy")" 1 \
	'... the policy'
if command -v jq >/dev/null; then
	is "$(jq -r 'select(.verdict == "deny") | [.event, .name] | @tsv' \
		"$home/project/build.json" | head -n 1 | tr '\t' ' ')" \
		'query evil.example.com' '... the record'
else
	skip 'no jq'
fi

# a sandbox
if command -v bwrap >/dev/null; then
	script "$home/project/agent" <<-E
		curl -gsS -m 5 http://api.example.com/hello
		curl -gsS -m 5 http://evil.example.com/hello
		curl -gsS -m 5 http://$WORLD4/hello
		cat "$home/agent.json"
		cat <&- "$T/web/hello"
	E
	agent 'a sandbox'
	# as systemd-resolved has it: a resolver on the loopback, by a link
	mkdir -p /run/systemd/resolve
	echo 'nameserver 127.0.0.53' >/run/systemd/resolve/stub-resolv.conf
	cp -a /etc "$T/etc"
	ln -sf ../run/systemd/resolve/stub-resolv.conf "$T/etc/resolv.conf"
	mount --bind "$T/etc" /etc
	sed "s/^listen-address=.*/listen-address=127.0.0.53/" \
		"$T/dnsmasq.conf" >"$T/local.conf"
	spawn host dnsmasq --no-daemon -C "$T/local.conf" --pid-file= \
		--log-facility=- >"$T/local.log" 2>&1
	wait_for 'listening host udp 53' || bail 'no local name server'
	agent 'a sandbox, a resolver on the loopback'
	umount /etc
else
	skip 'no bwrap' 6
fi

# a virtual machine
if [ "$(uname -m)" = x86_64 ] && vm_build; then
	cook 'A virtual machine that may only fetch its updates' \
		>"$T/out" 2>"$T/err"
	ok 'passt runs' [ -S "$home/project/vm.socket" ] || diag "$(cat "$T/err")"
	cat >"$T/script" <<-E
		busybox udhcpc -q -f -n -t 10 -T 1 -i eth0 >/dev/null 2>&1
		curl -4gsS -m 20 http://updates.example.org/hello
		curl -4gsS -m 20 http://evil.example.com/hello 2>&1
		curl -4gsS -m 20 http://$WORLD4/hello 2>&1
		curl -4gsS -m 20 http://updates.example.org:8000/hello 2>&1
	E
	# shellcheck disable=SC2046 # words
	out=$(vm_run "$T/script" -- $(vm_net "$home/project/vm.socket"))
	like "$out" "hello from the world*resolve host: evil*reset by peer*8000*" \
		'a guest gets its updates, and nothing else'
	like "$(cat "$home/project/vm.json")" \
		'*"query","verdict":"deny"*"name":"evil.example.com"*' \
		'... on record'
	vm_passt=$(pgrep -f 'vm.socket' | head -n 1)
	[ -z "$vm_passt" ] || kill "$vm_passt"
else
	skip 'no guest' 3
fi

done_testing
