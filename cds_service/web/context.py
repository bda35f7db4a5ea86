"""What the views share: settings, clients and services of this process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import partial
from time import monotonic, time
from typing import Any

from flask import Flask, current_app, g

from cds_service.config import Settings
from cds_service.control import Switches
from cds_service.engine import Answer, FhirServers, answer
from cds_service.protocol.service import Service
from cds_service.records import Recorder
from cds_service.registry import DEVELOPMENT, Client
from cds_service.security import Rejected
from cds_service.store import FeedbackLog
from cds_service.values import dataclass
from cds_service.web.admission import Admission
from cds_service.web.live import Live
from cds_service.web.meters import Meters
from cds_service.web.observer import Observer
from cds_service.web.refusals import UnknownService
from cds_service.web.shares import Shares

_KEY = "cds_service"
_log = logging.getLogger("cds_service.callers")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and since when on the monotonic clock: the deadline counts from there.

    Within its context the call counts as one of its client's; entering raises TooMany.
    """

    client: Client
    fhir_servers: FhirServers
    began: float
    share: AbstractContextManager[None]

    def __enter__(self) -> Caller:
        self.share.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.share.__exit__(*error)


@dataclass(frozen=True, slots=True)
class Context:
    """The state of one process; nothing in it changes after the start."""

    settings: Settings
    live: Live
    services: Mapping[str, Service]
    admission: Admission
    shares: Shares
    switches: Switches
    recorder: Recorder
    feedback: FeedbackLog
    knowledge: Mapping[str, str]
    meters: Meters
    observer: Observer
    discovery: bytes
    openapi: bytes

    def install(self, app: Flask) -> None:
        """Make this the context of an application."""
        app.extensions[_KEY] = self

    def service(self, service_id: str) -> Service:
        """A service by its id; raises UnknownService."""
        try:
            return self.services[service_id]
        except KeyError:
            raise UnknownService from None

    def caller(self, authorization: str | None, *paths: str) -> Caller:
        """Who calls an endpoint, by the paths under which a token may name it, its service last.

        Raises Rejected where authentication is required, or StoreError.
        """
        began = monotonic()
        deployment = self.live.deployment
        name = DEVELOPMENT
        if deployment.verifier is not None:
            try:
                name = deployment.verifier.client_of(authorization, _named(paths), time())
            except Rejected as error:  # the caller is not told why, the operator is
                self.meters.refuse_caller(error.client, error.reason)
                fields = {
                    "endpoint": self._shown(paths),
                    "client": error.client,
                    "reason": error.reason,
                }
                _log.warning("refused", extra={"fields": fields})
                raise
        client = deployment.registry.clients[name]
        g.client = name
        return Caller(client, deployment.fhir_servers, began, self.shares.call(client))

    def _shown(self, paths: tuple[str, ...]) -> str:
        """What the log says of an endpoint; a name that the caller made up does not get into it."""
        return paths[0] if paths[-1].rpartition("/")[2] in self.services else "unknown"

    def answer(self, caller: Caller, service: Service, body: Mapping[str, Any]) -> Answer:
        """What the service makes of a request."""
        client = caller.client
        return answer(
            service,
            client,
            body,
            as_of=clinical_date(self.settings, client),
            uuid_key=self.settings.secret_key,
            switches=self.switches,
            access=caller.fhir_servers.access(client, caller.began),
            public_url=self.settings.public_url,
        )

    def record(self, caller: Caller, answer: Answer) -> None:
        """Have what was decided written down; takes no time to speak of and never fails."""
        reasoning = answer.reasoning
        if reasoning is None:
            return
        self.recorder.keep(
            partial(
                reasoning.decision,
                self.settings.secret_key,
                knowledge=self.knowledge[reasoning.service],
                at=datetime.now(UTC),
                latency_ms=(monotonic() - caller.began) * 1000,
            )
        )


def context() -> Context:
    """The context of the application that handles the present request."""
    found: Context = current_app.extensions[_KEY]
    return found


def clinical_date(settings: Settings, client: Client) -> date:
    """The date at which ages and intervals are taken; the only look at the clock."""
    return settings.as_of or datetime.now(client.time_zone).date()


def _named(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths, and as a client names them that was given `/cds-services/` for discovery."""
    return paths + tuple(path.replace("/cds-services/", "/cds-services//", 1) for path in paths)
