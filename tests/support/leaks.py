"""What a test has put into the application must not come out of it where others read it.

While a test runs, everything is heard that the process would log at DEBUG, every body and header
of an error, the metrics, and every row that is written through SQLAlchemy, but for the comments
that feedback is there to keep; and what servers in other processes write. In none of it may be
what came in: a canary that the builders put into their resources, tokens, ids, names, birth dates,
addresses and free texts of the requests.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask import Flask, Response, request, request_finished, request_started
from leaks_elsewhere import Elsewhere
from sqlalchemy import Engine, event

from cds_service.logs import OURS, Formatter

CANARY = "canary-5d0e41c7"
"""In names of the builders' resources; no test may have it as an example of its own."""
IDS = ("patientId", "encounterId", "userId")
TEXTS = ("access_token", "div", "userComment")
_SUBJECTS = ("subject", "patient")
_OF_A_PATIENT = ("name", "telecom", "address", "identifier", "contact")
_MODERN = "2000"
"""Birth dates from then on are also days on which tests let something happen."""


class _Read:
    """A request's body, remembered as it is read."""

    def __init__(self, inner: Any, bodies: set[bytes]) -> None:
        self._inner, self._bodies = inner, bodies

    def read(self, *size: int) -> bytes:
        """The next bytes."""
        found: bytes = self._inner.read(*size)
        self._bodies.add(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Lines(logging.Handler):
    """The lines that the process would write."""

    def __init__(self, told: list[tuple[str, str]]) -> None:
        super().__init__()
        self.setFormatter(Formatter("text"))
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Remembers one."""
        self._told.append(("log", self.format(record)))


class Leaks:
    """Listens to all applications of this process."""

    def __init__(self) -> None:
        self.bodies: set[bytes] = set()
        self.tokens: set[str] = set()
        self.told: list[tuple[str, str]] = []
        self._before: frozenset[str] = frozenset()
        self._elsewhere = Elsewhere()
        self._apps: dict[int, Flask] = {}
        request_started.connect(self._started, weak=False)
        request_finished.connect(self._finished, weak=False)
        event.listen(Engine, "before_cursor_execute", self._executed)

    def begin(self) -> None:
        """A new test; what is written late may still hold what the one before has put in."""
        self._before = frozenset(self._secrets())
        for kept in (self.bodies, self.tokens, self.told, self._apps):
            kept.clear()
        self._elsewhere.begin()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears the log of this program at DEBUG, libraries as in operation."""
        ours, root, lines = logging.getLogger(OURS), logging.getLogger(), _Lines(self.told)
        level = ours.level
        ours.setLevel(logging.DEBUG)
        root.addHandler(lines)
        try:
            yield
        finally:
            root.removeHandler(lines)
            ours.setLevel(level)

    def found(self) -> list[str]:
        """Which secret was told where, since the test began."""
        for app in self._apps.values():
            self.told.append(("metrics", app.extensions[OURS].meters.told().decode()))
        told = [*self.told, *self._elsewhere.told()]
        secrets = self._secrets() | self._before | {CANARY}
        everything = "\n".join(text for _, text in told)
        return [
            f"{secret!r} in {where}: {text[:400]}"
            for secret in secrets
            if secret in everything
            for where, text in told
            if _is_in(secret, text)
        ]

    def _secrets(self) -> set[str]:
        found = self.tokens | self._elsewhere.tokens
        for body in self.bodies | self._elsewhere.bodies:
            found |= secrets_of(body)
        return found

    def _started(self, app: Flask, **_: Any) -> None:
        if OURS not in app.extensions:
            return
        self._apps[id(app)] = app
        given = request.headers.get("Authorization", "").rpartition(" ")[2]
        self.tokens |= {part for part in (given, *given.split(".")) if len(part) > 20}
        request.environ["wsgi.input"] = _Read(request.environ["wsgi.input"], self.bodies)

    def _finished(self, app: Flask, response: Response, **_: Any) -> None:
        if OURS not in app.extensions or response.status_code < 400:
            return
        text = "" if response.is_streamed else response.get_data(as_text=True)
        self.told.append((f"error {response.status_code}", f"{response.headers}{text}"))

    def _executed(self, _: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")) and "feedback" not in statement:
            self.told.append(("row", f"{statement[:60]} {parameters}"))


@lru_cache(maxsize=256)
def secrets_of(body: bytes) -> frozenset[str]:
    """What must stay inside of one request: nothing that words and codes are by chance."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(_inside(document))


def _inside(root: Any) -> Iterator[str]:
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        if not isinstance(one, dict):
            continue
        waiting += one.values()
        yield from _strange((one.get(name) for name in IDS), 5)
        yield from _strange((one.get(name) for name in TEXTS), 8)
        if "resourceType" in one:
            yield from _strange((one.get("id"),), 8)
            named = [one.get(name) for name in _SUBJECTS]
            shown = [person.get("display") for person in named if isinstance(person, dict)]
            yield from _strange([*shown, *_texts(one.get("note"))], 8)
        if one.get("resourceType") == "Patient":
            yield from _strange(_texts([one.get(name) for name in _OF_A_PATIENT]), 8)
            birth = one.get("birthDate")
            if isinstance(birth, str) and len(birth) == 10 and birth < _MODERN:
                yield birth


def _texts(root: Any) -> Iterator[str]:
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += [value for name, value in one.items() if name not in ("system", "url")]


def _strange(values: Any, length: int) -> Iterator[str]:
    """Those that no other text holds by chance: long enough, with a digit."""
    for value in values:
        if isinstance(value, str) and len(value) >= length and re.search("[0-9]", value):
            yield value


def _is_in(secret: str, text: str) -> bool:
    """Whether a secret stands there as a whole."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", text) is not None
