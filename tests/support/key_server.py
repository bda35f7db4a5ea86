"""An issuer's key server on this machine: counts what it is asked, answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class KeyServer:
    """What is served, how slowly, and how often and where it was asked for."""

    url: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    reply: Reply | None = None
    delay_s: float = 0.0
    paths: list[str] = field(default_factory=list)

    @property
    def fetches(self) -> int:
        """How often anything was asked for."""
        return len(self.paths)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        self.paths.append(request.path)
        time.sleep(self.delay_s)
        if self.reply is not None:
            self.reply(request)
        else:
            say(200, json.dumps(self.document).encode())(request)


def say(status: int, content: bytes, **headers: str) -> Reply:
    """An answer of these bytes."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return reply


def pour(megabytes: int) -> Reply:
    """An answer that does not say how long it is."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(megabytes):
            request.wfile.write(bytes(1_000_000))

    return reply


@contextmanager
def key_server(document: dict[str, Any]) -> Iterator[KeyServer]:
    """A running server."""
    state = KeyServer(document=document)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                state.answer(self)
            except OSError:  # the caller has had enough
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
