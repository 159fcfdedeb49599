# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands of the form "guest > ..."."""

import random
import struct

from pktlib.values import (ACK, DAEMON_MAC, ETH_IP4, ETH_IP6, FIN, GUEST_MAC,
    PSH, ROUTER_LL, RST, SYN, ScriptError, UP, URG, VARS, hexes, number,
    stream)
from pktlib.frame import (build_eth, build_ip, csum, flag_text, l4_csum,
    pack_ip, tcp_opts)
from pktlib.script import DHCP6_MSG, DHCP_MSG, FLAG, TCP_WORDS


class GuestSends:
    """Part of World."""

    def mods(self, f):
        """Fields that are the same for all kinds of frames"""
        m = {}
        for k in ("ttl", "tos", "iplen", "ihl", "ver", "vlan", "trunc", "pad",
                  "ipid", "label", "ethtype"):
            v = f.get(k, number)
            if v is not None:
                m[k] = v
        for k in ("badsum", "ipbadsum", "df"):
            if f.flag(k):
                m[k] = True
        if f.flag("nodf"):
            m["df"] = False
        for k in ("ipopts", "macsrc", "macdst"):
            v = f.get(k, hexes)
            if v is not None:
                m[k] = v
        ext = f.many("ext", r"\d+:[0-9a-f]+")
        if ext:
            m["ext"] = [(int(e.split(":")[0]), hexes(e.split(":")[1]))
                        for e in ext]
        frag = f.get("frag")
        if frag:
            m["frag"] = (int(frag.rstrip("+")), frag.endswith("+"))
        return m

    def guest_send(self, f, name):
        kind = f.pop("kind of frame")
        if TCP_WORDS.fullmatch(kind):
            return self.send_tcp(kind, f, self.conn(name))
        do = getattr(self, "send_" + kind.lower(), None)
        if not do:
            raise ScriptError(f"guest can't send {kind}")
        return do(f, self.mods(f))

    def send_tcp(self, kind, f, c):
        m = self.mods(f)
        fl = 0
        for w in kind.split("."):
            fl |= FLAG.get(w, 0)
        if kind == "DATA":
            fl = PSH | ACK
        n = f.get("len", number, 0)
        if kind == "DATA" and not n:
            n = number(f.pop("length of DATA"))
        seq = f.get("seq", number)
        ack = f.get("ack", number, c.rcv_nxt)
        absseq, absack = f.get("seqabs", number), f.get("ackabs", number)
        win, rawwin = f.get("win", number), f.get("rawwin", number)
        urg, doff = f.get("urg", number, 0), f.get("doff", number)
        raw_opts = f.get("opts", hexes)
        mss, wscale = f.get("mss", number), f.get("wscale", number)
        sackok, want_ts = f.flag("sackok"), f.flag("ts")
        no_ts = f.flag("nots")
        tsval, tsecr = f.get("tsval", number), f.get("tsecr", number)
        sack = [tuple((c.irs + number(x)) & 0xffffffff for x in b.split("-"))
                for b in f.many("sack", r"[0-9*+]+-[0-9*+]+")]
        quiet = f.flag("untracked")
        fill = f.get("fill", number)
        sport = f.get("sport", number, c.lport)
        dport = f.get("dport", number, c.rport)
        src = f.get("src", str, c.local or self.vars["GUEST"])
        dst = f.get("dst", str, c.remote)
        f.done()
        if seq is None:
            seq = 0 if fl & SYN else c.snd_nxt
        if win is not None:
            c.win = win
        if fl & SYN and not quiet:
            c.offer = {k: v for k, v in (("mss", mss), ("wscale", wscale))
                       if v is not None}
            if sackok:
                c.offer["sackok"] = True
            if want_ts:
                c.offer["ts"] = True
            c.mss = mss
        shift = min(c.offer["wscale"], 14) \
            if c.scaling() and not fl & SYN else 0
        if rawwin is None:
            rawwin = min(65535, c.win >> shift)
        ts = None
        if want_ts or c.has_ts() and not no_ts and not fl & RST:
            if tsval is None:
                tsval = int(self.now() * 1000) + 1000
            if tsecr is None:
                tsecr = c.tsval_seen if fl & ACK else 0
            ts = (tsval & 0xffffffff, tsecr & 0xffffffff)
        opts = tcp_opts(mss, sackok, ts, wscale, sack)
        if raw_opts is not None:
            opts = raw_opts + b"\0" * (-len(raw_opts) % 4)
        pos = seq + 1 if fl & SYN else seq
        payload = c.data(pos, n) if fill is None else bytes([fill]) * n
        end = pos + n + (1 if fl & FIN else 0)
        if not quiet and not fl & RST:
            c.snd_max = max(c.snd_max, end)
            c.snd_nxt = max(c.snd_nxt, end)
            if fl & ACK:
                c.edge = max(c.edge or 0, ack + (rawwin << shift))
        s, d = pack_ip(src), pack_ip(dst)
        h = struct.pack("!HHIIBBHHH", sport, dport,
                        (c.iss + seq) & 0xffffffff if absseq is None
                        else absseq,
                        ((c.irs + ack) & 0xffffffff if absack is None
                         else absack) if fl & ACK else 0,
                        (doff if doff is not None else
                         5 + len(opts) // 4) << 4, fl, rawwin, 0, urg)
        body = h + opts + payload
        k = l4_csum(s, d, 6, body) ^ (0x0101 if m.get("badsum") else 0)
        body = body[:16] + struct.pack("!H", k) + body[18:]
        text = f"TCP {src}:{sport} > {dst}:{dport} [{flag_text(fl)}] " + \
            (f"seq {seq}" if absseq is None else f"seqabs {absseq}") + \
            (f" ack {ack}" if fl & ACK else "") + \
            f" win {rawwin << shift} len {n}" + \
            (f" options {opts.hex()}" if opts else "") + \
            "".join(f" {k} {v}" for k, v in m.items())
        self.emit_ip(src, dst, 6, body, m, text)

    def send_udp(self, f, m):
        sport, dport = f.get("sport", number), f.get("dport", number)
        dst, src = f.get("dst"), f.get("src", str, self.vars["GUEST"])
        n, udplen = f.get("len", number, 0), f.get("udplen", number)
        nosum = f.flag("nosum")
        payload = stream(UP, 0, n)
        f.done()
        self.udp_bytes(src, dst, sport, dport, payload, m, udplen, nosum)

    def udp_bytes(self, src, dst, sport, dport, payload, m, udplen=None,
                  nosum=False):
        n = len(payload)
        body = struct.pack("!HHHH", sport, dport, n + 8 if udplen is None
                           else udplen, 0) + payload
        c = l4_csum(pack_ip(src), pack_ip(dst), 17, body) or 0xffff
        if m.get("badsum"):
            c ^= 0x0101
        if not nosum:
            body = body[:6] + struct.pack("!H", c) + body[8:]
        if "frag" in m:
            off, more = m["frag"]
            size = m.pop("fragsize", None)
            body = body[off:] if size is None else body[off:off + size]
        self.emit_ip(src, dst, 17, body, m, f"UDP {src}:{sport} > "
                     f"{dst}:{dport} len {n}" +
                     "".join(f" {k} {v}" for k, v in m.items()))

    def send_udpfrags(self, f, m):
        """One datagram, in fragments of `size` bytes, in `order`"""
        sport, dport = f.get("sport", number), f.get("dport", number)
        dst, src = f.get("dst"), f.get("src", str, self.vars["GUEST"])
        n, size = f.get("len", number), f.get("size", number)
        order = f.many("order", r"\d+")
        f.done()
        starts = list(range(0, n + 8, size))
        for i in ([int(o) for o in order] or range(len(starts))):
            off = starts[i]
            self.udp_bytes(src, dst, sport, dport, stream(UP, 0, n),
                           dict(m, frag=(off, off + size < n + 8),
                                fragsize=size))

    def send_echo(self, f, m):
        dst, src = f.get("dst"), f.get("src", str, self.vars["GUEST"])
        ident, seq = f.get("id", number, 1), f.get("seq", number, 1)
        n, code = f.get("len", number, 56), f.get("code", number, 0)
        v6 = ":" in dst
        typ = f.get("type", number, 128 if v6 else 8)
        f.done()
        body = struct.pack("!BBHHH", typ, code, 0, ident, seq) + \
            stream(UP, 0, n)
        text = f"ECHO {src} > {dst} id {ident} seq {seq} len {n}"
        if v6:
            return self.emit_icmp6(src, dst, body, m, text)
        c = csum(body) ^ (0x0101 if m.get("badsum") else 0)
        body = body[:2] + struct.pack("!H", c) + body[4:]
        return self.emit_ip(src, dst, 1, body, m, text)

    def send_arp(self, f, m):
        """ARP who X [tell Y] | ARP X is me"""
        w = f.pop("who")
        if w == "who":
            target = f.pop("address")
            tell = f.get("tell", str, VARS[4]["GUEST"])
            f.done()
            self.emit_arp(1, tell, target, m)
        else:
            f.pop("is")
            to = f.get("to", str, VARS[4]["GW"])
            f.words.clear()
            self.emit_arp(2, w, to, m, DAEMON_MAC)

    def send_ns(self, f, m):
        src = f.get("src", str, VARS[6]["GUEST"])
        dst = f.get("dst")
        target = f.get("target")
        f.done()
        self.emit_ns(target, src, dict(m, **({"dst": dst} if dst else {})))

    def send_na(self, f, m):
        target, src = f.get("target"), f.get("src", str, VARS[6]["GUEST"])
        f.done()
        body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + \
            pack_ip(target) + b"\x02\x01" + GUEST_MAC
        m.setdefault("ttl", 255)
        self.emit_icmp6(src, ROUTER_LL, body, m, f"NA target {target}")

    def send_rs(self, f, m):
        src = f.get("src", str, VARS[6]["LL"])
        f.done()
        body = struct.pack("!BBHI", 133, 0, 0, 0)
        if src != "::":
            body += b"\x01\x01" + GUEST_MAC
        m.setdefault("ttl", 255)
        self.emit_icmp6(src, "ff02::2", body, m, "RS")

    def send_dhcp(self, f, m):
        """DHCP MSG [xid N] [bcast] [ciaddr A] [opt N:HEX...] [dst A]"""
        msg = f.pop("message")
        xid, ciaddr = f.get("xid", number, self.xid), \
            f.get("ciaddr", str, "0.0.0.0")
        src = f.get("src", str, "0.0.0.0")
        dst = f.get("dst", str, "255.255.255.255")
        bcast, size = f.flag("bcast"), f.get("size", number, 300)
        op, chaddr = f.get("op", number, 1), f.get("chaddr", hexes, GUEST_MAC)
        opts = b"" if msg == "bootp" else bytes([53, 1, DHCP_MSG[msg]])
        for o in f.many("opt", r"\d+:[0-9a-f]*"):
            k, _, v = o.partition(":")
            v = hexes(v)
            opts += bytes([int(k), len(v)]) + v
        opts += f.get("rawopt", hexes, b"")
        noend = f.flag("noend")
        f.done()
        body = struct.pack("!BBBBIHH4s4s4s4s16s192s4s", op, 1, 6, 0, xid, 0,
                           0x8000 if bcast else 0, pack_ip(ciaddr), b"", b"",
                           b"", chaddr, b"", bytes.fromhex("63825363"))
        body += opts + (b"" if noend else b"\xff")
        if len(body) < size:
            body += b"\0" * (size - len(body))
        self.udp_bytes(src, dst, 68, 67, body, m)
        self.timeline[-1] = (self.last, ">", f"DHCP {msg} xid {xid:#x} "
                             f"options {opts.hex()}")

    def send_dhcp6(self, f, m):
        """DHCP6 MSG [iana IAID] [ia ADDR] [serverid] [opt N:HEX...]"""
        msg = f.pop("message")
        xid = f.get("xid", number, self.xid) & 0xffffff
        src = f.get("src", str, VARS[6]["LL"])
        dst = f.get("dst", str, "ff02::1:2")
        b = bytes([DHCP6_MSG[msg]]) + xid.to_bytes(3, "big")

        def opt(k, v):
            return struct.pack("!HH", k, len(v)) + v
        if not f.flag("nocid"):
            b += opt(1, struct.pack("!HH", 3, 1) + GUEST_MAC)
        if f.flag("serverid"):
            b += opt(2, hexes(self.vars["SERVERID"]))
        iana, ia = f.get("iana", number), f.get("ia")
        if iana is not None:
            inner = opt(5, pack_ip(ia) + bytes(8)) if ia else b""
            b += opt(3, struct.pack("!III", iana, 0, 0) + inner)
        for o in f.many("opt", r"\d+:[0-9a-f]*"):
            k, _, v = o.partition(":")
            b += opt(int(k), hexes(v))
        f.done()
        self.udp_bytes(src, dst, 546, 547, b, m)
        self.timeline[-1] = (self.last, ">", f"DHCP6 {msg} {b.hex()}")

    def send_eth(self, f, m):
        """ETH type N [hex BYTES] [len N]"""
        etype = f.get("type", number)
        body = f.get("hex", hexes, b"")
        body += bytes(f.get("len", number, 0))
        f.done()
        self.emit(build_eth(DAEMON_MAC, etype, body, m),
                  f"ETH type {etype:#06x} {body[:40].hex()}")

    def send_ip(self, f, m):
        """IP proto N dst A [hex BYTES] [len N]"""
        dst, src = f.get("dst"), f.get("src", str, self.vars["GUEST"])
        proto = f.get("proto", number)
        body = f.get("hex", hexes, b"") + bytes(f.get("len", number, 0))
        f.done()
        self.emit_ip(src, dst, proto, body, m,
                     f"IP {src} > {dst} proto {proto} len {len(body)}")

    def send_raw(self, f, m):
        """RAW HEX: a frame from its first byte to its last"""
        b = hexes(f.pop("bytes"))
        f.done()
        self.emit(b, f"RAW {b[:60].hex()}")

    def guest_storm(self, f, name):
        """Segments of a connection that make little sense, same each time"""
        c = self.conn(name)
        n, r = number(f.pop("count")), random.Random(f.get("seed", number, 1))
        c.checks = False

        def near(x):
            return x + r.choice([0, 0, 0, 1, -1, r.randrange(-3000, 3000),
                                 65535, 1 << 30, 1 << 31,
                                 r.getrandbits(32)])
        for _ in range(n):
            flags = r.choice([ACK, ACK, ACK, PSH | ACK, SYN, SYN | ACK,
                              FIN | ACK, URG | ACK, r.randrange(256)])
            if r.random() < .97:
                flags &= ~RST
            opts = r.choice([b"", b"", tcp_opts(mss=r.randrange(3)),
                             tcp_opts(ts=(r.getrandbits(32), 0)),
                             tcp_opts(wscale=r.randrange(256)),
                             tcp_opts(sack=[((c.irs + near(c.rcv_nxt)) &
                                             0xffffffff,
                                             (c.irs + near(c.rcv_nxt)) &
                                             0xffffffff)
                                            for _ in range(3)]),
                             r.randbytes(r.randrange(0, 41, 4))])
            data = r.randbytes(r.choice([0, 0, 1, 100, 1460]))
            h = struct.pack("!HHIIBBHHH", c.lport, c.rport,
                            (c.iss + near(c.snd_nxt)) & 0xffffffff,
                            (c.irs + near(c.rcv_nxt)) & 0xffffffff,
                            (5 + len(opts) // 4) << 4, flags,
                            r.choice([0, 1, 100, 65535]), 0,
                            r.choice([0, 0, 1, 65535]))
            b = h + opts + data
            k = l4_csum(pack_ip(c.local), pack_ip(c.remote), 6, b)
            b = b[:16] + struct.pack("!H", k) + b[18:]
            self.link.send(build_eth(
                DAEMON_MAC, ETH_IP4 if c.fam == 4 else ETH_IP6,
                build_ip(c.local, c.remote, 6, b, {})))
            self.pull()
        self.note(self.now(), ">", f"{n} random segments")

    def guest_flood(self, f, name):
        """Random frames, the same each time"""
        n, seed = number(f.pop("count")), f.get("seed", number, 1)
        r = random.Random(seed)
        fam = self.fam
        for _ in range(n):
            size = r.choice([14, 20, 33, 34, 54, 60, 74, 100, 600])
            b = bytearray(r.randbytes(size))
            b[:12] = DAEMON_MAC + GUEST_MAC
            if r.random() < .9:
                b[12:14] = struct.pack("!H", ETH_IP4 if fam == 4 else ETH_IP6)
            if r.random() < .9 and size > 24:
                b[14] = 0x45 if fam == 4 else 0x60
                if fam == 4:
                    b[23] = r.choice([1, 2, 6, 17, 47, 255])
                    b[16:18] = struct.pack("!H", size - 14)
                    b[20:22] = b"\0\0"
                else:
                    b[18:20] = struct.pack("!H", max(0, size - 54))
                    b[20] = r.choice([0, 6, 17, 43, 44, 58, 59, 60, 135])
            if fam == 4 and size >= 34 and r.random() < .8:
                b[24:26] = b"\0\0"
                hl = (b[14] & 15) * 4
                b[24:26] = struct.pack("!H", csum(bytes(b[14:14 + hl])))
            self.link.send(bytes(b))
        self.note(self.now(), ">", f"{n} random frames, seed {seed}")
