"""The FHIR servers of all clients: where each may be read, and how it wants to be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from cds_service.chart import FhirAccess
from cds_service.egress import Base, Deadline, Egress, Lanes, Policy
from cds_service.profiles import DIALECTS
from cds_service.protocol.dialect import Dialect
from cds_service.registry import Client, Registry, RegistryError

MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""Of one answer of a FHIR server, after decompression."""
_KEPT_S = 0.15
"""What of a deadline is kept for the decision and the answer, a quarter of it at most."""


class FhirServers:
    """What one process keeps for reading from FHIR servers; safe to share by threads."""

    def __init__(
        self,
        registry: Registry,
        *,
        is_development: bool,
        threads: int,
        ca_file: Path | None = None,
        count: Callable[[str, str], None] = lambda client, outcome: None,
    ) -> None:
        """Raises RegistryError when a base address is not one that can be kept to.

        `count` is told of each request, by client and outcome.
        """
        self._egress = Egress(
            max_bytes=MAX_RESPONSE_BYTES, ca_file=str(ca_file) if ca_file else None
        )
        # A server that hangs holds up no more than this share of the threads.
        self._lanes = Lanes(max_calls=max(2, threads // 4), slots=max(2, threads - threads // 8))
        clients = registry.clients.values()
        self._policies = {item.name: _policy(item, is_development) for item in clients}
        self._counts = {item.name: partial(count, item.name) for item in clients}
        self._dialects = {item.name: _dialect(item) for item in clients}

    @property
    def open_circuits(self) -> int:
        """How many servers are being left alone because they have been failing."""
        return self._lanes.open_circuits

    def access(self, client: Client, began: float) -> FhirAccess:
        """How a call may read that began at a time of the monotonic clock."""
        promise = client.deadline_ms / 1000
        return FhirAccess(
            egress=self._egress,
            lanes=self._lanes,
            policy=self._policies[client.name],
            dialect=self._dialects[client.name],
            deadline=Deadline(began + promise - min(_KEPT_S, promise / 4)),
            count=self._counts[client.name],
        )


def _policy(client: Client, is_development: bool) -> Policy:
    bases = tuple(_base(client, text) for text in client.fhir_bases)
    return Policy(
        bases=bases or (None if is_development else ()),
        private_networks=tuple(map(ip_network, client.fhir_private_networks)),
        https_only=not is_development,
        loopback_only=is_development,
    )


def _base(client: Client, text: str) -> Base:
    base = Base.parse(text)
    if base is None:
        raise RegistryError(
            (f"clients.{client.name}.fhir_bases: {text} is not a plain base address",)
        )
    return base


def _dialect(client: Client) -> Dialect:
    own = client.fhir_search
    usual = DIALECTS[client.profile]
    return replace(
        usual,
        page_size=own.get("page_size", usual.page_size) or None,
        parameters={**usual.parameters, **own.get("parameters", {})},
        not_offered=usual.not_offered | set(own.get("not_offered", ())),
    )
