# SPDX-License-Identifier: GPL-2.0-or-later
"""One TCP connection as the guest knows it, and what always holds for it."""

import random
import struct

from pktlib.values import ACK, DOWN, FIN, RST, SYN, UP, differs, stream


class Conn:
    """What the guest knows. Sequence numbers are relative: `snd_*` to its own
    ISN, `rcv_*` to the daemon's."""

    def __init__(self, name, fam, local, lport, remote, rport, iss):
        self.name, self.fam = name, fam
        self.local, self.lport = local, lport
        self.remote, self.rport = remote, rport
        self.iss, self.irs = iss, random.getrandbits(32)
        self.irs_known = False
        self.snd_nxt = self.snd_max = 0
        self.rcv_nxt = 0
        self.una = 0                    # acknowledged by the daemon
        self.ooo = []
        self.fin_at = None
        self.win = 65535
        self.edge = None                # most that we ever let them send
        self.their_edge = None
        self.offer = {}                 # options of our SYN
        self.agreed = {}                # those of theirs, if any
        self.mss = None
        self.passive = False
        self.last_ack_sent = None
        self.tsval_seen = 0
        self.checks = True
        self.syn_at, self.syn_clock_ns = None, 0    # theirs came

    def rel_seq(self, v):
        d = (v - self.irs) & 0xffffffff
        return d - (1 << 32) if d >= 1 << 31 else d

    def rel_ack(self, v):
        d = (v - self.iss) & 0xffffffff
        return d - (1 << 32) if d >= 1 << 31 else d

    def scaling(self):
        return "wscale" in self.offer and "wscale" in self.agreed

    def scaled(self, raw):
        return raw << min(self.agreed["wscale"], 14) if self.scaling() else raw

    def has_ts(self):
        return "ts" in self.offer and "ts" in self.agreed

    def data(self, rel, n):
        return stream(UP, max(rel - 1, 0), n)

    def consume(self, p):
        """The guest's TCP took this segment."""
        a = self.rel_seq(p.f["seqabs"])
        if p.f["flags"] & SYN:
            a += 1
        b = a + p.f["len"]
        if p.f["flags"] & FIN:
            self.fin_at = b
        if b > a:
            self.ooo.append((a, b))
            self.ooo.sort()
        if p.f["flags"] & SYN:
            self.rcv_nxt = max(self.rcv_nxt, 1)
        for x, y in self.ooo:
            if x <= self.rcv_nxt < y:
                self.rcv_nxt = y
        self.ooo = [i for i in self.ooo if i[1] > self.rcv_nxt]
        if self.fin_at is not None and self.rcv_nxt == self.fin_at:
            self.rcv_nxt += 1
        if 8 in p.opts and p.f["flags"] & ACK:
            self.tsval_seen = struct.unpack("!II", p.opts[8])[0]

    def check(self, p):
        """What always holds, whatever the script expects: text, or None."""
        f, fl, n = p.f, p.f["flags"], p.f["len"]
        if fl & SYN and not self.irs_known:
            self.irs, self.irs_known = f["seqabs"], True
            self.agreed = {}
            for k, name in ((2, "mss"), (3, "wscale"), (4, "sackok"),
                            (8, "ts")):
                if k in p.opts:
                    self.agreed[name] = int.from_bytes(p.opts[k], "big")
        if not self.checks:
            return None
        seq, ack = self.rel_seq(f["seqabs"]), self.rel_ack(f["ackabs"])
        if fl & RST:
            return "RST with data" if n else None
        if fl & SYN:
            if n:
                return "data on the daemon's SYN, which nothing asked for"
            if fl & ACK and not self.passive:
                for name in ("wscale", "sackok", "ts"):
                    if name in self.agreed and name not in self.offer:
                        return f"SYN-ACK with {name}, which wasn't offered"
        else:
            if not fl & ACK:
                return "neither SYN nor RST, and no ACK"
            for k, name in ((2, "MSS"), (3, "window scale"), (4, "SACK-ok")):
                if k in p.opts:
                    return f"{name} option without SYN"
            if self.has_ts() and 8 not in p.opts:
                return "no timestamp, though agreed on (RFC 7323, 3.2)"
            if not self.has_ts() and 8 in p.opts:
                return "timestamp that wasn't agreed on"
        if 5 in p.opts and not ("sackok" in self.offer and
                                "sackok" in self.agreed):
            return "SACK blocks that weren't agreed on"
        if fl & ACK:
            if ack > self.snd_max:
                return f"acknowledges {ack}, but only {self.snd_max} was sent"
            self.una = max(self.una, ack)
            win = f["rawwin"] if fl & SYN else self.scaled(f["rawwin"])
            slack = (1 << min(self.agreed.get("wscale", 0), 14)) \
                if self.scaling() else 0
            if self.their_edge is not None and \
                    ack + win + slack < self.their_edge:
                return f"window's right edge moved left, from " \
                       f"{self.their_edge} to {ack + win} (RFC 9293, 3.8.6)"
            self.their_edge = max(self.their_edge or 0, ack + win)
        if n:
            mss = self.mss if self.mss is not None else \
                536 if self.fam == 4 else 1220
            if mss >= 88 and n + f["optlen"] > mss:
                return f"{n} bytes of data and {f['optlen']} of options " \
                       f"exceed the guest's MSS of {mss} (RFC 9293, 3.7.1)"
            probe = n == 1 and seq + n <= (self.edge or 0) + 1
            if self.edge is not None and seq + n > self.edge and not probe:
                return f"data up to {seq + n}, but the window ends at " \
                       f"{self.edge}"
            skip = max(0, 1 - seq)      # keepalive's garbage byte
            want = stream(DOWN, max(seq - 1, 0), n - skip)
            if p.payload[skip:] != want and not (n == 1 and
                                                 seq < self.rcv_nxt):
                return f"wrong data at {seq + differs(p.payload[skip:], want)}"
        return None
