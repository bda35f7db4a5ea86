"""One fetch of an issuer's keys: where from, how long it may take, and how long they are fresh."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cds_service.egress import Base, Deadline, Egress, EgressError, Policy
from cds_service.protocol import strict_json
from cds_service.security.errors import KeysUnusable
from cds_service.security.keys import KeySet, read_keys

MAX_BYTES = 256 * 1024
FETCH_S = 2.0
FRESH_S = 600.0
FRESHEST_S, STALEST_S = 60.0, 3600.0

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?:$|[,\s])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A good document, its keys, and how long they may be taken for fresh."""

    document: bytes
    keys: KeySet
    fresh_s: float


Fetch = Callable[[], Fetched]
"""Fetches once; raises KeysUnusable with what is wrong."""


def fetch_from(url: str, egress: Egress, policy: Policy, *, published: bool = False) -> Fetch:
    """Fetches a JWKS document through the egress guard; `published` as in `read_keys`."""
    base = Base.parse(url)
    if base is None:
        raise KeysUnusable("its address is not a plain one")

    def fetch() -> Fetched:
        try:
            reply = egress.get(
                url,
                base=base,
                policy=policy,
                deadline=Deadline.after(FETCH_S),
                accept="application/json",
            )
        except EgressError as error:
            raise KeysUnusable(f"could not be fetched: {error.reason}") from None
        if reply.status != 200:
            raise KeysUnusable(f"could not be fetched: answered {reply.status}")
        if len(reply.body) > MAX_BYTES:
            raise KeysUnusable("are too long")
        try:
            keys = read_keys(strict_json.loads(reply.body), published=published)
        except strict_json.NotStrictJson:
            raise KeysUnusable("are not strict JSON") from None
        return Fetched(reply.body, keys, _fresh_s(reply.cache_control))

    return fetch


def _fresh_s(cache_control: str) -> float:
    """How long a server lets its keys be kept, within bounds."""
    stated = _MAX_AGE.search(cache_control)
    return min(max(float(stated[1]), FRESHEST_S), STALEST_S) if stated else FRESH_S
