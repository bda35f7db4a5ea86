"""Reads the text of one variable after the other and keeps every problem."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

MINIMUM_KEY_BYTES = 32
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})

T = TypeVar("T")


class Reader:
    """Reads one variable after the other and keeps what is wrong with them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.problems: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """The parsed value of a variable, or the default where it is absent or wrong."""
        text = self.given.get(name)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            words = str(error)
            if isinstance(parse, type) and issubclass(parse, StrEnum):
                words = "must be one of " + ", ".join(parse)
            self.problems.append(f"{name}: {words}")
            return default


def iso_date(text: str) -> date:
    """A calendar date written YYYY-MM-DD, and nothing else that ISO 8601 allows."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError("must be a calendar date written YYYY-MM-DD")


def is_loopback(host: str) -> bool:
    """True for localhost and for the addresses that no other machine can reach."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,12}", text) and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"must be a whole number from {low} to {high}")

    return parse


def switch(text: str) -> bool:
    """Yes or no in the usual spellings."""
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    raise ValueError("must be yes or no")


def existing_file(text: str) -> Path:
    """The path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def web_address(text: str) -> str:
    """An absolute http or https address, without the slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be the address under which clients reach this service")
    return text.rstrip("/")


def key(text: str) -> bytes | None:
    """A key given as text."""
    if len(text.encode()) < MINIMUM_KEY_BYTES:
        raise ValueError(f"must have at least {MINIMUM_KEY_BYTES} bytes")
    return text.encode()


def key_file(text: str) -> bytes | None:
    """A key kept in a file; white space around it does not count."""
    try:
        content = Path(text).read_bytes().strip()
    except OSError:
        raise ValueError(f"the file {text} cannot be read") from None
    if len(content) < MINIMUM_KEY_BYTES:
        raise ValueError(f"the file must hold at least {MINIMUM_KEY_BYTES} bytes")
    return content


def line_of_file(text: str) -> str | None:
    """The one line that a file holds."""
    try:
        lines = Path(text).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"the file {text} cannot be read") from None
    if len(lines) != 1:
        raise ValueError("the file must hold one line, without blanks")
    return lines[0]
