"""Servers in processes of their own: what tests send to them, and what they write.

They run at DEBUG, whatever a test leaves open. Their logs and the files of their SQLite databases
are searched as this process' own log and rows are.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, cast

_PATHS = ("/cds-services/", "/explain/")
_STORES = ("*.db", "*.db-wal", "*.sqlite", "*.sqlite-wal")
_AT_MOST = 20_000_000
"""Bytes of one file: those of `make crash` may be larger."""


class Elsewhere:
    """Listens to this process' HTTP clients, and notes each server that it starts."""

    def __init__(self) -> None:
        self.bodies: set[bytes] = set()
        self.tokens: set[str] = set()
        self.errors: list[tuple[str, str]] = []
        self._logs: dict[Path, int] = {}
        """How long each was when the test began."""
        self._began = time.time()
        self._folders: set[Path] = set()
        self._spare = Path(tempfile.gettempdir()) / f"cds-service-tests-{os.getpid()}.log"
        _around(subprocess.Popen, "__init__", self._start)
        _around(HTTPConnection, "putrequest", self._put_request)
        _around(HTTPConnection, "putheader", self._put_header)
        _around(HTTPConnection, "send", self._send)
        _around(HTTPConnection, "getresponse", self._get_response)
        _around(HTTPResponse, "read", self._read)

    def begin(self) -> None:
        """A new test."""
        for kept in (self.bodies, self.tokens, self.errors):
            kept.clear()
        self._began = time.time()
        self._logs = {log: log.stat().st_size for log in self._logs if log.exists()}

    def told(self) -> Iterator[tuple[str, str]]:
        """What was told where, if anything was sent since the test began."""
        yield from self.errors
        if not self.bodies and not self.tokens:
            return
        for log, size in self._logs.items():
            for line in _text(log, size).splitlines():
                yield f"the log {log}", line
        for folder in self._folders:
            for pattern in _STORES:
                for file in folder.rglob(pattern):
                    yield f"the database {file}", _text(file, 0, self._began)

    def _start(self, start: Callable[..., None], process: object, command: Any, **how: Any) -> None:
        if not isinstance(command, list) or "serve" not in command:
            start(process, command, **how)
            return
        environment = dict(how.pop("env", None) or os.environ)
        environment.setdefault("CDS_LOG_LEVEL", "debug")
        self._folders |= {Path(one) for one in (how.get("cwd"), environment.get("HOME")) if one}
        self._folders.discard(Path.home())
        stream = how.pop("stderr", None)
        with self._spare.open("ab") as spare:
            if stream is None or stream is subprocess.DEVNULL:
                stream = spare
            log = how.get("stdout") if stream is subprocess.STDOUT else stream
            if hasattr(log, "name"):  # a pipe is read by the test alone
                self._logs.setdefault(Path(log.name), Path(log.name).stat().st_size)
            start(process, command, env=environment, stderr=stream, **how)

    def _put_request(
        self, put: Callable[..., None], connection: Any, method: str, url: str, **how: Any
    ) -> None:
        connection.is_to_us = url.startswith(_PATHS)
        put(connection, method, url, **how)

    def _put_header(
        self, put: Callable[..., None], connection: Any, name: Any, *values: Any
    ) -> None:
        if connection.is_to_us and str(name).lower() == "authorization":
            given = str(values[0]).rpartition(" ")[2]
            self.tokens |= {part for part in (given, *given.split(".")) if len(part) > 20}
        put(connection, name, *values)

    def _send(self, send: Callable[..., None], connection: Any, data: Any) -> None:
        if getattr(connection, "is_to_us", False) and isinstance(data, bytes):
            self.bodies.add(data)
        send(connection, data)

    def _get_response(
        self, get: Callable[..., HTTPResponse], connection: Any, **how: Any
    ) -> HTTPResponse:
        response = get(connection, **how)
        cast(Any, response).is_from_us = getattr(connection, "is_to_us", False)
        return response

    def _read(self, read: Callable[..., bytes], response: Any, *size: Any) -> bytes:
        found = read(response, *size)
        if response.status >= 400 and getattr(response, "is_from_us", False):
            text = f"{response.getheaders()}{found.decode(errors='replace')}"
            self.errors.append((f"error {response.status}", text))
        return found


def _around(kind: type, name: str, do: Callable[..., Any]) -> None:
    """Has a method of a class go through a function, which gets the original first."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: object, *arguments: Any, **options: Any) -> Any:
        return do(original, self, *arguments, **options)

    setattr(kind, name, method)


def _text(file: Path, since: int, began: float = 0.0) -> str:
    """What a file holds from a place on, if it was written to; servers that end take some along."""
    with suppress(FileNotFoundError), file.open("rb") as written:
        if os.fstat(written.fileno()).st_mtime >= began:
            written.seek(since)
            return written.read(_AT_MOST).decode(errors="replace")
    return ""
