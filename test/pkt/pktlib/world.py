# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of one script: the daemon, the time line, and the commands."""

import ipaddress
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import time

from pktlib.values import (ACK, BROADCAST, DAEMON_MAC, END_LIMIT, ETH_ARP,
    ETH_IP4, ETH_IP6, Fail, GUEST_MAC, ROUTER_LL, START_LIMIT, SYN, ScriptError,
    VARS, WAIT, hexes, number, seconds, span)
from pktlib.frame import Frame, addr, build_eth, build_ip, l4_csum, pack_ip
from pktlib.conn import Conn
from pktlib.ends import Link
from pktlib.script import Fields, Line
from pktlib.host import HostCommands
from pktlib.send import GuestSends
from pktlib.expect import GuestExpects


class World(HostCommands, GuestSends, GuestExpects):
    """One run of one script."""

    def __init__(self, script, fam, binary):
        self.script, self.fam, self.binary = script, fam, binary
        self.vars = dict(VARS[fam], FAMILY=str(fam), GUESTLL=VARS[6]["LL"],
                         ROUTERLL=ROUTER_LL)
        if script.network == "ll-gateway" and fam == 6:
            self.vars["GW"] = self.vars["ROUTERLL"] = "fe80::1"
        self.old = []           # connections whose names were used again
        self.sent_ip = []       # packets of the guest
        self.conns, self.hosts, self.listeners, self.udps = {}, {}, {}, {}
        self.inbox, self.timeline = [], []
        self.t0 = time.monotonic()
        self.last, self.last_ts = 0.0, 0
        self.next_port = 40000
        self.proc = self.link = self.front = None
        self.err_path = None
        self.stderr = b""
        self.ended = False
        self.xid = 0x10000001
        o = script.options
        self.mtu = next((int(o[i + 1]) for i, w in enumerate(o)
                         if w in ("-m", "--mtu")), 65520)

    def now(self):
        return time.monotonic() - self.t0

    # -- daemon

    def start(self):
        ours, theirs = socket.socketpair()
        for s in (ours, theirs):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.err = os.memfd_create("stderr")
        self.clock, self.clock_ns = [], 0   # what is added to the daemon's
        if self.script.clock:
            self.clock = [os.memfd_create("clock")]
            self.clock_stopped = False
            self.set_clock(0)
        if self.script.front is not None:
            theirs = self.front_end(theirs)
        cmd = [self.binary, "-f", "-F", str(theirs.fileno())] + \
            [self.subst(o) for o in self.script.options]
        if self.script.front is not None:
            cmd.append("--vhost-user")

        def limit():
            # whatever those who called us ignore (nohup, a background)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if self.script.nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE,
                                   (self.script.nofile, self.script.nofile))
        self.proc = subprocess.Popen(
            cmd, stdin=subprocess.DEVNULL, stdout=self.err, stderr=self.err,
            pass_fds=[theirs.fileno()] + self.clock, preexec_fn=limit,
            env=self.environment())
        theirs.close()
        self.link = Link(ours, self.t0)
        if not self.script.bare:
            self.greet(START_LIMIT)
            # what it sent at start is of no interest
            with self.link.cond:
                self.link.inbox = []
            self.inbox = []
        self.fds = self.count_fds()

    def tool(self, name):
        path = os.path.join(os.environ.get("PASST_TOOLS_DIR") or os.path.join(
            os.path.dirname(self.binary), "build", "tools"), name)
        if not os.path.exists(path):
            raise ScriptError(f"no {path}: run make tools first")
        return path

    def front_end(self, stream):
        """A vhost-user front-end between the stream and the daemon: the
        daemon's end of it"""
        ours, theirs = socket.socketpair()
        self.front = subprocess.Popen(
            [self.tool("vufront"), *self.script.front, str(ours.fileno()),
             "stream", str(stream.fileno())],
            pass_fds=[ours.fileno(), stream.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.err)
        ours.close()
        stream.close()
        return theirs

    def environment(self):
        """Another kernel than there is, another clock: test/shims/kernel.c"""
        env = dict(os.environ)
        if not self.script.lacking and not self.clock:
            return env
        env["LD_PRELOAD"] = self.tool("kernel.so")
        env["NO_KERNEL"] = " ".join(self.script.lacking)
        if self.clock:
            env["FAKE_CLOCK"] = str(self.clock[0])
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + \
            env.get("ASAN_OPTIONS", "")
        return env

    def count_fds(self):
        try:
            return len(os.listdir(f"/proc/{self.daemon_pid()}/fd"))
        except OSError:
            return None         # not for ordinary users

    def greet(self, limit):
        """It answers ARP: alive, and its listeners are there."""
        if "-6" in self.script.options or "--ipv6-only" in self.script.options:
            target, kind = "2001:db8::1", "NA"
            self.emit_ns(target, VARS[6]["GUEST"], {})
        else:
            target, kind = "192.0.2.1", "ARPREPLY"
            self.emit_arp(1, "192.0.2.2", target, {})
        end = self.now() + limit
        while True:
            for p in self.pending(end):
                if p.kind == kind and target in (p.f.get("spa"),
                                                 p.f.get("target")):
                    self.inbox.remove(p)
                    return
            if self.now() >= end:
                raise Fail(f"daemon doesn't answer for {target} within "
                           f"{limit} s")
            self.wait_frame(end)

    def read_stderr(self):
        n = os.fstat(self.err).st_size
        return os.pread(self.err, n, 0).decode("utf-8", "replace")

    def daemon_pid(self):
        """Whoever has the link: the first process, or a child of its name.
        Helpers have names of their own."""
        def name(p):
            with open(f"/proc/{p}/comm") as f:
                return f.read()
        pid = self.proc.pid
        while True:
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as f:
                    kids = [k for k in f.read().split() if name(k) == name(pid)]
            except OSError:
                return pid
            if not kids:
                return pid
            pid = int(kids[0])

    def switches(self):
        with open(f"/proc/{self.daemon_pid()}/status") as f:
            for line in f:
                if line.startswith("voluntary_ctxt_switches:"):
                    return int(line.split()[1])
        raise Fail("no context switches in /proc")

    def run_time(self):
        """Seconds of the processor's"""
        with open(f"/proc/{self.daemon_pid()}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9

    def check_alive(self):
        rc = self.proc.poll()
        if rc is not None and not self.ended and not self.script.ends:
            self.ended = True
            how = f"signal {signal.Signals(-rc).name}" if rc < 0 else \
                f"status {rc}"
            raise Fail(f"daemon is gone: {how}")

    def finish(self):
        """It's alive, it answers, and it ends when told."""
        if self.ended:
            return
        self.check_alive()
        self.link.split, self.link.held, self.link.paused = 0, None, False
        self.greet(END_LIMIT)
        self.proc.send_signal(signal.SIGTERM)
        self.exits(0, END_LIMIT)

    def exits(self, status, limit):
        try:
            rc = self.proc.wait(limit)
        except subprocess.TimeoutExpired:
            raise Fail(f"daemon doesn't end within {limit} s") from None
        self.ended = True
        if rc != status:
            raise Fail(f"daemon ended with status {rc}, not {status}")

    def cleanup(self):
        if self.front:
            self.front.kill()
            self.front.wait()
        if self.proc:
            if self.proc.poll() is None:
                self.proc.kill()
                self.proc.wait()
            self.stderr = self.read_stderr()

    # -- frames in

    def pull(self):
        """Frames that arrived, parsed, checked, into self.inbox."""
        with self.link.cond:
            new, self.link.inbox = self.link.inbox, []
        for raw, t in new:
            p = Frame(raw, t)
            self.attach(p)
            problem = p.bad
            if len(raw) > 14 + max(self.mtu, 46):
                problem = f"exceeds the MTU of {self.mtu}"
            if p.kind == "TCP" and not problem:
                if p.conn:
                    problem = p.conn.check(p)
                    if p.f["flags"] & SYN and p.conn.syn_at is None:
                        p.conn.syn_at = p.t
                        p.conn.syn_clock_ns = self.clock_ns
                else:
                    problem = "belongs to no connection of the script"
            self.note(t, "<", p.line())
            self.inbox.append(p)
            if problem:
                raise Fail(f"the daemon sent what is never right: {problem}\n"
                           f"{p.line()}")

    def attach(self, p):
        if p.kind != "TCP":
            return
        f = p.f
        for c in list(self.conns.values())[::-1] + self.old:
            if (c.remote, c.rport, c.local, c.lport) == \
                    (f["src"], f["sport"], f["dst"], f["dport"]):
                p.conn = c
                return
        if f["flags"] & (SYN | ACK) != SYN:
            return
        for c in self.conns.values():
            if c.passive and c.remote is None and c.lport == f["dport"]:
                c.remote, c.rport, c.local = f["src"], f["sport"], f["dst"]
                p.conn = c
                return

    def wait_frame(self, end):
        """Until something may have arrived; nothing is returned."""
        with self.link.cond:
            left = end - self.now()
            if not self.link.inbox and not self.link.closed and left > 0:
                self.link.cond.wait(min(left, 0.25))
        if self.link.closed and not self.link.inbox:
            time.sleep(min(0.05, max(0, end - self.now())))
        self.check_alive()

    def pending(self, _end):
        self.pull()
        return list(self.inbox)

    def note(self, t, arrow, text):
        self.timeline.append((t, arrow, text))

    # -- frames out

    def emit(self, frame, text):
        self.last = self.now()
        self.note(self.last, ">", text)
        self.link.send(frame)

    def emit_ip(self, src, dst, proto, body, m, text):
        d = ipaddress.ip_address(dst)
        mac = DAEMON_MAC
        if d.is_multicast:
            mac = b"\x33\x33" + d.packed[-4:] if d.version == 6 else \
                b"\x01\x00\x5e" + bytes([d.packed[1] & 127]) + d.packed[2:]
        elif dst == "255.255.255.255":
            mac = BROADCAST
        etype = ETH_IP4 if d.version == 4 else ETH_IP6
        packet = build_ip(src, dst, proto, body, m)
        self.sent_ip.append(packet)
        self.emit(build_eth(mac, etype, packet, m), text)

    def emit_arp(self, op, spa, tpa, m, tha=b"\0" * 6):
        body = struct.pack("!HHBBH6s4s6s4s", 1, ETH_IP4, 6, 4, op, GUEST_MAC,
                           pack_ip(spa), tha, pack_ip(tpa))
        self.emit(build_eth(BROADCAST, ETH_ARP, body, m),
                  f"ARP who {tpa} tell {spa}" if op == 1 else
                  f"ARP {spa} is {GUEST_MAC.hex(':')}")

    def emit_ns(self, target, src, m):
        t = pack_ip(target)
        dst = addr(pack_ip("ff02::1:ff00:0")[:13] + t[13:])
        body = struct.pack("!BBHI", 135, 0, 0, 0) + t
        if src != "::":
            body += b"\x01\x01" + GUEST_MAC
        m = dict(m)
        m.setdefault("ttl", 255)
        self.emit_icmp6(src, m.pop("dst", dst), body, m, f"NS target {target} "
                        f"from {src}")

    def emit_icmp6(self, src, dst, body, m, text):
        c = l4_csum(pack_ip(src), pack_ip(dst), 58, body)
        if m.get("badsum"):
            c ^= 0x0101
        body = body[:2] + struct.pack("!H", c) + body[4:]
        self.emit_ip(src, dst, 58, body, m, text)

    # -- running

    def subst(self, text):
        def one(m):
            if m.group(1) not in self.vars:
                raise ScriptError(f"${m.group(1)} isn't set")
            return self.vars[m.group(1)]
        return re.sub(r"\$(\w+)", one, text)

    def run(self):
        self.start()
        self.block(self.script.body)
        self.line = None
        self.pull()
        self.finish()

    def block(self, lines):
        for line in lines:
            self.line = line
            if line.block is not None:
                self.loop(line)
                continue
            words = self.subst(line.text).split()
            f = Fields(words)
            self.within = f.get("within", seconds)
            self.after = f.get("after", span)
            cmd = f.pop("command").partition(".")
            do = getattr(self, "cmd_" + cmd[0].replace("-", "_"), None)
            if not do:
                raise ScriptError(f"no such command: {cmd[0]}")
            if cmd[0] == "guest":
                do(f, cmd[2] or "A")
            else:
                do(f)
            f.done()
            self.check_alive()

    def loop(self, line):
        w = self.subst(line.text).split()
        if w[0] == "only":
            if self.fam == int(w[1]):
                self.block(line.block)
        elif w[0] == "repeat":
            for i in range(number(w[1])):
                self.vars["I"] = str(i)
                self.block(line.block)
        else:
            if len(w) < 4 or w[2] != "in":
                raise ScriptError("for NAME in VALUE...")
            for v in w[3:]:
                self.vars[w[1]] = v
                self.block(line.block)

    def retire(self, name):
        if name in self.conns:
            self.old.insert(0, self.conns.pop(name))

    def conn(self, name):
        if name not in self.conns:
            raise ScriptError(f"no connection {name}")
        return self.conns[name]

    def host(self, name):
        if name not in self.hosts:
            raise ScriptError(f"no host socket {name}")
        return self.hosts[name]

    def limit(self):
        return WAIT if self.within is None else self.within

    # -- commands: small ones

    def cmd_set(self, f):
        name, v = f.pop("name"), f.pop("value")
        try:
            v = str(number(v))
        except ScriptError:
            pass
        self.vars[name] = v

    def cmd_sync(self, _f):
        """The daemon has taken all that was sent: it answers what follows"""
        self.greet(self.limit())

    def cmd_wait(self, f):
        end = self.now() + seconds(f.pop("time"))
        while self.now() < end:
            self.pull()
            self.wait_frame(end)

    def cmd_idle(self, f):
        t = seconds(f.pop("time"))
        most = f.get("max-wakeups", number, 2)
        self.pull()
        a, x, ran = self.switches(), self.now(), self.run_time()
        time.sleep(t)
        n, ran = self.switches() - a, self.run_time() - ran
        # who never sleeps isn't woken up either
        if ran > t / 10:
            raise Fail(f"daemon ran for {ran:.2f} of {self.now() - x:.2f} s")
        if n > most:
            raise Fail(f"daemon woke up {n} times in {self.now() - x:.1f} s, "
                       f"not at most {most}")

    def set_clock(self, ns):
        """Negated: it stands still there"""
        self.clock_ns = ns
        os.pwrite(self.clock[0],
                  struct.pack("q", -ns if self.clock_stopped else ns), 0)

    def cmd_clock(self, f):
        """clock T [unseen]; clock iss X N: until X's addresses would get
        ISN N. unseen: the daemon isn't woken up by a frame. clock stop"""
        unseen = f.flag("unseen")
        if not unseen:
            self.greet(WAIT)    # what was sent before, came before
        what = f.pop("time")
        if what == "stop":
            # ahead, so that it doesn't go back
            self.clock_stopped, ns = True, time.monotonic_ns() + 50000000
        elif what == "iss":
            c, want = self.conn(f.pop("name")), number(f.pop("number"))
            # as it grows since its last SYN: RFC 6528
            passed = int((self.now() - c.syn_at) * 1e6 / 4) + \
                (self.clock_ns - c.syn_clock_ns) // 4000
            ns = (want - c.irs - passed) % (1 << 32) * 4000
        else:
            ns = int(seconds(what) * 1e9)
        self.set_clock(self.clock_ns + ns)
        self.note(self.now(), "h", f"clock {ns / 1e9:.4f} s ahead" if what != "stop"
                  else "clock stands still")
        if unseen:
            self.proc.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
        else:
            self.greet(WAIT)

    def cmd_daemon(self, f):
        what = f.pop("what")
        if what == "alive":
            self.greet(self.limit())
        elif what == "exits":
            self.exits(number(f.pop("status")), self.limit())
        elif what == "signal":
            name = f.pop("signal")
            self.proc.send_signal(getattr(signal, "SIG" + name))
            if name == "STOP":  # what comes next, it mustn't see yet
                os.waitid(os.P_PID, self.proc.pid,
                          os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        elif what == "leaks":
            end = self.now() + self.limit()
            while self.count_fds() != self.fds:
                if self.now() > end:
                    raise Fail(f"daemon has {self.count_fds()} descriptors, "
                               f"it had {self.fds} at its start")
                time.sleep(0.02)
        elif what == "says":
            text = " ".join(f.words)
            f.words.clear()
            end = self.now() + self.limit()
            while text not in self.read_stderr():
                if self.now() > end:
                    raise Fail(f"daemon didn't say: {text}")
                time.sleep(0.01)
        else:
            raise ScriptError("daemon alive|exits|signal|leaks|says")

    def cmd_link(self, f):
        what = f.pop("what")
        if what == "split":
            self.link.split = number(f.pop("bytes"))
            self.link.gap = f.get("gap", seconds, 0.0)
        elif what == "whole":
            self.link.split = 0
        elif what == "hold":
            self.link.held = b""
        elif what == "release":
            data, self.link.held = self.link.held, None
            self.link.write(data)
        elif what == "write":
            data = hexes(f.pop("bytes"))
            self.note(self.now(), ">", f"link bytes {data.hex()}")
            self.link.write(data)
        elif what == "stop":
            self.link.paused = True
        elif what == "go":
            self.link.paused = False
        elif what == "close":
            self.link.sock.shutdown(socket.SHUT_RDWR)
        else:
            raise ScriptError("link split|whole|hold|release|write|stop|go")

    def cmd_tcp(self, f):
        """tcp NAME to ADDR PORT [from PORT] [src ADDR] [iss N] [lax]"""
        name = f.pop("name")
        if f.pop("to") != "to":
            raise ScriptError("tcp NAME to ADDR PORT")
        remote, rport = addr(pack_ip(f.pop("address"))), number(f.pop("port"))
        lport = f.get("from", number)
        if lport is None:
            lport, self.next_port = self.next_port, self.next_port + 1
        src = f.get("src", str, self.vars["GUEST"])
        iss = f.get("iss", number, random.getrandbits(32))
        c = Conn(name, ipaddress.ip_address(remote).version, src, lport,
                 remote, rport, iss)
        irs = f.get("irs", number)
        if irs is not None:
            c.irs = irs
        c.checks = not f.flag("lax")
        self.retire(name)
        self.conns[name] = c
        self.vars[name + "_GPORT"] = str(lport)

    def cmd_open(self, f):
        """Guest connects, host accepts: three-way handshake"""
        name = f.pop("name")
        to = f.get("to", str, self.vars["HOST"])
        port = f.get("port", number, 7000)
        frm = f.get("from", number)
        iss = f.get("iss", number)
        at = f.get("at", str, to)
        rcvbuf = f.get("rcvbuf", str)
        opts = list(f.words)
        f.words.clear()
        if port not in self.listeners:
            self.sub(f"host listen {port} at {at}" +
                     (f" rcvbuf {rcvbuf}" if rcvbuf else ""))
        self.sub(f"tcp {name} to {to} {port}" +
                 (f" from {frm}" if frm is not None else "") +
                 (f" iss {iss}" if iss is not None else ""))
        self.sub(f"guest.{name} > SYN " + " ".join(opts))
        self.sub(f"guest.{name} < SYN.ACK ack 1")
        self.sub(f"guest.{name} > ACK")
        self.sub(f"host accept {name} {port}")
        self.greet(WAIT)

    def cmd_forwarded(self, f):
        """Host connects to a forwarded port: three-way handshake"""
        name, port = f.pop("name"), number(f.pop("port"))
        at = f.get("at", str, self.vars["HOST"])
        frm = f.get("from", str, self.vars["HOST2"])
        gport = f.get("guest-port", number, port)
        opts = list(f.words)
        f.words.clear()
        self.sub(f"guest listen {name} {gport}")
        self.sub(f"host connect {name} {at} {port} from {frm}")
        self.sub(f"guest.{name} < SYN seq 0 dst {self.vars['GUEST']} "
                 f"dport {gport}")
        self.sub(f"guest.{name} > SYN.ACK " + " ".join(opts))
        self.sub(f"guest.{name} < ACK seq 1 ack 1")

    def sub(self, text):
        """A command made of simpler ones"""
        line, within, after = self.line, self.within, self.after
        self.block([Line(line.no, text)])
        self.line, self.within, self.after = line, within, after

    # -- commands: guest

    def cmd_guest(self, f, name):
        what = f.pop("what")
        if what == ">":
            self.guest_send(f, name)
        elif what == "<":
            self.guest_expect(f, name)
        elif what == "no":
            self.guest_no(f, name)
        elif what == "silent":
            self.guest_silent(f, name)
        elif what == "recv":
            self.guest_recv(f, name)
        elif what == "sendall":
            self.guest_sendall(f, name)
        elif what == "eat":
            self.guest_eat(f, name)
        elif what == "fill":
            self.guest_fill(f, name)
        elif what == "count":
            self.guest_count(f, name)
        elif what == "storm":
            self.guest_storm(f, name)
        elif what == "flood":
            self.guest_flood(f, name)
        elif what == "listen":
            n, port = f.pop("name"), number(f.pop("port"))
            c = Conn(n, self.fam, None, port, None, None,
                     f.get("iss", number, random.getrandbits(32)))
            c.passive = True
            self.retire(n)
            self.conns[n] = c
        elif what == "iss":
            self.conn(name).iss = number(f.pop("number"))
        else:
            raise ScriptError(f"guest can't {what}")
