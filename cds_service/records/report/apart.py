"""A report in a process of its own: reading months of decisions must not hold up a server's hooks.

The question goes in on standard input, not as arguments: the address of a database may hold a
password, and every account of a machine can read arguments.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from cds_service.records.report.page import Link, report_page
from cds_service.records.report.table import Labels
from cds_service.store import Database, Filters, StoreError, Trouble

LIMIT_S = 60.0
"""As long as somebody waits for a page."""
_STORE_ERROR = 3


def page_made_apart(
    url: str,
    filters: Filters,
    labels: Labels,
    links: Iterable[Link] = (),
    *,
    limit_s: float = LIMIT_S,
) -> str:
    """The whole page of a report; raises StoreError, or TimeoutError past the limit."""
    asked = {
        "url": url,
        "client": filters.client,
        "service": filters.service,
        "since": _written(filters.since),
        "until": _written(filters.until),
        "labels": [[*key, words] for key, words in labels.items()],
        "links": [list(link) for link in links],
    }
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(  # noqa: S603 - this very module
            command, input=json.dumps(asked).encode(), capture_output=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    if done.returncode == _STORE_ERROR:
        raise StoreError(Trouble[done.stdout.decode()])
    if done.returncode:
        raise StoreError(Trouble.OTHER)  # what it wrote may name addresses and values
    return done.stdout.decode()


def main() -> None:
    """Answers the question on standard input with a page on standard output."""
    asked = json.load(sys.stdin)
    filters = Filters(
        client=asked["client"],
        service=asked["service"],
        since=_read(asked["since"]),
        until=_read(asked["until"]),
    )
    labels = {(system, code): words for system, code, words in asked["labels"]}
    links = [Link(*one) for one in asked["links"]]
    try:
        database = Database.open(asked["url"])
        made = report_page(database, filters, now=datetime.now(UTC), labels=labels, links=links)
    except StoreError as error:
        sys.stdout.write(error.trouble.name)
        sys.exit(_STORE_ERROR)
    sys.stdout.buffer.write(made.encode())


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


if __name__ == "__main__":
    main()
