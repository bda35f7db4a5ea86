"""Identifiers: derived, of time, and by chance."""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.identifiers import (
    derived_uuid,
    fingerprint,
    random_name,
    uuid_of_time,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@given(st.binary(min_size=1, max_size=80), st.lists(st.text(), max_size=4))
def test_derived(key: bytes, parts: list[str]) -> None:
    """HMAC-SHA256 over the parts with their lengths, shaped as a UUID of version 4."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
    digest = hmac.digest(key, message, "sha256")
    assert derived_uuid(key, *parts) == str(uuid.UUID(bytes=digest[:16], version=4))


@pytest.mark.parametrize("length", [0, 1, 2046, 2047, 2048, 4094, 4095, 100_000])
def test_fingerprint(length: int) -> None:
    """SHA-256, whatever the length."""
    data = bytes(number % 251 for number in range(length))
    assert fingerprint(data) == hashlib.sha256(data).digest()


def test_of_time() -> None:
    """Version 7 of RFC 9562: sorted by time to the millisecond, different within one."""
    times = [NOW + timedelta(milliseconds=number) for number in range(200)]
    found = [uuid_of_time(at) for at in times]
    assert found == sorted(found)
    assert len({uuid_of_time(NOW) for _ in range(200)}) == 200
    one = uuid.UUID(found[0])
    assert (one.version, one.variant, str(one)) == (7, uuid.RFC_4122, found[0])
    assert one.int >> 80 == round(NOW.timestamp() * 1000)


def test_by_chance() -> None:
    """Not repeated by who seeds the common generator, nor by a child that was forked."""
    random.seed(1)
    first = random_name()
    random.seed(1)
    assert random_name() != first
    with multiprocessing.get_context("fork").Pool(2) as children:
        found = {random_name(), *children.map(_name, range(20), chunksize=1)}
    assert len(found) == 21
    assert all(len(name) == 16 and set(name) <= set("0123456789abcdef") for name in found)


def _name(_: int) -> str:
    return random_name()
