"""A process that keeps feedback and tells each batch as soon as it is acknowledged.

Usage: writer.py URL NAME BATCHES SIZE. For each batch a line with its number is written when, and
only when, the store has said that it is kept.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from cds_service.protocol.feedback import Feedback
from cds_service.store import Database, FeedbackLog


def main(url: str, name: str, batches: int, size: int) -> None:
    """Keeps one batch after the other, without a pause."""
    log = FeedbackLog(Database.open(url, busy_timeout_ms=5000))
    now = datetime.now(UTC)
    for number in range(batches):
        batch = [
            Feedback(card=f"{name}-{number}-{item}", outcome="overridden", at=now, comment="x" * 50)
            for item in range(size)
        ]
        log.add(batch, client="c", service="s", now=now)
        # One write, without a buffer: what was said is said, whatever happens next.
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
