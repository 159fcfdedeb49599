# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's end of pesto's protocol, version 2, written for the tests from the
description of the bytes: nothing here is shared with the program.

	c = Client(PATH)		reads hello and tables: c.tables
	c.send({1: [rule, ...]})	a table of each interface, and the end
	c.outcome()			half-close, and what the daemon says then
	c.close()
"""

import ipaddress
import socket
import struct

HOST, TAP, SPLICE = 1, 2, 3
TCP, UDP = 6, 17
DUAL, WEAK, AUTO = 1, 2, 4


def address(text):
    """Sixteen bytes; IPv4 as ::ffff:a.b.c.d, None as ::."""
    if text is None:
        return bytes(16)
    a = ipaddress.ip_address(text)
    return a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed


def rule(first, last=None, to=None, proto=TCP, listen=None, target=None,
         ifname="", flags=None):
    """56 bytes. Without an address: both families' wildcard."""
    last = first if last is None else last
    to = first if to is None else to
    flags = (DUAL if listen is None else 0) if flags is None else flags
    return (address(listen) + address(target) + ifname.encode().ljust(16, b"\0")
            + struct.pack("!HHHBB", first, last, to, proto, flags))


class Client:
    def __init__(self, path, read=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(path)
        self.tables, self.names, self.can = {}, {}, {}
        if read:
            self.read()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.s.recv(n - len(data))
            if not piece:
                raise EOFError(f"{len(data)} of {n} bytes")
            data += piece
        return data

    def read(self):
        magic, version, names, ifnames = struct.unpack(
            "!8sIII", self.exactly(20))
        assert magic == b"basil:s\0", magic
        assert (version, names, ifnames) == (2, 128, 16)
        while True:
            pif = self.exactly(1)[0]
            if not pif:
                return
            self.names[pif] = self.exactly(128).rstrip(b"\0").decode()
            self.can[pif], count = struct.unpack("!II", self.exactly(8))
            self.tables[pif] = [self.exactly(56) for _ in range(count)]

    def send(self, tables, end=True):
        data = b""
        for pif, rules in tables.items():
            data += struct.pack("!BI", pif, len(rules)) + b"".join(rules)
        self.s.sendall(data + (b"\0" if end else b""))

    def outcome(self):
        """(0: done, 1: refused; text); None: nothing was said."""
        self.s.shutdown(socket.SHUT_WR)
        try:
            code, length = struct.unpack("!BI", self.exactly(5))
        except EOFError:
            return None
        return code, self.exactly(length).decode()

    def close(self):
        self.s.close()
