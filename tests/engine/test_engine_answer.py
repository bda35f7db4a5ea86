"""One call from body to cards and explanation, with a service of two lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import EntryPoint
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaks import CANARY

from cds_service.engine import Answer, DuplicateService, answer, load_services, services
from cds_service.engine.explanation import as_json
from cds_service.protocol.advice import (
    Advice,
    Assessment,
    ChartNotReadable,
    Coding,
    Conditional,
    Fact,
    Proposal,
    ProposalKind,
    Reason,
    Selection,
)
from cds_service.protocol.chart import Chart, Unread
from cds_service.protocol.errors import InvalidRequest, WrongPatient
from cds_service.protocol.orders import Order
from cds_service.protocol.service import PrefetchItem, Service
from cds_service.protocol.validation import problems
from cds_service.registry import Client

AS_OF = date(2026, 11, 23)
SYSTEM = "http://www.ama-assn.org/go/cpt"
PERSON = f"{CANARY}-person"
MINE = {"reference": f"Patient/{PERSON}"}
CLIENT = Client(
    name="demo",
    profile="standard",
    mode="live",
    deadline_ms=2000,
    time_zone=ZoneInfo("UTC"),
    fhir_bases=(),
    cors_origins=(),
    settings={"fake": {"silent": False}},
)


def select(orders: tuple[Order, ...], settings: Any) -> Selection:
    """Takes the judged orders with code A, declines the other judged ones."""
    judged = [order for order in orders if order.judged]
    ours = [o for o in judged if not o.excluded and "'A'" in str(o.resource.get("code"))]
    declined = [
        Advice(
            order=order.reference,
            study=None,
            scenario="none",
            timing="not-applicable",
            silence=order.excluded or "not-ours",
            rule="not-ours",
        )
        for order in judged
        if order not in ours
    ]
    return Selection(tuple((order, "a") for order in ours), tuple(declined), orders)


def evaluate(selection: Selection, chart: Chart, settings: Any, as_of: date) -> Assessment:
    """Offers B instead of A; needs the Patient."""
    if not chart.patient.is_known:
        raise ChartNotReadable((Unread("Patient", chart.patient.reason or ""),))
    advices = tuple(
        Advice(
            order=order.reference,
            study=study,
            scenario="some",
            timing="on-time",
            indicator=None if settings["silent"] else "info",
            silence="settings" if settings["silent"] else None,
            rating_status="conditional",
            conditional=(Conditional("it rains", None),),
            rule="take-b",
            summary="Take B.",
            source_label="Nobody",
            reasons=(Reason("r", "text", "source", ("Observation/1",)),),
            proposals=(
                Proposal(
                    ProposalKind.REPLACE, "b", "B", "Take B", order.resource,
                    (Coding(SYSTEM, "B"),),
                ),
            ),
        )
        for order, study in selection.orders
    )  # fmt: skip
    facts = {
        "count": Fact(Decimal(len(chart.part("Observation").resources)), ("Observation/1",)),
        "age": Fact(None, (), "no birth date"),
    }
    return Assessment(advices, lambda: facts, chart.ignored, chart.unread)


SERVICE = Service(
    id="fake",
    title="Fake",
    description="Takes B.",
    usage_requirements="",
    hooks=("order-select", "order-sign"),
    ruleset="1.2.3",
    prefetch=(
        PrefetchItem("patient", "Patient/{{context.patientId}}", "Patient"),
        PrefetchItem("observations", "Observation?", "Observation"),
    ),
    settings_schema={},
    read_settings=dict,
    select=select,
    evaluate=evaluate,
    orderables=lambda settings: {},
    warm_up=lambda: None,
    warnings=lambda settings: (),
)
PATIENT = {"resourceType": "Patient", "id": PERSON}


def draft(identifier: str = "1", code: str = "A", **more: Any) -> dict[str, Any]:
    """A draft of this patient."""
    return {
        "resourceType": "ServiceRequest",
        "id": identifier,
        "status": "draft",
        "intent": "order",
        "subject": MINE,
        "code": {"coding": [{"system": SYSTEM, "code": code}]},
    } | more


def body(*entries: Any, selections: Any = None, prefetch: Any = None) -> dict[str, Any]:
    """A request; with selections it is order-select, else order-sign."""
    context: dict[str, Any] = {
        "userId": "Practitioner/1",
        "patientId": PERSON,
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [entry if "resource" in entry else {"resource": entry} for entry in entries],
        },
    }
    if selections is not None:
        context["selections"] = selections
    return {
        "hook": "order-sign" if selections is None else "order-select",
        "hookInstance": "i",
        "context": context,
        "prefetch": {"patient": PATIENT} if prefetch is None else prefetch,
    }


def ask(request: object, client: Client = CLIENT) -> Answer:
    """The answer of the fake service, checked against the schemas."""
    found = answer(SERVICE, client, request, as_of=AS_OF, uuid_key=b"key")
    assert problems("response", found.response) == ()
    assert problems("explanation", found.explanation) == ()
    assert found.explanation["response"] == found.response
    return found


def rows(found: Answer) -> list[tuple[str, str | None]]:
    """Each order of the explanation with the reason of its silence."""
    return [(row["order"], row["silence"]) for row in found.explanation["orders"]]


def test_whole_answer() -> None:
    """A call gives a card with the changed draft, and an explanation of everything it rests on."""
    nobodys = {"resource": {"resourceType": "Observation"}}
    observations = {"resourceType": "Bundle", "entry": [nobodys]}
    found = ask(body(draft(), prefetch={"patient": PATIENT, "observations": observations}))
    (card,) = found.response["cards"]
    action = card["suggestions"][0]["actions"][0]
    assert action["resource"] == draft(code="B")
    explanation = dict(found.explanation)
    assert explanation.pop("response") == found.response
    assert explanation == {
        "service": "fake",
        "hook": "order-sign",
        "asOf": "2026-11-23",
        "ruleset": "1.2.3",
        "orders": [
            {
                "order": "ServiceRequest/1",
                "study": "a",
                "scenario": "some",
                "modifiers": [],
                "rating": None,
                "ratingStatus": "conditional",
                "ratingSource": None,
                "conditional": [{"when": "it rains", "rating": None}],
                "timing": "on-time",
                "indicator": "info",
                "silence": None,
                "rule": "take-b",
                "reasons": [
                    {
                        "code": "r",
                        "text": "text",
                        "source": "source",
                        "evidence": ["Observation/1"],
                    }
                ],
            }
        ],
        "facts": {
            "count": {"value": 0, "evidence": ["Observation/1"]},
            "age": {"value": None, "unknown": "no birth date", "evidence": []},
        },
        "ignored": [{"resource": "Observation/(no id)", "reason": "subject-missing"}],
        "unread": [],
    }


ABSOLUTE = {"fullUrl": "https://ehr.example.org/fhir/ServiceRequest/1", "resource": draft()}
URN = {"fullUrl": "urn:uuid:1", "resource": {k: v for k, v in draft().items() if k != "id"}}
NO_ID = "ServiceRequest/(entry 1, no id)"


@pytest.mark.parametrize(
    ("entries", "selections", "expected"),
    [
        ([], None, []),
        ([], [], []),
        ([draft()], [], []),
        ([draft()], ["ServiceRequest/2", "x", ""], []),
        ([draft()], None, [("ServiceRequest/1", None)]),
        ([draft()], ["ServiceRequest/1"], [("ServiceRequest/1", None)]),
        ([draft()], ["ServiceRequest/1"] * 3, [("ServiceRequest/1", None)]),
        ([draft()], ["ServiceRequest/1/_history/2"], [("ServiceRequest/1", None)]),
        ([draft()], ["https://a.example/ServiceRequest/1"], [("ServiceRequest/1", None)]),
        ([ABSOLUTE], ["https://ehr.example.org/fhir/ServiceRequest/1"],
         [("ServiceRequest/1", None)]),
        ([URN], ["urn:uuid:1"], [(NO_ID, None)]),
        ([URN], None, [(NO_ID, None)]),
        ([URN | {"fullUrl": {"urn": 1}}], ["urn:uuid:1"], []),
        ([ABSOLUTE | {"fullUrl": ["x"]}], ["ServiceRequest/1"], [("ServiceRequest/1", None)]),
        ([draft(), draft("2")], ["ServiceRequest/2"], [("ServiceRequest/2", None)]),
        ([draft(), draft("2", "X"), draft("3")], None,
         [("ServiceRequest/1", None), ("ServiceRequest/2", "not-ours"),
          ("ServiceRequest/3", None)]),
        ([draft(), draft()], None, [("ServiceRequest/1", None)] * 2),
        ([draft(status="revoked")], None, [("ServiceRequest/1", "status-revoked")]),
        ([draft(doNotPerform=True)], None, [("ServiceRequest/1", "do-not-perform")]),
        ([draft(subject=None)], None, [("ServiceRequest/1", "subject-missing")]),
        ([draft(subject={"reference": "#x"})], None,
         [("ServiceRequest/1", "subject-not-resolvable")]),
        ([{"resource": {}}], None, [("(no type)/(entry 1, no id)", "not-ours")]),
    ],
)  # fmt: skip
def test_which_orders_are_judged(entries: Any, selections: Any, expected: Any) -> None:
    """order-select judges what is selected, order-sign everything, each draft once."""
    found = ask(body(*entries, selections=selections))
    assert rows(found) == expected
    assert len(found.response["cards"]) == sum(silence is None for _, silence in expected)


def test_entries_without_resource() -> None:
    """An entry without a resource is no draft."""
    request = body(draft())
    request["context"]["draftOrders"]["entry"].insert(0, {"fullUrl": "x"})
    assert rows(ask(request)) == [("ServiceRequest/1", None)]
    del request["context"]["draftOrders"]["entry"]
    assert ask(request).response == {"cards": []}


def test_nothing_is_read_when_nothing_is_ours() -> None:
    """Without an order of the service there is no card, no fact, and no 412."""
    found = ask(body(draft(code="X"), prefetch={}))
    assert found.response == {"cards": []}
    assert (found.explanation["facts"], found.explanation["unread"]) == ({}, [])


def test_silent_advice() -> None:
    """Settings of the client reach the service; an order without a card says why."""
    client = Client(
        **{name: getattr(CLIENT, name) for name in Client.__slots__}
        | {"settings": {"fake": {"silent": True}}}
    )
    found = ask(body(draft()), client)
    assert found.response == {"cards": []}
    assert rows(found) == [("ServiceRequest/1", "settings")]


@pytest.mark.parametrize(
    ("request_body", "error"),
    [
        ([], InvalidRequest),
        ({}, InvalidRequest),
        (body(draft()) | {"hook": "patient-view"}, InvalidRequest),
        (body(draft(subject={"reference": "Patient/2"})), WrongPatient),
        (body(draft(code="X"), prefetch={"patient": {"resourceType": "Patient", "id": "2"}}),
         WrongPatient),
        (body(draft(), prefetch={}), ChartNotReadable),
        (body(draft(), prefetch={"patient": None}), ChartNotReadable),
    ],
)  # fmt: skip
def test_requests_without_an_answer(request_body: object, error: type[Exception]) -> None:
    """What cannot be answered raises the error that the web layer translates."""
    with pytest.raises(error):
        ask(request_body)


def test_repeated_call() -> None:
    """The same call gives the same answer, uuids included."""
    first, second = (ask(body(draft(), draft("2"))) for _ in range(2))
    assert first.response == second.response
    assert first.explanation == second.explanation


def test_chart_gaps_are_listed_even_if_the_service_does_not() -> None:
    """What the chart ignored or could not read is in the explanation once."""
    broken = {"resourceType": "Bundle", "entry": [3]}
    request = body(draft(), prefetch={"patient": PATIENT, "observations": {}, "x": broken})
    explanation = ask(request).explanation
    assert explanation["unread"] == [{"data": "Observation", "reason": "not a FHIR resource"}]
    assert explanation["ignored"] == [{"resource": "x entry 1", "reason": "not a FHIR resource"}]


class Word(StrEnum):
    """An enum of a service."""

    A = "a"


@dataclass(frozen=True)
class Pair:
    """A dataclass of a service."""

    left: Word
    right: object


class Shown:
    """Something with a text of its own."""

    def __str__(self) -> str:
        return "shown"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (Word.A, "a"),
        (Decimal("-2.50"), -2.5),
        (Decimal(3), 3),
        (1.5, 1.5),
        (float("nan"), None),
        (Decimal("Infinity"), None),
        (AS_OF, "2026-11-23"),
        ((1, [Word.A]), [1, ["a"]]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({Word.A: Pair(Word.A, None)}, {"a": {"left": "a", "right": None}}),
        (Shown(), "shown"),
    ],
)
def test_values_of_facts(value: object, shown: object) -> None:
    """Facts of any type become plain JSON."""
    assert as_json(value) == shown


class FakeEntry(EntryPoint):
    """An entry point whose services are given."""

    def load(self) -> Any:
        """Return the services that the value stands for."""
        return {"one": (SERVICE,), "none": ()}[self.value]


@pytest.mark.parametrize(
    ("values", "ids"),
    [([], []), (["none"], []), (["one"], ["fake"]), (["one", "none"], ["fake"])],
)
def test_installed_services(
    monkeypatch: pytest.MonkeyPatch, values: list[str], ids: list[str]
) -> None:
    """Services are found through entry points, each a tuple of them."""
    entries = [FakeEntry("builtin", value, services.GROUP) for value in values]
    monkeypatch.setattr(services, "entry_points", lambda group: entries)
    assert list(load_services()) == ids


def test_two_services_of_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services of one id are an error that names both providers."""
    entries = [FakeEntry(name, "one", services.GROUP) for name in ("a", "b")]
    monkeypatch.setattr(services, "entry_points", lambda group: entries)
    with pytest.raises(DuplicateService, match="service id fake is provided twice"):
        load_services()


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        ["Bundle", "Patient", "Observation", PERSON, MINE["reference"], "OperationOutcome"]
    )
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "id", "subject", "reference", "code"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    prefetch=st.dictionaries(st.sampled_from(["patient", "observations", "x"]), JSON),
    drafts=st.lists(st.dictionaries(st.sampled_from([*draft(), "note", "extension"]), JSON)),
)
def test_no_data_makes_the_engine_fail(
    prefetch: Mapping[str, Any], drafts: list[dict[str, Any]]
) -> None:
    """Whatever prefetch and drafts hold: a valid response, or an error with a status of its own."""
    entries = [{"resource": draft() | changes} for changes in drafts]
    try:
        ask(body(*entries, prefetch={"patient": PATIENT, **prefetch}))
    except (WrongPatient, ChartNotReadable):
        return
