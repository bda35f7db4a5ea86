"""A FHIR server on loopback that misbehaves as its address says.

    with FaultyServer(InMemory(resources)) as server:
        server.base("healthy")                     # http://127.0.0.1:PORT/healthy/r4
        server.base("cut-body", "200")             # .../cut-body~200/r4: after 200 bytes
        server.base("500", only="Condition")       # .../500~on-Condition/r4: the rest is healthy
        server.seen("500", only="Condition")       # every request that came there

The kinds are the tables `KINDS` of `fhir_faults`, `fhir_paging` and `fhir_dialects`, and `extra`.
Two kinds are ports of their own: `no-accept` (SYNs are dropped) and `disconnect` (reset on accept).
A second origin, `elsewhere`, is what redirects and bad links point to; it answers, healthily, and
whatever reaches it is in `seen_elsewhere()`: a client must never send anything there.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any

import fhir_dialects
import fhir_faults
import fhir_paging
from fhir_exchange import Exchange, Kind, Refused, Seen, Upstream
from fhir_listeners import Blackhole, Slammed

_LISTENERS = ("no-accept", "disconnect")


class FaultyServer:
    """The server; start it with `with`. `tls=True` serves https, trusted through `ca_file`."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        extra: Mapping[str, Kind] | None = None,
        tls: bool = False,
    ) -> None:
        self.upstream = upstream
        self.kinds = {
            **fhir_faults.KINDS,
            **fhir_paging.KINDS,
            **fhir_dialects.KINDS,
            **(extra or {}),
        }
        self.stopping = threading.Event()
        self.ca_file: Path | None = None
        self._tls = tls
        self._seen: list[tuple[str, Seen]] = []
        self._elsewhere: list[Seen] = []
        self._times: Counter[tuple[str, str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> FaultyServer:
        """Opens the ports."""
        context = self._context() if self._tls else None
        self._main = self._opened.enter_context(_Listener(self, context))
        self._other = self._opened.enter_context(_Listener(self, None, elsewhere=True))
        self._blackhole = self._opened.enter_context(Blackhole())
        self._slammed = self._opened.enter_context(Slammed())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends every connection, also those that hang."""
        self.stopping.set()
        self._opened.close()

    @property
    def port(self) -> int:
        """The port of all kinds but `no-accept` and `disconnect`."""
        return self._main.port

    @property
    def elsewhere(self) -> str:
        """The root of the other origin."""
        return f"http://127.0.0.1:{self._other.port}"

    @property
    def disconnects(self) -> int:
        """How many connections the port of `disconnect` has reset."""
        return self._slammed.count

    def base(self, kind: str, argument: str | None = None, *, only: str | None = None) -> str:
        """The FHIR base URL under which the server behaves in this way, for one type if `only`."""
        port, scheme = self.port, "https" if self._tls else "http"
        if kind in _LISTENERS:
            scheme = "http"
            port = self._blackhole.port if kind == "no-accept" else self._slammed.port
        elif kind not in self.kinds:
            raise KeyError(f"{kind} is none of {', '.join(sorted(self.kinds))}")
        return f"{scheme}://127.0.0.1:{port}/{_segment(kind, argument, only)}/r4"

    def seen(
        self, kind: str, argument: str | None = None, *, only: str | None = None
    ) -> list[Seen]:
        """The requests that came for this base, oldest first."""
        segment = _segment(kind, argument, only)
        with self._lock:
            return [seen for name, seen in self._seen if name == segment]

    def seen_elsewhere(self) -> list[Seen]:
        """The requests that reached the other origin."""
        with self._lock:
            return list(self._elsewhere)

    def forget(self) -> None:
        """Empties the records, those of `flaky` too."""
        with self._lock:
            self._seen.clear()
            self._elsewhere.clear()
            self._times.clear()

    def note(self, segment: str, seen: Seen, *, elsewhere: bool) -> int:
        """Records a request; how many equal ones came before."""
        key = (segment, seen.method, seen.path, seen.query)
        with self._lock:
            if elsewhere:
                self._elsewhere.append(seen)
            else:
                self._seen.append((segment, seen))
            self._times[key] += 1
            return self._times[key] - 1

    def _context(self) -> ssl.SSLContext:
        from fhir_certificate import server_context, write_certificate  # needs cryptography

        folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory()))
        self.ca_file = write_certificate(folder)
        return server_context(self.ca_file)


class _Listener(ThreadingMixIn, TCPServer):
    """One port; a daemon thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, faulty: FaultyServer, context: ssl.SSLContext | None, *, elsewhere: bool = False
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faulty, self.context, self.is_elsewhere = faulty, context, elsewhere
        self.port = int(self.server_address[1])
        self.scheme = "https" if context else "http"
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):  # kept alive by their clients
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """No orderly goodbye where a reset is wanted: that is a close without a shutdown."""
        self._open.discard(request)
        is_open = request.fileno() >= 0  # not so after TLS, where a new object took it over
        if is_open and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)[0]:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        """The TLS handshake belongs into the connection's own thread."""
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        """A TLS socket is a new object, which the server would not close."""
        super().finish()
        if self.server.context:
            self.request.close()

    def do_GET(self) -> None:
        """Any request."""
        faulty = self.server.faulty
        segment, _, rest = self.path.lstrip("/").partition("/")
        below, _, query = rest.removeprefix("r4").lstrip("/").partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.command, below, query, dict(self.headers.items()), body)
        earlier = faulty.note(segment, seen, elsewhere=self.server.is_elsewhere)
        kind, argument, only = _parts(segment)
        if only and seen.resource_type not in (only, ""):
            kind = "healthy"
        origin = f"{self.server.scheme}://127.0.0.1:{self.server.port}"
        exchange = Exchange(
            seen=seen,
            base=f"{origin}/{segment}/r4",
            argument=argument,
            earlier=earlier,
            elsewhere=faulty.elsewhere,
            source=faulty.upstream,
            connection=self.connection,
            stopping=faulty.stopping,
            keep_alive=not self.close_connection,
        )
        answer = faulty.kinds.get(kind, fhir_faults.failure(404))
        try:
            answer(exchange)
        except Refused as refused:
            exchange.send(refused.answer.status, refused.answer.body, refused.answer.content_type)
        except OSError:
            exchange.keep_alive = False
        self.close_connection = not exchange.keep_alive

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written to standard error."""


def _segment(kind: str, argument: str | None, only: str | None) -> str:
    return "~".join([kind, *([argument] if argument else []), *([f"on-{only}"] if only else [])])


def _parts(segment: str) -> tuple[str, str | None, str | None]:
    kind, *more = segment.split("~")
    only = [part.removeprefix("on-") for part in more if part.startswith("on-")]
    argument = [part for part in more if not part.startswith("on-")]
    return kind, argument[0] if argument else None, only[0] if only else None
