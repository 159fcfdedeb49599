#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs that people use, behind an egress policy: git, apt, curl with redirects;
# then ways around it below the level of programs. All that is refused is on record.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets
world_peer 4242
log=$T/user/audit

# a repository for git, one for apt
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init -q "$T/src" && git -C "$T/src" -c user.name=x -c user.email=x@x \
	commit -q --allow-empty -m 'from the world'
git clone -q --bare "$T/src" "$T/web/repo.git"
git -C "$T/web/repo.git" update-server-info
mkdir -p "$T/web/apt" "$T/user/apt/lists/partial" "$T/user/apt/cache"
: >"$T/web/apt/Packages"
touch "$T/user/apt/status"
chmod -R a+rX "$T/web"
chmod -R a+rwX "$T/user/apt"

git_()	# URL: the last message
{
	rm -rf "$T/user/clone"
	in_ns "$ns" timeout 20 git clone -q "$1" "$T/user/clone" 2>&1 |
		grep -o 'resolve host\|connect to server'
	in_ns "$ns" git -c safe.directory='*' -C "$T/user/clone" log -1 \
		--format=%s 2>/dev/null
}
apt_()	# URL: fetched, or why not
{
	echo "deb [trusted=yes] $1 ./" >"$T/user/sources"
	in_ns "$ns" timeout 20 apt-get -o Dir::Etc::sourcelist="$T/user/sources" \
		-o Dir::Etc::sourceparts=- -o Dir::State="$T/user/apt" \
		-o Dir::State::status="$T/user/apt/status" \
		-o Dir::Cache="$T/user/apt/cache" -o APT::Sandbox::User= \
		-o Acquire::Retries=0 -o Acquire::AllowInsecureRepositories=true \
		-o Acquire::http::Proxy=DIRECT -o Debug::NoLocking=1 \
		update 2>&1 |
		grep -o '^Get:.*Packages\|Could not connect\|Could not resolve\|Unable to connect\|Connection refused\|Temporary failure resolving\|Something wicked happened resolving\|Connection failed' |
		sed 's/^Get:.*/fetched/' | sort -u | head -1
}

pasta_up --config-net --audit "$log" -t none -u none -T none -U none \
	--allow www.example.org:80 --allow "$WORLD4:4242/udp"
is "$(git_ http://www.example.org/repo.git)" 'from the world' 'git: allowed'
is "$(git_ http://v4.example.org/repo.git)" 'resolve host' \
	'  another name'
is "$(git_ "http://$WORLD4:8000/repo.git")" 'connect to server' \
	'  another port'
if command -v apt-get >/dev/null; then
	is "$(apt_ http://www.example.org/apt)" fetched 'apt: allowed'
	ok '  another name' [ "$(apt_ http://v4.example.org/apt)" != fetched ]
else
	skip 'no apt-get' 2
fi
is "$(in_ns "$ns" curl -sS -m 5 -L http://www.example.org/hello)" \
	'hello from the world' 'curl'
is "$(in_ns "$ns" wget -qO- -T 5 http://www.example.org/hello 2>/dev/null ||
	in_ns "$ns" busybox wget -qO- http://www.example.org/hello)" \
	'hello from the world' 'wget'

# in pieces: put together before anybody decides
like "$(in_ns "$ns" ping -nc1 -W2 -s 3000 "$WORLD4" 2>&1)" '*filtered*' \
	'fragments: a large ping'
in_ns "$ns" sh -c "head -c 30000 /dev/zero |
	socat -u -b 40000 - UDP:$WORLD4:4243,sourceport=77" 2>/dev/null
wait_for "grep -q '$WORLD4:4243' '$log'"
is $? 0 '  a large datagram: on record'
is "$(in_ns "$ns" sh -c "head -c 30000 /dev/zero |
	socat -t3 -b 40000 - UDP:$WORLD4:4242 | wc -c")" 30000 \
	'  an allowed one goes'
# loose source route: to a place that is denied, by one that is allowed
via=$(echo "$WORLD4" | awk -F. '{ printf "%02x%02x%02x%02x", $1, $2, $3, $4 }')
route="UDP:${WORLD4%.*}.99:4242,ip-options=x830704$via"
in_world ip address add "${WORLD4%.*}.99/32" dev lo
in_world sysctl -qw net.ipv4.conf.all.accept_source_route=1 \
	net.ipv4.conf.eth0.accept_source_route=1
is "$(echo hello | socat -t1 - "$route")" hello \
	'a source route leads on: for the host'
is "$(in_ns "$ns" sh -c "echo hello | socat -t1 - $route" 2>/dev/null)" '' \
	'... nowhere for the guest'
# who has no name of his own: an address within another one
is "$(in_ns "$ns" timeout 3 "$peer" ask "64:ff9b::$WORLD4" 80 hello 2>&1 |
	grep -c refused)" 1 'an IPv4 address within an IPv6 one'
# raw: other protocols than TCP, UDP and ping don't exist
not_ok 'another protocol' in_ns "$ns" python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.settimeout(1)
s.sendto(12 * b'x', ('$WORLD4', 0))
s.recv(100)"

like "$(python3 - "$log" <<-'E'
	import json, sys
	seen = set()
	for line in open(sys.argv[1]):
	    e = json.loads(line)
	    if e.get("verdict") == "deny":
	        seen.add((e["event"], e.get("proto", e.get("name"))))
	print(*sorted("/".join(s) for s in seen))
	E
)" 'deny/icmp deny/tcp deny/udp *query/v4.example.org *' 'all of it is on record'
pasta_down

done_testing
