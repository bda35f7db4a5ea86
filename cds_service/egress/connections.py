"""Connections to checked addresses whose every step ends with one deadline.

Libraries apply a timeout to each read: a server that sends a byte now and then holds them for ever.
Here each step of a socket gets what is left of the whole.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from cds_service.egress.base import Base
from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import Failed
from cds_service.egress.resolver import Found

# Its warnings quote addresses of requests, and those name patients.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class _Limits:
    """What one exchange may take: time, and bytes that come in, whatever they are part of."""

    def __init__(self, deadline: Deadline, most_bytes: int) -> None:
        self._deadline, self._room = deadline, most_bytes
        self.has_ended = False

    def left_s(self) -> float:
        """Seconds for the next step; raises TimeoutError."""
        left = self._deadline.remaining_s()
        if left <= 0:
            raise TimeoutError
        return left

    def count(self, received: int) -> int:
        """The same number; raises Failed when it was too much. None is the end of all."""
        self.has_ended = self.has_ended or not received
        self._room -= received
        if self._room < 0:
            raise Failed("too long")
        return received


class _Plain(socket.socket):
    """A socket that forgets any other timeout than its deadline."""

    limits: _Limits

    def recv_into(self, *args: Any) -> int:
        self.settimeout(self.limits.left_s())
        return self.limits.count(super().recv_into(*args))

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.limits.left_s())
        super().sendall(*args)


class _Secure(ssl.SSLSocket):
    """The same over TLS; its handshake ends with the timeout of the socket it began as."""

    limits: _Limits

    def recv_into(self, *args: Any, **more: Any) -> int:
        self.settimeout(self.limits.left_s())
        return self.limits.count(super().recv_into(*args, **more))

    def send(self, *args: Any, **more: Any) -> int:  # each part of what `sendall` sends
        self.settimeout(self.limits.left_s())
        return super().send(*args, **more)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """A context that verifies, with certificates loaded once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # looks at no SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file)
    context.sslsocket_class = _Secure
    return context


def connect(addresses: Sequence[Found], deadline: Deadline, most_bytes: int) -> _Plain:
    """A socket to the first of several addresses that takes the connection; raises Failed.

    It gives no more than so many bytes.
    """
    limits = _Limits(deadline, most_bytes)
    for position, (family, address) in enumerate(addresses):
        left = deadline.remaining_s()
        if left <= 0:
            break
        with contextlib.ExitStack() as undo, contextlib.suppress(OSError):
            connection = undo.enter_context(_Plain(family, socket.SOCK_STREAM))
            connection.limits = limits
            connection.settimeout(left / (len(addresses) - position))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(limits.left_s())
            undo.pop_all()
            return connection
    raise Failed("timed out") if deadline.is_over else Failed("no connection", may_pass=True)


class PinnedAdapter(HTTPAdapter):
    """Sends a request over one socket that is already connected, whatever its URL says."""

    def __init__(self, base: Base, connected: _Plain, tls: ssl.SSLContext | None) -> None:
        self._pool: HTTPConnectionPool
        if tls is None:
            self._pool = HTTPConnectionPool(base.host, base.port, maxsize=1)
            self._pool.ConnectionCls = _plain_connection(connected)
        else:
            self._pool = HTTPSConnectionPool(base.host, base.port, maxsize=1, ssl_context=tls)
            self._pool.ConnectionCls = _secure_connection(connected)
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The one pool there is."""
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing to set up: the context has its certificates and verifies always."""

    def build_response(
        self, request: requests.PreparedRequest, response: BaseHTTPResponse
    ) -> requests.Response:
        """Status, headers and the unread body; no cookies, whose parser complains aloud."""
        built = requests.Response()
        built.status_code = response.status
        built.headers = CaseInsensitiveDict(response.headers)
        built.raw = response
        return built

    def close(self) -> None:
        """Ends the connection."""
        self._pool.close()
        with contextlib.suppress(AttributeError):
            super().close()


def _plain_connection(connected: _Plain) -> type[HTTPConnection]:
    class Pinned(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected

    return Pinned


def _secure_connection(connected: _Plain) -> type[HTTPSConnection]:
    class Pinned(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected

        def connect(self) -> None:
            super().connect()
            if isinstance(self.sock, _Secure):
                self.sock.limits = connected.limits

    return Pinned


__all__ = ["PinnedAdapter", "connect", "requests", "tls_context"]
