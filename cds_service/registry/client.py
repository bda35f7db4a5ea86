"""What is known of a CDS client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

DEVELOPMENT = "development"
"""Name of the client that calls without authentication in development mode."""


@dataclass(frozen=True, slots=True)
class Client:
    """One CDS client: how it is answered, where its browsers are, what its site has set.

    `settings` holds, by service id, what the service made of its block of the file. `fhir_search`
    is where its FHIR server differs from what its profile says: `page_size`, `parameters`,
    `not_offered`. `trust` is its block as it stands there; without one its calls prove nothing.
    `max_concurrent_calls` and `max_calls_per_minute` are its share of one process, None without a
    limit.
    """

    name: str
    profile: str
    mode: str
    deadline_ms: int
    time_zone: ZoneInfo
    fhir_bases: tuple[str, ...]
    cors_origins: tuple[str, ...]
    settings: Mapping[str, Any]
    fhir_private_networks: tuple[str, ...] = ()
    fhir_search: Mapping[str, Any] = field(default_factory=dict)
    trust: Mapping[str, Any] = field(default_factory=dict)
    max_concurrent_calls: int | None = None
    max_calls_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """All CDS clients by name; `development` is always among them."""

    clients: Mapping[str, Client]

    def cors_origins(self) -> tuple[str, ...]:
        """Origins of all clients together: a preflight does not say whose it is."""
        found = {origin for client in self.clients.values() for origin in client.cors_origins}
        return tuple(sorted(found))
