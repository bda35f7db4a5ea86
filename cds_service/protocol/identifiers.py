"""Identifiers: derived ones, which a repeated call gives again, and ones that follow time."""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from functools import lru_cache
from random import Random

_chance = Random()  # noqa: S311 - for names; whoever seeds the common one would repeat ours
os.register_at_fork(after_in_child=_chance.seed)  # a child must not go on with its parent's

_FREE = ~(0xF << 76 | 0b11 << 62)  # all bits but those of version and variant
_LOW = (1 << 62) - 1
_NOTHING = hashlib.sha256()
_PIECE = 2047  # bytes; while it hashes more at once, hashlib lets other threads in, and waits after


def derived_uuid(key: bytes, *parts: str) -> str:
    """A UUID that only the holder of the key can foretell, the same for the same parts.

    HMAC-SHA256 over the parts, each preceded by its length so that no two lists of parts collide,
    shaped as a version 4 UUID of RFC 4122.
    """
    message = b""
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        message += len(encoded).to_bytes(8, "big") + encoded
    keyed = _keyed(key).copy()
    keyed.update(message)
    return _as_uuid(int.from_bytes(keyed.digest()[:16], "big"), 4)


def fingerprint(data: bytes) -> bytes:
    """SHA-256; for what each call computes: a state is copied, making one anew costs far more."""
    state = _NOTHING.copy()
    for start in range(0, len(data), _PIECE):
        state.update(data[start : start + _PIECE])
    return state.digest()


def uuid_of_time(at: datetime) -> str:
    """A new UUID of version 7 (RFC 9562): they sort by time, so that tables grow at their end.

    A name, no secret.
    """
    random = _chance.getrandbits(74)
    return _as_uuid(int(at.timestamp() * 1000) << 80 | (random >> 62) << 64 | random & _LOW, 7)


def random_name() -> str:
    """Sixteen hexadecimal digits that nobody had before; no secret."""
    return f"{_chance.getrandbits(64):016x}"


def _as_uuid(bits: int, version: int) -> str:
    """128 bits in the shape of RFC 9562; the class of the library costs four times as much."""
    text = f"{bits & _FREE | version << 76 | 2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> hmac.HMAC:
    """The state after the key: making it anew costs more than the message."""
    return hmac.new(key, digestmod="sha256")
