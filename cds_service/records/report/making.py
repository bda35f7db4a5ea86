"""From a database to a report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cds_service.records.report.counting import Counting
from cds_service.records.report.model import Report
from cds_service.store import (
    Database,
    Filters,
    StoreError,
    Trouble,
    current_revision,
    head_revision,
    review,
)

Progress = Callable[[int, int], None]
"""Told how many calls of how many were read, after each of them."""


def make_report(
    database: Database, filters: Filters, *, now: datetime, progress: Progress | None = None
) -> Report:
    """Reads what the filters name and counts it; raises StoreError.

    The calls come a page at a time: memory does not grow with their number, and neither the
    service nor another report waits for this one.
    """
    _require_tables(database)
    counting = Counting()
    with review(database, filters) as asked:
        of = asked.count()
        for done, call in enumerate(asked.calls(), 1):
            counting.add(call)
            if progress is not None:
                progress(done, max(of, done))
        return counting.report(
            filters,
            made_at=now,
            different=asked.different(),
            unknown_feedback=asked.unknown_feedback(),
        )


def _require_tables(database: Database) -> None:
    is_missing = not database.is_shared and not Path(database.where).exists()
    found = None if is_missing else current_revision(database)  # asking would make the file
    if found is None:
        raise StoreError(Trouble.NO_TABLES, "cds-service db migrate")
    if found != head_revision():
        detail = f"{found}, this program needs {head_revision()}; cds-service db migrate"
        raise StoreError(Trouble.WRONG_REVISION, detail)
