"""The chart from prefetch: states kept apart, each resource once, everything unused named."""

from __future__ import annotations

import copy
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart import check_subjects, read_chart
from cds_service.protocol.chart import Chart, Ignored, PartState
from cds_service.protocol.errors import WrongPatient
from cds_service.protocol.request import HookRequest
from cds_service.protocol.service import PrefetchItem

ZONE = ZoneInfo("UTC")
ITEMS = (
    PrefetchItem("patient", "Patient/{{context.patientId}}", "Patient"),
    PrefetchItem("observations", "Observation?", "Observation"),
    PrefetchItem("conditions", "Condition?", "Condition"),
    PrefetchItem("reports", "DiagnosticReport?", "DiagnosticReport"),
)
ABSENT = "prefetch key absent, no FHIR access"
MINE = {"reference": "Patient/p1"}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female"}
COMPLETE, EMPTY, PARTIAL, UNREAD = PartState


def resource(identifier: str | None = "1", kind: str = "Observation", **more: Any) -> Any:
    """A resource about the patient."""
    named = {"id": identifier} if identifier else {}
    return {"resourceType": kind, "subject": MINE} | named | more


def bundle(*resources: Any, entry: Any = None, **more: Any) -> dict[str, Any]:
    """A search result; `entry` gives entries as they are."""
    entries = [{"resource": item} for item in resources] + list(entry or ())
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | more


def outcome(severity: str = "error", code: Any = "timeout") -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}


def chart(prefetch: Any, drafts: Any = None) -> Chart:
    """The chart of a request."""
    request = HookRequest(
        hook="order-sign",
        hook_instance="i",
        patient_id="p1",
        user_id="u",
        prefetch=prefetch,
        draft_orders=drafts or {},
    )
    return read_chart(request, ITEMS, check_subjects(request), ZONE)


OBS = resource()
INCLUDED = {"resource": OBS, "search": {"mode": "include"}}
HARMLESS = {"resource": outcome("warning", "informational"), "search": {"mode": "outcome"}}
NEXT = [{"relation": "self"}, {"relation": "next", "url": "x"}]


@pytest.mark.parametrize(
    ("prefetch", "state", "reason", "count"),
    [
        ({}, UNREAD, ABSENT, 0),
        ({"observations": None}, EMPTY, None, 0),
        ({"observations": bundle()}, EMPTY, None, 0),
        ({"observations": {"resourceType": "Bundle"}}, EMPTY, None, 0),
        ({"observations": {"resourceType": "Bundle", "entry": None}}, EMPTY, None, 0),
        ({"observations": bundle(OBS)}, COMPLETE, None, 1),
        ({"observations": outcome()}, UNREAD, "OperationOutcome: timeout", 0),
        ({"observations": outcome("information")}, UNREAD, "OperationOutcome: timeout", 0),
        ({"observations": outcome(code="Jane Doe")}, UNREAD, "OperationOutcome: no code", 0),
        ({"observations": {"resourceType": "OperationOutcome"}}, UNREAD,
         "OperationOutcome: no code", 0),
        ({"observations": bundle(outcome())}, UNREAD, "OperationOutcome: timeout", 0),
        ({"observations": bundle(outcome("fatal"), OBS)}, PARTIAL, "OperationOutcome: timeout", 1),
        ({"observations": bundle(entry=[HARMLESS], total=0)}, EMPTY, None, 0),
        ({"observations": bundle(OBS, entry=[HARMLESS], total=1)}, COMPLETE, None, 1),
        ({"observations": bundle(OBS, link=NEXT)}, PARTIAL, "paged", 1),
        ({"observations": bundle(OBS, link=NEXT, total=9)}, PARTIAL, "paged", 1),
        ({"observations": bundle(OBS, total=9)}, PARTIAL, "total says 9", 1),
        ({"observations": bundle(total=9)}, PARTIAL, "total says 9", 0),
        ({"observations": bundle(OBS, total=1)}, COMPLETE, None, 1),
        ({"observations": bundle(OBS, total=0)}, COMPLETE, None, 1),
        ({"observations": bundle(OBS, total=1.0, link=[])}, COMPLETE, None, 1),
        ({"observations": bundle(OBS, total=None, link=None)}, COMPLETE, None, 1),
        ({"observations": bundle(OBS, total=2.0)}, PARTIAL, "total says 2.0", 1),
        ({"observations": bundle(total=True)}, PARTIAL, "total not readable", 0),
        ({"observations": bundle(OBS, total="9")}, PARTIAL, "total not readable", 1),
        ({"observations": bundle(OBS, link="x")}, PARTIAL, "links not readable", 1),
        ({"observations": bundle(OBS, link=NEXT[1])}, PARTIAL, "links not readable", 1),
        ({"observations": bundle(OBS, link=[{"relation": ["next"]}])}, PARTIAL,
         "links not readable", 1),
        ({"observations": bundle(OBS, {"resourceType": "OperationOutcome", "issue": {
            "severity": "error"}})}, PARTIAL, "OperationOutcome: no code", 1),
        ({"observations": bundle(OBS, outcome(severity={}))}, PARTIAL,
         "OperationOutcome: timeout", 1),
        ({"observations": bundle(resource("2"), entry=[INCLUDED], total=2)}, PARTIAL,
         "total says 2", 2),
        ({"observations": {}}, UNREAD, "not a FHIR resource", 0),
        ({"observations": []}, UNREAD, "not a FHIR resource", 0),
        ({"observations": "x"}, UNREAD, "not a FHIR resource", 0),
        ({"observations": 0}, UNREAD, "not a FHIR resource", 0),
        ({"observations": {"resourceType": 7}}, UNREAD, "not a FHIR resource", 0),
        ({"observations": {"resourceType": "Bundle", "entry": {}}}, UNREAD,
         "not a FHIR resource", 0),
        ({"observations": resource(kind="Condition")}, UNREAD, "not a FHIR resource", 0),
        ({"observations": OBS}, PARTIAL, "a single resource, not a search result", 1),
        ({"observations": bundle(resource(kind="Condition"))}, PARTIAL,
         "entries of other types only", 0),
        ({"observations": bundle(OBS, entry=[7])}, PARTIAL, "an entry was not readable", 1),
        ({"observations": bundle(entry=[{}], total=1)}, PARTIAL, "an entry was not readable", 0),
        ({"observations": bundle({"id": "x"})}, PARTIAL, "an entry was not readable", 0),
        ({"observations": bundle(bundle(OBS))}, PARTIAL, "an entry was not readable", 0),
        ({"observations": bundle({"resourceType": "Observation", "id": "1"})}, EMPTY, None, 0),
        # other keys count where the own key tells nothing
        ({"labs": bundle(OBS)}, COMPLETE, None, 1),
        ({"labs": bundle(OBS, link=NEXT)}, PARTIAL, "paged", 1),
        ({"labs": bundle(OBS), "more": bundle(resource("2"), total=5)}, PARTIAL,
         "total says 5", 2),
        ({"labs": OBS}, PARTIAL, "a single resource, not a search result", 1),
        ({"labs": bundle()}, UNREAD, ABSENT, 0),
        ({"labs": None}, UNREAD, ABSENT, 0),
        ({"labs": bundle(resource("c", "Condition"), entry=[INCLUDED])}, PARTIAL,
         "only included with other resources", 1),
        ({"observations": outcome(), "labs": bundle(OBS)}, COMPLETE, None, 1),
        ({"observations": None, "labs": bundle(OBS, link=NEXT)}, COMPLETE, None, 1),
        ({"observations": bundle(resource("2"), total=7), "labs": bundle(OBS)}, PARTIAL,
         "total says 7", 2),
        # what came along under another published key is used, but is not all
        ({"reports": bundle(resource("r", "DiagnosticReport"), entry=[INCLUDED])}, PARTIAL,
         "only what came along under other keys", 1),
        ({"observations": None, "reports": bundle(resource("r", "DiagnosticReport"),
         entry=[INCLUDED])}, COMPLETE, None, 1),
        ({"reports": bundle(resource("r", "DiagnosticReport"), entry=[INCLUDED]),
          "labs": bundle(resource("2"))}, COMPLETE, None, 2),
    ],
)  # fmt: skip
def test_states(prefetch: Any, state: PartState, reason: str | None, count: int) -> None:
    """Absent, null, empty, paged, cut, failed and unreadable are different things."""
    part = chart(prefetch).part("Observation")
    assert (part.state, part.reason, len(part.resources)) == (state, reason, count)


@pytest.mark.parametrize(
    ("prefetch", "state", "reason"),
    [
        ({}, UNREAD, ABSENT),
        ({"patient": None}, UNREAD, "null"),
        ({"patient": bundle()}, UNREAD, "an empty Bundle"),
        ({"patient": {}}, UNREAD, "not a FHIR resource"),
        ({"patient": OBS}, UNREAD, "not a FHIR resource"),
        ({"patient": outcome("error", "forbidden")}, UNREAD, "OperationOutcome: forbidden"),
        ({"patient": bundle(outcome("error", "login"))}, UNREAD, "OperationOutcome: login"),
        ({"patient": {"resourceType": "Patient"}}, UNREAD, "no id"),
        ({"patient": PATIENT}, COMPLETE, None),
        ({"patient": bundle(PATIENT)}, COMPLETE, None),
        ({"who": PATIENT}, COMPLETE, None),
        ({"patient": None, "conditions": bundle(entry=[{"resource": PATIENT}])}, COMPLETE, None),
        ({"patient": PATIENT | {"active": True}}, COMPLETE, None),
        ({"patient": PATIENT | {"active": False}}, UNREAD, "inactive"),
        ({"patient": PATIENT | {"link": [1, {"type": "replaced-by"}]}}, UNREAD,
         "replaced by another record"),
        ({"patient": PATIENT | {"link": [{"type": "replaces", "other": MINE}]}}, COMPLETE, None),
        ({"patient": PATIENT | {"modifierExtension": [{"url": "http://x"}]}}, UNREAD,
         "modifier extension not understood"),
        ({"patient": PATIENT | {"name": "Jane", "contact": 7}}, COMPLETE, None),
        ({"patient": PATIENT | {"birthDate": "5 May 58"}}, PARTIAL,
         "not valid FHIR R4: birthDate: value error"),
        ({"patient": PATIENT | {"_birthDate": 7}}, PARTIAL, "not valid FHIR R4"),
        ({"patient": PATIENT | {"active": False, "meta": {"versionId": "1"}},
          "b": PATIENT | {"meta": {"versionId": "2"}}}, COMPLETE, None),
    ],
)  # fmt: skip
def test_patient(prefetch: Any, state: PartState, reason: str | None) -> None:
    """The Patient is read from any key; records not to be relied on are unread."""
    part = chart(prefetch).patient
    assert part.state is state
    assert (part.reason or "").startswith(reason or "")
    assert bool(part.reason) is bool(reason)
    assert len(part.resources) == (0 if state is UNREAD else 1)


def test_partial_patient_is_kept_raw() -> None:
    """With an invalid element the raw Patient stays, for readers that check each element."""
    patient = PATIENT | {"birthDate": "x"}
    assert chart({"patient": patient}).patient.resources == (patient,)


NEW = {"meta": {"lastUpdated": "2026-02-01T00:00:00Z"}}
OLD = {"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ((resource(), resource()), (resource(),)),
        ((resource(**OLD), resource(**NEW)), (resource(**NEW),)),
        ((resource(**NEW), resource(**OLD)), (resource(**NEW),)),
        ((resource(meta={"versionId": "9"}), resource(meta={"versionId": "10"})),
         (resource(meta={"versionId": "10"}),)),
        ((resource(meta=7), resource(meta="x")), (resource(meta=7),)),
        ((resource(None), resource(None)), (resource(None), resource(None))),
        ((resource("2"), resource(**OLD), resource("3"), resource(**NEW)),
         (resource("2"), resource(**NEW), resource("3"))),
    ],
)  # fmt: skip
def test_copies(received: tuple[Any, ...], kept: tuple[Any, ...]) -> None:
    """Of copies of one resource the newest is kept, under whichever key it came."""
    for prefetch in (
        {"observations": bundle(*received)},
        {f"key{n}": bundle(item) for n, item in enumerate(received)},
        {"observations": bundle(*received, *copy.deepcopy([r for r in received if "id" in r]))},
    ):
        assert chart(prefetch).part("Observation").resources == kept


def test_ignored_resources_are_named() -> None:
    """Everything received and not used is listed once with its reason."""
    lost = {"resourceType": "Observation", "id": "lost"}
    found = chart(
        {
            "observations": bundle(
                resource(), lost, resource("g", subject={"reference": "Group/1"}), entry=[None]
            ),
            "conditions": bundle(entry=[{"resource": lost}]),
            "Jane Doe": bundle(entry=["x"]),
            "patient": {"resourceType": "Patient"},
        }
    )
    assert found.ignored == (
        Ignored("observations entry 4", "not a FHIR resource"),
        Ignored("Observation/lost", "subject-missing"),
        Ignored("Observation/g", "subject-not-resolvable"),
        Ignored("(key) entry 1", "not a FHIR resource"),
        Ignored("Patient/(no id)", "id-missing"),
    )
    assert [item["id"] for item in found.part("Observation").resources] == ["1"]


def test_related_resources() -> None:
    """References resolve to what came with prefetch or drafts, the newest copy, none unmatched."""
    drug = {"resourceType": "Medication", "id": "m"}
    lost = {"resourceType": "Observation", "id": "lost"}
    draft = {"resource": {"resourceType": "ServiceRequest", "id": "d", "subject": MINE}}
    found = chart(
        {
            "a": bundle(entry=[{"fullUrl": "urn:uuid:1", "resource": drug | OLD}]),
            "b": drug | NEW,
            "c": bundle(resource(**NEW), resource(**OLD), lost),
        },
        bundle(entry=[draft]),
    ).related
    assert found["Medication/m"] == drug | NEW
    assert found["urn:uuid:1"] == drug | OLD
    assert found["Observation/1"] == resource(**NEW)
    assert found["ServiceRequest/d"] == draft["resource"]
    assert "Observation/lost" not in found


def test_chart_lists_what_is_unread() -> None:
    """Each part that is not known to its end is listed with its reason."""
    found = chart({"patient": PATIENT, "observations": bundle(link=NEXT), "conditions": None})
    assert [(gap.data, gap.reason) for gap in found.unread] == [
        ("Observation", "paged"),
        ("DiagnosticReport", ABSENT),
    ]
    assert list(found.parts) == ["Observation", "Condition", "DiagnosticReport"]
    assert found.zone is ZONE


def test_cost_is_linear() -> None:
    """Ten thousand entries are read in a blink, and twice as many in about twice the time."""

    def cost(count: int) -> float:
        prefetch = {"observations": bundle(*[resource(str(n % 5000)) for n in range(count)])}
        started = time.process_time()
        chart(prefetch)
        return time.process_time() - started

    cost(100)
    assert min(cost(10_000) for _ in range(3)) < 1.0
    # Twice is the rule; a busy machine adds to it, a quadratic reader would need four times.
    assert min(cost(20_000) for _ in range(5)) < 3.5 * min(cost(10_000) for _ in range(5))


WORDS = [
    "Bundle",
    "Patient",
    "Observation",
    "OperationOutcome",
    "Patient/p1",
    "p1",
    "next",
    "error",
]
NAMES = ["resourceType", "entry", "resource", "subject", "reference", "id", "fullUrl", "issue",
         "severity", "code", "link", "relation", "total", "search", "mode", "meta", "lastUpdated",
         "active", "type", "contained"]  # fmt: skip
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=30,
)
BUNDLES = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle"), "entry": st.lists(st.builds(dict, resource=JSON) | JSON)},
    optional={"total": JSON, "link": JSON},
)
KEYS = st.sampled_from(["patient", "observations", "conditions", "reports", "other", ""])


@given(st.dictionaries(KEYS, JSON | BUNDLES))
def test_no_prefetch_makes_reading_fail(prefetch: dict[str, Any]) -> None:
    """Whatever the client sends, the chart is read or another patient is found."""
    try:
        found = chart(prefetch)
    except WrongPatient:
        return
    for part in (found.patient, *found.parts.values()):
        assert (part.state is EMPTY) <= (not part.resources)
        assert (part.state is COMPLETE) <= bool(part.resources)
        assert part.is_known or part.reason
        assert not (part.state is UNREAD and part.resources)
