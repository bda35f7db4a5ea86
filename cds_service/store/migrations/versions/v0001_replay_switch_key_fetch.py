"""Used tokens, kill switches, and when keys were fetched."""

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
