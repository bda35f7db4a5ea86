"""`cds-service client`: the clients of the registry, their keys, and the kill switches."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from cds_service.cli.common import (
    client_of,
    environment_registry,
    environment_settings,
    or_stop,
    shown,
    stop,
)
from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.engine.callers import known_kids, probe_keys
from cds_service.engine.probing import token_findings
from cds_service.store import (
    Database,
    IssuerKeys,
    KeyState,
    Revocation,
    RevocationLog,
    Scope,
    ScopeKind,
    State,
    StoreError,
    SwitchLog,
)
from cds_service.web.deploy import prepare_store

EVERYTHING = "all"
MAX_KID = 256
"""As long as the name of a key may be in a token."""


@click.group("client")
def clients() -> None:
    """Look at clients, probe their keys and tokens, revoke keys, switch cards off and on."""


@clients.command("list")
def list_clients() -> None:
    """List the clients with profile, mode and issuer."""
    for client in environment_registry(environment_settings()).clients.values():
        issuer = client.trust.get("issuer", "not verified")
        click.echo(f"{client.name}: profile {client.profile}, {client.mode}, {issuer}")


@clients.command()
@click.argument("name")
@click.option("--token", metavar="TOKEN", help="A token to verify, without the word Bearer.")
@click.option("--service", metavar="ID", help="The service it is for. [the first one installed]")
def probe(name: str, token: str | None, service: str | None) -> None:
    """Fetch the keys of client NAME, and say why a pasted token would not be accepted.

    The token is not used up: it may still be sent once. Exit 1 when something is wrong.
    """
    settings = environment_settings()
    client = client_of(environment_registry(settings), name, "NAME")
    if not client.trust:
        stop(f"clients.{name}: has no trust block; nothing of its calls is verified")
    found = or_stop(lambda: probe_keys(client, settings.is_development, settings.ca_file))
    revoked = _revoked(settings, client.trust["issuer"])
    for key in found.keys.values():
        curve = f" {key.curve}" if key.curve else ""
        told = f"{key.kind}{curve}, {key.algorithm or 'any algorithm'}"
        click.echo(f"key     {shown(key.kid)}: {told}{', revoked' * (key.kid in revoked)}")
    for text in found.left_out:
        click.echo(f"not used  {text}", err=True)
    if token is None:
        return
    path = f"/cds-services/{service or next(iter(load_services()))}"
    problems = token_findings(client, settings.public_url, found, revoked, token, path, time.time())
    for text in problems:
        click.echo(f"token   {text}", err=True)
    if problems:
        raise SystemExit(1)
    click.echo(f"token   would be accepted at {path}")


@clients.command()
@click.argument("name")
@click.argument("state", type=click.Choice([State.ON.value, State.OFF.value]))
@click.option("--service", metavar="ID", help="Only this service.")
@click.option("--rule", metavar="RULE", help="Only this rule of the service.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, kept with the switch.")
@click.option("--who", metavar="TEXT", help="Who decided it. [the user of this machine]")
def switch(
    name: str, state: str, service: str | None, rule: str | None, why: str, who: str | None
) -> None:
    """Turn the cards of client NAME off or on, or those of all clients with the NAME "all".

    All workers follow within five seconds. Orders go on; a call gets 200 without cards.
    """
    settings = environment_settings()
    registry = environment_registry(settings)
    client = None if name == EVERYTHING else client_of(registry, name, "NAME").name
    if rule and not service:
        raise click.UsageError("--rule: needs --service")
    services = or_stop(load_services)
    if service and service not in services:
        raise click.UsageError(f"--service: no service {service}; known: {', '.join(services)}")
    if rule and service:
        known = [one["id"] for one in services[service].about().get("rules", ())]
        if known and rule not in known:  # else a mistyped name would look like a success
            raise click.UsageError(f"--rule: no rule {rule}; known: {', '.join(known)}")
    if rule:
        kind = ScopeKind.RULE
    elif service:
        kind = ScopeKind.SERVICE
    else:
        kind = ScopeKind.CLIENT if client else ScopeKind.ALL
    log = SwitchLog(_database())
    or_stop(
        lambda: log.set(
            Scope(kind, client, service, rule),
            State(state),
            who=who or _user(),
            why=why,
            now=datetime.now(UTC),
        )
    )
    click.echo(f"{name}{' ' + service if service else ''}{' ' + rule if rule else ''}: {state}")


@clients.command()
@click.argument("name")
@click.option("--kid", required=True, metavar="KID", help="The name of the key, as tokens say it.")
@click.option("--restore", is_flag=True, help="Trust it again.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, kept with the decision.")
@click.option("--who", metavar="TEXT", help="Who decided it. [the user of this machine]")
def revoke(name: str, kid: str, restore: bool, why: str, who: str | None) -> None:
    """Trust the key KID of client NAME no longer, whatever its issuer goes on publishing.

    All workers follow within five seconds: a token that it has signed gets 401. Holds for every
    client of the same issuer, until the key is restored.
    """
    settings = environment_settings()
    registry = environment_registry(settings)
    client = client_of(registry, name, "NAME")
    if not client.trust:
        stop(f"clients.{name}: has no trust block; nothing of its calls is verified")
    if not 0 < len(kid) <= MAX_KID:
        raise click.UsageError(f"--kid: has to have 1 to {MAX_KID} characters")
    issuer, database = client.trust["issuer"], _database()
    log = RevocationLog(database)
    if restore:
        _refuse_unknown(kid, {one for of, one in or_stop(log.revoked) if of == issuer})
    state = KeyState.RESTORED if restore else KeyState.REVOKED
    one = Revocation(issuer, kid, state, who or _user(), why, datetime.now(UTC))
    or_stop(lambda: log.add(one))
    sharing = [o.name for o in registry.clients.values() if o.trust.get("issuer") == issuer]
    click.echo(f"{', '.join(sharing)}: key {shown(kid)}: {state}")
    known = or_stop(lambda: known_kids(client, IssuerKeys(database)))
    if not restore and kid not in known:  # else a mistyped name would look like a success
        click.echo(f"note: no key of this name is known here; known: {_list(known)}", err=True)


@clients.command()
def switches() -> None:
    """List every switch and revoked key that ever was, as it stands, with who, when and why."""
    database = _database()
    for one in or_stop(SwitchLog(database).current):
        parts = (one.scope.client or EVERYTHING, one.scope.service, one.scope.rule)
        place = " ".join(part for part in parts if part)
        _tell(place, one.state, one.at, one.who, one.why)
    for key in or_stop(RevocationLog(database).current):
        _tell(f"{key.issuer} key {shown(key.kid)}", key.state, key.at, key.who, key.why)


def _tell(place: str, state: str, at: datetime, who: str, why: str) -> None:
    click.echo(f"{place}: {state}, {at:%Y-%m-%d %H:%M} UTC, {who}: {why}")


def _revoked(settings: Settings, issuer: str) -> frozenset[str]:
    """The names of an issuer's keys that are revoked; without a store that is told, no more."""
    try:
        database = Database.open(settings.database_url)
        found = RevocationLog(database).revoked() if database.is_there else frozenset()
    except StoreError as error:
        click.echo(f"note: which keys are revoked is not known: {error}", err=True)
        return frozenset()
    return frozenset(kid for of, kid in found if of == issuer)


def _refuse_unknown(kid: str, revoked: set[str]) -> None:
    if kid not in revoked:
        raise click.UsageError(f"--kid: is not revoked; revoked: {_list(sorted(revoked))}")


def _list(kids: Sequence[str]) -> str:
    return ", ".join(map(shown, kids)) or "none"


def _user() -> str:
    """The user of this machine; in a container it often has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _database() -> Database:
    settings = environment_settings()
    or_stop(lambda: prepare_store(settings, required=True))
    return or_stop(lambda: Database.open(settings.database_url))
