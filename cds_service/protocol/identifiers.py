"""Identifiers that are derived, so that a repeated call gives them again."""

from __future__ import annotations

import hmac
import uuid


def derived_uuid(key: bytes, *parts: str) -> str:
    """A UUID that only the holder of the key can foretell, the same for the same parts.

    HMAC-SHA256 over the parts, each preceded by its length so that no two lists of parts collide,
    shaped as a version 4 UUID of RFC 4122.
    """
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
    digest = hmac.digest(key, message, "sha256")
    return str(uuid.UUID(bytes=digest[:16], version=4))
