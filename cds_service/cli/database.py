"""`cds-service db`: the tables of the store, and at which revision they are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service.cli.common import environment_settings, or_stop, stop
from cds_service.records import prune as delete_old
from cds_service.store import Database, back_up, current_revision, examine, head_revision

_PATIENCE_S = 60.0
"""For reading everything, which takes longer than a call may wait."""


@click.group("db")
def database() -> None:
    """Look after the database: used tokens, kill switches, keys, decisions, feedback."""


@database.command()
def migrate() -> None:
    """Bring the tables to the newest revision; safe to run on every node at once."""
    from cds_service.store.migrations import migrate as bring_up_to_date

    for one in _databases():
        try:
            one.make_folder()
        except OSError:
            stop(f"CDS_DATABASE_URL: the folder of {one.where} cannot be made")
        revision = or_stop(lambda one=one: bring_up_to_date(one))  # type: ignore[misc]
        click.echo(f"{one.where}: at revision {revision}")


@database.command()
def status() -> None:
    """Say at which revision the tables are; exit 1 when they are not up to date."""
    is_current = True
    for one in _databases():
        if not one.is_there:
            click.echo(f"{one.where}: not made yet")
            continue
        revision = or_stop(lambda one=one: current_revision(one))  # type: ignore[misc]
        is_current = is_current and revision == head_revision()
        click.echo(f"{one.where}: at revision {revision}, newest is {head_revision()}")
    if not is_current:
        raise SystemExit(1)


@database.command()
@click.option("--days", type=click.IntRange(min=1), required=True, help="Keep so many days.")
def prune(days: int) -> None:
    """Delete decisions, cards and feedback that are older; run it daily."""
    first = _databases()[0]
    gone = or_stop(lambda: delete_old(first, days=days, now=datetime.now(UTC)))
    click.echo(f"{first.where}: deleted {gone.decisions} decisions, {gone.feedback} feedback")


@database.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy a SQLite database into a new FILE while the service runs.

    The copy holds everything that was acknowledged before, is checked, and is on disk when this
    ends. Used tokens are not copied. PostgreSQL is copied with pg_dump.
    """
    first = _databases()[0]
    made = or_stop(lambda: back_up(first, file))
    click.echo(f"{file}: {made.size_bytes} bytes, at revision {made.revision}, checked")


@database.command()
def check() -> None:
    """Look whether the database is whole, durable and up to date; exit 1 when it is not.

    SQLite reads the whole file, PostgreSQL is asked for its settings. The service may run.
    """
    is_well = True
    notes: dict[str, None] = {}  # each once
    for one in _databases():
        if not one.is_there:
            click.echo(f"{one.where}: not made yet")
            continue
        with one.patient(_PATIENCE_S) as slow:
            found = or_stop(lambda slow=slow: examine(slow))  # type: ignore[misc]
        counts = ", ".join(f"{name} {count}" for name, count in found.counts.items())
        click.echo(f"{one.where}: {counts}" if counts else f"{one.where}: nothing counted")
        notes |= dict.fromkeys(found.notes)
        for problem in found.problems:
            click.echo(f"error: {one.where}: {problem}", err=True)
        is_well = is_well and not found.problems
        if not found.problems:
            click.echo(f"{one.where}: whole, at revision {found.revision}")
    for note in notes:
        click.echo(f"note: {note}")
    if not is_well:
        raise SystemExit(1)


def _databases() -> list[Database]:
    settings = environment_settings()
    first = or_stop(lambda: Database.open(settings.database_url))
    return [first] if first.is_shared else [first, first.for_replay()]
