"""`cds-service db`: the tables of the store, and at which revision they are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service.cli.common import environment_settings, or_stop, stop
from cds_service.records import prune as delete_old
from cds_service.store import Database, current_revision, head_revision


@click.group("db")
def database() -> None:
    """Look after the database: used tokens, kill switches, keys, decisions, feedback."""


@database.command()
def migrate() -> None:
    """Bring the tables to the newest revision; safe to run on every node at once."""
    from cds_service.store.migrations import migrate as bring_up_to_date

    for one in _databases():
        if not one.is_shared:
            try:
                Path(one.where).parent.mkdir(parents=True, exist_ok=True)
            except OSError:
                stop(f"CDS_DATABASE_URL: the folder of {one.where} cannot be made")
        revision = or_stop(lambda one=one: bring_up_to_date(one))  # type: ignore[misc]
        click.echo(f"{one.where}: at revision {revision}")


@database.command()
def status() -> None:
    """Say at which revision the tables are; exit 1 when they are not up to date."""
    is_current = True
    for one in _databases():
        if not one.is_shared and not Path(one.where).exists():
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


def _databases() -> list[Database]:
    settings = environment_settings()
    first = or_stop(lambda: Database.open(settings.database_url))
    return [first] if first.is_shared else [first, first.for_replay()]
