#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout 400
#
# Egress policies of containers: what doc/egress.md says for Podman 5, from a
# Debian 13 tree.

# shellcheck disable=SC2154 # the libraries set pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/tree.sh
. "$(dirname "$0")/../lib/tree.sh"
tree_enter "$@"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
# shellcheck source=test/lib/rootless.sh
. "$(dirname "$0")/../lib/rootless.sh"

tree_podman_up

record=$T/home/c.json
net=pasta:--allow,www.example.org:80,--audit,$record
is "$(run wget -T 5 -qO- http://www.example.org/hello)" 'hello from the world' \
	'run: a name that is allowed'
like "$(run wget -T 5 -qO- http://v4.example.org/hello 2>&1)" \
	"*bad address 'v4.example.org'*" '... another one'
like "$(cat "$record")" '*"query","verdict":"deny"*"name":"v4.example.org"*' \
	'... on record'
like "$(run wget -T 5 -qO- "http://$WORLD4/hello" 2>&1)" '*refused*' \
	'... an address'

mkdir "$T/home/build"
printf 'allow www.example.org:80\n' >"$T/home/build.policy"
cat >"$T/home/build/Containerfile" <<E
FROM img
RUN wget -T 5 -qO- http://www.example.org/hello >/got
RUN ! wget -T 5 -qO- http://v4.example.org/hello
RUN ! wget -T 5 -qO- http://$WORLD4/hello
E
chmod -R a+rX "$T/home"
ok 'build' podman build -q --network "pasta:--policy,$T/home/build.policy" \
	-t built "$T/home/build"
is "$(podman run --rm --network none built cat /got)" 'hello from the world' \
	'... with what it was allowed'
podman_down

done_testing
