"""Tokens of made-up CDS clients, right ones and forged ones, signed with keys made for the run."""

from __future__ import annotations

import base64
import json
import time
import uuid
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://ehr.example.org"
PUBLIC = "https://cds.example.org"
PATH = "/cds-services/bone-density-imaging"
AUDIENCE = f"{PUBLIC}{PATH}"


class Revoked:
    """The names of keys that are trusted no longer, whosever they are."""

    def __init__(self, *kids: str) -> None:
        self._kids = kids

    def is_revoked(self, issuer: str, kid: str) -> bool:
        """Whether a key is one of them."""
        return kid in self._kids


@cache
def private_key(name: str) -> Any:
    """A key by its name, the same for the whole run: `rsa…`, `short…`, `ec256…`, `ec384…`."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if name.startswith("short"):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
    curve = {"ec256": ec.SECP256R1(), "ec384": ec.SECP384R1(), "ec521": ec.SECP521R1()}
    return ec.generate_private_key(curve[name[:5]])


def public_pem(name: str) -> bytes:
    """The public half as PEM."""
    return (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def jwk(name: str, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """The public half as JWK, without `alg` unless it is given."""
    public = private_key(name).public_key()
    rsa_key = isinstance(public, rsa.RSAPublicKey)
    maker = jwt.algorithms.RSAAlgorithm if rsa_key else jwt.algorithms.ECAlgorithm
    found = dict(maker.to_jwk(public, as_dict=True))
    found.pop("key_ops", None)
    return {**found, "kid": kid or name, **more}


def jwks(*keys: dict[str, Any]) -> dict[str, Any]:
    """A JWKS document."""
    return {"keys": list(keys)}


def claims(now: float | None = None, **changes: Any) -> dict[str, Any]:
    """Right claims with changes; None takes one away."""
    issued = int(time.time() if now is None else now)
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": issued,
        "exp": issued + 300,
        "jti": str(uuid.uuid4()),
    } | changes
    return {name: value for name, value in found.items() if value is not None}


def token(
    key: str = "rsa",
    algorithm: str = "RS384",
    *,
    header: dict[str, Any] | None = None,
    now: float | None = None,
    **changes: Any,
) -> str:
    """A signed token; `header` adds to kid, alg and typ."""
    return jwt.encode(
        claims(now, **changes),
        private_key(key),
        algorithm=algorithm,
        headers={"kid": key} | (header or {}),
    )


def raw(header: Any, body: Any, signature: bytes = b"x") -> str:
    """A token of any parts: JSON of values, or bytes as they are."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)
    ]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )
