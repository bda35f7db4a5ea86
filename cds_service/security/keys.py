"""Public keys from a JWKS document: only such as may verify, each under its one name."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWKError, PyJWTError

from cds_service.security.errors import KeysUnusable

MAX_KEYS = 50
MINIMUM_RSA_BITS = 2048
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}

PUBLISHED = {
    "s9fOe-KDYD1myZ8YCzleUqJQgrYZL49kVijBxhnZvZc": "the CDS Hooks sandbox",
    "RBFgQFFUIf4hfG8iUUZrf3vFZ_V2r3YRGPx9nKJXk5M": "the Inferno test kit",
    "Q7fgcIzqt0bVAKsWaw_FyUFSDDpOTfsGdGtjJmAnzFY": "the Inferno test kit",
    "-UtOymI2Z0XB5SZogEZu3s5oMyQ4YaewHtR9huroTQs": "the example of the specification",
}
"""RFC 7638 thumbprints of keys whose private half anyone can read: they prove nothing."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key; `algorithm` is None where the document does not bind it to one."""

    kid: str
    kind: str
    curve: str | None
    algorithm: str | None
    thumbprint: str
    public: Any = field(repr=False)

    def may_verify(self, algorithm: str) -> bool:
        """Whether a signature by this algorithm can be one of this key's."""
        return (
            _FAMILIES.get(algorithm[:2]) == self.kind
            and self.algorithm in (None, algorithm)
            and self.curve == _CURVES.get(algorithm)
        )


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer by `kid`, an opaque text; `left_out` says what was not taken."""

    keys: Mapping[str, Key]
    left_out: tuple[str, ...] = ()


def read_keys(document: object, *, published: bool = False) -> KeySet:
    """The keys of a JWKS document; raises KeysUnusable when it is none, or contradicts itself.

    Keys for encryption, symmetric keys, keys without a name, short RSA keys and keys that cannot
    be read are left out; so are published test keys unless they are asked for.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeysUnusable("is no JWKS: it has no list of keys")
    if len(listed) > MAX_KEYS:
        raise KeysUnusable(f"has more than {MAX_KEYS} keys")
    keys: dict[str, Key] = {}
    left_out: list[str] = []
    for position, item in enumerate(listed):
        found = _key(item)
        if isinstance(found, Key) and found.thumbprint in PUBLISHED and not published:
            found = f"is the published test key of {PUBLISHED[found.thumbprint]}"
        if isinstance(found, str):
            left_out.append(f"keys[{position}]: {found}")
        elif found.kid in keys:
            raise KeysUnusable(f"has two keys of one name (keys[{position}])")
        else:
            keys[found.kid] = found
    if not keys:
        raise KeysUnusable("; ".join(("has no key that can be used", *left_out)))
    return KeySet(keys, tuple(left_out))


def _key(item: object) -> Key | str:
    """A usable key, or why it is none."""
    if not isinstance(item, dict):
        return "is no object"
    kid, kind = item.get("kid"), item.get("kty")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        return "has no kid"
    if not isinstance(kind, str) or kind not in _THUMBPRINT_MEMBERS:
        return "is neither RSA nor EC"
    operations = item.get("key_ops", ["verify"])
    if item.get("use", "sig") != "sig" or not (
        isinstance(operations, list) and "verify" in operations
    ):
        return "is not for signatures"
    algorithm = item.get("alg")
    if algorithm is not None and _FAMILIES.get(str(algorithm)[:2]) != kind:
        return "has an algorithm that is not for signatures by it"
    members = {name: item.get(name) for name in _THUMBPRINT_MEMBERS[kind]}
    if not all(isinstance(value, str) for value in members.values()):
        return "is not complete"
    try:
        # Without an algorithm the library would bind an RSA key to RS256.
        usual = {"RSA": "RS384", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
        named = algorithm or usual[kind if kind == "RSA" else str(item["crv"])]
        public = PyJWK.from_dict({**members, "alg": named}).key
    except (PyJWTError, PyJWKError, ValueError, KeyError, TypeError):
        return "cannot be read"
    if kind == "RSA" and public.key_size < MINIMUM_RSA_BITS:
        return f"is shorter than {MINIMUM_RSA_BITS} bits"
    curve = item["crv"] if kind == "EC" else None
    return Key(kid, kind, curve, algorithm, _thumbprint(members), public)


def _thumbprint(members: Mapping[str, Any]) -> str:
    """RFC 7638."""
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
