"""A caller that must prove who it is: a registry with its key, and a fresh token for each call."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.servers import PATH

ISSUER = "https://ehr.example.org"
PUBLIC = "https://cds.example.org"


def registered_caller(folder: Path) -> tuple[dict[str, str], Callable[[], str]]:
    """Settings of a server that asks for tokens, and what makes the Authorization of one call.

    RS384 with a key of 2048 bits, as CDS Hooks recommends; each token can be used once.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = dict(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))
    public.pop("key_ops", None)
    (folder / "keys.json").write_text(json.dumps({"keys": [public | {"kid": "bench"}]}))
    (folder / "clients.toml").write_text(
        '[clients.bench]\nprofile = "standard"\nmode = "live"\n'
        f'[clients.bench.trust]\nissuer = "{ISSUER}"\naudiences = ["{PUBLIC}"]\n'
        'jwks_file = "keys.json"\n'
    )

    def authorization() -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": f"{PUBLIC}{PATH}",
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
        }
        return f"Bearer {jwt.encode(claims, key, 'RS384', headers={'kid': 'bench'})}"

    settings = {"CDS_AUTH": "required", "CDS_CLIENTS": str(folder / "clients.toml")}
    return settings, authorization
