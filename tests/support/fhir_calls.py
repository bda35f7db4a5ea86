"""Hook calls whose chart, or a part of it, has to come from a FHIR server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from builders import service_request
from leaks import CANARY
from service import AS_OF, KEY, client

from cds_service.engine import FhirServers, answer
from cds_service.protocol.advice import ChartNotReadable
from cds_service.registry import Client, Registry
from hooks.bone_density import SERVICE

TOKEN = f"{CANARY}-access-token"
ALL_SCOPES = "launch patient/*.rs"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: the explanation, or what a 412 says is missing; and how long it took.

    `reasons` maps resource types to why they were not read (to their end).
    """

    explanation: Mapping[str, Any] | None
    reasons: Mapping[str, str]
    seconds: float

    @property
    def order(self) -> dict[str, Any]:
        """The one order of the explanation."""
        assert self.explanation is not None, self.reasons
        (order,) = self.explanation["orders"]
        return dict(order)

    @property
    def cards(self) -> Any:
        """The cards."""
        assert self.explanation is not None, self.reasons
        return self.explanation["response"]["cards"]

    @property
    def decision(self) -> tuple[Any, Any]:
        """What two answers have to have in common to be the same: the order and its cards."""
        return self.order, self.cards


@dataclass(slots=True)
class Caller:
    """A CDS client whose FHIR server is somewhere on loopback."""

    deadline_ms: int = 2000
    fhir_bases: tuple[str, ...] = ()
    fhir_search: Mapping[str, Any] = field(default_factory=dict)
    block: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 32
    servers: FhirServers | None = None

    def client(self) -> Client:
        """The client as the registry would have it."""
        usual = client(self.block)
        return Client(
            name=usual.name,
            profile=usual.profile,
            mode=usual.mode,
            deadline_ms=self.deadline_ms,
            time_zone=usual.time_zone,
            fhir_bases=self.fhir_bases,
            cors_origins=(),
            settings=usual.settings,
            fhir_search=self.fhir_search,
        )

    def call(self, body: Mapping[str, Any], as_of: str = AS_OF) -> Outcome:
        """One call, timed from its beginning to the finished explanation."""
        one = self.client()
        if self.servers is None:
            registry = Registry({one.name: one})
            self.servers = FhirServers(registry, is_development=True, threads=self.threads)
        began = time.monotonic()
        try:
            found = answer(
                SERVICE,
                one,
                body,
                as_of=date.fromisoformat(as_of),
                uuid_key=KEY,
                access=self.servers.access(one, began),
            )
        except ChartNotReadable as refusal:
            seconds = time.monotonic() - began
            return Outcome(None, {gap.data: gap.reason for gap in refusal.missing}, seconds)
        seconds = time.monotonic() - began
        explanation = found.explanation
        reasons = {gap["data"]: gap["reason"] for gap in explanation["unread"]}
        return Outcome(explanation, reasons, seconds)


def body(
    server: str | None,
    patient_id: str = "pat-1",
    *,
    token: str | None = TOKEN,
    scopes: str = ALL_SCOPES,
    prefetch: Mapping[str, Any] | None = None,
    code: str = "76977",
    expires_in: int = 300,
) -> dict[str, Any]:
    """An order-select request for one density study, with access to a FHIR server."""
    draft = service_request("draft-1", code)
    draft["subject"] = {"reference": f"Patient/{patient_id}"}
    found: dict[str, Any] = {
        "hook": "order-select",
        "hookInstance": "0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10",
        "context": {
            "userId": "Practitioner/1",
            "patientId": patient_id,
            "selections": ["ServiceRequest/draft-1"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
    }
    if server is not None:
        found["fhirServer"] = server
    if token is not None and server is not None:
        found["fhirAuthorization"] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": expires_in,
            "scope": scopes,
            "subject": "bone-density-cds",
        }
    if prefetch is not None:
        found["prefetch"] = dict(prefetch)
    return found
