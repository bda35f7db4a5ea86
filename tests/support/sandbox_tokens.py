"""Recorded tokens of the CDS Hooks sandbox, signed anew with a key made for the run."""

from __future__ import annotations

import re
import time
from typing import Any

import jwt
from tokens import jwk, jwks, private_key

KID = "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"
KEY = "ec384"


def public_keys() -> dict[str, Any]:
    """The JWKS that stands for the sandbox's own."""
    return jwks(jwk(KEY, KID))


def signed(recorded: dict[str, Any], path: str) -> str:
    """The recorded token with the times and the signature of now."""
    issued = int(time.time())
    claims = recorded["payload"] | {"iat": issued, "exp": issued + 300}
    claims["aud"] = re.sub(r"/cds-services/.*", path, claims["aud"])
    claims["jti"] = f"{claims['jti']}-{time.monotonic_ns()}"
    header = {name: value for name, value in recorded["header"].items() if name != "alg"}
    return jwt.encode(claims, private_key(KEY), recorded["header"]["alg"], headers=header)
