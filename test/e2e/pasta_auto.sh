#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Automatic ports: how soon a service can be reached, and how soon it can't;
# never a listener of ours; kernels without sock_diag.

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
command -v lacking >/dev/null || bail 'no shims: run make tools first'

# A service there, told what to do by lines from here. Prints the milliseconds
# from its listen() until its port is listened at in the network of a process, and
# from its close() until it isn't, sorted: "UP... | DOWN...". In between a connection is made. To try by
# connecting would change the counts that automatic ports look at, all the time.
cat >"$T/follow.py" <<'E'
import socket, subprocess, sys, time
watch, family, addr, port, rounds = sys.argv[1:6]
port = int(port)
inside = """
import socket, sys, time
for line in sys.stdin:
    what, port = line.split()
    if what == "up":
        s = socket.create_server((%r, int(port)), family=socket.%s)
    else:
        s.close()
    print(time.monotonic(), flush=True)
""" % (addr, family)
p = subprocess.Popen(sys.argv[6:] + ["python3", "-c", inside], text=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

def tell(line):
    p.stdin.write(line + "\n")
    p.stdin.flush()
    return float(p.stdout.readline())

def listened():
    mark = (":%04X " % port).encode()
    for table in "tcp6", "tcp":
        with open("/proc/%s/net/%s" % (watch, table), "rb") as f:
            if any(mark in l[:48] and l.split()[3] == b"0A" for l in f):
                return True
    return False

def wait(want, since):
    while listened() != want:
        time.sleep(0.002)
        if time.monotonic() - since > 5:
            return 5000
    return int((time.monotonic() - since) * 1000)

up, down = [], []
for i in range(int(rounds)):
    up.append(wait(True, tell("up %d" % port)))
    if watch == "self":
        socket.create_connection((addr, port), 2).close()
    time.sleep(0.3 + 0.003 * i)         # another phase of the clock each time
    down.append(wait(False, tell("down %d" % port)))
    time.sleep(0.3)
    port += 1
print(*sorted(up), "|", *sorted(down))
E

# Others may have the processor, but not always: the slowest of the fastest quarter
quarter()
{
	echo "$1" | awk '{ print $int((NF + 3) / 4) }'
}
# within MS NAME, of a quarter in $times: "UP... | DOWN..."
within()
{
	diag "$2: ms until it can be reached: ${times% |*}"
	diag "$2: ms until it can't: ${times#*| }"
	up=$(quarter "${times% |*}")
	down=$(quarter "${times#*| }")
	ok "$2, reachable within $1 ms ($up)" test "$up" -le "$1"
	ok "$2, gone within $1 ms ($down)" test "$down" -le "$1"
}
follow()
{
	times=$(timeout 100 python3 "$T/follow.py" "$@")
}
enter="nsenter --preserve-credentials -U -n"
[ -z "$WORLD_ROOT" ] || enter="setpriv --reuid $WORLD_UID --regid $WORLD_UID
	--clear-groups -- $enter"

# rounds NAME MS COUNT
rounds()
{
	# shellcheck disable=SC2086 # words
	follow self AF_INET6 ::1 8100 "$3" $enter -t "$ns"
	fail_if_none
	within "$2" "$1"
	is "$(in_ns "$ns" ss -Hltun 'sport >= :8100 and sport <= :8200')" '' \
		"$1: nothing of ours is mirrored inside"
	ok '... nor left on the host' wait_for \
		"! ss -Hltun 'sport >= :8100 and sport <= :8200' | grep -q ." 3
}
fail_if_none()
{
	[ "$times" ] || bail 'no figures'
}

pasta_up --config-net --host-lo-to-ns-lo -t auto -u auto -T auto -U auto
rounds 'sock_diag' 250 15
# the other way: a service on the host
follow "$ns" AF_INET 127.0.0.1 8300 15
fail_if_none
within 250 'from the host'
pasta_down

# what is forwarded by a plain rule isn't a service of the host
pasta_up --config-net -t 8400 -u 8400 -T auto -U auto
spawn host socat TCP4-LISTEN:8401,bind=127.0.0.1,reuseaddr,fork PIPE
ok 'a service of the host appears inside' wait_port "ns:$ns" tcp 8401
is "$(in_ns "$ns" ss -Hltun 'sport = :8400')" '' \
	"... our own listener doesn't"
pasta_down

# a port that can't be had is told of, once
spawn host socat TCP6-LISTEN:8450,reuseaddr,fork PIPE
busy=$pid
wait_port host tcp 8450
spawn user unshare -Urn sleep 100001
target=$pid
wait_for "grep -q sleep /proc/$target/comm"
as_user pasta --config-net -l "$T/user/log" -t auto -u none -T none -U none \
	"$target" 2>/dev/null
spawn "ns:$target" socat TCP6-LISTEN:8450,reuseaddr,fork PIPE
for p in 8451 8452; do
	spawn "ns:$target" socat TCP6-LISTEN:$p,reuseaddr,fork PIPE
	wait_port host tcp $p
done
is "$(grep -c "TCP port 8450 isn't forwarded: Address already in use" \
	"$T/user/log")" 1 'a port that is taken: told, once'
stop "$busy"
spawn "ns:$target" socat TCP6-LISTEN:8453,reuseaddr,fork PIPE
ok '... taken over when it is free' wait_port host tcp 8450
kill "$target"
wait_for '! pgrep -x pasta >/dev/null'

# two of them at the same time
pasta_up --config-net
one=$ns one_pid=$pasta_pid
pasta_up --config-net
spawn "ns:$one" socat TCP6-LISTEN:8500,reuseaddr,fork PIPE
served=$pid
ok 'a service in one namespace: on the host' wait_port host tcp 8500
stop "$served"
ok '... gone with it, whoever else looks at it' \
	wait_for '! listening host tcp 8500'
ok '... inside the other one, too' wait_for "! listening ns:$ns tcp 8500"
pasta_down
ns=$one pasta_pid=$one_pid
pasta_down

# without sock_diag
rm -f "$T/user/up"
spawn user lacking diag pasta --config-net --host-lo-to-ns-lo -T none -U none -- sh -c \
	": >'$T/user/up'; exec sleep 1000123" 2>"$T/nodiag.err"
pasta_pid=$pid
wait_for "[ -e '$T/user/up' ]" || bail "$(cat "$T/nodiag.err")"
wait_for "ns=\$(pgrep -xf 'sleep 1000123')"
rounds '/proc/net' 250 5
pasta_down

done_testing
