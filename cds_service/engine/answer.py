"""The answer to one call of a service, from the body to the cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from datetime import date
from typing import Any

from cds_service.chart import FhirAccess, check_subjects, gather, read_chart
from cds_service.control import Switches
from cds_service.engine.drafts import read_orders
from cds_service.engine.explanation import explain
from cds_service.profiles import PROFILES, response_of
from cds_service.profiles.stripped import REASON as STRIPPED
from cds_service.profiles.stripped import is_stripped
from cds_service.protocol.advice import Assessment, ChartNotReadable, Selection
from cds_service.protocol.chart import Chart
from cds_service.protocol.request import read_request
from cds_service.protocol.service import Service
from cds_service.protocol.validation import problems
from cds_service.records import Reasoning
from cds_service.registry import Client
from cds_service.values import dataclass

SWITCHED_OFF = "switched-off"
"""Why a judged order has no card although its rule has one for it."""
NOT_READABLE = "chart-not-readable"
"""Why a silent client's orders were not judged; a live one is told with 412."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to the client, and why; the reasoning is written out only when asked for."""

    response: dict[str, Any]
    explain: Callable[[], dict[str, Any]] = field(repr=False)
    silence: str | None = None
    """Why the call as a whole has no cards, to be counted."""
    reasoning: Reasoning | None = field(default=None, repr=False)
    """What is to be recorded of it."""
    chart: Chart | None = field(default=None, repr=False)
    """What was read; None when nothing was, because no order was ours."""
    assessment: Assessment = field(default=Assessment(()), repr=False)

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
    switches: Switches | None = None,
    public_url: str | None = None,
) -> Answer:
    """Judges the orders of one request body.

    Raises InvalidRequest, WrongPatient, or the service's ChartNotReadable. Without an order of
    this service's own, the chart is not read at all; without `access` nothing is read from the
    client's FHIR server. What `switches` have off, and a client whose mode is not live, gets no
    cards; a silent client's orders are judged all the same. Cards lead to the page about the
    service where `public_url` says under which address it is reached.
    """
    if is_stripped(client.profile, body) and not problems("request", body):
        return _nothing_to_judge(service, client, body, as_of)
    request = read_request(body, service.hooks)
    check = check_subjects(request)
    orders = read_orders(request, check)
    settings = client.settings[service.id]
    selection = service.select(orders, settings)
    chart = None
    silence = None
    assessment = Assessment(())
    is_off = client.mode == "off" or (
        switches is not None and switches.is_off(client.name, service.id)
    )
    if selection.orders and is_off:
        silence = SWITCHED_OFF
    elif selection.orders:
        complete = gather(request, service.prefetch, check, access)
        chart = read_chart(complete.request, service.prefetch, complete.check, client.time_zone)
        try:
            assessment = service.evaluate(selection, chart, settings, as_of)
        except ChartNotReadable:
            if client.mode == "live":  # a silent client is told nothing, not even this
                raise
            silence = NOT_READABLE
        rules_off = switches.rules_off(client.name, service.id) if switches else frozenset()
        if rules_off:
            assessment = _without(assessment, rules_off)
    shown = assessment.advices if client.mode == "live" else ()
    cards = PROFILES[client.profile](
        shown,
        client_name=client.name,
        hook_instance=request.hook_instance,
        uuid_key=uuid_key,
        orderables=service.orderables(settings),
        orders=orders,
        ruleset=service.ruleset,
        about_url=f"{public_url}/about/{service.id}" if public_url else None,
    )
    response = response_of(client.profile, cards, shown, orders)
    return Answer(
        response,
        lambda: explain(
            service, request.hook, as_of, orders, selection, chart, assessment, response
        ),
        reasoning=Reasoning(
            service=service.id,
            hook=request.hook,
            ruleset=service.ruleset,
            client=client.name,
            mode=client.mode,
            patient_id=request.patient_id,
            advices=assessment.advices,
            shown=shown,
            cards=tuple(cards),
            declined=tuple(one.silence or one.scenario for one in selection.declined),
            ignored=_reasons(chart, assessment),
            unread=frozenset(
                gap.data for gap in (*(chart.unread if chart else ()), *assessment.unread)
            ),
            silence=silence,
        ),
        chart=chart,
        assessment=assessment,
    )


def _reasons(chart: Chart | None, assessment: Assessment) -> tuple[str, ...]:
    """Why resources were not used; what both say of one counts once."""
    if not assessment.ignored and not (chart and chart.ignored):
        return ()
    return tuple(one.reason for one in {*(chart.ignored if chart else ()), *assessment.ignored})


def _nothing_to_judge(service: Service, client: Client, body: Any, as_of: date) -> Answer:
    """The answer to a call that came without its orders."""
    response: dict[str, Any] = {"cards": []}
    nothing = Assessment(())
    return Answer(
        response,
        lambda: explain(service, body["hook"], as_of, (), Selection(()), None, nothing, response),
        STRIPPED,
        Reasoning(
            service=service.id,
            hook=body["hook"],
            ruleset=service.ruleset,
            client=client.name,
            mode=client.mode,
            patient_id=body["context"]["patientId"],
            silence=STRIPPED,
        ),
    )


def _without(assessment: Assessment, rules: frozenset[str]) -> Assessment:
    """The same without the cards of some rules, and with that reason."""
    return replace(
        assessment,
        advices=tuple(
            replace(advice, indicator=None, silence=SWITCHED_OFF)
            if advice.rule in rules
            else advice
            for advice in assessment.advices
        ),
    )
