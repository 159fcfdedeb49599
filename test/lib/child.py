# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that end with who has started them."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

try:
    PRCTL = ctypes.CDLL(None).prctl
except (OSError, AttributeError):
    PRCTL = None


class Stopped(Exception):
    """One of STOPS arrived: number() is the signal."""

    def number(self):
        return signal.Signals(self.args[0])


def raise_stopped():
    """From here on they raise Stopped, instead of ending us; nohup is respected."""
    def stop(number, _frame):
        raise Stopped(number)
    for s in STOPS:
        if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN:
            signal.signal(s, stop)


def ignore_stops():
    """While what was started is being ended."""
    for s in STOPS:
        signal.signal(s, signal.SIG_IGN)


def bound():
    """→ preexec_fn for subprocess.Popen: the program dies with us, even by SIGKILL.
    The kernel forgets that when it gains capabilities, as unshare(1) does for an
    ordinary user: whoever has time to has to end it."""
    parent = os.getpid()

    def child():
        if PRCTL:
            PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(s, signal.SIG_DFL)
    return child
