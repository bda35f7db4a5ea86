"""The claim policy on top of the signature: for whom, from when to when, for which tenant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cds_service.security.errors import Rejected
from cds_service.security.trust import Trust

_MAX_AUDIENCES = 20
_MAX_JTI = 255


def check_claims(
    claims: Mapping[str, Any], trust: Trust, paths: tuple[str, ...], now: float
) -> None:
    """Raises Rejected unless the claims are this client's, for this endpoint, and of now.

    `paths` are those of the endpoint that is called. Times are seconds of the wall clock.
    """
    _check_audience(claims.get("aud"), trust, paths)
    _check_times(claims, trust, now)
    if trust.tenant is not None and claims.get("tenant") != trust.tenant:
        raise Rejected("tenant-differs")
    if trust.subject is not None and claims.get("sub") != trust.subject:
        raise Rejected("subject-differs")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI or not jti.isprintable():
        raise Rejected("jti-unusable")


def _check_audience(stated: object, trust: Trust, paths: tuple[str, ...]) -> None:
    listed = stated if isinstance(stated, list) else [stated]
    audiences = [audience for audience in listed if isinstance(audience, str)]
    if not 0 < len(audiences) == len(listed) <= _MAX_AUDIENCES:
        raise Rejected("audience-unusable")
    if not any(trust.accepts_audience(audience, paths) for audience in audiences):
        raise Rejected("audience-differs")


def _check_times(claims: Mapping[str, Any], trust: Trust, now: float) -> None:
    skew = trust.clock_skew_s
    expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if expires is None or issued is None:
        raise Rejected("times-unusable")
    if expires <= now - skew:
        raise Rejected("expired")
    if issued > now + skew:
        raise Rejected("issued-in-the-future")
    if not 0 < expires - issued <= trust.max_lifetime_s:
        raise Rejected("lifetime-too-long")
    if issued < now - trust.max_lifetime_s - skew:
        raise Rejected("issued-too-long-ago")
    if "nbf" in claims:
        begins = _seconds(claims["nbf"])
        if begins is None:
            raise Rejected("times-unusable")
        if begins > now + skew:
            raise Rejected("not-yet-valid")


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value < 1e11 else None
