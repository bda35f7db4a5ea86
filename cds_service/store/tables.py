"""The tables, as the newest migration leaves them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from cds_service.store.types import UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

replay = Table(
    "replay",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "expires_at"),
    CheckConstraint("length(key) = 32", name="key"),
    sqlite_with_rowid=False,  # the key is the row: one tree to write, not two
    comment="tokens that were used; rows may go once they have expired",
)

switch = Table(
    "switch",
    metadata,
    # An ascending integer on both databases: the order in which the switches were set.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("scope", String, nullable=False),
    Column("client", String),
    Column("service", String),
    Column("rule", String),
    Column("state", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Index(None, "scope", "client", "service", "rule", "id"),
    CheckConstraint("scope IN ('all', 'client', 'service', 'rule')", name="scope"),
    CheckConstraint("state IN ('on', 'off')", name="state"),
    comment="every turn of a kill switch; rows are only ever added",
)

key_fetch = Table(
    "key_fetch",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("not_before", Double, nullable=False),
    comment="when an issuer's keys may be fetched again",
)

issuer_keys = Table(
    "issuer_keys",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("fetched_at", Double, nullable=False),
    comment="the last good JWKS document of each issuer, shared by all workers",
)
