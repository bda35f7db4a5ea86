"""The keys of issuers as they were last fetched, and whose turn it is to fetch them."""

from __future__ import annotations

from sqlalchemy import Double, LargeBinary, String, bindparam, select, text

from cds_service.store.database import Database
from cds_service.store.key_fetches import KeyFetches
from cds_service.store.tables import issuer_keys

_KEEP = text(
    "INSERT INTO issuer_keys (issuer, document, fetched_at) VALUES (:issuer, :document, :at)"
    " ON CONFLICT (issuer) DO UPDATE"
    " SET document = excluded.document, fetched_at = excluded.fetched_at"
    " WHERE issuer_keys.fetched_at < excluded.fetched_at"
).bindparams(
    bindparam("issuer", type_=String),
    bindparam("document", type_=LargeBinary),
    bindparam("at", type_=Double),
)
_KEPT = select(issuer_keys.c.document, issuer_keys.c.fetched_at).where(
    issuer_keys.c.issuer == bindparam("issuer"),
    issuer_keys.c.fetched_at > bindparam("since"),
)


class IssuerKeys:
    """What all workers and nodes know together: what one has fetched serves all.

    Raises StoreError when the store does not answer. Times are seconds since 1970.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fetches = KeyFetches(database)

    def may_fetch(self, issuer: str, now: float, at_least_s: float) -> bool:
        """Whether nobody else has fetched lately; then it is the caller's turn."""
        return self._fetches.may_fetch(issuer, now, at_least_s)

    def keep(self, issuer: str, document: bytes, now: float) -> None:
        """Keeps a good document, unless a newer one is there."""
        with self._database.statements() as connection:
            connection.execute(_KEEP, {"issuer": issuer, "document": document, "at": now})

    def kept(self, issuer: str, since: float) -> tuple[bytes, float] | None:
        """The last good document and when it was fetched, if that was after a time."""
        with self._database.statements() as connection:
            row = connection.execute(_KEPT, {"issuer": issuer, "since": since}).one_or_none()
        return (row.document, row.fetched_at) if row else None
