# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands of the form "guest < ...", and others that take frames."""

import math

from pktlib.values import (ACK, CWR, Compare, DOWN, ECE, FIN, Fail, PSH, RST,
    SYN, ScriptError, UP, URG, hexes, number, seconds, stream)
from pktlib.frame import addr, pack_ip, sack_blocks
from pktlib.script import (ADDRESSES, BACKGROUND, DHCP6_MSG, DHCP_MSG, FLAG,
    KINDS, MACS, TCP_WORDS)


class GuestExpects:
    """Part of World."""

    def matcher(self, f, name):
        """KIND FIELD... → (frames to look at, predicate → complaint)"""
        kind = f.pop("kind of frame")
        if kind == "ARP":
            what = f.pop("who/is")
            if what == "who":
                kind, key = "ARPREQ", "tpa"
            else:
                kind, key = "ARPREPLY", "spa"
            want = f.pop("address")
            more = self.predicates(f)
            more.append((key, lambda p: p.f.get(key) == want))
            return (lambda p: p.kind == kind), \
                lambda p: self.complain(p, more), kind
        if TCP_WORDS.fullmatch(kind):
            c = self.conn(name)
            preds = self.tcp_predicates(kind, f, c)
            return (lambda p: p.conn is c), \
                lambda p: self.complain(p, preds), kind
        if kind not in KINDS:
            raise ScriptError(f"no such frame: {kind}")
        preds = []
        if kind in ("DHCP", "DHCP6"):
            table = DHCP_MSG if kind == "DHCP" else DHCP6_MSG
            word = f.pop("message")
            preds.append((word, lambda p: p.f.get("msg") == table[word]))
        preds += self.predicates(f)
        preds.insert(0, (kind, lambda p: p.kind == kind))
        return (lambda p: p.kind in KINDS[kind]), \
            lambda p: self.complain(p, preds), kind

    @staticmethod
    def complain(p, preds):
        for text, ok in preds:
            if not ok(p):
                return text
        return None

    def predicates(self, f):
        out = []

        def field(k, conv, test):
            v = f.get(k, conv)
            if v is not None:
                out.append((f"{k} {getattr(v, 'text', v)}",
                            lambda p: test(p.f.get(k), v)))
        for k in ADDRESSES:
            field(k, lambda a: addr(pack_ip(a)), lambda a, b: a == b)
        for k in MACS:
            field(k, hexes, lambda a, b: a == b)
        for k in ("sport", "dport", "len", "ttl", "tos", "id", "seq", "type",
                  "code", "mtu", "qproto", "qsport", "qdport", "quoted",
                  "router", "solicited", "override", "managed", "other",
                  "lifetime", "hoplimit", "plen", "pflags", "valid",
                  "preferred", "xid", "bcast", "op", "iaid", "t1", "t2",
                  "iastatus", "status", "off", "more", "df"):
            field(k, Compare, lambda a, b: b(a))
        for o in f.many("opt", r"\d+:[0-9a-f]*"):
            k, _, v = o.partition(":")
            out.append((f"opt {o}", lambda p, k=int(k), v=hexes(v):
                        p.opts.get(k) == v))
        if f.flag("notonlink"):
            out.append(("notonlink", lambda p: 4 in (p.f.get("status"),
                                                     p.f.get("iastatus"))))
        for o in f.many("has", r"\d+"):
            out.append((f"has {o}", lambda p, k=int(o): k in p.opts))
        for o in f.many("hasnot", r"\d+"):
            out.append((f"hasnot {o}", lambda p, k=int(o): k not in p.opts))
        for o in f.many("order", r"\d+"):
            out.append((f"order {o}", lambda p, k=int(o):
                        p.f["order"] and p.f["order"][0] == k))
        save = f.get("save")
        if save:
            k, _, var = save.partition(":")
            out.append((f"save {save}", lambda p: self.save(p, k, var)))
        if f.flag("assent"):
            out.append(("assent", lambda p: any(
                q.startswith(p.quoted) for q in self.sent_ip)))
        if f.flag("echoed"):
            out.append(("echoed", lambda p: p.payload ==
                        stream(UP, 0, len(p.payload))))
        elif f.flag("pattern"):
            out.append(("pattern", lambda p: p.payload ==
                        stream(DOWN, 0, len(p.payload))))
        return out

    def save(self, p, k, var):
        v = p.opts.get(int(k)) if k.isdigit() else p.f.get(k)
        if v is None:
            return False
        self.vars[var] = v.hex() if isinstance(v, bytes) else str(v)
        return True

    def tcp_predicates(self, kind, f, c):
        out = []
        ln = f.get("len", Compare)
        if kind == "DATA" and f.words and f.words[0][0].isdigit():
            ln = Compare(f.pop("length"))
        if kind == "DATA":
            out.append(("data", lambda p: p.f["len"] > 0 and
                        p.f["flags"] & (ACK | SYN | RST) == ACK))
        elif kind == "PROBE":
            # of a closed window or a silent peer: one byte that may be
            # new, or something that surely isn't
            def probes(p):
                at = c.rel_seq(p.f["seqabs"]) - c.rcv_nxt
                return p.f["flags"] & (ACK | SYN | RST | FIN) == ACK and \
                    (at == -1 and p.f["len"] <= 1 or
                     at == 0 and p.f["len"] == 1)
            out.append((kind, probes))
        elif kind == "RESET":
            out.append((kind, lambda p: p.f["flags"] & (RST | SYN | FIN) ==
                        RST))
        elif kind != "ANY":
            want = 0
            for w in kind.split("."):
                want |= FLAG.get(w, 0)
            loose = (PSH | URG | ECE | CWR) & ~want
            out.append((kind, lambda p: p.f["flags"] & ~loose == want))
            if not want & (SYN | FIN | RST):
                ln = ln or Compare("0")
        if ln:
            out.append((f"len {ln.text}", lambda p: ln(p.f["len"])))
        for k, get in (("seq", lambda p: c.rel_seq(p.f["seqabs"])),
                       ("ack", lambda p: c.rel_ack(p.f["ackabs"])),
                       ("end", lambda p: c.rel_seq(p.f["seqabs"]) +
                        p.f["len"]),
                       ("win", lambda p: p.f["rawwin"] if p.f["flags"] & SYN
                        else c.scaled(p.f["rawwin"])),
                       ("mss", lambda p: self.opt_int(p, 2)),
                       ("wscale", lambda p: self.opt_int(p, 3)),
                       ("tsecr", lambda p: self.opt_int(p, 8) & 0xffffffff
                        if 8 in p.opts else None),
                       ("tsapart", self.ts_apart)):
            v = f.get(k, Compare)
            if v is not None:
                out.append((f"{k} {v.text}", lambda p, get=get, v=v:
                            v(get(p))))
        for k in ("seqabs", "ackabs", "rawwin", "sport", "dport", "ttl", "tos",
                  "urg"):
            v = f.get(k, Compare)
            if v is not None:
                out.append((f"{k} {v.text}", lambda p, k=k, v=v: v(p.f[k])))
        for k in ("src", "dst"):
            v = f.get(k)
            if v is not None:
                out.append((f"{k} {v}", lambda p, k=k, v=v:
                            p.f[k] == addr(pack_ip(v))))
        for k, name in ((4, "sackok"), (8, "ts"), (2, "mss"), (3, "wscale"),
                        (5, "sack")):
            if f.flag("no" + name):
                out.append(("no" + name, lambda p, k=k: k not in p.opts))
            if k in (4, 8) and f.flag(name):
                out.append((name, lambda p, k=k: k in p.opts))
        sack = f.many("sack", r"\d+-\d+")
        if sack:
            out.append(("sack " + " ".join(sack), lambda p:
                        [f"{c.rel_ack(a)}-{c.rel_ack(b)}" for a, b in
                         sack_blocks(p.opts.get(5, b""))] == sack))
        return out

    def ts_apart(self, p):
        """Milliseconds between its timestamp and that of the last match"""
        d = self.opt_int(p, 8) >> 32
        d = (d - self.last_ts) & 0xffffffff
        return min(d, (1 << 32) - d)

    @staticmethod
    def opt_int(p, k):
        return int.from_bytes(p.opts[k], "big") if k in p.opts else None

    def guest_expect(self, f, name):
        strict = f.flag("next")
        lost = f.flag("lost")
        optional = f.flag("maybe")
        unordered = f.flag("unordered")
        text = "guest < " + " ".join(f.words)
        among, judge, kind = self.matcher(f, name)
        f.done()
        since = self.last
        lo, hi = self.after or (0, None)
        if hi is not None:
            end = since + hi
        else:
            end = self.now() + lo + self.limit()
        while True:
            self.pull()
            for p in [p for p in self.inbox if among(p)]:
                bad = judge(p)
                if bad and unordered:
                    continue
                if bad and optional:
                    return
                if bad and not strict and (
                        self.tolerated(p) or
                        kind == "RESET" and not p.f["flags"] & RST):
                    self.take(p)
                    continue
                self.inbox.remove(p)
                if bad:
                    raise Fail(f"expected  {text}\n"
                               f"came      {p.line()}\n"
                               f"wrong     {bad}")
                dt = p.t - since
                if self.after and (dt < lo or hi is not None and dt > hi):
                    raise Fail(f"expected  {text}, {lo:.3f} to "
                               f"{hi if hi is not None else 'any'} s after "
                               f"the last\ncame      after {dt:.3f} s: "
                               f"{p.line()}")
                self.last = p.t
                self.vars["DT"] = str(int(dt * 1000))
                if p.conn and 8 in p.opts:
                    self.last_ts = self.opt_int(p, 8) >> 32
                if p.conn and not lost:
                    p.conn.consume(p)
                return
            if self.now() >= end:
                if optional:
                    return
                raise Fail(f"expected  {text}\ncame      nothing (more) "
                           f"within {end - since:.2f} s")
            self.wait_frame(end)

    @staticmethod
    def tolerated(p):
        """Bare ACKs may come at any time: window updates, for example"""
        return p.kind == "TCP" and not p.f["len"] and \
            p.f["flags"] & ~PSH == ACK

    def take(self, p):
        self.inbox.remove(p)
        if p.conn:
            p.conn.consume(p)

    def guest_no(self, f, name):
        during = f.get("during", seconds)
        if during is None:
            raise ScriptError("guest no ... during TIME")
        text = " ".join(f.words)
        among, judge, kind = self.matcher(f, name)
        f.done()
        end = self.now() + during
        while True:
            self.pull()
            for p in [p for p in self.inbox if among(p)]:
                if not judge(p):
                    raise Fail(f"expected  no {text}\ncame      {p.line()}")
                if p.kind == "TCP" and not self.tolerated(p):
                    continue
                self.take(p)
            if self.now() >= end:
                return
            self.wait_frame(end)

    def guest_silent(self, f, name):
        end = self.now() + seconds(f.pop("time"))
        only = self.conns.get(name) if f.flag("there") else None
        while True:
            self.pull()
            for p in self.inbox:
                if p.kind not in BACKGROUND and \
                        (only is None or p.conn is only):
                    raise Fail(f"expected  silence\ncame      {p.line()}")
            if self.now() >= end:
                return
            self.wait_frame(end)

    def guest_recv(self, f, name):
        """recv N [noack]: data in order, however it is cut; acknowledged"""
        c = self.conn(name)
        upto, ack = f.get("upto", number), not f.flag("noack")
        loss = f.get("drop-every", number)
        n = upto - c.rcv_nxt if upto is not None else number(f.pop("bytes"))
        want = c.rcv_nxt + n
        end = self.now() + self.limit()
        dropped = seen = 0
        while c.rcv_nxt < want:
            self.pull()
            frames = [p for p in self.inbox if p.conn is c]
            for p in frames:
                if p.f["flags"] & (SYN | RST):
                    raise Fail(f"expected  {want - c.rcv_nxt} more bytes\n"
                               f"came      {p.line()}")
                self.inbox.remove(p)
                seen += bool(p.f["len"])
                if loss and p.f["len"] and seen % loss == 0:
                    dropped += 1
                    seen += 1
                    continue
                before = c.rcv_nxt
                c.consume(p)
                self.last = p.t
                if ack and (p.f["len"] or p.f["flags"] & FIN):
                    sack = ""
                    if c.ooo and "sackok" in c.offer:
                        sack = " sack " + " ".join(
                            f"{a}-{b}" for a, b in self.merge(c.ooo)[:3])
                    self.sub(f"guest.{name} > ACK" + sack)
                if c.rcv_nxt > before:
                    end = self.now() + self.limit()
            if c.rcv_nxt >= want:
                break
            if self.now() >= end:
                raise Fail(f"expected  {want - c.rcv_nxt} more bytes of {n}\n"
                           "came      nothing")
            if not frames:
                self.wait_frame(end)

    @staticmethod
    def merge(blocks):
        out = []
        for a, b in sorted(blocks):
            if out and a <= out[-1][1]:
                out[-1] = (out[-1][0], max(out[-1][1], b))
            else:
                out.append((a, b))
        return out

    def guest_sendall(self, f, name):
        """sendall N [mss M] [rto T]: within the window, as fast as it allows"""
        c = self.conn(name)
        n, mss = number(f.pop("bytes")), f.get("mss", number, 1460)
        rto = f.get("rto", seconds, math.inf)
        stop = c.snd_nxt + n
        end = self.now() + self.limit()
        una, again = c.una, self.now() + rto
        while c.una < stop:
            self.pull()
            for p in [p for p in self.inbox if p.conn is c]:
                if p.f["flags"] & (SYN | RST):
                    raise Fail(f"expected  ACKs\ncame      {p.line()}")
                self.take(p)
            edge = c.their_edge or 0
            sent = False
            for _ in range(16):
                k = min(mss, stop - c.snd_nxt, edge - c.snd_nxt)
                if k <= 0:
                    break
                self.sub(f"guest.{name} > ACK len {k}")
                sent = True
            if c.una > una:
                una, end = c.una, self.now() + self.limit()
                again = self.now() + rto
            if self.now() >= again:
                c.snd_nxt, again = c.una, self.now() + rto
                continue
            if self.now() >= end:
                raise Fail(f"guest can't send: {stop - c.una} bytes left, "
                           f"sent up to {c.snd_nxt}, acknowledged "
                           f"{c.una}, window ends at {edge}")
            if not sent and c.una < stop:
                self.wait_frame(min(end, self.now() + 0.05))

    def guest_fill(self, f, name):
        """Send what the window allows, until it allows nothing any more.
        All of that has to be acknowledged; $FILLED says how much it was"""
        c = self.conn(name)
        mss, quiet = f.get("mss", number, 1460), f.get("quiet", seconds, .4)
        most, lax = f.get("max", number, 64 << 20), f.flag("lax")
        least = mss if f.flag("whole") else 1
        start, end = c.snd_nxt, self.now() + quiet
        while self.now() < end:
            self.pull()
            for p in [p for p in self.inbox if p.conn is c]:
                if p.f["flags"] & (SYN | RST):
                    raise Fail(f"expected  ACKs\ncame      {p.line()}")
                self.take(p)
            k = min(mss, (c.their_edge or 0) - c.snd_nxt)
            if k < least:
                self.wait_frame(end)
                continue
            if c.snd_nxt - start > most:
                raise Fail(f"the window is still open after {most} bytes")
            self.sub(f"guest.{name} > ACK len {k}")
            end = self.now() + quiet
        if lax:
            c.snd_nxt = c.una
        self.vars["FILLED"] = str(c.snd_nxt - start)
        if c.una != c.snd_nxt:
            raise Fail(f"{c.snd_nxt - start} bytes fitted into the window, "
                       f"but {c.snd_nxt - c.una} of them aren't "
                       "acknowledged")

    def guest_count(self, f, name):
        """count N KIND... during TIME"""
        many = f.pop("how many")
        want, during = Compare(many), f.get("during", seconds)
        text = " ".join(f.words)
        among, judge, _ = self.matcher(f, name)
        f.done()
        end, n = self.now() + (during or 0), 0
        while True:
            self.pull()
            for p in [p for p in self.inbox if among(p) and not judge(p)]:
                self.take(p)
                n += 1
            if self.now() >= end:
                break
            self.wait_frame(end)
        if not want(n):
            raise Fail(f"expected  {many} times {text}\ncame      {n} times")

    def guest_eat(self, f, name):
        """Take what comes, say nothing"""
        c = self.conn(name)
        end = self.now() + seconds(f.pop("time"))
        while True:
            self.pull()
            for p in [p for p in self.inbox if p.conn is c]:
                self.take(p)
            if self.now() >= end:
                return
            self.wait_frame(end)
