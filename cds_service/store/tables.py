"""The tables, as the newest migration leaves them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from cds_service.store.types import UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

_Number = BigInteger().with_variant(Integer, "sqlite")
"""An integer that ascends with the rows on both databases."""

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
    Column("id", _Number, primary_key=True),  # the order in which the switches were set
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

revocation = Table(
    "revocation",
    metadata,
    Column("id", _Number, primary_key=True),  # the order in which it was decided
    Column("at", UtcDateTime, nullable=False),
    Column("issuer", String, nullable=False),
    Column("kid", String, nullable=False),
    Column("state", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Index(None, "issuer", "kid", "id"),
    CheckConstraint("state IN ('revoked', 'restored')", name="state"),
    comment="every key of an issuer that was revoked or restored; rows are only ever added",
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
    Column("fresh_until", Double),  # null where it is not known
    comment="the last good JWKS document of each issuer, shared by all workers",
)

decision = Table(
    "decision",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("service", String, nullable=False),
    Column("hook", String, nullable=False),
    Column("ruleset", String, nullable=False),
    Column("knowledge", String, nullable=False),
    Column("client", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("patient", String, nullable=False),
    Column("silence", String),
    Column("latency_ms", Double, nullable=False),
    Column("declined", Text, nullable=False),
    Column("unread", Text, nullable=False),
    Column("ignored", Text, nullable=False),
    Index(None, "at"),
    comment="one answered call, in codes and bands only; texts are JSON",
)

judgement = Table(
    "judgement",
    metadata,
    Column("decision", String(36), ForeignKey("decision.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("patient_order", String, nullable=False),
    Column("study", String),
    Column("scenario", String, nullable=False),
    Column("modifiers", Text, nullable=False),
    Column("rating", String),
    Column("rating_status", String, nullable=False),
    Column("timing", String, nullable=False),
    Column("indicator", String),
    Column("silence", String),
    Column("rule", String, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("card", String(36)),
    Column("suggestions", Text, nullable=False),
    Index(None, "card"),
    comment="one judged order of a decision, with the card that was shown; a repeat repeats it",
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("client", String, nullable=False),
    Column("service", String, nullable=False),
    Column("card", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("outcome_at", UtcDateTime, nullable=False),
    Column("suggestions", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("words", Text),
    Column("comment", Text),
    Index(None, "fingerprint", unique=True),
    Index(None, "card"),
    Index(None, "received_at"),
    CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    CheckConstraint("outcome IN ('accepted', 'overridden')", name="outcome"),
    comment="what clinicians made of cards; words and comment may hold data of patients",
)
