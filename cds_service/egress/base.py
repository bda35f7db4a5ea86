"""The base address of a server, read by one strict parser; all comparisons go through it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_PORTS = {"http": 80, "https": 443}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ORIGIN = re.compile(
    rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_LABEL}(?:\.{_LABEL})*)"
    rf"(?::(?P<port>[0-9]{{1,5}}))?(?P<rest>(?:[/?].*)?)",
    re.DOTALL,
)
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_DISGUISED = re.compile(r"%(?:2[Ee5Ff]|3[Bb]|5[Cc]|[018-9A-Fa-f][0-9A-Fa-f]|7[Ff])")
"""Encoded dots, slashes, semicolons, backslashes, percent signs, control characters, non-ASCII.

FHIR paths need none of them; some servers read an overlong or full-width dot as a dot.
"""
_QUERY = re.compile(r"[!-\"$-~]*")
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
_MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Base:
    """Scheme, host, port and path of a server.

    `host` is in small letters, an IPv6 address without brackets; `path` ends in no slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Base | None:
        """The base that an address is, None for anything but a plain http or https address."""
        found = _parts(url)
        if found is None:
            return None
        base, query = found
        return None if query is not None or "%" in base.path else base

    @property
    def url(self) -> str:
        """The address in its one spelling."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def covers(self, url: str) -> bool:
        """Whether an address, which may have a query, is this one or below it."""
        found = _parts(url)
        if found is None:
            return False
        other, _ = found
        return (other.scheme, other.host, other.port) == (self.scheme, self.host, self.port) and (
            other.path == self.path or other.path.startswith(f"{self.path}/")
        )


def _parts(url: str) -> tuple[Base, str | None] | None:
    """An address as a base and its query, None when it is not plain."""
    found = _ORIGIN.fullmatch(url) if len(url) <= _MAX_LENGTH else None
    if found is None:
        return None
    path, mark, query = found["rest"].partition("?")
    if not _QUERY.fullmatch(query) or not _is_plain_path(path):
        return None
    scheme, host = found["scheme"].lower(), _host(found["host"].lower())
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if host is None or not 0 < port < 65536:
        return None
    return Base(scheme, host, port, path.removesuffix("/")), query if mark else None


def _host(text: str) -> str | None:
    """A name or an exact address; no number that some resolver would take for one."""
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if _NUMBER.fullmatch(text.rpartition(".")[2]):
            return str(IPv4Address(text))
    except AddressValueError:
        return None
    return text


def _is_plain_path(path: str) -> bool:
    """Whether no server may read a path as another one; `..;x` is `..` to servlet containers."""
    segments = path.removesuffix("/").split("/")[1:]
    return all(
        _SEGMENT.fullmatch(segment)
        and not _DISGUISED.search(segment)
        and segment.partition(";")[0].strip(".")
        for segment in segments
    )
