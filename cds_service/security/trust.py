"""What a client has to prove: the `trust` block of its registry entry, ready for use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ALGORITHMS = ("RS384", "ES384")
"""What is accepted unless the client's entry says otherwise."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How the tokens of one client are verified.

    `audiences` are base addresses of this service, whole addresses of an endpoint, or values a
    test client is known to send; see `accepts_audience`. `jwks_url` or `jwks_file` is where its
    keys come from. `tenant` and `subject` are claims that must be equal where they are set. `jti`
    says what a token that comes twice is: refused (`enforce`), noted (`log`) or nothing (`off`).
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...] = ALGORITHMS
    jwks_url: str | None = None
    jwks_file: str | None = None
    tenant: str | None = None
    subject: str | None = None
    jti: str = "enforce"
    clock_skew_s: int = 60
    max_lifetime_s: int = 3600

    def accepts_audience(self, audience: str, paths: tuple[str, ...]) -> bool:
        """Whether an `aud` names one of the endpoints with these paths."""
        return any(
            audience == accepted
            for entry in self.audiences
            for accepted in _audiences_of(entry, paths)
        )


@lru_cache(maxsize=1024)  # entries of the registry, paths of the services
def _audiences_of(entry: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    if "://" not in entry:
        return (entry,)
    _, mark, rest = entry.partition("/cds-services")
    if not mark:
        return tuple(f"{entry.rstrip('/')}{path}" for path in paths)
    return (entry,) if f"{mark}{rest}".rstrip("/") in paths else ()


def read_trust(block: Mapping[str, Any], public_url: str | None) -> Trust | None:
    """The trust of a registry block that its schema has accepted; None without one."""
    if not block:
        return None
    audiences = tuple(block.get("audiences", ())) or ((public_url,) if public_url else ())
    return Trust(
        issuer=block["issuer"],
        audiences=audiences,
        algorithms=tuple(block.get("algorithms", ALGORITHMS)),
        jwks_url=block.get("jwks_url"),
        jwks_file=block.get("jwks_file"),
        tenant=block.get("tenant"),
        subject=block.get("subject"),
        jti=block.get("jti", "enforce"),
        clock_skew_s=block.get("clock_skew_s", 60),
        max_lifetime_s=block.get("max_lifetime_s", 3600),
    )
