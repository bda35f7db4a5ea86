"""Databases for the tests of records: a SQLite file with all tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.store import Database
from cds_service.store.migrations import migrate


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with all tables, in a file of its own."""
    opened = Database.open(f"sqlite:///{tmp_path}/records.db", busy_timeout_ms=5000)
    migrate(opened)
    yield opened
    opened.close()
