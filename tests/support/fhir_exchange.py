"""One request to the faulty FHIR server, and every good and bad way to answer it."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode

FHIR_JSON = "application/fhir+json; charset=utf-8"


class Answer(NamedTuple):
    """What an upstream says: status, content type, body."""

    status: int
    content_type: str
    body: bytes


class Refused(Exception):
    """The upstream itself refused; its answer is passed on, whatever the kind."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Upstream(Protocol):
    """Where the true data are. `base` is what its links begin with; the proxy puts its own there.

    `path` is relative to the base: `Patient/1` or `Observation`; a POST to `_search` arrives as
    the search that it stands for.
    """

    base: str

    def __call__(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """The answer to one GET."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came: `path` below the FHIR base, `query` undecoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def search(self) -> tuple[str, str]:
        """Path and query of the same thing asked by GET."""
        if self.method == "POST" and self.path.endswith("/_search"):
            joined = "&".join(part for part in (self.query, self.body.decode()) if part)
            return self.path.removesuffix("/_search"), joined
        return self.path, self.query

    @property
    def resource_type(self) -> str:
        """The resource type asked for."""
        return self.path.split("/")[0]

    @property
    def params(self) -> list[tuple[str, str]]:
        """The search parameters, decoded, in their order."""
        return parse_qsl(self.search[1], keep_blank_values=True)


@dataclass(slots=True)
class Exchange:
    """A request on its connection, with what a kind needs to answer it in its own way."""

    seen: Seen
    base: str  # of this kind, on this server
    argument: str | None  # `500` of `cut-body~500`
    earlier: int  # how often this kind has got the same method, path and query before
    elsewhere: str  # the root of another origin, run by this server too
    source: Upstream
    connection: socket.socket
    stopping: threading.Event
    keep_alive: bool = True

    def ask(self, path: str | None = None, params: list[tuple[str, str]] | None = None) -> Answer:
        """The upstream's answer, its links rewritten to stay on this kind."""
        own_path, own_query = self.seen.search
        query = own_query if params is None else urlencode(params)
        answer = self.source(own_path if path is None else path, query, self.seen.headers)
        body = answer.body.replace(self.source.base.encode(), self.base.encode())
        return answer._replace(body=body)

    def bundle(self, path: str, params: list[tuple[str, str]]) -> dict[str, Any]:
        """All matches of a search as one Bundle: every page of the upstream, no links but self."""
        answer = self.ask(path, [(k, v) for k, v in params if k != "_count"] + [("_count", "1000")])
        if answer.status != 200:
            raise Refused(answer)
        found: dict[str, Any] = json.loads(answer.body)
        following = _next_query(found)
        while following is not None:
            page = json.loads(self.ask(path, parse_qsl(following, keep_blank_values=True)).body)
            found.setdefault("entry", []).extend(page.get("entry", []))
            following = _next_query(page)
        found["link"] = [link for link in found.get("link", []) if link["relation"] == "self"]
        return found

    def number(self, default: int) -> int:
        """The kind's argument as a number."""
        return int(self.argument) if self.argument else default

    def send(
        self,
        status: int,
        body: bytes,
        content_type: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A whole, correct HTTP answer."""
        self.raw(self.head(status, len(body), content_type, headers) + body)

    def pass_on(self) -> None:
        """The upstream's own answer."""
        answer = self.ask()
        self.send(answer.status, answer.body, answer.content_type)

    def send_json(self, value: Any, status: int = 200) -> None:
        """A correct answer with a JSON body."""
        self.send(status, json.dumps(value).encode())

    def refuse(
        self,
        status: int,
        code: str,
        words: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """An error with an OperationOutcome."""
        body = json.dumps(outcome("error", code, words)).encode()
        self.send(status, body, headers=headers)

    def head(
        self,
        status: int,
        length: int | None,
        content_type: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Status line and headers; no length leaves Content-Length out."""
        lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        lines += [f"Content-Length: {length}"] if length is not None else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [] if self.keep_alive else ["Connection: close"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def raw(self, data: bytes) -> None:
        """Bytes as they are, in one piece."""
        self.connection.sendall(data)

    def drip(self, data: bytes, pause_s: float) -> None:
        """One byte after the other, until the client goes away."""
        for position in range(len(data)):
            self.raw(data[position : position + 1])
            if self.wait(pause_s):
                self.keep_alive = False
                return

    def wait(self, seconds: float) -> bool:
        """Waits; true, and at once, when the client or the server has gone away."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.stopping.is_set():
                return True
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.05))
            if readable:  # either its end of the connection is closed, or it sent more: give up
                return True
        return False

    def hang(self) -> None:
        """Says nothing more for as long as the client can bear it."""
        self.keep_alive = False
        self.wait(3600)

    def cut(self) -> None:
        """The end of the connection after what was sent."""
        self.keep_alive = False

    def reset(self) -> None:
        """A TCP reset."""
        self.keep_alive = False
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Kind = Callable[[Exchange], None]


def outcome(severity: str, code: str, words: str) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": words}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _next_query(bundle: Mapping[str, Any]) -> str | None:
    for link in bundle.get("link", ()):
        if link["relation"] == "next":
            return str(link["url"].partition("?")[2])
    return None
