"""A real FHIR R4 server (sekmet-fhir) on a loopback port, in memory, in a process of its own.

Everything a SMART back end has is real: bearer tokens with scopes that are enforced and that end.
One thing is not: a `patient/` scope is not bound to one patient.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

READS = "patient/*.rs"
_CHILD = Path(__file__).with_name("fhir_real_process.py")
_CLIENT_ID = "bone-density-cds"


class FhirServer(Protocol):
    """What tests need of a FHIR server, ours or another one."""

    base: str
    ours: bool

    def token(self, scopes: str = READS, lifetime_s: int = 300) -> str:
        """A bearer token for `Authorization`."""


@dataclass(frozen=True, slots=True)
class RealServer:
    """The running server; `secret` signs its access tokens and is its only client's secret too."""

    base: str
    secret: str
    ours: bool = True

    def token(self, scopes: str = READS, lifetime_s: int = 300) -> str:
        """An access token as the token endpoint makes it; a lifetime below zero has run out."""
        now = int(time.time())
        return _signed(
            {
                "iss": self.base.removesuffix("/fhir"),
                "aud": self.base,
                "sub": _CLIENT_ID,
                "client_id": _CLIENT_ID,
                "scope": scopes,
                "iat": now,
                "exp": now + lifetime_s,
                "jti": secrets.token_hex(8),
            },
            self.secret,
        )

    def token_from_endpoint(self, scopes: str = "system/*.rs") -> Mapping[str, Any]:
        """The answer of the SMART Backend Services token endpoint to client id and secret."""
        body = urlencode({"grant_type": "client_credentials", "scope": scopes})
        basic = base64.b64encode(f"{_CLIENT_ID}:{self.secret}".encode()).decode()
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=30)
        try:
            connection.request(
                "POST",
                "/auth/token",
                body,
                {
                    "Authorization": f"Basic {basic}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
            return dict(json.loads(connection.getresponse().read()))
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class ForeignServer:
    """Another FHIR server, named by the environment; its one token is what it is."""

    base: str
    given_token: str
    ours: bool = False

    def token(self, scopes: str = READS, lifetime_s: int = 300) -> str:
        """The token that was given, whatever is asked for."""
        return self.given_token


@contextmanager
def real_server(
    resources: Iterable[Mapping[str, Any]],
    *,
    absolute_references: bool = False,
    tokens_needed: bool = True,
) -> Iterator[RealServer]:
    """Starts the server with these resources (ids kept); it ends with the block or its parent."""
    secret = secrets.token_urlsafe(48)
    order = {
        "secret": secret,
        "client_id": _CLIENT_ID,
        "absolute_references": absolute_references,
        "tokens_needed": tokens_needed,
        "resources": list(resources),
    }
    process = subprocess.Popen(
        [sys.executable, str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        base = process.stdout.readline().strip()
        if not base:
            raise RuntimeError("the FHIR server did not start; its words are on standard error")
        yield RealServer(base, secret)
    finally:
        process.terminate()
        process.communicate()


def _signed(claims: Mapping[str, Any], secret: str) -> str:
    """A JWT by HS256, which is three lines: no library is needed for it."""
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, dict(claims))]
    signed = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, _base64url(signed)])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
