"""Why a pasted token would not be accepted: for operators, never for callers."""

from __future__ import annotations

from cds_service.registry import Client
from cds_service.security import (
    KeySet,
    Rejected,
    StaticKeys,
    Trusted,
    Verifier,
    read_bearer,
    read_trust,
)

_WORDS = {
    "issuer-unknown": "iss is {iss!r}, the registry has {issuer!r}",
    "tenant-differs": "tenant is {tenant!r}, the registry has {wanted_tenant!r}",
    "audience-differs": "aud is {aud!r}; accepted at {path} with the audiences {audiences}",
    "algorithm-not-allowed": "alg is {alg!r}, the registry allows {algorithms}",
    "jku-differs": "jku is {jku!r}, the registry has {jwks_url!r}",
    "key-unknown": "kid {kid!r} is none of the keys",
    "key-revoked": "kid {kid!r} is trusted no longer; cds-service client switches says why",
    "expired": "exp {exp!r} has passed",
    "subject-differs": "sub is {sub!r}, the registry has {subject!r}",
}
"""What an operator has to compare; other reasons say enough by their code."""


class _NothingUsed:
    """A replay store for looking only."""

    def claim(self, key: bytes, expires_at: int, now: int) -> bool:
        """Always the first time."""
        return True


class _Listed:
    """The revoked keys of the one client that is asked about."""

    def __init__(self, kids: frozenset[str]) -> None:
        self._kids = kids

    def is_revoked(self, issuer: str, kid: str) -> bool:
        """Whether a key is one of them."""
        return kid in self._kids


def token_findings(
    client: Client,
    public_url: str | None,
    keys: KeySet,
    revoked: frozenset[str],
    token: str,
    path: str,
    now: float,
) -> tuple[str, ...]:
    """What is wrong with a token of a client at an endpoint; empty when it would be accepted.

    `revoked` are the names of its keys that are trusted no longer.
    """
    trust = read_trust(client.trust, public_url)
    if trust is None:
        return ("the client has no trust block",)
    authorization = f"Bearer {token}"
    trusted = Trusted(client.name, trust, StaticKeys(keys))
    try:
        verifier = Verifier({trust.issuer: (trusted,)}, _NothingUsed(), _Listed(revoked))
        verifier.client_of(authorization, (path,), now)
    except Rejected as rejected:
        words = _WORDS.get(rejected.reason)
        if words is None:
            return (rejected.reason,)
        presented = read_bearer(authorization)
        stated = {
            name: presented.claims.get(name) for name in ("iss", "tenant", "aud", "exp", "sub")
        }
        stated |= {name: presented.header.get(name) for name in ("alg", "jku", "kid")}
        told = words.format(
            **stated,
            issuer=trust.issuer,
            wanted_tenant=trust.tenant,
            audiences=", ".join(trust.audiences),
            algorithms=", ".join(trust.algorithms),
            jwks_url=trust.jwks_url,
            subject=trust.subject,
            path=path,
        )
        return (f"{rejected.reason}: {told}",)
    return ()
