"""Which tokens have been used: each is accepted once, whoever asks, wherever and when."""

from __future__ import annotations

import itertools
from contextlib import suppress

from sqlalchemy import BigInteger, LargeBinary, bindparam, delete, select, text

from cds_service.store.database import Database
from cds_service.store.errors import StoreError
from cds_service.store.tables import replay

PRUNE_EVERY = 100
PRUNE_AT_MOST = 500
_TRIED = bytes(32)
"""A key that no token has, in a row that is written as those of tokens are."""

# One statement, so that the database itself decides between those who come at the same time.
_CLAIM = text(
    "INSERT INTO replay (key, expires_at) VALUES (:key, :expires_at)"
    " ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at"
    " WHERE replay.expires_at < :now"
).bindparams(
    bindparam("key", type_=LargeBinary),
    bindparam("expires_at", type_=BigInteger),
    bindparam("now", type_=BigInteger),
)
_EXPIRED = (
    select(replay.c.key)
    .where(replay.c.expires_at < bindparam("now"))
    .order_by(replay.c.expires_at)
    .limit(PRUNE_AT_MOST)
    .with_for_update(skip_locked=True)  # PostgreSQL: two that prune do not wait for each other
)
_PRUNE = delete(replay).where(replay.c.key.in_(_EXPIRED))


class ReplayStore:
    """The tokens that were used, in a database that all workers share.

    A claim survives the end of every process. What the database cannot say raises StoreError:
    whether to refuse the token then is for the caller to decide.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls = itertools.count(1)  # next() on it is atomic

    def claim(self, key: bytes, expires_at: int, now: int) -> bool:
        """Whether this is the first use of a key of 32 bytes; times in seconds since 1970.

        The key is kept through the second `expires_at`, by the clock of whoever asks. Machines
        whose clocks differ must add the difference to it.
        """
        if len(key) != 32:
            raise ValueError("a replay key has 32 bytes")
        values = {"key": key, "expires_at": expires_at, "now": now}
        is_first = self._database.change(_CLAIM, values) == 1
        if next(self._calls) % PRUNE_EVERY == 0:
            with suppress(StoreError):  # the claim is made and must be told; another one prunes
                self.prune(now)
        return is_first

    def keep_ready(self, now: int) -> None:
        """Takes room for claims on a full disk, and tries one; raises StoreError if either fails.

        For a thread of its own, every minute or so.
        """
        self._database.take_room()
        self._database.change(_CLAIM, {"key": _TRIED, "expires_at": now - 1, "now": now})

    def prune(self, now: int) -> int:
        """Deletes a batch of expired keys and says how many; `claim` does it now and then."""
        with self._database.statements() as connection:
            return connection.execute(_PRUNE, {"now": now}).rowcount
