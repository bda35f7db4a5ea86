"""The commands of one word: serve · check · services · explain; groups have their own modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import click

from cds_service.chart import FhirAccess
from cds_service.cli.clients import clients
from cds_service.cli.common import Day, client_of, or_stop, pretty, stop
from cds_service.cli.database import database
from cds_service.cli.replaying import replay
from cds_service.cli.report import report
from cds_service.cli.sheet import sheet
from cds_service.cli.sheet_page import sheet_markdown
from cds_service.config import Settings, is_loopback
from cds_service.engine import answer, load_services
from cds_service.engine.deployment import Deployment
from cds_service.handover import inherits_sockets
from cds_service.protocol import strict_json
from cds_service.protocol.service import Service
from cds_service.records import stored_reasoning
from cds_service.registry import DEVELOPMENT, Client, Registry, load
from cds_service.store import Database
from cds_service.web.context import clinical_date
from cds_service.web.deploy import deploy, switches_of
from cds_service.web.errors import failure_of
from cds_service.web.refusals import NotOneObject

NO_DECISION = 3
"""Exit status of `explain` for a request that reaches no decision."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bone-density-cds", prog_name="cds-service")
def main() -> None:
    """Answer CDS Hooks calls about orders: serve them, check the set-up, explain an answer.

    Settings are read from CDS_* environment variables; without any, everything runs in
    development mode, for this machine only.
    """


@main.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on. [CDS_HOST, 127.0.0.1]")
@click.option("--port", type=int, metavar="PORT", help="Port to listen on. [CDS_PORT, 8000]")
@click.option("--workers", type=int, metavar="N", help="Worker processes. [CDS_WORKERS, 2]")
@click.option("--threads", type=int, metavar="N", help="Threads per worker. [CDS_THREADS, 32]")
def serve(host: str | None, port: int | None, workers: int | None, threads: int | None) -> None:
    """Serve over HTTP until stopped.

    Options go before environment variables; everything else is set by CDS_* variables alone.
    """
    options = {"HOST": host, "PORT": port, "WORKERS": workers, "THREADS": threads}
    given = {f"CDS_{name}": str(value) for name, value in options.items() if value is not None}
    environment = {**os.environ, **given}
    settings = _settings(environment)
    for line in _addresses(settings):
        click.echo(line)
    if inherits_sockets(environment):
        click.echo("listens on sockets that were passed on; CDS_HOST and CDS_PORT do not count")
    sys.stdout.flush()
    configuration = str(resources.files("cds_service").joinpath("gunicorn.conf.py"))
    command = [sys.executable, "-m", "gunicorn", "--config", configuration]
    # Many threads with an arena each would keep what a large answer needed once.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own interpreter


def _addresses(settings: Settings) -> list[str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = settings.public_url or f"http://{host}:{settings.port}"
    lines = [f"console    {base}/"] if settings.console_enabled else []
    lines += [f"discovery  {base}/cds-services"]
    lines += [f"service    {base}/cds-services/{name}" for name in _services()]
    lines += [f"about      {base}/about/{name}" for name in _services()]
    lines += [f"health     {base}/livez", f"openapi    {base}/openapi.json"]
    admin = base if settings.is_development else None
    if settings.admin_port is not None:
        at = f"[{settings.admin_host}]" if ":" in settings.admin_host else settings.admin_host
        admin = f"http://{at}:{settings.admin_port}"
    if admin is not None:
        lines += [f"metrics    {admin}/metrics", f"reports    {admin}/reports"]
    return [*lines, f"try        curl -s {base}/cds-services"]


@main.command()
@click.option(
    "--clients",
    "clients_file",
    metavar="FILE",
    help="The file of CDS clients to check instead of the one in CDS_CLIENTS.",
)
@click.option("--client", "name", metavar="NAME", help="The client of the --requests.")
@click.option(
    "--requests",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Replay recorded requests (*.json) and hold the answers against the client's rules.",
)
def check(clients_file: str | None, name: str | None, folder: Path | None) -> None:
    """Check settings, CDS clients and services; exit 1 and list everything that is wrong.

    With --requests also what each recorded request is answered with: an answer that breaks the
    rules of the client's profile is named with its place.
    """
    environment = {
        **os.environ,
        **({"CDS_CLIENTS": clients_file} if clients_file is not None else {}),
    }
    settings = _settings(environment)
    click.echo(f"settings  {settings.mode}, authentication {settings.auth}: ok")
    services = _services()
    for service in services.values():
        service.warm_up()
        click.echo(f"service   {service.id} {service.ruleset} ({', '.join(service.hooks)}): ok")
    if not services:
        stop("no decision service is installed")
    registry = _registry(settings, services)
    _deployment(settings, registry)
    for client in registry.clients.values():
        for base in client.fhir_bases if settings.is_development else ():
            if not is_loopback(urlsplit(base).hostname or ""):
                click.echo(
                    f"warning   clients.{client.name}.fhir_bases: {base} is not on this machine; "
                    "development reads from loopback servers only",
                    err=True,
                )
        click.echo(f"client    {client.name} ({client.profile}, {client.time_zone.key}): ok")
        for service in services.values():
            for warning in service.warnings(client.settings[service.id]):
                place = f"clients.{client.name}.services.{service.id}"
                click.echo(f"warning   {place}: {warning}", err=True)
    if folder is not None:
        client = client_of(registry, name or DEVELOPMENT, "--client")
        if not replay(folder, client, services, settings):
            sys.exit(1)


@main.command("services")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option(
    "--knowledge", is_flag=True, help="Print rules, ratings, thresholds and sources instead."
)
@click.option("--sheet", "as_sheet", is_flag=True, help="Print what hospital IT has to enter.")
@click.option("--client", "name", metavar="NAME", help="The one client of the --sheet. [all]")
def list_services(as_json: bool, knowledge: bool, as_sheet: bool, name: str | None) -> None:
    """List the installed decision services with their hooks and prefetch templates.

    With --sheet a page for those who connect an EHR: addresses, prefetch queries, scopes, codes,
    tokens, firewall and a test.
    """
    services = _services()
    if knowledge and as_sheet:
        raise click.UsageError("--knowledge and --sheet: take one of them")
    if name and not as_sheet:
        raise click.UsageError("--client: goes with --sheet")
    if as_sheet:
        settings = _settings(os.environ)
        registry = _registry(settings, services)
        if name:
            client_of(registry, name, "--client")
        found = sheet(services.values(), registry, name, settings)
        click.echo(pretty(found) if as_json else sheet_markdown(found))
        return
    if knowledge:
        known = {service.id: service.about() for service in services.values()}
        pages = [service.about_markdown() for service in services.values()]
        click.echo(pretty(known) if as_json else "\n".join(pages))
        return
    if as_json:
        rows = [
            {
                "id": service.id,
                "title": service.title,
                "hooks": list(service.hooks),
                "ruleset": service.ruleset,
                "prefetch": {item.key: item.query for item in service.prefetch},
            }
            for service in services.values()
        ]
        click.echo(pretty(rows))
        return
    for service in services.values():
        click.echo(f"{service.id} {service.ruleset}: {service.title}")
        click.echo(f"  hooks: {', '.join(service.hooks)}")
        for item in service.prefetch:
            click.echo(f"  {item.key}: {item.query}")


@main.command()
@click.argument("request_file", metavar="[REQUEST.json]", type=click.File("rb"), required=False)
@click.option("--as-of", type=Day(), help="Clinical date. [CDS_AS_OF, today at the client]")
@click.option("--client", "name", default=DEVELOPMENT, metavar="NAME", help="The CDS client.")
@click.option("--fetch", is_flag=True, help="Fetch missing data from the request's FHIR server.")
@click.option("--card", metavar="UUID", help="A card that was shown, instead of a request.")
def explain(
    request_file: BinaryIO | None, as_of: date | None, name: str, fetch: bool, card: str | None
) -> None:
    """Explain the answer to one hook request, read from REQUEST.json or, with -, standard input.

    With --card prints what was recorded of a card that was shown, and what became of it.

    Prints facts, rules, sources and the response as JSON. A request that reaches no decision
    prints its status and OperationOutcome, and exits 3. Without --fetch nothing is sent over a
    network.
    """
    settings = _settings(os.environ)
    if (request_file is None) == (card is None):
        raise click.UsageError("give either REQUEST.json or --card UUID")
    if request_file is None:
        _explain_card(settings, card or "")
        return
    services = _services()
    registry = _registry(settings, services)
    client = client_of(registry, name, "--client")
    try:
        body = strict_json.loads(request_file.read())
        if not isinstance(body, dict):
            raise NotOneObject("The request is JSON, but not one object")
        found = answer(
            _service_for(body, services),
            client,
            body,
            as_of=as_of or clinical_date(settings, client),
            uuid_key=settings.secret_key,
            access=_access(settings, registry, client) if fetch else None,
            public_url=settings.public_url,
        )
    except Exception as error:
        failure = failure_of(error, settings.max_body_bytes)
        if failure.status >= 500:
            raise
        unread = [{"data": gap.data, "reason": gap.reason} for gap in failure.unread]
        outcome = failure.outcome
        click.echo(pretty({"status": failure.status, "outcome": outcome, "unread": unread}))
        sys.exit(NO_DECISION)
    click.echo(pretty(found.explanation))


def _explain_card(settings: Settings, card: str) -> None:
    found = or_stop(lambda: stored_reasoning(Database.open(settings.database_url), card))
    if found is None:
        stop("no card with this uuid was recorded")
    click.echo(pretty(found))


def _access(settings: Settings, registry: Registry, client: Client) -> FhirAccess:
    """How the client's FHIR server may be read in a call that begins now."""
    return _deployment(settings, registry).fhir_servers.access(client, monotonic())


def _deployment(settings: Settings, registry: Registry) -> Deployment:
    database = or_stop(lambda: Database.open(settings.database_url))
    return or_stop(lambda: deploy(settings, registry, database, switches_of(database)))


def _service_for(body: Mapping[str, Any], services: Mapping[str, Service]) -> Service:
    """The service that offers the request's hook; without one, the first says what is wrong."""
    if not services:
        stop("no decision service is installed")
    offering = [s for s in services.values() if body.get("hook") in s.hooks]
    return (offering or list(services.values()))[0]


def _settings(environment: Mapping[str, str]) -> Settings:
    return or_stop(lambda: Settings.from_environment(environment))


def _services() -> dict[str, Service]:
    return or_stop(load_services)


def _registry(settings: Settings, services: Mapping[str, Service]) -> Registry:
    return or_stop(lambda: load(settings.clients_path, services))


main.add_command(clients)
main.add_command(database)
main.add_command(report)
