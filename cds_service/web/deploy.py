"""From settings and registry to a deployment: the one place where both meet."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cds_service.config import Auth, ConfigError, Settings
from cds_service.control import Switches
from cds_service.engine import FhirServers
from cds_service.engine.callers import callers
from cds_service.engine.deployment import Deployment, refuse_unsafe
from cds_service.registry import Registry
from cds_service.store import (
    Database,
    IssuerKeys,
    ReplayStore,
    RevocationLog,
    StoreError,
    SwitchLog,
    Trouble,
    is_current,
    refuse_newer,
)

_log = logging.getLogger("cds_service.records")


def prepare_store(settings: Settings, *, required: bool = False) -> None:
    """Makes sure that what is kept can be kept; raises ConfigError with what to do.

    A SQLite file is made and brought up to date. A shared database is brought up to date by an
    operator, once for all nodes. Without authentication hooks are answered without a store too:
    what is wrong with it is logged only, unless it is `required`, or the tables are those of a
    newer program: then rows of this one would be wrong among them.
    """
    try:
        database = Database.open(settings.database_url)  # a wrong address is told in any case
    except StoreError as error:
        raise ConfigError((f"CDS_DATABASE_URL: {error}",)) from None
    if settings.auth is Auth.REQUIRED or required:
        _prepare(database, database.for_replay())
        return
    try:
        _prepare(database)
    except _NewerTables:
        raise
    except ConfigError as error:
        _log.warning("decisions are not recorded and feedback is refused: %s", error)


class _NewerTables(ConfigError):
    """The database belongs to a newer program; nothing may be written there."""


def _prepare(*databases: Database) -> None:
    try:
        for one in databases:
            if one.is_there:
                refuse_newer(one)
            if one.is_shared and not is_current(one):
                raise ConfigError(
                    ("CDS_DATABASE_URL: its tables are not up to date; run cds-service db migrate",)
                )
            if not one.is_shared:
                one.make_folder()
                if not is_current(one):
                    from cds_service.store.migrations import migrate  # half a second, so not above

                    migrate(one)
    except (StoreError, OSError) as error:
        is_newer = isinstance(error, StoreError) and error.trouble is Trouble.WRONG_REVISION
        kind = _NewerTables if is_newer else ConfigError
        raise kind((f"CDS_DATABASE_URL: {_words(error)}",)) from None


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else "its folder cannot be made"


def switches_of(database: Database) -> Switches:
    """The kill switches kept in a database; where none exists yet, nothing is switched off."""
    log, revocations = SwitchLog(database), RevocationLog(database)
    return Switches(
        lambda: log.current() if database.is_there else (),
        lambda: revocations.revoked() if database.is_there else frozenset(),
    )


def deploy(
    settings: Settings,
    registry: Registry,
    database: Database,
    switches: Switches,
    count: Callable[[str, str], None] = lambda client, outcome: None,
) -> Deployment:
    """The deployment of a registry; raises RegistryError with every problem.

    `count` is told of each request to a FHIR server, by client and outcome.
    """
    if not settings.is_development:
        refuse_unsafe(registry)
    verifier = None
    if settings.auth is Auth.REQUIRED:
        verifier = callers(
            registry,
            ReplayStore(database.for_replay()),
            IssuerKeys(database),
            switches,
            is_development=settings.is_development,
            public_url=settings.public_url,
            ca_file=settings.ca_file,
        )
    servers = FhirServers(
        registry,
        is_development=settings.is_development,
        threads=settings.threads,
        ca_file=settings.ca_file,
        count=count,
    )
    return Deployment(registry, servers, verifier)
