# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands that begin with "host"."""

import errno
import os
import select
import socket
import struct
import subprocess
import time

from pktlib.values import (Compare, DOWN, Fail, IP_RECVTTL, ScriptError, UP,
    number, seconds, stream)
from pktlib.frame import addr, pack_ip
from pktlib.ends import Host


class HostCommands:
    """Part of World."""

    def cmd_host(self, f):
        what = f.pop("what")
        do = getattr(self, "host_" + what.replace("-", "_"), None)
        if not do:
            raise ScriptError(f"host can't {what}")
        do(f)

    def sock(self, kind, text):
        return socket.socket(socket.AF_INET6 if ":" in text else
                             socket.AF_INET, kind)

    @staticmethod
    def endpoint(at, port):
        at, _, dev = at.partition("%")
        return (at, port, 0, socket.if_nametoindex(dev)) if dev else (at, port)

    def host_listen(self, f):
        port = number(f.pop("port"))
        at = f.get("at", str, self.vars["HOST"])
        s = self.sock(socket.SOCK_STREAM, at)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rcvbuf = f.get("rcvbuf", number)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.bind(self.endpoint(at, port))
        s.listen(f.get("backlog", number, 16))
        s.setblocking(False)
        self.listeners[port] = s

    def host_unlisten(self, f):
        self.listeners.pop(number(f.pop("port"))).close()

    def host_accept(self, f):
        name, port = f.pop("name"), number(f.pop("port"))
        frm, fport = f.get("from"), f.get("port", number)
        s = self.listeners[port]
        p = select.poll()
        p.register(s, select.POLLIN)
        if not p.poll(self.limit() * 1000):
            raise Fail("no connection reached the host")
        c, peer = s.accept()
        self.hosts[name] = Host(c)
        self.vars[name + "_PORT"] = str(peer[1])
        if frm and addr(pack_ip(peer[0].partition("%")[0])) != addr(pack_ip(frm)):
            raise Fail(f"connection comes from {peer[0]}, not {frm}")
        if fport and peer[1] != fport:
            raise Fail(f"connection comes from port {peer[1]}, not {fport}")

    def host_no_accept(self, f):
        port, t = number(f.pop("port")), seconds(f.pop("time"))
        p = select.poll()
        p.register(self.listeners[port], select.POLLIN)
        if p.poll(t * 1000):
            _, peer = self.listeners[port].accept()
            raise Fail(f"a connection from {peer[0]}:{peer[1]} reached the "
                       "host")

    def host_connect(self, f):
        name, to, port = f.pop("name"), f.pop("address"), \
            number(f.pop("port"))
        frm, fport = f.get("from"), f.get("from-port", number, 0)
        want = f.get("error")
        rcvbuf = f.get("rcvbuf", number)
        s = self.sock(socket.SOCK_STREAM, to)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if frm:
            s.bind(self.endpoint(frm, fport))
        s.settimeout(self.limit())
        got = None
        try:
            s.connect(self.endpoint(to, port))
        except OSError as e:
            got = errno.errorcode.get(e.errno, str(e))
        if got != want and want != "any":
            raise Fail(f"host connect: {got or 'succeeds'}" +
                       (f", not {want}" if want else ""))
        self.hosts[name] = Host(s)
        self.vars[name + "_PORT"] = str(s.getsockname()[1])

    def host_send(self, f):
        h = self.host(f.pop("name"))
        self.note(self.now(), "h", f"host sends {f.words[:1]}")
        h.send(number(f.pop("bytes")), self.limit())

    def host_feed(self, f):
        h = self.host(f.pop("name"))
        h.feed(number(f.pop("bytes")))

    def host_recv(self, f):
        h = self.host(f.pop("name"))
        what = f.pop("bytes, eof or error")
        if what == "eof" or what == "error":
            want = "eof" if what == "eof" else f.pop("error's name")
            got = h.recv_end(self.limit())
            if got != want:
                raise Fail(f"host gets {got}, not {want}")
            self.note(self.now(), "h", f"host gets {got}")
        else:
            h.recv(number(what), self.limit())
            self.note(self.now(), "h", f"host received {what}")

    def host_quiet(self, f):
        h, t = self.host(f.pop("name")), seconds(f.pop("time"))
        if h.ready(False, t):
            try:
                k = h.take(1 << 16)
            except OSError as e:
                raise Fail(f"host gets {errno.errorcode[e.errno]}") from None
            raise Fail("host gets " + (f"{k} bytes" if k else "the end"))

    def host_drain(self, f):
        self.host(f.pop("name")).drain()

    def host_drained(self, f):
        h, n = self.host(f.pop("name")), number(f.pop("bytes"))
        end = self.now() + self.limit()
        while h.got < n and not h.error and self.now() < end:
            time.sleep(0.005)
        if h.error:
            raise Fail(h.error)
        if h.got != n:
            raise Fail(f"host received {h.got} bytes, not {n}")

    def host_shutdown(self, f):
        self.host(f.pop("name")).sock.shutdown(socket.SHUT_WR)
        self.note(self.now(), "h", "host shutdown")

    def host_close(self, f):
        self.host(f.pop("name")).sock.close()
        self.note(self.now(), "h", "host close")

    def host_reset(self, f):
        s = self.host(f.pop("name")).sock
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
        self.note(self.now(), "h", "host reset")

    def host_resolvers(self, f):
        """Written in place, by one write"""
        self.set_resolvers(f.words)
        f.words = []

    def set_resolvers(self, addrs):
        text = "".join(f"nameserver {a}\n" for a in addrs).encode()
        os.ftruncate(self.resolv_fd, 0)
        os.pwrite(self.resolv_fd, text, 0)
        self.note(self.now(), "h", "resolvers " + " ".join(addrs))

    def host_leaves(self, f):
        """Of the servers somewhere else: nobody is there any more"""
        self.move("del", f.pop("address"))

    def host_returns(self, f):
        self.move("add", f.pop("address"))

    def move(self, verb, where):
        cmd = ["ip", "addr", verb, where + ("/128" if ":" in where else "/32"),
               "dev", "lo"]
        if verb == "add" and ":" in where:
            cmd.append("nodad")
        p = subprocess.run(cmd, text=True, capture_output=True, check=False)
        if p.returncode:
            raise ScriptError("ip: " + p.stderr.strip())
        self.note(self.now(), "h", f"{where}: {verb}")

    def host_oob(self, f):
        """One urgent byte, the next of the stream"""
        h = self.host(f.pop("name"))
        h.sock.send(stream(DOWN, h.sent, 1), socket.MSG_OOB)
        h.sent += 1

    def host_state(self, f):
        """TCP state of the host's socket, as in tcp(7)"""
        h, want = self.host(f.pop("name")), f.pop("state")
        names = ["", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1",
                 "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK"]
        end = self.now() + self.limit()
        while True:
            got = names[h.sock.getsockopt(socket.IPPROTO_TCP,
                                          socket.TCP_INFO, 104)[0]]
            if got == want:
                return
            if self.now() > end:
                raise Fail(f"host socket is in {got}, not {want}")
            time.sleep(0.005)

    def host_udp(self, f):
        name, port = f.pop("name"), number(f.pop("port"))
        at = f.get("at", str, self.vars["HOST"])
        s = self.sock(socket.SOCK_DGRAM, at)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if ":" in at:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        s.bind(self.endpoint(at, port))
        self.udps[name] = [s, None]
        self.vars[name + "_PORT"] = str(s.getsockname()[1])

    def host_recvfrom(self, f):
        name = f.pop("name")
        s = self.udps[name][0]
        n, frm = f.get("len", Compare), f.get("from")
        port = f.get("port", Compare)
        tos, ttl = f.get("tos", Compare), f.get("ttl", Compare)
        p = select.poll()
        p.register(s, select.POLLIN)
        if not p.poll(self.limit() * 1000):
            raise Fail("no datagram reached the host")
        data, anc, _, peer = s.recvmsg(70000, 512)
        self.udps[name][1] = peer
        self.vars[name + "_PEER"] = str(peer[1])
        got = f"{len(data)} bytes from {peer[0]} port {peer[1]}"
        self.note(self.now(), "h", got)
        if data != stream(UP, 0, len(data)):
            raise Fail("host received a datagram with wrong data: " + got)
        if n and not n(len(data)):
            raise Fail(f"host received {got}, not {n.text} bytes")
        if frm and addr(pack_ip(peer[0].partition("%")[0])) != \
                addr(pack_ip(frm)):
            raise Fail(f"host received {got}, not from {frm}")
        if port and not port(peer[1]):
            raise Fail(f"host received {got}, not from port {port.text}")
        for c, what in ((tos, (socket.IP_TOS, socket.IPV6_TCLASS)),
                        (ttl, (socket.IP_TTL, socket.IPV6_HOPLIMIT))):
            for _, k, v in anc:
                if c and k in what and not c(v[0]):
                    raise Fail(f"host received {got} with {v[0]}, not "
                               f"{c.text}")

    def host_sendto(self, f):
        s, peer = self.udps[f.pop("name")]
        n = f.get("len", number, 0)
        to = f.get("to")
        if to:
            peer = (to, f.get("port", number))
        tos = f.get("tos", number)
        if tos is not None and s.family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        elif tos is not None:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        if peer is None:
            raise ScriptError("whom to? Nothing was received yet")
        s.sendto(stream(DOWN, 0, n), peer)
        self.note(self.now(), "h", f"host sends {n} bytes to {peer[0]} port "
                  f"{peer[1]}")

    def host_no_datagram(self, f):
        s, t = self.udps[f.pop("name")][0], seconds(f.pop("time"))
        p = select.poll()
        p.register(s, select.POLLIN)
        if p.poll(t * 1000):
            data, peer = s.recvfrom(70000)
            raise Fail(f"host received {len(data)} bytes from {peer[0]} port "
                       f"{peer[1]}")

    def host_shut(self, f):
        self.udps.pop(f.pop("name"))[0].close()
