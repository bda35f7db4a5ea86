"""When an issuer's keys were last fetched: an issuer is asked rarely, by all workers together."""

from __future__ import annotations

from sqlalchemy import Double, String, bindparam, text

from cds_service.store.database import Database

AT_LEAST_S = 9.0
_CLOCKS_DIFFER_S = 60.0

_TAKE = text(
    "INSERT INTO key_fetch (issuer, not_before) VALUES (:issuer, :next)"
    " ON CONFLICT (issuer) DO UPDATE SET not_before = excluded.not_before"
    " WHERE key_fetch.not_before <= :now OR key_fetch.not_before > :wrong"
).bindparams(
    bindparam("issuer", type_=String),
    bindparam("next", type_=Double),
    bindparam("now", type_=Double),
    bindparam("wrong", type_=Double),
)


class KeyFetches:
    """Turns at fetching keys, one per issuer and interval over all workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def may_fetch(self, issuer: str, now: float, at_least_s: float = AT_LEAST_S) -> bool:
        """Whether the caller has the turn; it is taken with the answer. Seconds since 1970.

        Clocks may differ by a minute. A turn that is further ahead was left by a clock which has
        been set back, and does not count.
        """
        with self._database.statements() as connection:
            result = connection.execute(
                _TAKE,
                {
                    "issuer": issuer,
                    "now": now,
                    "next": now + at_least_s,
                    "wrong": now + at_least_s + _CLOCKS_DIFFER_S,
                },
            )
            return result.rowcount == 1
