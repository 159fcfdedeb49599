#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The egress policy by the control socket: what there is, another one while flows go
# on, and clients that mean no good.
# timeout 180

# shellcheck disable=SC2154 # the libraries set ns, pid and so on
# shellcheck source=test/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=test/lib/world.sh
. "$(dirname "$0")/../lib/world.sh"
world_up
need_tun
world_greets || bail 'no services'
world_peer 4242
spawn world "$peer" serve 7000 >"$T/serve.7000"
spawn host "$peer" serve 5353 >"$T/serve.host"
wait_for "grep -q ready '$T/serve.7000' && grep -q ready '$T/serve.host'"
control=$T/user/control
log=$T/user/audit

# It runs in the guest's namespace: a client of both sides
cat >"$T/client.py" <<'P'
import errno, json, os, socket, subprocess, sys, time
from checks import *
path, log, world4, world6, dns4 = sys.argv[1:]
c = Control(path)

def policy():
    return c.ask("policy")["return"]

def rules():
    return [r["rule"] for r in policy()["rules"]]

def put(*lines):
    return c.ask("policy-set", policy="\n".join(lines)).get("return")

class Tcp:
    def __init__(self, addr, port):
        self.s = socket.create_connection((addr, port), 5)
    def say(self, text):
        """What is echoed, or how it failed"""
        try:
            self.s.sendall(text.encode())
            return self.s.recv(1000).decode()
        except OSError as e:
            return errno.errorcode.get(e.errno, str(e))

class Udp:
    def __init__(self, addr, port, mine=0):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("0.0.0.0", mine))
        self.s.settimeout(3)
        self.s.connect((addr, port))
    say = Tcp.say

def tcp(addr, port):
    try:
        return Tcp(addr, port).say("x")
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))

def dig(name, *options):
    out = subprocess.run(["dig", "+tries=1", "+time=3", "@" + dns4, name, "A",
                          *options], capture_output=True, text=True).stdout
    answers = [l.split()[-1] for l in out.splitlines()
               if l and l[0] != ";"]
    return answers or [w for w in ("REFUSED", "NXDOMAIN", "timed out")
                       if w in out]

def curl(url):
    r = subprocess.run(["curl", "-gsS", "-m", "5", "--noproxy", "*", url],
                       capture_output=True, text=True)
    return r.stdout.strip() if not r.returncode else f"curl {r.returncode}"

def record():
    return [json.loads(l) for l in open(log)]

def wait_record(test):
    deadline = time.monotonic() + 5
    while not any(map(test, record())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [e for e in record() if test(e)]

# none at the start
got = policy()
ok([r["rule"] for r in got["rules"]] == ["default"] and
   got["rules"][0]["verdict"] == "allow" and got["learned"] == [], "no policy", got)

keeps, goes = Tcp(world4, 7000), Tcp(world4, 4242)
goes6, splice = Tcp(world6, 4242), Tcp("127.0.0.1", 5353)
udp, udp_keeps = Udp(world4, 4242), Udp(world4, 7000)
for flow, name in ((keeps, "TCP"), (goes, "TCP"), (goes6, "IPv6"),
                   (splice, "spliced"), (udp, "UDP"), (udp_keeps, "UDP")):
    ok(flow.say("one") == "one", f"before: {name}")
ping = subprocess.run(["ping", "-qnc1", "-W3", world4], capture_output=True)
ok(ping.returncode == 0, "before: ping")

got = put("# another one", f"allow {world4}:7000", "", "deny private/tcp")
ok(got == {"rules": 2, "ended": 5}, "a policy, which ends five flows", got)
ok(keeps.say("two") == "two", "a connection that it allows goes on")
ok(udp_keeps.say("two") == "two", "... UDP")
ok(goes.say("two") == "ECONNRESET", "another is reset")
ok(goes6.say("two") == "ECONNRESET", "... IPv6")
ok(splice.say("two") in ("ECONNRESET", ""), "... spliced")
ok(udp.say("two") in ("EHOSTUNREACH", "ECONNREFUSED"), "UDP is told")
ping = subprocess.run(["ping", "-qnc1", "-W3", world4], capture_output=True)
ok(ping.returncode, "ping is denied")
ok(tcp(world4, 7000) == "x", "a new one that it allows")
ok(tcp(world4, 4242) == "ECONNREFUSED", "a new one that it doesn't")
ok(tcp("127.0.0.1", 5353) in ("ECONNREFUSED", "ECONNRESET", ""), "... spliced")
got = policy()["rules"]
ok([r["rule"] for r in got] == [f"allow {world4}:7000", "deny private/tcp",
                                "default"] and
   [r["verdict"] for r in got] == ["allow", "deny", "deny"] and
   got[0]["hits"] == 1 and got[1]["hits"] == 1 and got[2]["hits"] >= 2,
   "rules in order, with their hits", got)
got = wait_record(lambda e: e["event"] == "policy")
ok([(e["rules"], e["ended"]) for e in got] == [(2, 5)], "on record", got)
ok(len([e for e in record() if e.get("end") == "policy"]) == 5,
   "... and each flow's end")
counters = c.ask("counters")["return"]["counters"]
got = [n["value"] for n in counters if n.get("label") == "policy"]
ok(got == [5], "counted", got)

# mistakes change nothing
for text, want in (
        ("allow any\nallow 10.0.0.0/33", "line 2: "),
        ("\n\npermit 10.0.0.1", "line 3: expected 'allow"),
        ("allow any # all\r\nallow", "line 2: expected"),
        ("allow " + "x" * 300, "line 1: "),
        ("allow [2001:db8::1]:99999", "line 1: "),
        ("allow 192.0.2.1\n" * 16385, "line 16385: "),
        ("".join(f"allow 192.0.2.1:{','.join(str(p) for p in range(1, 2000, 2))}\n"
                 for _ in range(70)), "line 66: ")):
    got = c.ask("policy-set", policy=text)
    ok(error(got) == "BadArgument" and got["error"]["desc"].startswith(want),
       f"a mistake in {text[:20]!r}", got)
for arguments in {}, {"policy": 1}, {"policy": ["allow any"]}, \
        {"policy": "allow any\0"}:
    got = c.ask("policy-set", **arguments)
    ok(error(got) == "BadArgument", f"{arguments}", got)
ok(rules() == [f"allow {world4}:7000", "deny private/tcp", "default"],
   "nothing has changed")
ok(keeps.say("three") == "three" and tcp(world4, 4242) == "ECONNREFUSED",
   "... for the guest neither")

# names, where there were none at the start. A query by an old flow is one, too.
put("allow any")
old = ["-b", "0.0.0.0#3333"]
ok(dig("v4.example.org", *old) == [world4], "all may be asked for")
got = put("allow www.example.org:80", "deny v4.example.org")
ok(got and got["ended"] >= 2, "names", got)
ok(keeps.say("four") == "ECONNRESET", "what was allowed is reset")
ok(dig("v4.example.org", *old) == ["REFUSED"], "a name that isn't allowed")
ok(dig("v4.example.org", "+tcp") == ["REFUSED"], "... by TCP")
ok(curl("http://www.example.org/hello") == "hello from the world", "one that is")
ok(curl("http://v4.example.org/") == "curl 6", "... isn't")
ok(curl(f"http://{world4}/") == "curl 56", "an address isn't a name")
got = policy()
ok({(l["name"], l["address"]) for l in got["learned"]} >=
   {("www.example.org", world4), ("www.example.org", world6)} and
   all(59 < l["seconds"] <= 86460 for l in got["learned"]),
   "what was learned", got)
ok(got["rules"][0]["hits"] >= 2 and got["rules"][1]["hits"] >= 2,
   "hits: connections, and queries that are refused", got)

# the name that was said counts, not what else the address has
held = Tcp(world4, 80)
held.s.sendall(b"GET /hello HTTP/1.1\r\nHost: www.example.org\r\n")
silent = Tcp(world4, 80)                    # has said nothing so far
ok(wait_record(lambda e: e["event"] == "name" and e["name"] == "www.example.org"),
   "a name is said")
got = put("allow *.example.org:80")
ok(got == {"rules": 1, "ended": 0}, "wider: nothing is ended", got)
got = put("allow v4.example.org:80")
ok(got == {"rules": 1, "ended": 2}, "another name of the same address", got)
ok(held.say("\r\n") == "ECONNRESET", "... that wasn't meant")
put("allow *.example.org:80")
dig("www.example.org")
held = Tcp(world4, 80)
held.s.sendall(b"GET /hello HTTP/1.1\r\nHost: www.example.org\r\n")
late = Tcp(world4, 80)
wait_record(lambda e: e["event"] == "name" and e["name"] == "www.example.org")
put("allow www.example.org:80", f"allow {world4}:4242")
held.s.sendall(b"\r\n")
ok(b"hello from the world" in held.s.makefile("rb").read(),
   "what still is allowed goes on")
late.s.sendall(b"GET / HTTP/1.1\r\nHost: v4.example.org\r\n\r\n")
try:
    got = late.s.recv(1)
except ConnectionResetError:
    got = "reset"
ok(got == "reset", "the new policy judges what is said later", got)

# without names again
plain = Tcp(world4, 4242)
got = put(f"allow {world4}:4242", f"allow {dns4}:53")
ok(plain.say("x") == "x", "no names any more: an address")
ok(dig("v4.example.org") == [world4], "... the resolver, by its address")
ok(dig("v4.example.org", "+tcp") == [world4], "... by TCP")
ok(dig("v4.example.org", *old) == [world4], "... from the port of before")

# many
many = [f"allow 10.{i >> 8}.{i & 255}.0/24:{1 + i % 1000}" for i in range(10000)]
many += [f"allow h{i}.example.net:443" for i in range(6000)]
begin = time.monotonic()
got = put(*many, f"allow {world4}:4242")
ok(got and got["rules"] == 16001, "16001 rules", got)
print(f"# in {time.monotonic() - begin:.3f} s")
ok(plain.say("x") == "x", "... and the connection goes on")
got = policy()["rules"]
ok(len(got) == 16002 and got[15999]["rule"] == "allow h5999.example.net:443",
   "all of them", len(got))

# clients that mean no good
before = rules()
bad = Control(path)
got = bad.raw(b'{"execute":"policy-set","arguments":{"policy":"' +
              b"allow any\\n" * 500000 + b'"}}\n')
ok(error(got) == "BadRequest" and bad.line() is None, "five megabytes", got)
bad = Control(path)
ok(error(bad.raw(os.urandom(3 << 20).replace(b"\n", b"") + b"\n")) == "BadRequest",
   "three of rubbish")
ok(bad.raw(b'{"execute":"status"}\n')["return"], "... and the next line")
ok(error(bad.raw(b"[" * 1000000 + b"\n")) == "BadRequest", "brackets")
ok(error(bad.raw(b"{" + b",".join(b'"%d":1' % i for i in range(300000)) + b"}\n"))
   == "BadRequest", "members")
half = Control(path)
half.s.sendall(b'{"execute":"policy-set","arguments":{"policy":"' +
               b"allow any\\n" * 1000)
time.sleep(0.1)
got = Control(path).raw(b" " * 5000 + b'{"execute":"status"}\n')
ok(error(got) == "Refused", "one long line at a time", got)
ok(c.ask("status")["return"], "... and short ones meanwhile")
begin = time.monotonic()
ok(half.line() is None and 5 < time.monotonic() - begin < 25,
   "half a request: dropped", time.monotonic() - begin)
half = Control(path)
half.s.sendall(b'{"execute":"policy-set","arguments":{"policy":"' +
               b"allow any\\n" * 1000)
half.close()
while error(Control(path).raw(b" " * 5000 + b"x\n")) == "Refused":
    pass                                # the rest of it is still to be read
half = Control(path)
half.s.sendall(b'{"execute":"policy-set","arguments":{"policy":"' +
               b"allow any\\n" * 1000)
half.s.shutdown(socket.SHUT_WR)
ok(error(half.line()) == "BadRequest" and half.line() is None, "... that ends")
ok(rules() == before, "nothing has changed")
for text in "", "\n", "# none\n":
    got = c.ask("policy-set", policy=text)
    ok(error(got) == "BadArgument" and "no rule is in it" in got["error"]["desc"],
       "no rule: that isn't to allow all", got)
ok(rules() == before, "... nothing has changed")
ok(put("allow any") == {"rules": 1, "ended": 0} and tcp(world4, 7000) == "x",
   "all is allowed, as at the start")
finish()
P
# client NAME ARGS...: as a test
client()
{
	client_name=$1
	shift
	in_ns "$ns" python3 "$@" >"$T/client.out" 2>&1
	is $? 0 "$client_name" || diag "$(grep -v '^ok' "$T/client.out")"
	diag "$(grep -c '^ok' "$T/client.out") held"
	grep '^#' "$T/client.out"
}
ask()	# POLICY: what policy-set says
{
	printf '{"execute":"policy-set","arguments":{"policy":"%s"}}\n' "$1" |
		timeout 20 socat -t 20 - "UNIX-CONNECT:$control"
}

pasta_up --config-net --control "$control" --audit "$log" -T auto -U auto
client 'policy and policy-set' "$T/client.py" "$control" "$log" "$WORLD4" \
	"$WORLD6" "$DNS4"
ok 'the daemon lives' alive "$pasta_pid"
pasta_down

# names and a guest that was told of no resolver
pasta_up --config-net --control "$control" --dns none --allow any:80
like "$(ask 'allow www.example.org')" \
	'*"Refused"*a resolver that the guest knows*' 'names without a resolver'
is "$(in_ns "$ns" curl -gsS "http://$WORLD4/hello")" 'hello from the world' \
	'... nothing has changed'
is "$(ask "allow $WORLD4:8000")" '{"return":{"rules":1,"ended":0}}' \
	'... others are taken'
pasta_down

pasta_up --config-net --control "$control" --policy-learn "$T/user/learned"
like "$(ask 'allow any')" '*"Refused"*--policy-learn*' 'with --policy-learn'
pasta_down

# what is verified at the start, or isn't, stays so
pasta_up --config-net --control "$control" --no-verify-names --allow any
is "$(ask 'allow www.example.org:80')" '{"return":{"rules":1,"ended":0}}' \
	'--no-verify-names'
is "$(in_ns "$ns" curl -sS http://www.example.org/hello)" \
	'hello from the world' '... a name'
is "$(in_ns "$ns" curl -gsS "http://$WORLD4/hello")" \
	'hello from the world' '... its address'
pasta_down

done_testing
