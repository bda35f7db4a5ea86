"""Connections to checked addresses whose every step ends with one deadline.

Libraries apply a timeout to each read: a server that sends a byte now and then holds them for ever.
Here each step of a socket gets what is left of the whole.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from cds_service.egress.base import Base
from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import Failed
from cds_service.egress.resolver import Found


class _Plain(socket.socket):
    """A socket that forgets any other timeout than its deadline."""

    deadline: Deadline

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        self.settimeout(_left(self.deadline))
        super().sendall(*args)


class _Secure(ssl.SSLSocket):
    """The same over TLS; its handshake ends with the timeout of the socket it began as."""

    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **more: Any) -> int:
        if self.deadline is not None:
            self.settimeout(_left(self.deadline))
        return super().recv_into(*args, **more)

    def sendall(self, *args: Any, **more: Any) -> None:
        if self.deadline is not None:
            self.settimeout(_left(self.deadline))
        super().sendall(*args, **more)


def _left(deadline: Deadline) -> float:
    left = deadline.remaining_s()
    if left <= 0:
        raise TimeoutError
    return left


def tls_context(ca_file: str) -> ssl.SSLContext:
    """A context that verifies, with certificates loaded once."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Secure
    return context


def connect(addresses: Sequence[Found], deadline: Deadline) -> socket.socket:
    """A socket to the first of several addresses that takes the connection; raises Failed."""
    for position, (family, address) in enumerate(addresses):
        left = deadline.remaining_s()
        if left <= 0:
            break
        connection = _Plain(family, socket.SOCK_STREAM)
        connection.deadline = deadline
        connection.settimeout(left / (len(addresses) - position))
        try:
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_left(deadline))
        except OSError:
            connection.close()
        else:
            return connection
    raise Failed("timed out") if deadline.is_over else Failed("no connection", may_pass=True)


class PinnedAdapter(HTTPAdapter):
    """Sends a request over one socket that is already connected, whatever its URL says."""

    def __init__(
        self, base: Base, connected: socket.socket, deadline: Deadline, tls: ssl.SSLContext | None
    ) -> None:
        self._pool: HTTPConnectionPool
        if tls is None:
            self._pool = HTTPConnectionPool(base.host, base.port, maxsize=1)
            self._pool.ConnectionCls = _plain_connection(connected)
        else:
            self._pool = HTTPSConnectionPool(base.host, base.port, maxsize=1, ssl_context=tls)
            self._pool.ConnectionCls = _secure_connection(connected, deadline)
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The one pool there is."""
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing to set up: the context has its certificates and verifies always."""

    def close(self) -> None:
        """Ends the connection."""
        self._pool.close()
        with contextlib.suppress(AttributeError):
            super().close()


def _plain_connection(connected: socket.socket) -> type[HTTPConnection]:
    class Pinned(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected

    return Pinned


def _secure_connection(connected: socket.socket, deadline: Deadline) -> type[HTTPSConnection]:
    class Pinned(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected

        def connect(self) -> None:
            super().connect()
            if isinstance(self.sock, _Secure):
                self.sock.deadline = deadline

    return Pinned


__all__ = ["PinnedAdapter", "connect", "requests", "tls_context"]
