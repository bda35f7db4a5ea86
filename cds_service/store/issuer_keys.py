"""The keys of issuers as they were last fetched, and whose turn it is to fetch them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Double, LargeBinary, String, bindparam, select, text

from cds_service.store.database import Database
from cds_service.store.key_fetches import KeyFetches
from cds_service.store.tables import issuer_keys

_KEEP = text(
    "INSERT INTO issuer_keys (issuer, document, fetched_at, fresh_until)"
    " VALUES (:issuer, :document, :at, :fresh_until)"
    " ON CONFLICT (issuer) DO UPDATE"
    " SET document = excluded.document, fetched_at = excluded.fetched_at,"
    " fresh_until = excluded.fresh_until"
    " WHERE issuer_keys.fetched_at < excluded.fetched_at"
).bindparams(
    bindparam("issuer", type_=String),
    bindparam("document", type_=LargeBinary),
    bindparam("at", type_=Double),
    bindparam("fresh_until", type_=Double),
)
_KEPT = select(issuer_keys.c.document, issuer_keys.c.fetched_at, issuer_keys.c.fresh_until).where(
    issuer_keys.c.issuer == bindparam("issuer"),
    issuer_keys.c.fetched_at > bindparam("since"),
)


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """The last good document of an issuer, and when it was fetched.

    `fresh_until` is when it is to be fetched again; None where an older program has kept it.
    """

    document: bytes
    fetched_at: float
    fresh_until: float | None


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

    def keep(self, issuer: str, document: bytes, now: float, fresh_until: float) -> None:
        """Keeps a good document, unless a newer one is there."""
        values = {"issuer": issuer, "document": document, "at": now, "fresh_until": fresh_until}
        with self._database.statements() as connection:
            connection.execute(_KEEP, values)

    def kept(self, issuer: str, since: float) -> KeptKeys | None:
        """The last good document, if it was fetched after a time."""
        with self._database.statements() as connection:
            row = connection.execute(_KEPT, {"issuer": issuer, "since": since}).one_or_none()
        return KeptKeys(row.document, row.fetched_at, row.fresh_until) if row else None
