"""What follows from the registry: who may call, and from where charts are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cds_service.engine.fhir_servers import FhirServers
from cds_service.registry import Registry, RegistryError
from cds_service.security import Verifier

Load = Callable[[], "Deployment"]
"""Reads the registry anew; raises RegistryError."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One state of the registry, ready for calls.

    `verifier` is None where callers are not verified: development without authentication.
    """

    registry: Registry
    fhir_servers: FhirServers
    verifier: Verifier | None


def refuse_unsafe(registry: Registry) -> None:
    """Raises RegistryError where the registry is good for development only."""
    problems = [
        f"clients.{client.name}.profile: sandbox is for tests; production refuses it"
        for client in registry.clients.values()
        if client.profile == "sandbox"
    ]
    problems += [
        f"clients.{client.name}.fhir_bases: {base} is not https; production refuses it"
        for client in registry.clients.values()
        for base in client.fhir_bases
        if not base.lower().startswith("https://")
    ]
    if problems:
        raise RegistryError(tuple(problems))
