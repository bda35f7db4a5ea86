"""Who calls: from an Authorization header to the name of a client, or a refusal without words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from jwt.algorithms import get_default_algorithms

from cds_service.protocol.identifiers import fingerprint
from cds_service.security.claims import check_claims
from cds_service.security.errors import Rejected
from cds_service.security.keys import Key
from cds_service.security.tokens import Presented, read_bearer
from cds_service.security.trust import Trust

_ALGORITHMS = get_default_algorithms()
_REFUSED_HEADERS = frozenset({"crit", "b64"})
_CLOCKS_DIFFER_S = 60
"""How far the clocks of nodes may be apart: one forgets no token that another still accepts."""
_log = logging.getLogger("cds_service.callers")


class KeySource(Protocol):
    """Where the keys of one client come from."""

    def find(self, kid: str) -> Key | None:
        """The key of one name."""


class Replay(Protocol):
    """Remembers tokens that were used; shared by all workers and nodes."""

    def claim(self, key: bytes, expires_at: int, now: int) -> bool:
        """True exactly once for a key until it expires."""


class Revoked(Protocol):
    """Knows which keys are trusted no longer, whatever their issuer publishes."""

    def is_revoked(self, issuer: str, kid: str) -> bool:
        """Whether a key is one of them."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """One client whose calls are verified: what it must prove, and with which keys."""

    name: str
    trust: Trust
    keys: KeySource


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies the tokens of all clients; what is cheap comes first, keys before claims."""

    by_issuer: Mapping[str, tuple[Trusted, ...]]
    replay: Replay
    revoked: Revoked

    def client_of(self, authorization: str | None, paths: tuple[str, ...], now: float) -> str:
        """The name of the client that calls an endpoint; raises Rejected.

        Nothing is fetched for an issuer that is not known, and nothing is remembered of a token
        whose signature is not good.
        """
        token = read_bearer(authorization)
        client = self._candidate(token)
        try:
            self._check_signature(token, client)
            check_claims(token.claims, client.trust, paths, now)
            self._check_replay(token, client, now)
        except Rejected as error:
            error.client = client.name
            raise
        return client.name

    def _candidate(self, token: Presented) -> Trusted:
        """The client that a token says it is from: by issuer, by tenant where several share it."""
        candidates = self.by_issuer.get(token.claim_text("iss") or "", ())
        if not candidates:
            raise Rejected("issuer-unknown")
        for client in candidates:
            if client.trust.tenant in (None, token.claim_text("tenant")):
                return client
        raise Rejected("tenant-differs")

    def _check_signature(self, token: Presented, client: Trusted) -> None:
        trust = client.trust
        algorithm, kid = token.header_text("alg"), token.header_text("kid")
        if algorithm not in trust.algorithms:
            raise Rejected("algorithm-not-allowed")
        if not _REFUSED_HEADERS.isdisjoint(token.header):
            raise Rejected("header-not-understood")
        if str(token.header.get("typ", "JWT")).upper() != "JWT":
            raise Rejected("type-is-not-jwt")
        # Keys from a file have no address to compare with; nothing is fetched from a jku anyway.
        stated = token.header.get("jku", trust.jwks_url)
        if trust.jwks_url is not None and stated != trust.jwks_url:
            raise Rejected("jku-differs")
        if not kid or len(kid) > 256:
            raise Rejected("kid-unusable")
        key = client.keys.find(kid)
        if key is None:
            raise Rejected("key-unknown")
        if not key.may_verify(algorithm):
            raise Rejected("key-is-of-another-kind")
        # The library's own decoding would read once more what has been read strictly.
        if not _ALGORITHMS[algorithm].verify(token.signed, key.public, token.signature):
            raise Rejected("signature-wrong")
        # Last, so that the reason says what an operator has to know: somebody holds that key.
        if self.revoked.is_revoked(trust.issuer, kid):
            raise Rejected("key-revoked")

    def _check_replay(self, token: Presented, client: Trusted, now: float) -> None:
        trust = client.trust
        if trust.jti == "off":
            return
        identity = f"{trust.issuer}\0{token.claims['jti']}".encode()
        expires_at = int(token.claims["exp"]) + trust.clock_skew_s + _CLOCKS_DIFFER_S
        is_new = self.replay.claim(fingerprint(identity), expires_at, int(now))
        if not is_new and trust.jti == "enforce":
            raise Rejected("used-before")
        if not is_new:
            _log.warning("accepted client=%s reason=used-before", client.name)
