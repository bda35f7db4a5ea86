"""`cds-service report`: what was asked, shown and answered."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import monotonic

import click

from cds_service.cli.common import Day, environment_settings, or_stop, pretty, stop
from cds_service.engine import load_services
from cds_service.records.report import (
    Labels,
    Report,
    csv_file,
    csv_files,
    document,
    labels_of,
    make_report,
    page,
)
from cds_service.records.report import text as as_text
from cds_service.store import Database, Filters, StoreError

TELL_EVERY_S = 2.0
_NEWLY_MADE = 0o640
"""A report is internal: not for every account of the machine."""


@click.command()
@click.option("--client", metavar="NAME", help="Only this CDS client. [all]")
@click.option("--service", metavar="ID", help="Only this decision service. [all]")
@click.option("--from", "first", type=Day(), help="First day, UTC. [the first that is kept]")
@click.option("--to", "last", type=Day(), help="Last day, UTC, included. [today]")
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(path_type=Path),
    help="Write CSV: to a file whose name ends in .csv, or a file for each table to a folder.",
)
@click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with pictures, to read and to print.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def report(
    client: str | None,
    service: str | None,
    first: date | None,
    last: date | None,
    csv_path: Path | None,
    html_path: Path | None,
    as_json: bool,
) -> None:
    """Report on orders, cards, feedback, silence, gaps and latency, by client and by week.

    Prints a summary. The report of a client in the mode silent says what would have been shown.
    Patients, orders and cards are counted, never named.
    """
    if first and last and last < first:
        raise click.UsageError("--to: must not be before --from")
    meant = Filters(
        client=client,
        service=service,
        since=_midnight(first),
        until=_midnight(last + timedelta(days=1)) if last else None,
    )
    settings = environment_settings()
    _prepare(csv_path, html_path)
    database = or_stop(lambda: Database.open(settings.database_url))
    try:
        found = make_report(database, meant, now=datetime.now(UTC), progress=_Telling())
    except StoreError as error:
        stop(f"{database.where}: {error}")
    finally:
        database.close()
    labels = labels_of(or_stop(load_services).values())
    if csv_path is not None:
        _write_csv(csv_path, found, labels)
    if html_path is not None:
        _write(html_path, page(found, labels))
    click.echo(pretty(document(found, labels)) if as_json else as_text(found, labels))


class _Telling:
    """Says on standard error how far a report is, when it takes long."""

    def __init__(self) -> None:
        self._next = monotonic() + TELL_EVERY_S

    def __call__(self, done: int, of: int) -> None:
        if done % 100 == 0 and monotonic() >= self._next:
            self._next = monotonic() + TELL_EVERY_S
            click.echo(f"read {done:,} of {of:,} calls ({100 * done // of} %)", err=True)


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time.min, UTC) if day else None


def _prepare(csv_path: Path | None, html_path: Path | None) -> None:
    """Finds out before a long reading whether there is a place to write to."""
    if csv_path is not None and not _is_one_file(csv_path):
        try:
            csv_path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            stop(f"--csv: the folder {csv_path} cannot be made: {error.strerror}")
    for path in (csv_path, html_path):
        if path is not None and not os.access(path.parent, os.W_OK | os.X_OK):
            stop(f"{path} cannot be written: its folder is missing or closed to this account")


def _is_one_file(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _write_csv(path: Path, found: Report, labels: Labels) -> None:
    if _is_one_file(path):
        _write(path, csv_file(found, labels))
        return
    files = csv_files(found, labels)
    for name, content in files.items():
        _write(path / name, content, tell=False)
    click.echo(f"wrote {len(files)} files to {path}", err=True)


def _write(path: Path, content: str, *, tell: bool = True) -> None:
    """Writes a file whole or not at all: a reader never sees half of a report."""
    part = path.with_name(f".{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()  # what a killed report left
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEWLY_MADE)
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        stop(f"{path} cannot be written: {error.strerror}")
    if tell:
        click.echo(f"wrote {path}", err=True)
