"""The answer to one call of a service, from the body to the cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cds_service.chart import FhirAccess, check_subjects, gather, read_chart
from cds_service.engine.drafts import read_orders
from cds_service.engine.explanation import explain
from cds_service.profiles import PROFILES
from cds_service.protocol.advice import Assessment
from cds_service.protocol.request import read_request
from cds_service.protocol.service import Service
from cds_service.registry import Client


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to the client, and why; the reasoning is written out only when asked for."""

    response: dict[str, Any]
    explain: Callable[[], dict[str, Any]] = field(repr=False)

    @property
    def explanation(self) -> dict[str, Any]:
        """The reasoning as JSON, the response included."""
        return self.explain()


def answer(
    service: Service,
    client: Client,
    body: object,
    *,
    as_of: date,
    uuid_key: bytes,
    access: FhirAccess | None = None,
) -> Answer:
    """Judges the orders of one request body.

    Raises InvalidRequest, WrongPatient, or the service's ChartNotReadable. Without an order of
    this service's own, the chart is not read at all; without `access` nothing is read from the
    client's FHIR server.
    """
    request = read_request(body, service.hooks)
    check = check_subjects(request)
    orders = read_orders(request, check)
    settings = client.settings[service.id]
    selection = service.select(orders, settings)
    chart = None
    assessment = Assessment(())
    if selection.orders:
        complete = gather(request, service.prefetch, check, access)
        chart = read_chart(complete.request, service.prefetch, complete.check, client.time_zone)
        assessment = service.evaluate(selection, chart, settings, as_of)
    cards = PROFILES[client.profile](
        assessment.advices,
        client_name=client.name,
        hook_instance=request.hook_instance,
        uuid_key=uuid_key,
        orderables=service.orderables(settings),
        orders=orders,
        ruleset=service.ruleset,
    )
    response: dict[str, Any] = {"cards": cards}
    return Answer(
        response,
        lambda: explain(
            service, request.hook, as_of, orders, selection, chart, assessment, response
        ),
    )
