# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames put together and taken apart, byte by byte.

A script can get any of them wrong on purpose, and the daemon's frames are judged
by code that has nothing in common with it.
"""

import array
import ipaddress
import socket
import struct

from pktlib.values import (ACK, CWR, DAEMON_MAC, ECE, ETH_ARP, ETH_IP4,
    ETH_IP6, FIN, GUEST_MAC, MACS_USED, PSH, RST, SYN, URG)


def csum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(array.array("H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return socket.htons(~s & 0xffff)


def pack_ip(a):
    return ipaddress.ip_address(a).packed


def addr(b):
    return str(ipaddress.ip_address(bytes(b)))


def pseudo(src, dst, proto, n):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, n)
    return src + dst + struct.pack("!II", n, proto)


def l4_csum(src, dst, proto, data):
    return csum(pseudo(src, dst, proto, len(data)) + data)


def build_ip(src, dst, proto, body, m):
    """IP packet; m holds what the script wants to be different."""
    s, d = pack_ip(src), pack_ip(dst)
    ttl, tos = m.get("ttl", 64), m.get("tos", 0)
    if len(s) == 4:
        opts = m.get("ipopts", b"")
        opts += b"\0" * (-len(opts) % 4)
        off, more = m.get("frag", (0, 0))
        fo = (off >> 3) | (0x2000 if more else 0) | \
             (0x4000 if m.get("df", "frag" not in m) else 0)
        ihl = m.get("ihl", 5 + len(opts) // 4)
        n = m.get("iplen", 20 + len(opts) + len(body))
        h = struct.pack("!BBHHHBBH4s4s", (m.get("ver", 4) & 15) << 4 | ihl,
                        tos, n, m.get("ipid", 1), fo, ttl, proto, 0, s, d)
        h += opts
        c = csum(h) ^ (0x0101 if m.get("ipbadsum") else 0)
        return h[:10] + struct.pack("!H", c) + h[12:] + body
    nh = proto
    for ext in reversed(m.get("ext", [])):
        body = bytes([nh]) + ext[1] + body
        nh = ext[0]
    if "frag" in m:
        off, more = m["frag"]
        body = struct.pack("!BBHI", nh, 0, off & 0xfff8 | bool(more),
                           m.get("ipid", 1)) + body
        nh = 44
    return struct.pack("!IHBB", (m.get("ver", 6) & 15) << 28 | tos << 20 |
                       m.get("label", 0),
                       m.get("iplen", len(body)), nh, ttl) + s + d + body


def build_eth(dst, etype, body, m=None):
    m = m or {}
    MACS_USED.add(m.get("macsrc", GUEST_MAC))
    f = m.get("macdst", dst) + m.get("macsrc", GUEST_MAC)
    if "vlan" in m:
        f += struct.pack("!HH", 0x8100, m["vlan"])
    f += struct.pack("!H", m.get("ethtype", etype)) + body
    if "trunc" in m:
        f = f[:m["trunc"]]
    return f + b"\xa5" * m.get("pad", 0)


def tcp_opts(mss=None, sackok=False, ts=None, wscale=None, sack=()):
    o = b""
    if mss is not None:
        o += struct.pack("!BBH", 2, 4, mss)
    if sackok:
        o += b"\x04\x02"
    if ts:
        o += struct.pack("!BBII", 8, 10, *ts)
    if wscale is not None:
        o += b"\x01" + struct.pack("!BBB", 3, 3, wscale)
    if sack:
        o += struct.pack("!BB", 5, 2 + 8 * len(sack))
        for a, b in sack:
            o += struct.pack("!II", a, b)
    return o + b"\x01" * (-len(o) % 4)


class Bad(Exception):
    """The daemon sent a frame that is wrong by itself."""


class Frame:
    """A frame from the daemon, taken apart and checked."""

    def __init__(self, raw, t):
        self.raw, self.t = raw, t
        self.kind, self.f, self.payload = "ETH", {}, b""
        self.conn = None
        self.bad = None
        self.opts = {}
        try:
            self.parse()
        except Bad as e:
            self.bad = str(e)
        except (struct.error, IndexError, ValueError) as e:
            self.bad = f"truncated or garbled ({e})"

    def parse(self):
        r, f = self.raw, self.f
        if len(r) < 60:
            raise Bad(f"{len(r)} bytes, not padded to 60")
        f["macdst"], f["macsrc"] = r[:6], r[6:12]
        f["ethtype"] = struct.unpack_from("!H", r, 12)[0]
        if r[6:12] != DAEMON_MAC:
            raise Bad(f"source MAC {r[6:12].hex(':')}")
        if r[:6] not in MACS_USED and not r[0] & 1:
            raise Bad(f"destination MAC {r[:6].hex(':')}")
        if f["ethtype"] == ETH_ARP:
            return self.parse_arp(r[14:])
        if f["ethtype"] == ETH_IP4:
            return self.parse_ip4(r[14:])
        if f["ethtype"] == ETH_IP6:
            return self.parse_ip6(r[14:])
        raise Bad(f"ethertype {f['ethtype']:#06x}")

    def parse_arp(self, b):
        h = struct.unpack("!HHBBH6s4s6s4s", b[:28])
        if h[:4] != (1, ETH_IP4, 6, 4) or h[4] not in (1, 2):
            raise Bad("odd ARP header")
        self.f.update(sha=h[5], spa=addr(h[6]), tha=h[7], tpa=addr(h[8]))
        self.kind = "ARPREPLY" if h[4] == 2 else "ARPREQ"
        self.pad(b[28:])

    def pad(self, b):
        if b.strip(b"\0"):
            raise Bad("padding isn't zero")
        if b and len(self.raw) > 60:
            raise Bad(f"{len(b)} bytes too long")

    def parse_ip4(self, b):
        vi, tos, n, ident, fo, ttl, proto, _, s, d = \
            struct.unpack("!BBHHHBBH4s4s", b[:20])
        hl = (vi & 15) * 4
        if vi >> 4 != 4 or hl < 20 or n < hl or n > len(b):
            raise Bad("IPv4 header lengths")
        if csum(b[:hl]):
            raise Bad("IPv4 header checksum")
        self.f.update(src=addr(s), dst=addr(d), ttl=ttl, tos=tos,
                      df=bool(fo & 0x4000), ipid=ident, ipopts=b[20:hl])
        self.pad(b[n:])
        self.fragment(s, d, proto, b[hl:n], (fo & 0x1fff) * 8,
                      bool(fo & 0x2000))

    def parse_ip6(self, b):
        v, n, nh, hop = struct.unpack("!IHBB", b[:8])
        s, d = b[8:24], b[24:40]
        if v >> 28 != 6 or n + 40 > len(b):
            raise Bad("IPv6 header")
        self.f.update(src=addr(s), dst=addr(d), ttl=hop,
                      tos=v >> 20 & 0xff)
        self.pad(b[40 + n:])
        body = b[40:40 + n]
        off, more = 0, False
        if nh == 44:
            nh, _, fo, ident = struct.unpack("!BBHI", body[:8])
            off, more, body = fo & 0xfff8, bool(fo & 1), body[8:]
            self.f["ipid"] = ident
        self.fragment(s, d, nh, body, off, more)

    def fragment(self, s, d, proto, body, off, more):
        if off or more:
            self.kind, self.payload = "FRAG", body
            self.f.update(proto=proto, off=off, more=int(more),
                          len=len(body))
        else:
            self.parse_l4(s, d, proto, body)

    def parse_l4(self, s, d, proto, b):
        f = self.f
        f["proto"] = proto
        if proto == 6:
            sp, dp, seq, ack, off, fl, win, _, urg = \
                struct.unpack("!HHIIBBHHH", b[:20])
            hl = (off >> 4) * 4
            if hl < 20 or hl > len(b):
                raise Bad("TCP data offset")
            if l4_csum(s, d, 6, b):
                raise Bad("TCP checksum")
            self.kind, self.payload = "TCP", b[hl:]
            f.update(sport=sp, dport=dp, seqabs=seq, ackabs=ack, flags=fl,
                     rawwin=win, urg=urg, len=len(b) - hl, optlen=hl - 20)
            self.parse_tcp_opts(b[20:hl])
        elif proto == 17:
            sp, dp, n, c = struct.unpack("!HHHH", b[:8])
            if n != len(b):
                raise Bad("UDP length")
            if c == 0 and len(s) == 16:
                raise Bad("UDP checksum 0 over IPv6")
            if c and l4_csum(s, d, 17, b):
                raise Bad("UDP checksum")
            self.kind, self.payload = "UDP", b[8:]
            f.update(sport=sp, dport=dp, len=n - 8)
            if (sp, dp) == (67, 68):
                self.parse_dhcp(b[8:])
            elif (sp, dp) == (547, 546):
                self.parse_dhcp6(b[8:])
        elif proto == 1 and len(s) == 4 or proto == 58 and len(s) == 16:
            if (csum(b) if proto == 1 else l4_csum(s, d, 58, b)):
                raise Bad("ICMP checksum")
            self.parse_icmp(b)
        else:
            self.kind, self.payload = "IP", b
            f["len"] = len(b)

    def parse_tcp_opts(self, b):
        o, i = self.opts, 0
        while i < len(b) and b[i]:
            if b[i] == 1:
                i += 1
                continue
            if i + 1 >= len(b) or b[i + 1] < 2 or i + b[i + 1] > len(b):
                raise Bad("TCP option length")
            k, v = b[i], b[i + 2:i + b[i + 1]]
            i += b[i + 1]
            if k in o:
                raise Bad(f"TCP option {k} twice")
            want = {2: 2, 3: 1, 4: 0, 8: 8}.get(k)
            if want is not None and want != len(v) or k == 5 and len(v) % 8:
                raise Bad(f"TCP option {k} of {len(v) + 2} bytes")
            o[k] = v
        if b[i:].strip(b"\0"):
            raise Bad("something after TCP's end-of-options")

    def parse_icmp(self, b):
        f = self.f
        f["type"], f["code"] = b[0], b[1]
        v6 = f["ethtype"] == ETH_IP6
        kinds = {128: "ECHO", 129: "ECHOREPLY", 133: "RS", 134: "RA",
                 135: "NS", 136: "NA"} if v6 else {8: "ECHO", 0: "ECHOREPLY"}
        self.kind = kinds.get(b[0], "ICMP")
        if self.kind.startswith("ECHO"):
            f["id"], f["seq"] = struct.unpack("!HH", b[4:8])
            self.payload = b[8:]
            f["len"] = len(b) - 8
        elif self.kind == "ICMP" and (b[0] < 128 if v6 else
                                      b[0] in (3, 4, 5, 11, 12)):
            f["mtu"] = struct.unpack("!I", b[4:8])[0] & \
                (0xffffffff if v6 else 0xffff)
            self.quote(b[8:], v6)
        elif self.kind in ("RS", "RA", "NS", "NA"):
            if f["ttl"] != 255:
                raise Bad("NDP with a hop limit that isn't 255")
            self.parse_ndp(b)

    def quote(self, b, v6):
        f = self.f
        f["quoted"] = len(b)
        self.quoted = b
        if v6:
            f["qproto"], f["qsrc"], f["qdst"] = b[6], addr(b[8:24]), \
                addr(b[24:40])
            b = b[40:]
        else:
            f["qproto"], f["qsrc"], f["qdst"] = b[9], addr(b[12:16]), \
                addr(b[16:20])
            b = b[(b[0] & 15) * 4:]
        if len(b) >= 4:
            f["qsport"], f["qdport"] = struct.unpack("!HH", b[:4])

    def parse_ndp(self, b):
        f, o = self.f, self.opts
        at = {"RS": 8, "RA": 16, "NS": 24, "NA": 24}[self.kind]
        if self.kind in ("NS", "NA"):
            f["target"] = addr(b[8:24])
            f["router"], f["solicited"], f["override"] = \
                b[4] >> 7 & 1, b[4] >> 6 & 1, b[4] >> 5 & 1
        if self.kind == "RA":
            f["hoplimit"], fl, f["lifetime"] = struct.unpack("!BBH", b[4:8])
            f["managed"], f["other"] = fl >> 7 & 1, fl >> 6 & 1
        b = b[at:]
        while b:
            if len(b) < 2 or not b[1] or b[1] * 8 > len(b):
                raise Bad("NDP option length")
            o.setdefault(b[0], []).append(b[2:b[1] * 8])
            b = b[b[1] * 8:]
        for v in o.get(1, []) + o.get(2, []):
            f["lladdr"] = v[:6]
        for v in o.get(3, [])[:1]:
            f["plen"], f["pflags"], f["valid"], f["preferred"] = \
                struct.unpack("!BBII", v[:10])
            f["prefix"] = addr(v[14:30])
        for v in o.get(5, [])[:1]:
            f["mtu"] = struct.unpack("!I", v[2:6])[0]
        for v in o.get(25, []):
            lives = any(v[2:6])
            names = ("rdnss",) if lives else ("gone", "gone2")
            for i, name in enumerate(names[:len(v) // 16]):
                f.setdefault(name, addr(v[6 + 16 * i:22 + 16 * i]))

    def parse_dhcp(self, b):
        f, o = self.f, self.opts
        self.kind = "DHCP"
        f["op"], _, _, f["hops"], f["xid"], _, fl = \
            struct.unpack("!BBBBIHH", b[:12])
        f["bcast"] = fl >> 15
        f["ciaddr"], f["yiaddr"], f["siaddr"], f["giaddr"] = \
            (addr(b[i:i + 4]) for i in (12, 16, 20, 24))
        f["chaddr"] = b[28:34]
        if b[236:240] != bytes.fromhex("63825363"):
            raise Bad("DHCP without its cookie")
        i, order = 240, []
        while i < len(b) and b[i] != 255:
            if b[i] == 0:
                i += 1
                continue
            k, n = b[i], b[i + 1]
            if i + 2 + n > len(b):
                raise Bad("DHCP option beyond the end")
            o[k] = o.get(k, b"") + b[i + 2:i + 2 + n]
            order.append(k)
            i += 2 + n
        if i >= len(b):
            raise Bad("DHCP without end option")
        f["order"] = order
        f["msg"] = o.get(53, b"\0")[0]

    def parse_dhcp6(self, b):
        f, o = self.f, self.opts
        self.kind = "DHCP6"
        f["msg"], f["xid"] = b[0], int.from_bytes(b[1:4], "big")
        for k, v in dhcp6_opts(b[4:]):
            o[k] = v
        if 3 in o:
            f["iaid"], f["t1"], f["t2"] = struct.unpack("!III", o[3][:12])
            for k, v in dhcp6_opts(o[3][12:]):
                if k == 5:
                    f["ia"] = addr(v[:16])
                    f["preferred"], f["valid"] = struct.unpack(
                        "!II", v[16:24])
                if k == 13:
                    f["iastatus"] = struct.unpack("!H", v[:2])[0]
        if 13 in o:
            f["status"] = struct.unpack("!H", o[13][:2])[0]
        if 23 in o:
            f["dns"] = addr(o[23][:16])

    def line(self):
        f = self.f
        if self.bad:
            return f"BAD FRAME ({self.bad}): {self.raw[:80].hex()}"
        if self.kind == "TCP":
            return tcp_line(self)
        if self.kind == "ARPREQ":
            return f"ARP who {f['tpa']} tell {f['spa']}"
        if self.kind == "ARPREPLY":
            return f"ARP {f['spa']} is {f['sha'].hex(':')}"
        skip = {"macdst", "macsrc", "ethtype", "proto", "src", "dst", "sport",
                "dport"}
        rest = " ".join(f"{k} {v.hex(':') if isinstance(v, bytes) else v}"
                        for k, v in f.items() if k not in skip and v != b"")
        ports = [f":{f[k]}" if k in f else "" for k in ("sport", "dport")]
        rest += "".join(f" opt{k} {v.hex()}" for k, v in self.opts.items()
                        if isinstance(v, bytes))
        return f"{self.kind} {f.get('src')}{ports[0]} > " \
               f"{f.get('dst')}{ports[1]} {rest}"


def dhcp6_opts(b):
    while b:
        k, n = struct.unpack("!HH", b[:4])
        if n + 4 > len(b):
            raise Bad("DHCPv6 option beyond the end")
        yield k, b[4:4 + n]
        b = b[4 + n:]


def flag_text(fl):
    return "".join(c for c, b in zip("FSRP.UEW", (FIN, SYN, RST, PSH, ACK, URG,
                                                  ECE, CWR)) if fl & b)


def sack_blocks(v):
    return [struct.unpack_from("!II", v, i) for i in range(0, len(v), 8)]


def tcp_line(p):
    f, c, o = p.f, p.conn, []
    if c:
        seq, ack = c.rel_seq(f["seqabs"]), c.rel_ack(f["ackabs"])
        win = f["rawwin"] if f["flags"] & SYN else c.scaled(f["rawwin"])
    else:
        seq, ack, win = f["seqabs"], f["ackabs"], f["rawwin"]
    for k, v in p.opts.items():
        if k == 2:
            o.append(f"mss {int.from_bytes(v, 'big')}")
        elif k == 3:
            o.append(f"wscale {v[0]}")
        elif k == 4:
            o.append("sackok")
        elif k == 5:
            o.append("sack " + " ".join(
                f"{c.rel_ack(a)}-{c.rel_ack(b)}" if c else f"{a}-{b}"
                for a, b in sack_blocks(v)))
        elif k == 8:
            o.append("ts %d %d" % struct.unpack("!II", v))
        else:
            o.append(f"opt{k} {v.hex()}")
    return f"TCP {f['src']}:{f['sport']} > {f['dst']}:{f['dport']} " \
        f"[{flag_text(f['flags'])}] seq {seq}" + \
        (f" ack {ack}" if f["flags"] & ACK else "") + \
        f" win {win} len {f['len']}" + (f" <{', '.join(o)}>" if o else "")
