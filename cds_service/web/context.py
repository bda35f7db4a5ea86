"""What the views share: settings, clients and services of this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Flask, current_app

from cds_service.config import Settings
from cds_service.engine import Answer, FhirServers, answer
from cds_service.protocol.service import Service
from cds_service.registry import DEVELOPMENT, Client, Registry
from cds_service.web.admission import Admission
from cds_service.web.refusals import UnknownService

_KEY = "cds_service"


@dataclass(frozen=True, slots=True)
class Context:
    """The state of one process; nothing in it changes after the start."""

    settings: Settings
    registry: Registry
    services: Mapping[str, Service]
    fhir_servers: FhirServers
    admission: Admission
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

    def caller(self) -> Client:
        """The CDS client that calls; without authentication it is always the same one."""
        return self.registry.clients[DEVELOPMENT]

    def answer(self, service: Service, body: Mapping[str, Any], began: float) -> Answer:
        """What the service makes of a request by the present caller.

        `began` is when the call did, on the monotonic clock: its deadline counts from there.
        """
        client = self.caller()
        return answer(
            service,
            client,
            body,
            as_of=clinical_date(self.settings, client),
            uuid_key=self.settings.secret_key,
            access=self.fhir_servers.access(client, began),
        )


def context() -> Context:
    """The context of the application that handles the present request."""
    found: Context = current_app.extensions[_KEY]
    return found


def clinical_date(settings: Settings, client: Client) -> date:
    """The date at which ages and intervals are taken; the only look at the clock."""
    return settings.as_of or datetime.now(client.time_zone).date()
