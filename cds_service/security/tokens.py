"""A bearer token taken apart and looked at, before anything in it is believed."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cds_service.protocol import strict_json
from cds_service.security.errors import Rejected

MAX_LENGTH = 8192
_BEARER = re.compile(
    r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)"
)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as it came: what it says of itself, unverified; what is signed, and how."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def header_text(self, name: str) -> str | None:
        """A header member that is a string."""
        value = self.header.get(name)
        return value if isinstance(value, str) else None

    def claim_text(self, name: str) -> str | None:
        """A claim that is a string."""
        value = self.claims.get(name)
        return value if isinstance(value, str) else None


def read_bearer(authorization: str | None) -> Presented:
    """The token of an Authorization header; raises Rejected.

    Header and claims are strict JSON objects: no duplicate names, no odd numbers.
    """
    if authorization is None:
        raise Rejected("token-missing")
    if len(authorization) > MAX_LENGTH:
        raise Rejected("token-too-long")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise Rejected("no-bearer-token")
    header, claims, signature = found.groups()
    signed = f"{header}.{claims}".encode()
    return Presented(_object(header), _object(claims), signed, _bytes(signature))


def _bytes(part: str) -> bytes:
    try:
        usual = part.replace("-", "+").replace("_", "/")
        return binascii.a2b_base64(usual + "=" * (-len(part) % 4))
    except binascii.Error:
        raise Rejected("token-malformed") from None


def _object(part: str) -> dict[str, Any]:
    try:
        document = strict_json.loads(_bytes(part), max_depth=8)
    except strict_json.NotStrictJson:
        raise Rejected("token-malformed") from None
    if not isinstance(document, dict):
        raise Rejected("token-malformed")
    return document
