# SPDX-License-Identifier: GPL-2.0-or-later
"""What all of it is made of: constants, numbers, times, known data."""

import ast
import operator
import random
import re

GUEST_MAC = bytes.fromhex("525400123456")
DAEMON_MAC = bytes.fromhex("9a559a559a55")
BROADCAST = b"\xff" * 6
MACS_USED = {GUEST_MAC}         # by the guest, in this script

WAIT = 2.0              # seconds an expectation waits, if it doesn't say
SCRIPT_LIMIT = 20.0     # seconds for a script, if it doesn't say
START_LIMIT = 10.0      # until the daemon answers for the first time
END_LIMIT = 10.0        # until all that it sent is read, and it ends

IP_RECVTTL = 12         # Python has no name for it

ETH_IP4, ETH_IP6, ETH_ARP = 0x0800, 0x86dd, 0x0806
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))

VARS = {
    4: dict(HOST="198.51.100.1", HOST2="198.51.100.2", GW="192.0.2.1",
            GUEST="192.0.2.2", ETH="192.0.2.2", LOOP="127.0.0.1",
            MAPPED="192.0.2.77", SILENT="198.51.100.77",
            DEAD="203.0.113.9", ANY="0.0.0.0", LL="169.254.7.7",
            IPHDR="20"),
    6: dict(HOST="2001:db8:1::1", HOST2="2001:db8:1::2", GW="2001:db8::1",
            GUEST="2001:db8::2", ETH="2001:db8::2", LOOP="::1",
            MAPPED="2001:db8::77", SILENT="2001:db8:77::1",
            DEAD="2001:db8:dead::9", ANY="::",
            LL="fe80::5054:ff:fe12:3456", IPHDR="40"),
}
ROUTER_LL = "fe80::2"   # of eth0: ours towards the guest, as GW is global


class Fail(Exception):
    """An expectation that wasn't met."""


class ScriptError(Exception):
    """The script itself is wrong."""


OPS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
       ast.FloorDiv: operator.floordiv, ast.Div: operator.floordiv,
       ast.LShift: operator.lshift, ast.RShift: operator.rshift,
       ast.Mod: operator.mod}


def number(text):
    """An integer, or an expression of them."""
    def ev(n):
        if isinstance(n, ast.Constant) and isinstance(n.value, int):
            return n.value
        if isinstance(n, ast.BinOp) and type(n.op) in OPS:
            return OPS[type(n.op)](ev(n.left), ev(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub):
            return -ev(n.operand)
        raise ValueError
    try:
        return ev(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        raise ScriptError(f"not a number: {text}") from None


def seconds(text):
    m = re.fullmatch(r"(.+?)(ms|s|us)", text)
    if not m:
        raise ScriptError(f"not a time (100ms, 1.5s): {text}")
    try:
        n = float(m.group(1))
    except ValueError:
        n = number(m.group(1))
    return n * {"s": 1, "ms": 1e-3, "us": 1e-6}[m.group(2)]


def span(text):
    lo, sep, hi = text.partition("..")
    return (seconds(lo), seconds(hi)) if sep else (seconds(lo), None)


class Compare:
    """N, >=N, <=N, >N, <N, !N, A..B, any"""

    def __init__(self, text):
        self.text = text
        m = re.fullmatch(r"(>=|<=|>|<|!)?(.+?)(?:\.\.(.+))?", text)
        self.op, self.any = m.group(1), text == "any"
        if not self.any:
            self.lo = number(m.group(2))
            self.hi = number(m.group(3)) if m.group(3) else self.lo

    def __call__(self, v):
        if self.any:
            return True
        if v is None:
            return False
        return {None: self.lo <= v <= self.hi, ">=": v >= self.lo,
                "<=": v <= self.lo, ">": v > self.lo, "<": v < self.lo,
                "!": v != self.lo}[self.op]


def make_stream(seed):
    block = random.Random(seed).randbytes(1048573)
    return block + block


# What travels is known by its position in the stream, so that each byte can be
# checked wherever it turns up
UP, DOWN = make_stream(1), make_stream(2)


def stream(table, pos, n):
    out = b""
    while n:
        p = pos % 1048573
        k = min(n, 1048573)
        out += table[p:p + k]
        pos, n = pos + k, n - k
    return out


def differs(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return i
    return min(len(a), len(b))


def hexes(text):
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raise ScriptError(f"not hexadecimal: {text}") from None
