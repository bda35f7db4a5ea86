"""Two ports at which no HTTP is spoken: one that never accepts, one that resets at once."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import threading


class Blackhole:
    """A listener whose queue is full: the kernel drops every further SYN, as a firewall would."""

    def __enter__(self) -> Blackhole:
        """Fills the queue."""
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._fillers = []
        for _ in range(16):
            filler = socket.socket()
            filler.setblocking(False)
            self._fillers.append(filler)
            if filler.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
                raise RuntimeError("the queue could not be filled")
            if not select.select([], [filler], [], 0.1)[1]:
                return self  # this one waits for ever, and so will everybody after it
        raise RuntimeError("the queue never got full")

    def __exit__(self, *_: object) -> None:
        for each in (*self._fillers, self._listener):
            each.close()


class Slammed:
    """A listener that answers every connection with a TCP reset."""

    def __enter__(self) -> Slammed:
        """Starts accepting."""
        self.count = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.count += 1
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
