# SPDX-License-Identifier: GPL-2.0-or-later
"""The two ends that the scripts hold: the link, and sockets on the host."""

import errno
import select
import struct
import threading
import time

from pktlib.values import DOWN, Fail, UP, differs, stream


class Link:
    def __init__(self, sock, t0):
        self.sock, self.t0 = sock, t0
        self.cond = threading.Condition()
        self.inbox, self.closed, self.paused = [], False, False
        self.split, self.gap, self.held = 0, 0.0, None
        threading.Thread(target=self.reader, daemon=True).start()

    def reader(self):
        buf = b""
        while True:
            while self.paused:
                time.sleep(0.005)
            try:
                got = self.sock.recv(1 << 18)
            except OSError:
                got = b""
            now = time.monotonic() - self.t0
            with self.cond:
                if not got:
                    self.closed = True
                    self.cond.notify_all()
                    return
                buf += got
                while len(buf) >= 4:
                    n = int.from_bytes(buf[:4], "big")
                    if len(buf) < 4 + n:
                        break
                    self.inbox.append((buf[4:4 + n], now))
                    buf = buf[4 + n:]
                self.cond.notify_all()

    def write(self, data):
        if self.held is not None:
            self.held += data
            return
        try:
            if not self.split:
                self.sock.sendall(data)
                return
            for i in range(0, len(data), self.split):
                self.sock.sendall(data[i:i + self.split])
                if self.gap:
                    time.sleep(self.gap)
        except OSError as e:
            raise Fail(f"link: {e.strerror}") from None

    def send(self, frame):
        self.write(struct.pack("!I", len(frame)) + frame)


class Host:
    """A TCP socket on the host; what it sends is `DOWN`, what it gets `UP`."""

    def __init__(self, sock):
        self.sock = sock
        self.sent = self.got = 0
        self.error = None
        self.eof = False
        sock.setblocking(False)

    def ready(self, write, limit):
        p = select.poll()
        p.register(self.sock, select.POLLOUT if write else select.POLLIN)
        return bool(p.poll(max(0, limit) * 1000))

    def send(self, n, limit):
        end = time.monotonic() + limit
        left = n
        while left:
            try:
                k = self.sock.send(stream(DOWN, self.sent, min(left, 1 << 20)))
            except BlockingIOError:
                if not self.ready(True, end - time.monotonic()):
                    raise Fail(f"host could send only {n - left} of {n} bytes")
                continue
            except OSError as e:
                raise Fail(f"host send: {e.strerror}") from None
            self.sent += k
            left -= k

    def take(self, n):
        """Whatever there is, checked; None at the end."""
        data = self.sock.recv(n)
        if not data:
            self.eof = True
            return None
        want = stream(UP, self.got, len(data))
        if data != want:
            raise Fail(f"host received wrong data at byte "
                       f"{self.got + differs(data, want)} of the stream")
        self.got += len(data)
        return len(data)

    def recv(self, n, limit):
        end = time.monotonic() + limit
        left = n
        while left:
            try:
                k = self.take(left)
            except BlockingIOError:
                if not self.ready(False, end - time.monotonic()):
                    raise Fail(f"host received {n - left} of {n} bytes") \
                        from None
                continue
            except OSError as e:
                raise Fail(f"host received {n - left} of {n} bytes, then "
                           f"{errno.errorcode[e.errno]}") from None
            if k is None:
                raise Fail(f"host received {n - left} of {n} bytes, then "
                           "the end")
            left -= k

    def recv_end(self, limit):
        """'eof' or the error's name"""
        end = time.monotonic() + limit
        while True:
            try:
                k = self.take(1 << 16)
            except BlockingIOError:
                if not self.ready(False, end - time.monotonic()):
                    raise Fail("host waits for the end, nothing comes") \
                        from None
                continue
            except OSError as e:
                return errno.errorcode[e.errno]
            if k is None:
                return "eof"
            raise Fail(f"host received {k} more bytes instead of the end")

    def drain(self):
        def loop():
            while True:
                self.ready(False, 3600)
                try:
                    if self.take(1 << 18) is None:
                        return
                except BlockingIOError:
                    continue
                except OSError as e:
                    self.error = errno.errorcode.get(e.errno, str(e))
                    return
                except Fail as e:
                    self.error = str(e)
                    return
        threading.Thread(target=loop, daemon=True).start()

    def feed(self, n):
        def loop():
            try:
                self.send(n, 3600)
            except Fail as e:
                self.error = str(e)
        threading.Thread(target=loop, daemon=True).start()
