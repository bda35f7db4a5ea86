"""Until when the keys of an issuer are fresh."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds what the workers tell each other of the keys of issuers."""
    op.add_column("issuer_keys", sa.Column("fresh_until", sa.Double))
