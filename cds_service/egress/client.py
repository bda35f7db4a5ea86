"""One GET to an allowed server: pinned address, total deadline, capped size."""

from __future__ import annotations

import re
import socket
import ssl
import zlib
from dataclasses import dataclass, field
from functools import cached_property

import certifi
import requests
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from cds_service.egress.base import Base
from cds_service.egress.connections import PinnedAdapter, connect, tls_context
from cds_service.egress.deadline import Deadline
from cds_service.egress.errors import EgressError, Failed, Refused
from cds_service.egress.policy import Policy
from cds_service.egress.resolver import Found, Lookup, Resolver

_CHUNK = 64 * 1024
_AROUND = 64 * 1024
"""Bytes for headers; for the frames of chunks the wire may take as much again as the body."""
_TOKEN = re.compile(r"[!-~]{1,8192}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_BROKEN = "connection broken"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status, media type in small letters, body without its compression.

    `retry_after_s` is None when the server does not name seconds.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    retry_after_s: float | None = None
    cache_control: str = ""


class Egress:
    """The way out; safe to share by threads."""

    def __init__(
        self,
        *,
        max_bytes: int,
        lookup: Lookup = socket.getaddrinfo,
        ca_file: str | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._resolver = Resolver(lookup)
        self._ca_file = ca_file

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        try:
            return tls_context(self._ca_file or certifi.where())
        except OSError:
            raise Failed("certificates not readable") from None

    def get(
        self,
        url: str,
        *,
        base: Base,
        policy: Policy,
        deadline: Deadline,
        token: str | None = None,
        accept: str = "application/fhir+json",
    ) -> Reply:
        """The reply to one GET; raises Refused before anything is sent, or Failed.

        Nothing is followed, kept or taken from the environment. The token goes to the server of
        `base` and nowhere else.
        """
        if not base.covers(url):
            raise Refused("address is not on the FHIR server")
        if policy.https_only and base.scheme != "https":  # whoever made the base
            raise Refused("FHIR server without https")
        headers = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "bone-density-cds"}
        if token is not None:
            if not _TOKEN.fullmatch(token):
                raise Refused("the access token is not one line of text")
            headers["Authorization"] = f"Bearer {token}"
        addresses = self._resolver.addresses(base.host, base.port, deadline)
        if not all(policy.allows(str(address[0])) for _, address in addresses):
            raise Refused("FHIR server address not allowed")
        return self._over(addresses, url, headers, base, deadline)

    def _over(
        self,
        addresses: list[Found],
        url: str,
        headers: dict[str, str],
        base: Base,
        deadline: Deadline,
    ) -> Reply:
        # First of all, for it takes time: what is left of it counts from the connection on.
        tls = self._tls if base.scheme == "https" else None
        connected = connect(addresses, deadline, 2 * self._max_bytes + _AROUND)
        adapter = PinnedAdapter(base, connected, tls)
        try:
            request = requests.Request("GET", url, headers).prepare()
            response = adapter.send(request, stream=True)
            try:
                if connected.limits.has_ended:  # amid the headers: http.client minds no such end
                    raise Failed(_BROKEN, may_pass=True)
                return self._read(response)
            finally:
                response.close()
        except EgressError:
            raise
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # Its text may hold the address and what was sent.
            words = _words(error, deadline)
            raise Failed(words, may_pass=words == _BROKEN) from None
        finally:
            adapter.close()
            connected.close()

    def _read(self, response: requests.Response) -> Reply:
        if response.status_code in _REDIRECTS:
            raise Failed("redirect")
        retry_after = response.headers.get("Retry-After", "").strip()
        return Reply(
            response.status_code,
            response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            self._body(response.raw, response.headers.get("Content-Encoding", "")),
            float(retry_after) if _SECONDS.fullmatch(retry_after) else None,
            response.headers.get("Cache-Control", ""),
        )

    def _body(self, raw: BaseHTTPResponse, encoding: str) -> bytes:
        """The body, never more of it than is allowed, however small it came."""
        inflate = None
        if encoding.strip().lower() in ("gzip", "x-gzip"):
            inflate = zlib.decompressobj(wbits=31)
        elif encoding.strip().lower() not in ("", "identity"):
            raise Failed("encoding not understood")
        length = raw.length_remaining
        if length is not None and length > self._max_bytes:
            raise Failed("too long")
        read, body = 0, bytearray()
        while chunk := raw.read(_CHUNK, decode_content=False):
            read += len(chunk)
            try:
                room = self._max_bytes + 1 - len(body)
                body += inflate.decompress(chunk, room) if inflate else chunk
            except zlib.error:
                raise Failed("cut short") from None
            if len(body) > self._max_bytes or read > self._max_bytes:
                raise Failed("too long")
        if inflate is not None and read and (not inflate.eof or inflate.unused_data):
            raise Failed("cut short")
        return bytes(body)


def _words(error: Exception, deadline: Deadline) -> str:
    """What happened, in fixed words."""
    if deadline.is_over:
        return "timed out"
    causes = _causes(error)
    for kind, words in (
        (ssl.SSLCertVerificationError, "certificate not valid"),
        (ssl.SSLError, "no secure connection"),
        (TimeoutError, "timed out"),
    ):
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return _BROKEN


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it came from, and the errors in its arguments: libraries wrap each other."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            waiting += [item.__cause__, item.__context__, *item.args, getattr(item, "reason", None)]
    return found
