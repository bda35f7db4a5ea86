"""Recorded requests, answered again and held against the rules of the client's profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from cds_service.cli.common import stop
from cds_service.config import Settings
from cds_service.engine import answer
from cds_service.profiles.contract import violations
from cds_service.protocol import strict_json
from cds_service.protocol.service import Service
from cds_service.registry import Client
from cds_service.web.context import clinical_date
from cds_service.web.errors import failure_of


def replay(
    folder: Path, client: Client, services: Mapping[str, Service], settings: Settings
) -> bool:
    """Answers every request of a folder and says how; True when no answer breaks a rule.

    Nothing is read from a FHIR server. A request that is refused is named with its status: whether
    that is right is for the reader to say.
    """
    is_good = True
    paths = sorted(folder.glob("*.json"))
    if not paths:
        stop(f"--requests: there is no *.json in {folder}")
    for path in paths:
        status, broken = _answered(path, client, services, settings)
        is_good = is_good and not broken
        click.echo(f"request   {path.name}: {status}")
        for text in broken:
            click.echo(f"broken    {path.name}: {text}", err=True)
    click.echo(
        f"requests  {len(paths)} of {client.name}: {'ok' if is_good else 'rules are broken'}"
    )
    return is_good


def _answered(
    path: Path, client: Client, services: Mapping[str, Service], settings: Settings
) -> tuple[str, tuple[str, ...]]:
    """What a request got, and what the answer breaks."""
    try:
        body = strict_json.loads(path.read_bytes())
        hook = body.get("hook") if isinstance(body, dict) else None
        offering = [service for service in services.values() if hook in service.hooks]
        service = (offering or list(services.values()))[0]
        found = answer(
            service,
            client,
            body,
            as_of=clinical_date(settings, client),
            uuid_key=settings.secret_key,
            public_url=settings.public_url,
        )
    except Exception as error:
        failure = failure_of(error, settings.max_body_bytes)
        if failure.status >= 500:
            raise
        return f"refused with {failure.status}", ()
    cards = found.response["cards"]
    said = ", ".join(str(card["indicator"]) for card in cards) or "no cards"
    return said, violations(client.profile, found.response)
