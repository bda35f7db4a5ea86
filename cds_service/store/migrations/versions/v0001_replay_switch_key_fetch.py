"""Used tokens, kill switches, when keys were fetched; decisions, cards and feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the first tables."""
    op.create_table(
        "replay",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_replay"),
        sa.CheckConstraint("length(key) = 32", name="key"),
        sqlite_with_rowid=False,
        comment="tokens that were used; rows may go once they have expired",
    )
    op.create_index("ix_replay_expires_at", "replay", ["expires_at"])
    op.create_table(
        "switch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("client", sa.String),
        sa.Column("service", sa.String),
        sa.Column("rule", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_switch"),
        sa.CheckConstraint("scope IN ('all', 'client', 'service', 'rule')", name="scope"),
        sa.CheckConstraint("state IN ('on', 'off')", name="state"),
        comment="every turn of a kill switch; rows are only ever added",
    )
    op.create_index(
        "ix_switch_scope_client_service_rule_id",
        "switch",
        ["scope", "client", "service", "rule", "id"],
    )
    op.create_table(
        "key_fetch",
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("issuer", name="pk_key_fetch"),
        comment="when an issuer's keys may be fetched again",
    )
    op.create_table(
        "issuer_keys",
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("fetched_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("issuer", name="pk_issuer_keys"),
        comment="the last good JWKS document of each issuer, shared by all workers",
    )
    _records()


def _records() -> None:
    """What was decided, shown and answered."""
    op.create_table(
        "decision",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("hook", sa.String, nullable=False),
        sa.Column("ruleset", sa.String, nullable=False),
        sa.Column("knowledge", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("patient", sa.String, nullable=False),
        sa.Column("silence", sa.String),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("declined", sa.Text, nullable=False),
        sa.Column("unread", sa.Text, nullable=False),
        sa.Column("ignored", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        comment="one answered call, in codes and bands only; texts are JSON",
    )
    op.create_index("ix_decision_at", "decision", ["at"])
    op.create_table(
        "judgement",
        sa.Column("decision", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("patient_order", sa.String, nullable=False),
        sa.Column("study", sa.String),
        sa.Column("scenario", sa.String, nullable=False),
        sa.Column("modifiers", sa.Text, nullable=False),
        sa.Column("rating", sa.String),
        sa.Column("rating_status", sa.String, nullable=False),
        sa.Column("timing", sa.String, nullable=False),
        sa.Column("indicator", sa.String),
        sa.Column("silence", sa.String),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("card", sa.String(36)),
        sa.Column("suggestions", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("decision", "position", name="pk_judgement"),
        sa.ForeignKeyConstraint(
            ["decision"], ["decision.id"], name="fk_judgement_decision", ondelete="CASCADE"
        ),
        comment="one judged order of a decision, with the card that was shown; a repeat repeats it",
    )
    op.create_index("ix_judgement_card", "judgement", ["card"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("card", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suggestions", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("words", sa.Text),
        sa.Column("comment", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
        sa.CheckConstraint("outcome IN ('accepted', 'overridden')", name="outcome"),
        comment="what clinicians made of cards; words and comment may hold data of patients",
    )
    op.create_index("ix_feedback_fingerprint", "feedback", ["fingerprint"], unique=True)
    op.create_index("ix_feedback_card", "feedback", ["card"])
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])
