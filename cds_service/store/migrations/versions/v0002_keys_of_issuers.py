"""Until when the keys of an issuer are fresh, and which of them are revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds what the workers tell each other of the keys of issuers."""
    op.add_column("issuer_keys", sa.Column("fresh_until", sa.Double))
    op.create_table(
        "revocation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("kid", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocation"),
        sa.CheckConstraint("state IN ('revoked', 'restored')", name="state"),
        comment="every key of an issuer that was revoked or restored; rows are only ever added",
    )
    op.create_index("ix_revocation_issuer_kid_id", "revocation", ["issuer", "kid", "id"])
