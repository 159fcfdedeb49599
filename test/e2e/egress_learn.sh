#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The policy that would have been needed: written by --policy-learn, and read back it
# allows the same, and no more.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets
world_peer 4242
policy=$T/user/policy

get()
{
	in_ns "$ns" curl -4gsS -m 5 --noproxy '*' "$@" 2>/dev/null ||
		echo "curl $?"
}
# what the guest does; prints what came of it
use()
{
	get http://www.example.org/hello
	get "http://$WORLD4:8000/" -X PUT -d x; echo
	in_ns "$ns" "$peer" udpask "$WORLD4" 4242 hello | cut -c 1-5
	in_ns "$ns" ping -qnc1 "$WORLD4" | grep -o '1 received'
	in_ns "$ns" dig +short +tries=1 @"$DNS4" big.example.org TXT | wc -l
	in_ns "$ns" socat -u "TCP:$GW4:7777" - 2>/dev/null
	in_ns "$ns" socat -u TCP:127.0.0.1:7777 - 2>/dev/null
}

pasta_up --config-net -T auto -U auto --policy-learn "$policy"
first=$(use | xargs)
is "$first" 'hello from the world thank you hello 1 received 6 loopback loopback' \
	'learning: all goes'
kill -USR1 "$pasta_pid"
wait_for "grep -q example '$policy'"
like "$(cat "$policy")" '# what was used*' 'SIGUSR1: written'
rules=$(grep -v '^#' "$policy" | sort)
pasta_down
is "$(grep -v '^#' "$policy" | sort)" "$rules" 'the same at the end'
is "$rules" "$(sort <<-E
	allow www.example.org:80,8000/tcp
	allow www.example.org:4242/udp
	allow www.example.org/icmp
	allow big.example.org:53/udp
	allow [127.0.0.1]:7777/tcp
E
)" 'names before addresses, ports together'

pasta_up --config-net -T auto -U auto --policy "$policy"
is "$(use | xargs)" "$first" 'read back: the same goes'
is "$(get http://v4.example.org/hello)" 'curl 6' '  another name does not'
is "$(get "http://$WORLD4:81/hello")" 'curl 7' '  nor another port'
pasta_down

# What is used by one command, and whether it goes when it is read back
learned()
{
	pasta_up --config-net --policy-learn "$policy"
	first=$("$@" | xargs)
	pasta_down
	pasta_up --config-net --policy "$policy"
	again=$("$@" | xargs)
	pasta_down
	rules=$(grep -v '^#' "$policy" | sort | xargs)
}

learned get -0 -H Host: http://www.example.org/hello
is "$first; $again" 'hello from the world; hello from the world' \
	'no name is said: read back, it goes'
is "$rules" "allow [$WORLD4]:80/tcp allow www.example.org:53/udp" \
	'  by its address'
learned get --noproxy none -x http://www.example.org:80 -o "$T/user/out" \
	-w '%{http_code}' http://other.example.net/hello
like "$first; $again" "[1-5][0-9][0-9]; $first" 'a proxy: read back, it goes'
is "$rules" 'allow other.example.net:80/tcp allow www.example.org:80/tcp' \
	"  by its name and by the proxy's"
learned get --resolve "other.example.net:80:$WORLD4" \
	http://other.example.net/hello
is "$first; $again" 'hello from the world; hello from the world' \
	"a name of the guest's own: read back, it goes"
is "$rules" "allow [$WORLD4]:80/tcp allow other.example.net:80/tcp" \
	'  by its address, too'

learned true
is "$rules" 'deny any' 'nothing is used: nothing is allowed'
pasta_up --config-net --policy "$policy"
is "$(get "http://$WORLD4/hello")" 'curl 7' '  when it is read back'
pasta_down
: >"$policy"
like "$(as_user pasta --policy "$policy" true 2>&1)" '*no rule is in it*' \
	'what was killed before it was written is no policy'

like "$(as_user pasta --policy-learn /dev/full true 2>&1)" \
	"*--policy-learn: couldn't write all of the file: No space*" \
	'a file that is full'
like "$(as_user pasta --policy-learn "$policy" --allow any true 2>&1)" \
	"*--policy-learn allows everything*" 'not with rules'

done_testing
