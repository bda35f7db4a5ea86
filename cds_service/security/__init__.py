"""Who may call: tokens of CDS clients, verified with keys that only the registry names."""

from cds_service.security.errors import KeysUnusable, Rejected
from cds_service.security.fetch import fetch_from
from cds_service.security.key_sources import FetchedKeys, Shared, StaticKeys
from cds_service.security.keys import PUBLISHED, KeySet, read_keys
from cds_service.security.tokens import read_bearer
from cds_service.security.trust import Trust, read_trust
from cds_service.security.verification import Revoked, Trusted, Verifier

__all__ = [
    "PUBLISHED",
    "FetchedKeys",
    "KeySet",
    "KeysUnusable",
    "Rejected",
    "Revoked",
    "Shared",
    "StaticKeys",
    "Trust",
    "Trusted",
    "Verifier",
    "fetch_from",
    "read_bearer",
    "read_keys",
    "read_trust",
]
