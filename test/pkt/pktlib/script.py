# SPDX-License-Identifier: GPL-2.0-or-later
"""Script files, and the words of a line."""

import os
import re

from pktlib.values import (ACK, CWR, ECE, FIN, PSH, RST, SCRIPT_LIMIT, SYN,
    ScriptError, URG, number, seconds)


class Line:
    def __init__(self, no, text):
        self.no, self.text = no, text
        self.words, self.block = text.split(), None


class Script:
    """Header and body of a file; see README."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        self.families, self.options, self.limit = [4], [], SCRIPT_LIMIT
        self.title, self.bare, self.body = "", False, []
        self.nofile, self.network = None, "full"
        self.lacking, self.sysctls, self.resolvers = [], [], []
        self.ends = False       # the daemon is expected to end
        self.clock = False      # its clock is set
        self.front = None       # options of the front-end; None: a stream
        self.needs_stream = False       # not for other links
        stack, begun = [self.body], ""
        with open(path, encoding="utf-8") as f:
            for no, text in enumerate(f, 1):
                text = begun + text.rstrip()
                begun = ""
                if text.endswith("\\") and not text.startswith("#"):
                    begun = text[:-1]
                    continue
                if text.startswith("#") and not self.title and \
                        "SPDX" not in text:
                    self.title = text[1:].strip()
                text = re.sub(r"(^|\s)#.*", "", text).strip()
                if not text:
                    continue
                line = Line(no, text)
                self.ends |= text.startswith("daemon exits")
                w = line.words
                self.clock |= w[0] == "clock"
                self.needs_stream |= w[0] == "link" and \
                    w[1] in ("write", "split", "hold", "whole", "release")
                if w[0] == "family":
                    self.families = {"4": [4], "6": [6],
                                     "both": [4, 6]}[w[1]]
                elif w[0] == "option":
                    self.options += w[1:]
                elif w[0] == "timeout":
                    self.limit = seconds(w[1])
                elif w[0] == "nofile":
                    self.nofile = number(w[1])
                elif w[0] == "network":
                    self.network = w[1]
                elif w[0] == "resolvers":
                    self.resolvers = w[1:]
                elif w[0] == "lacking":
                    self.lacking += w[1:]
                elif w[0] == "sysctl":
                    self.sysctls.append((w[1], " ".join(w[2:])))
                elif w[0] == "stream":
                    self.needs_stream = True
                elif w[0] == "bare":
                    self.bare = True
                elif w[0] == "end":
                    if len(stack) < 2:
                        raise ScriptError(f"{self.name}:{no}: stray end")
                    stack.pop()
                else:
                    stack[-1].append(line)
                    if w[0] in ("repeat", "for", "only"):
                        line.block = []
                        stack.append(line.block)
        if len(stack) > 1:
            raise ScriptError(f"{self.name}: end is missing")


class Fields:
    """The words after what a line is about: KEY VALUE or plain KEY."""

    def __init__(self, words):
        self.words = words

    def flag(self, name):
        if name in self.words:
            self.words.remove(name)
            return True
        return False

    def get(self, name, conv=str, default=None):
        if name not in self.words:
            return default
        i = self.words.index(name)
        if i + 1 >= len(self.words):
            raise ScriptError(f"{name} needs a value")
        v = self.words[i + 1]
        del self.words[i:i + 2]
        return conv(v)

    def many(self, name, pattern):
        """NAME followed by words that look like pattern"""
        if name not in self.words:
            return []
        i = j = self.words.index(name) + 1
        while j < len(self.words) and re.fullmatch(pattern, self.words[j]):
            j += 1
        out = self.words[i:j]
        del self.words[i - 1:j]
        return out

    def pop(self, what):
        if not self.words:
            raise ScriptError(f"{what} is missing")
        return self.words.pop(0)

    def done(self):
        if self.words:
            raise ScriptError("don't understand: " + " ".join(self.words))


KINDS = {
    # what a script calls it: kinds of frame among which the next is taken
    "UDP": ("UDP",), "ECHO": ("ECHO", "ECHOREPLY", "ICMP"),
    "ECHOREPLY": ("ECHO", "ECHOREPLY", "ICMP"),
    "ICMP": ("ECHO", "ECHOREPLY", "ICMP"), "ARPREPLY": ("ARPREPLY",),
    "ARPREQ": ("ARPREQ",), "NS": ("NS",), "NA": ("NA",), "RA": ("RA",),
    "RS": ("RS",), "DHCP": ("DHCP",), "DHCP6": ("DHCP6",),
    "FRAG": ("FRAG",), "IP": ("IP",),
}
BACKGROUND = ("ARPREQ", "NS", "RA")     # the daemon's own initiative
ADDRESSES = ("src", "dst", "spa", "tpa", "qsrc", "qdst", "target", "prefix",
             "rdnss", "gone", "gone2", "yiaddr", "ciaddr", "siaddr", "giaddr", "ia", "dns")
MACS = ("sha", "tha", "lladdr", "macdst", "macsrc", "chaddr")
DHCP_MSG = dict(bootp=0, discover=1, offer=2, request=3, decline=4, ack=5,
                nak=6, release=7, inform=8)
DHCP6_MSG = dict(solicit=1, advertise=2, request=3, confirm=4, renew=5,
                 rebind=6, reply=7, release=8, decline=9, information=11)
TCP_WORDS = re.compile(r"(?:(?:SYN|ACK|FIN|RST|PSH|URG|ECE|CWR)"
                       r"(?:\.(?:SYN|ACK|FIN|RST|PSH|URG|ECE|CWR))*|DATA|"
                       r"NULL|ANY|PROBE|RESET)")
FLAG = dict(SYN=SYN, ACK=ACK, FIN=FIN, RST=RST, PSH=PSH, URG=URG, ECE=ECE,
            CWR=CWR)
