# SPDX-License-Identifier: GPL-2.0-or-later
"""For the tests' programs in Python: assertions, and a client of a control socket.

	ok(GOOD, NAME, GOT)	one assertion
	finish()		the end: status 1 if one failed
	c = Control(PATH)
	c.ask("flows", port=7)	a request; its answer, or an event; None: it's the end
	c.send(), c.line()	the two halves of that, c.raw(BYTES): something else
	error(ANSWER)		its class of error, or None
	cpu_seconds(PID)	that it has worked so far
	worked(PID, SECONDS)	of the next ones, those that it works
"""

import json
import socket
import sys
import time

failed = 0


def ok(good, name, got=""):
    global failed
    failed += not good
    print("ok" if good else "NOT OK", name, got if not good else "", flush=True)


def finish():
    sys.exit(failed != 0)


class Control:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        while True:
            try:
                self.s.connect(path)
                break
            except BlockingIOError:         # its queue is full
                time.sleep(0.01)
        self.f = self.s.makefile("rb", buffering=1 << 16)

    def raw(self, data):
        try:
            self.s.sendall(data)
        except BrokenPipeError:
            pass                            # refused halfway: there is an answer
        return self.line()

    def send(self, execute, **arguments):
        self.s.sendall(json.dumps({"execute": execute,
                                   "arguments": arguments}).encode() + b"\n")

    def line(self):
        try:
            line = self.f.readline()
        except ConnectionResetError:        # what was unread
            line = b""
        return json.loads(line) if line else None

    def ask(self, execute, **arguments):
        self.send(execute, **arguments)
        return self.line()

    def close(self):
        self.f.close()
        self.s.close()


def error(answer):
    return answer and answer.get("error", {}).get("class")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:13]) / 100


def worked(pid, seconds):
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return round(cpu_seconds(pid) - before, 2)
