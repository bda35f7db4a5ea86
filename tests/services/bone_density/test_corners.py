"""The corners of charts, orders and settings: each a small chart and what must be answered."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bone import (
    ANY_DXA,
    BACK_PAIN,
    BOTH_HIPS,
    DRUG,
    DXA,
    EARLY,
    FOREARM,
    FUSION,
    LOW,
    OLD,
    OSTEOPOROSIS,
    QUS,
    RECENT,
    SEX_UNKNOWN,
    SUBJECT,
    VFA,
    YOUNG_MAN,
    Resource,
    ask,
    bmd,
    codes,
    fact,
    ignored,
    orders,
    procedure,
    report,
    statement,
    without,
)
from builders import (
    CPT,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from service import KEY, card_text, client, explain, offered_codes, only_order

from cds_service.engine import answer
from cds_service.protocol.advice import ChartNotReadable
from hooks.bone_density import SERVICE
from hooks.bone_density.decision.rating import rate
from hooks.bone_density.decision.situation import decide_situation
from hooks.bone_density.facts import read_facts
from hooks.bone_density.knowledge import knowledge, load
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import RatingStatus, Study

# --- Switches of the site ---


@pytest.mark.parametrize(
    ("block", "draft", "chart", "silence", "indicator"),
    [
        ({"quiet_when_appropriate": True}, DXA, [LOW], "quiet-when-appropriate", None),
        ({"quiet_when_appropriate": False}, DXA, [LOW], None, "info"),
        ({"quiet_when_appropriate": True}, QUS, [LOW], None, "warning"),
        ({"quiet_when_appropriate": True}, FOREARM, [LOW], None, "info"),
        ({"quiet_when_appropriate": True}, DXA, [EARLY], None, "info"),
        ({"quiet_when_appropriate": True}, DXA, [LOW, FUSION], None, "info"),
        (
            {"quiet_when_appropriate": True},
            DXA,
            [LOW, condition("c", "G83.4", "2026-11-20")],
            None,
            "warning",
        ),
        (
            {"red_flag_indicator": "critical"},
            DXA,
            [LOW, condition("c", "G83.4", "2026-11-20")],
            None,
            "critical",
        ),
        (
            {"red_flag_indicator": "critical"},
            DXA,
            [LOW, condition("f", "S32.010A"), condition("c", "M54.16", "2026-11-20")],
            None,
            "warning",
        ),
        ({"remind_with_treatment": False}, DRUG, [OLD], "reminder-switched-off", None),
        ({"remind_with_treatment": False}, DXA, [OLD], None, "info"),
    ],
)
def test_switch(
    block: dict[str, Any],
    draft: Resource,
    chart: list[Resource],
    silence: str | None,
    indicator: str | None,
) -> None:
    """A site's switch changes its own kind of card and no other."""
    order = only_order(ask(draft, *chart, block=block))
    assert (order["silence"], order["indicator"]) == (silence, indicator)


def test_silent_on_indeterminate() -> None:
    """A site may choose silence where the scenario is open; the decision stays the same."""
    person = patient(None)
    loud, silent = (
        ask(DXA, LOW, person=person, block={"on_indeterminate": value})
        for value in ("info", "silent")
    )
    assert only_order(loud)["silence"] is None
    assert only_order(silent)["silence"] == "indeterminate"
    assert (loud["response"]["cards"] != [], silent["response"]["cards"]) == (True, [])
    for name in ("scenario", "rating", "ratingStatus", "timing"):
        assert only_order(loud)[name] == only_order(silent)[name]
    settled = ask(DXA, LOW, block={"on_indeterminate": "silent"})
    assert only_order(settled)["indicator"] == "info"


# --- The reminder beside a treatment order ---


@pytest.mark.parametrize(
    ("chart", "unread", "person", "silence"),
    [
        ([OLD], None, None, None),
        ([OLD], "conditions", None, "conditions-not-read"),
        ([OLD], "procedures", None, None),
        ([OSTEOPOROSIS], "procedures", None, "last-dxa-not-known"),
        ([OSTEOPOROSIS, procedure("p", "77080", "2023-05-05")], None, None, None),
        ([OSTEOPOROSIS, procedure("p", "77080", None)], None, None, "last-dxa-not-known"),
        (
            [OSTEOPOROSIS, procedure("p", "77080", "2023-05-05")],
            "observations",
            None,
            "results-not-read",
        ),
        ([RECENT], None, None, "dxa-ordered-or-not-due"),
        ([EARLY], None, None, "dxa-not-due"),
        ([OLD], None, patient(birth="2012-03-04"), "under-adult-age"),
        ([OLD], None, patient(deceasedDateTime="2026-01-01"), "deceased"),
        ([OLD, condition("c", "G83.4", "2026-11-20")], None, None, "red-flag"),
        ([observation("low", "38265-5", -2.6, "2020-01-10")], None, None, None),
        ([observation("heel", "38266-3", -2.6, "2020-01-10")], None, None, "last-dxa-not-known"),
        ([observation("t", "38267-1", -2.6, "2024")], None, None, "dxa-not-due"),
        ([observation("t", "38267-1", -2.6, "2023")], None, None, None),
    ],
)
def test_reminder(
    chart: list[Resource], unread: str | None, person: Resource | None, silence: str | None
) -> None:
    """A treatment order is accompanied by one offer of DXA, or by silence with its reason."""
    explanation = ask(DRUG, *chart, person=person, unread=unread)
    order = only_order(explanation)
    assert order["silence"] == silence
    assert order["indicator"] == (None if silence else "info")
    assert (order["rating"], order["ratingStatus"]) == (None, "out-of-scope")
    assert len(explanation["response"]["cards"]) == (0 if silence else 1)


def test_one_reminder_in_a_call() -> None:
    """Two treatment orders are reminded once; beside a density order that card says it."""
    second = medication_request("draft-2", "905024", status="draft")
    first, later = orders(ask([DRUG, second], OLD))
    assert (first["silence"], later["silence"]) == (None, "said-on-another-card")
    by_study = {item["study"]: item for item in orders(ask([{**QUS, "id": "q"}, DRUG], OLD))}
    assert by_study["qus"]["indicator"] == "warning"
    assert by_study["osteoporosis-drug"]["silence"] == "said-on-another-card"
    dxa = {item["study"]: item for item in orders(ask([{**DXA, "id": "d"}, DRUG], OLD))}
    assert dxa["osteoporosis-drug"]["silence"] == "dxa-ordered-or-not-due"


# --- Drafts: which study they ask for, and what is offered ---


@pytest.mark.parametrize(
    ("draft", "study", "silence"),
    [
        (DRUG, "osteoporosis-drug", None),
        (medication_request("d", "198145", status="draft"), None, "not-an-osteoporosis-drug"),
        (
            without(DRUG, "medicationCodeableConcept")
            | {
                "contained": [
                    {"resourceType": "Medication", "id": "m", "code": concept(RXNORM, "904431")}
                ],
                "medicationReference": {"reference": "#m"},
            },
            "osteoporosis-drug",
            None,
        ),
        (
            without(DRUG, "medicationCodeableConcept")
            | {"medicationReference": {"reference": "Medication/elsewhere"}},
            None,
            "not-an-osteoporosis-drug",
        ),
        (medication_request("d", None, status="draft", text="Fosamax"), "osteoporosis-drug", None),
        (
            {
                "resourceType": "DeviceRequest",
                "id": "d",
                "status": "draft",
                "intent": "order",
                "codeCodeableConcept": concept(CPT, "77080"),
                "subject": SUBJECT,
            },
            None,
            "other-resource-type",
        ),
        (service_request("d", "80053"), None, "code-not-recognised"),
        (without(service_request("d", "1"), "code") | {"code": {"text": "DXA"}}, None, "no-code"),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "122496007")]}, "dxa-spine-hip", None),
        (
            ANY_DXA | {"bodySite": [concept(SNOMED, "122496007"), concept(SNOMED, "29836001")]},
            "dxa-spine-hip",
            None,
        ),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "29627003")]}, "dxa-spine-hip", None),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "71341001")]}, "dxa-spine-hip", None),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "62413002")]}, "dxa-forearm", None),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "80144004")]}, "dxa-heel", None),
        (
            ANY_DXA | {"bodySite": [concept(SNOMED, "122496007"), concept(SNOMED, "62413002")]},
            "dxa-unspecified",
            None,
        ),
        (ANY_DXA | {"bodySite": [concept(SNOMED, "1")]}, "dxa-unspecified", None),
        (
            service_request("d", "77081", bodySite=[concept(SNOMED, "122496007")]),
            "dxa-peripheral",
            None,
        ),
    ],
)
def test_study_of_a_draft(draft: Resource, study: str | None, silence: str | None) -> None:
    """The study is told by codes and coded body sites; what is not ours says why."""
    order = only_order(ask(draft, OLD))
    assert (order["study"], order["silence"]) == (study, silence)
    assert (order["scenario"] == "not-bone-density") == (study is None)


@pytest.mark.parametrize(
    ("found", "study"),
    [
        ([("77080", CPT), ("77085", CPT)], "dxa-spine-hip-vfa"),
        ([("77080", CPT), ("76977", CPT)], "bone-density-unspecified"),
        ([("38268-9", LOINC), ("77080", CPT)], "dxa-spine-hip"),
        ([("312681000", SNOMED), ("76977", CPT)], "qus"),
        ([("312681000", SNOMED), ("38268-9", LOINC)], "dxa-unspecified"),
        ([("77086", CPT), ("77080", CPT)], "bone-density-unspecified"),
    ],
)
def test_several_codes_on_one_draft(found: list[tuple[str, str]], study: str) -> None:
    """The most exact of the codes counts; codes that contradict each other name no modality."""
    draft = service_request("draft-1", "0")
    draft["code"] = {"coding": [{"system": system, "code": code} for code, system in found]}
    assert only_order(ask(draft, LOW))["study"] == study


@pytest.mark.parametrize(
    ("draft", "others", "chart", "offered"),
    [
        (QUS, [], [LOW], ["77080"]),
        (QUS, ["77080"], [LOW], []),
        (QUS, ["77085"], [LOW], []),
        (QUS, [], [RECENT], []),
        (QUS, [], [LOW, FUSION], ["77080"]),
        (QUS, [], [LOW, BOTH_HIPS], ["77080"]),
        (QUS, [], [LOW, FUSION, BOTH_HIPS], ["77081"]),
        (FOREARM, [], [LOW, FUSION, BOTH_HIPS], []),
        (FOREARM, [], [LOW], ["77080"]),
        (FOREARM, [], [LOW, FUSION], ["77080"]),
        (VFA, [], [LOW], ["77080"]),
        (VFA, [], [LOW, BACK_PAIN], ["77085"]),
        (service_request("draft-1", "77089"), [], [LOW], ["77080"]),
        (service_request("draft-1", "77078"), [], [LOW], ["77080"]),
        (service_request("draft-1", "0554T"), [], [LOW], []),
        (service_request("draft-1", "78350"), [], [LOW], []),
        (DXA, [], [LOW], []),
        (DXA, [], [LOW, BACK_PAIN], ["77085"]),
        (DXA, ["77086"], [LOW, BACK_PAIN], []),
        (DXA, ["77085"], [LOW, BACK_PAIN], []),
        (service_request("draft-1", "77085"), [], [LOW, BACK_PAIN], []),
        (DXA, [], [LOW, FUSION], ["77081"]),
        (DXA, [], [LOW, BOTH_HIPS], ["77081"]),
        (DXA, [], [RECENT, FUSION], []),
        (DXA, [], [RECENT, BACK_PAIN], []),
    ],
)
def test_offers(
    draft: Resource, others: list[str], chart: list[Resource], offered: list[str]
) -> None:
    """What is one click away: never what is drafted already, never a DXA within the year."""
    drafts = [draft, *(service_request(f"draft-{code}", code) for code in others)]
    body = request(drafts, None, chart, selected=["ServiceRequest/draft-1"])
    assert offered_codes(explain(body)) == offered


def test_forearm_among_the_drafts() -> None:
    """A forearm DXA that is drafted already is not offered again."""
    forearm = {**FOREARM, "id": "draft-2"}
    for draft in (QUS, DXA):
        body = request(
            [draft, forearm], None, [LOW, FUSION, BOTH_HIPS], selected=["ServiceRequest/draft-1"]
        )
        assert offered_codes(explain(body)) == []


@pytest.mark.parametrize(
    ("draft", "person", "unread", "offered"),
    [
        (QUS, patient(birth="1973-01-01"), None, ["77080"]),
        (VFA, patient(birth="1973-01-01"), None, ["77080"]),
        (service_request("draft-1", "77078"), patient(birth="1973-01-01"), None, []),
        (DXA, patient(birth="1973-01-01"), None, []),
        (QUS, patient(birth="2012-03-04"), None, []),
        (QUS, None, "conditions", []),
    ],
)
def test_offers_while_the_scenario_is_open(
    draft: Resource, person: Resource | None, unread: str | None, offered: list[str]
) -> None:
    """DXA replaces a lesser study where it is usually appropriate in every possible scenario."""
    assert offered_codes(ask(draft, LOW, person=person, unread=unread)) == offered


def test_open_scenario_within_a_year() -> None:
    """An open scenario does not lift the minimum interval, nor what is drafted already."""
    person = patient(birth="1973-01-01")
    assert offered_codes(ask(QUS, RECENT, person=person)) == []
    body = request([QUS, {**DXA, "id": "d"}], person, [LOW], selected=["ServiceRequest/draft-1"])
    assert offered_codes(explain(body)) == []


def test_added_order_belongs_to_the_same_visit() -> None:
    """An added order takes patient, encounter, requester, intent and priority of the draft."""
    more = {
        "encounter": {"reference": "Encounter/e"},
        "requester": {"reference": "Practitioner/r"},
        "priority": "urgent",
        "intent": "plan",
        "note": [{"text": "not taken over"}],
    }
    explanation = ask({**DXA, **more}, LOW, FUSION)
    (card,) = explanation["response"]["cards"]
    (action,) = card["suggestions"][0]["actions"]
    added = action["resource"]
    assert action["type"] == "create"
    for name in ("encounter", "requester", "priority", "intent"):
        assert added[name] == more[name]
    assert (added["status"], added["subject"]) == ("draft", DXA["subject"])
    assert added["bodySite"][0]["coding"][0]["code"] == "62413002"
    assert "note" not in added


@pytest.mark.parametrize(
    ("chart", "block_codes", "labels"),
    [
        ([LOW, BACK_PAIN], ["radiograph-spine"], ["Add radiographs of the spine"]),
        ([LOW], ["radiograph-spine"], []),
        (
            [OSTEOPOROSIS, bmd("b1", 0.80, "2022-01-10"), bmd("b2", 0.70, "2024-01-10")],
            ["labs"],
            ["Add calcium, PTH, 25-hydroxyvitamin D and TSH"],
        ),
        (
            [OSTEOPOROSIS, bmd("b1", 0.70, "2022-01-10"), bmd("b2", 0.80, "2024-01-10")],
            ["labs"],
            [],
        ),
        (
            [LOW, condition("c", "G83.4", "2026-11-20")],
            ["mri-lumbar-spine", "labs"],
            ["Add MRI of the lumbar spine without contrast"],
        ),
    ],
)
def test_mapped_extras(chart: list[Resource], block_codes: list[str], labels: list[str]) -> None:
    """Radiographs, MRI and laboratory tests are suggestions where the client maps them."""
    block = {
        "orderables": [
            {"study": name, "system": "urn:house", "code": name, "display": name}
            for name in block_codes
        ],
        "lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}],
    }
    explanation = ask(DXA, *chart, block=block)
    found = [
        item["label"]
        for card in explanation["response"]["cards"]
        for item in card.get("suggestions", ())
    ]
    assert [label for label in found if not label.startswith("Replace")] == labels
    assert not any("radiograph" in item or "MRI" in item for item in _labels(ask(DXA, *chart)))


def _labels(explanation: dict[str, Any]) -> list[str]:
    return [
        item["label"]
        for card in explanation["response"]["cards"]
        for item in card.get("suggestions", ())
    ]


# --- Ratings that depend on something ---


@pytest.mark.parametrize(
    ("draft", "person", "unread", "expected"),
    [
        (
            ANY_DXA,
            None,
            None,
            [
                ("lumbar spine and hip(s) are measured", "usually-appropriate"),
                ("only the forearm is measured", "may-be-appropriate"),
            ],
        ),
        (
            service_request("draft-1", "77081"),
            None,
            None,
            [("the forearm is measured", "may-be-appropriate"), ("the heel is measured", None)],
        ),
        (
            service_request("draft-1", "312681000", system=SNOMED),
            None,
            None,
            [
                ("it is DXA of lumbar spine and hip(s)", "usually-appropriate"),
                ("it is DXA of the forearm", "may-be-appropriate"),
                ("it is quantitative CT", "may-be-appropriate"),
                ("it is quantitative ultrasound", "usually-not-appropriate"),
            ],
        ),
        (
            service_request("draft-1", "312681000", system=SNOMED),
            YOUNG_MAN,
            None,
            [
                ("it is DXA of lumbar spine and hip(s)", "usually-appropriate"),
                ("it is DXA of the forearm", "may-be-appropriate"),
                ("it is quantitative CT", "may-be-appropriate"),
            ],
        ),
    ],
)
def test_conditional_rating(
    draft: Resource,
    person: Resource | None,
    unread: str | None,
    expected: list[tuple[str, str | None]],
) -> None:
    """An order that leaves open what is measured gets each rating with its condition."""
    order = only_order(ask(draft, LOW, person=person, unread=unread))
    assert (order["rating"], order["ratingStatus"]) == (None, "conditional")
    assert [(item["when"], item["rating"]) for item in order["conditional"]] == expected
    assert order["indicator"] == "info"


@pytest.mark.parametrize(
    ("draft", "person", "status", "ratings"),
    [
        (DXA, SEX_UNKNOWN, "rated", "usually-appropriate"),
        (FOREARM, SEX_UNKNOWN, "rated", "may-be-appropriate"),
        (QUS, SEX_UNKNOWN, "conditional", ["usually-not-appropriate"]),
        (VFA, SEX_UNKNOWN, "conditional", ["usually-not-appropriate"]),
        (
            ANY_DXA,
            SEX_UNKNOWN,
            "conditional",
            ["usually-appropriate", "may-be-appropriate"] * 2,
        ),
        (service_request("draft-1", "0554T"), SEX_UNKNOWN, "insufficient-data", None),
        (DXA, patient(birth="2012-03-04"), "insufficient-data", None),
    ],
)
def test_rating_while_the_scenario_is_open(
    draft: Resource, person: Resource, status: str, ratings: Any
) -> None:
    """What every possible scenario agrees on is the rating; else each is given with its if."""
    order = only_order(ask(draft, LOW, person=person))
    assert order["scenario"] == "insufficient-data"
    assert order["ratingStatus"] == status
    if status == "conditional":
        assert sorted({item["rating"] for item in order["conditional"]}) == sorted(set(ratings))
        assert order["rating"] is None
    else:
        assert order["rating"] == ratings


def test_conditions_of_an_open_rating_are_named() -> None:
    """Each conditional rating says what it presupposes."""
    unread = only_order(ask(ANY_DXA, LOW, unread="conditions"))["conditional"]
    assert all("no pregnancy and no new neurological deficit" in item["when"] for item in unread)
    assert any(item["when"].endswith("only the forearm is measured") for item in unread)
    heel = observation("heel", "38266-3", -2.9, "2024-05-05")
    open_baseline = only_order(ask(DXA, heel))["conditional"]
    assert all("and low BMD is established" in item["when"] for item in open_baseline)


def test_edition_without_vfa() -> None:
    """An edition that rates no VFA leaves VFA without a rating; nothing is inferred."""
    chart = _chart(LOW)
    facts = read_facts(chart, Settings(), date(2026, 11, 23))
    situation = decide_situation(facts)
    known = knowledge()
    assert rate(Study.VFA, situation, known).status is RatingStatus.RATED
    for variant in ("follow-up", "follow-up-vfa"):
        fewer = {key: item for key, item in known.ratings.items() if key != (variant, "vfa")}
        rated = rate(Study.VFA, situation, replace(known, ratings=fewer))
        assert (rated.status, rated.rating) == (RatingStatus.NO_PUBLISHED, None)


def _chart(*resources: Resource) -> Any:
    """The chart that the service reads from one request."""
    caught: list[Any] = []

    def evaluate(selection: Any, chart: Any, settings: Any, as_of: Any) -> Any:
        caught.append(chart)
        return SERVICE.evaluate(selection, chart, settings, as_of)

    answer(
        replace(SERVICE, evaluate=evaluate),
        client(),
        request([DXA], None, resources),
        as_of=date(2026, 11, 23),
        uuid_key=KEY,
    )
    return caught[0]


# --- Scans: what dates the last DXA ---


@pytest.mark.parametrize(
    ("chart", "timing", "said"),
    [
        ([OSTEOPOROSIS, report("r", "38269-7", "2024-05-05")], "on-time", "last-dxa"),
        ([OSTEOPOROSIS, report("r", "24890-6", "2024-05-05")], "on-time", "forearm-only-baseline"),
        ([OSTEOPOROSIS, report("r", "24890-6", None)], "unknown", "forearm-only-baseline"),
        ([OSTEOPOROSIS, report("r", "100225-2", "2024-05-05")], "unknown", "no-prior-dxa"),
        (
            [OSTEOPOROSIS, procedure("p", "77081", "2024-05-05")],
            "unknown",
            "scan-of-unstated-modality",
        ),
        ([OSTEOPOROSIS, procedure("p", "77080", None)], "unknown", "last-dxa-not-known"),
        ([LOW, procedure("p", "312681000", "2026-05-05", SNOMED)], "unknown", "last-dxa"),
        ([LOW, procedure("p", "312681000", "2024-05-05", SNOMED)], "on-time", "last-dxa"),
        ([LOW, procedure("p", "312681000", "2024-12-24", SNOMED)], "unknown", "last-dxa"),
        ([LOW, procedure("p", "312681000", "2024-12-23", SNOMED)], "on-time", "last-dxa"),
        ([LOW, procedure("p", "312681000", "2024-11-20", SNOMED)], "on-time", "last-dxa"),
        ([RECENT, procedure("p", "312681000", "2026-05-05", SNOMED)], "too-soon", "last-dxa"),
        ([LOW, procedure("p", "77080", "2026-05-05", status="preparation")], "on-time", "last-dxa"),
        ([LOW, procedure("p", "77080", "2026-05-05", status="not-done")], "on-time", "last-dxa"),
        ([LOW, procedure("p", "77080", "2026-11-24")], "on-time", "last-dxa"),
        ([LOW, report("r", "38269-7", "2026-05-05", status="preliminary")], "on-time", "last-dxa"),
        ([LOW, report("r", "38269-7", "2026-05-05", status="appended")], "too-soon", "last-dxa"),
        (
            [LOW, report("r", "38269-7", "2026-05-05", status="entered-in-error")],
            "on-time",
            "last-dxa",
        ),
        ([LOW, report("r", "38269-7", "2026-05-05", implicitRules="urn:x")], "on-time", "last-dxa"),
        ([LOW, procedure("p", "80146002", "2026-05-05", SNOMED)], "on-time", "last-dxa"),
    ],
)
def test_last_dxa(chart: list[Resource], timing: str, said: str) -> None:
    """Completed, coded and dated scans count by what they measured; others are named."""
    explanation = ask(DXA, *chart)
    assert only_order(explanation)["timing"] == timing
    assert said in codes(explanation)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (procedure("p", "77080", "2026-05-05", status="not-done"), "not-done"),
        (procedure("p", "77080", "2026-05-05", status="in-progress"), "status in-progress"),
        (procedure("p", "77080", "2026-11-24"), "future-dated"),
        (report("p", "38269-7", "2026-05-05", status="cancelled"), "cancelled"),
        (report("p", "38269-7", "2026-05-05", status="partial"), "status partial"),
        (report("p", "38269-7", "2026-05-05 10:00"), "not valid FHIR R4"),
        (procedure("p", "Z98.1", "2027-01-01", ICD10CM), "future-dated"),
    ],
)
def test_scan_that_is_not_used(resource: Resource, reason: str) -> None:
    """A scan that was not done, is not final or lies ahead is named and dates nothing."""
    explanation = ask(DXA, LOW, resource)
    assert ignored(explanation)[f"{resource['resourceType']}/p"].startswith(reason)
    assert fact(explanation, "lastCentralDxa") == "2024-11-10"


@pytest.mark.parametrize(
    ("results", "site_known"),
    [
        ([{"reference": "Observation/low"}], True),
        ([{"reference": "Observation/low/_history/1"}], True),
        ([{"reference": "https://fhir.example.org/r4/Observation/low"}], True),
        ([{"reference": "Observation/elsewhere"}], False),
        ([{"display": "T-score"}], False),
        ([{"reference": "Observation/cholesterol"}], False),
    ],
)
def test_report_with_results(results: list[Resource], site_known: bool) -> None:
    """A report of DXA is readable where it refers to a readable result."""
    cholesterol = observation("cholesterol", "2093-3", 190, "2025-06-05", unit="mg/dL")
    found = report("r", "38269-7", "2025-06-05", result=results)
    explanation = ask(DXA, LOW, cholesterol, found)
    assert ("(result not readable)" in card_text(explanation)) != site_known
    assert fact(explanation, "lastCentralDxa") == "2025-06-05"


def test_report_of_a_forearm_result() -> None:
    """A report of DXA whose only readable result is of the forearm is a forearm DXA."""
    forearm = observation("f", "38265-5", -2.6, "2024-05-05")
    found = report("r", "38269-7", "2024-05-05", result=[{"reference": "Observation/f"}])
    order = only_order(ask(DXA, forearm, found))
    assert (order["modifiers"], order["timing"]) == (["forearm-only-baseline"], "on-time")


def test_results_unread_but_a_scan_is_dated() -> None:
    """Unread results may hold a newer DXA: only "too soon" can be said without them."""
    old, recent = (procedure("p", "77080", day) for day in ("2023-05-05", "2026-05-05"))
    for scan, timing in ((old, "unknown"), (recent, "too-soon")):
        order = only_order(ask(DXA, OSTEOPOROSIS, scan, unread="observations"))
        assert order["timing"] == timing


# --- Results: sites, codes, repeats ---


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (observation("t", "38267-1", -2, "2024-05-05"), "lumbar spine"),
        (
            observation("t", "104938-6", -2, "2024-05-05", bodySite=concept(SNOMED, "122496007")),
            "lumbar spine",
        ),
        (
            observation("t", "38264-8", -2, "2024-05-05", bodySite=concept(SNOMED, "29627003")),
            "femoral neck",
        ),
        (
            observation("t", "38264-8", -2, "2024-05-05", bodySite=concept(SNOMED, "24136001")),
            "hip",
        ),
        (observation("t", "38264-8", -2, "2024-05-05", bodySite=concept(SNOMED, "1")), "hip"),
        (
            observation(
                "t",
                "46383-6",
                0.8,
                "2024-05-05",
                unit="g/cm2",
                bodySite=concept(SNOMED, "122496007"),
            ),
            "lumbar spine",
        ),
        (
            observation("t", "38265-5", -2, "2024-05-05", bodySite=concept(SNOMED, "62413002")),
            "forearm",
        ),
        (observation("t", "80947-5", -2, "2024-05-05"), "femur, right"),
    ],
)
def test_site_of_a_result(result: Resource, shown: str) -> None:
    """A coded body site makes the site of the code more exact."""
    assert f"| {shown} |" in card_text(ask(DXA, OSTEOPOROSIS, result))


@pytest.mark.parametrize(
    ("found", "is_used"),
    [
        (["80947-5", "80947-5"], True),
        (["80948-3", "80947-5"], False),
        (["38263-0", "80947-5"], True),
        (["38263-0", "38264-8"], False),
    ],
)
def test_several_codes_on_one_result(found: list[str], is_used: bool) -> None:
    """Codes of one result agree on kind, site and side, or the result is not used."""
    result = observation("t", "38263-0", -2, "2024-05-05")
    result["code"] = {"coding": [{"system": LOINC, "code": code} for code in found]}
    explanation = ask(DXA, OSTEOPOROSIS, result)
    assert (ignored(explanation) == {}) == is_used
    assert bool(fact(explanation, "results")) == is_used


def test_component_that_is_none() -> None:
    """What is no component is passed over; the others are read."""
    panel = observation("p", "83311-1", None, "2024-11-10")
    low = {"code": concept(LOINC, "38267-1"), "valueQuantity": {"value": -1.8}}
    absent = {"code": concept(LOINC, "38264-8")}
    explanation = ask(DXA, {**panel, "component": [low, absent]})
    assert only_order(explanation)["scenario"] == "surveillance"
    assert ignored(explanation) == {"Observation/p": "no-value"}
    broken = ask(DXA, OSTEOPOROSIS, {**panel, "component": [low, "x"]})
    assert ignored(broken)["Observation/p"].startswith("not valid FHIR R4")


def test_many_results_and_many_unused() -> None:
    """A card stays short: eight results, six resources that were not used, and how many more."""
    results = [observation(f"t{n}", "38267-1", -2 - n / 10, f"2024-01-{n + 10}") for n in range(10)]
    wrong = [
        observation(f"w{n}", "38267-1", -2, "2024-01-10", status="entered-in-error")
        for n in range(8)
    ]
    text = card_text(ask(DXA, *results, *wrong))
    assert text.count("| lumbar spine |") == 8
    assert "2 earlier results are not shown." in text
    assert text.count(": entered-in-error") == 6
    assert "- and 2 more" in text
    exactly = card_text(ask(DXA, *results[:8], *wrong[:6]))
    assert "are not shown" not in exactly
    assert "- and" not in exactly


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (bmd("b1", 0.80, "2022-01-10"), bmd("b2", 0.70, "2024-01-10"), "no-facility-lsc"),
        (bmd("b1", 0.80, "2022-01-10", None), bmd("b2", 0.70, "2024-01-10"), "device-not-recorded"),
        (bmd("b1", 0.80, "2022-01-10"), bmd("b2", 0.70, "2024-01-10", None), "device-not-recorded"),
        (
            bmd("b1", 0.80, "2022-01-10"),
            bmd("b2", 0.70, "2024-01-10", "Device/B"),
            "different-devices",
        ),
    ],
)
def test_change_is_not_stated(first: Resource, second: Resource, reason: str) -> None:
    """Without the same device and the facility's LSC no change is stated, and no percentage."""
    explanation = ask(DXA, OSTEOPOROSIS, first, second)
    assert f"change-indeterminate-{reason}" in codes(explanation)
    text = card_text(explanation)
    assert "percent)" not in text
    assert "fall beyond" not in text


def test_two_values_on_one_day() -> None:
    """Two values of one site and day are listed, never averaged or compared."""
    block = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
    series = [
        bmd("b1", 0.80, "2022-01-10"),
        bmd("b2", 0.70, "2024-01-10"),
        bmd("b3", 0.75, "2024-01-10"),
    ]
    explanation = ask(DXA, OSTEOPOROSIS, *series, block=block)
    assert "change-indeterminate-two-values-on-one-day" in codes(explanation)
    text = card_text(explanation)
    assert "0.700" in text
    assert "0.750" in text
    one_day = ask(DXA, OSTEOPOROSIS, *series[1:], block=block)
    assert not any(code.startswith("change-") for code in codes(one_day))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([(0.80, "2020-01-10"), (0.70, "2022-01-10"), (0.71, "2024-01-10")], "change-within-lsc"),
        ([(0.80, "2020-01-10"), (0.90, "2022-01-10"), (0.80, "2024-01-10")], "fall-beyond-lsc"),
        ([(0.80, "2022"), (0.70, "2024-01-10")], None),
    ],
)
def test_newest_two_are_compared(results: list[tuple[float, str]], expected: str | None) -> None:
    """The two newest results of exact days are compared, not the first with the last."""
    block = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
    series = [bmd(f"b{n}", value, when) for n, (value, when) in enumerate(results)]
    found = codes(ask(DXA, OSTEOPOROSIS, *series, block=block))
    trend = [code for code in found if code.startswith(("change-", "fall-", "rise-"))]
    assert trend == ([expected] if expected else [])


def test_newest_scores_decide_vfa() -> None:
    """The VFA criterion looks at the newest day; a forearm score only where nothing else is."""
    person = patient(birth="1950-01-01")
    better = [
        observation("t1", "38267-1", -1.8, "2022-01-10"),
        observation("t2", "38267-1", -0.8, "2024-01-10"),
    ]
    forearm = observation("f", "38265-5", -2.0, "2024-06-10")
    undated = without(observation("u", "38267-1", -2.0, None), "effectiveDateTime")
    for chart, is_met in (
        ([better[0]], True),
        (better, False),
        ([better[1], forearm], False),
        ([forearm], True),
        ([undated], True),
        ([better[1], undated], False),
    ):
        order = only_order(ask(DXA, OSTEOPOROSIS, *chart, person=person))
        assert ("vfa-criteria-met" in order["modifiers"]) == is_met, chart


def test_discordance_is_of_one_day() -> None:
    """Discordance is told of the newest day that has spine and hip, by their lowest scores."""
    spine = [
        observation("s1", "38267-1", -3.0, "2022-01-10"),
        observation("s2", "38267-1", -1.5, "2024-01-10"),
    ]
    hips = [
        observation("h1", "38264-8", -1.5, "2022-01-10"),
        observation("h2", "38264-8", -1.6, "2024-01-10"),
    ]
    assert "spine-hip-discordance" in codes(ask(DXA, spine[0], hips[0]))
    assert "spine-hip-discordance" not in codes(ask(DXA, *spine, *hips))
    assert "spine-hip-discordance" not in codes(ask(DXA, spine[0], hips[1]))
    neck = observation("n", "38263-0", -3.0, "2024-01-10")
    assert "spine-hip-discordance" in codes(ask(DXA, *spine, *hips, neck))
    bound = observation("n", "38263-0", None, "2024-01-10")
    bound["valueQuantity"] = {"value": -3.0, "comparator": "<"}
    assert "spine-hip-discordance" not in codes(ask(DXA, *spine, *hips, bound))


# --- Heights ---


def height(identifier: str, value: float, when: str | None, **more: Any) -> Resource:
    """A body height in cm."""
    return observation(identifier, "8302-2", value, when, unit="cm", **more)


@pytest.mark.parametrize(
    ("heights", "loss"),
    [
        ([height("a", 170, "2010-01-10"), height("b", 164, "2026-01-10")], "6.0"),
        ([height("a", 164, "2010-01-10"), height("b", 170, "2026-01-10")], "0.0"),
        ([height("a", 170, "2010-01-10")], None),
        ([height("a", 170, "2010-01-10"), height("b", 164, None)], None),
        ([height("a", 170, "2010-01-10"), height("b", 164, "2026-11-24")], None),
        (
            [height("a", 170, "2010-01-10"), height("b", 164, "2026-01-10", status="registered")],
            None,
        ),
        ([height("a", 170, "2010-01-10"), height("b", 99, "2026-01-10")], None),
        ([height("a", 231, "2010-01-10"), height("b", 164, "2026-01-10")], None),
        ([height("a", 230, "2010-01-10"), height("b", 100, "2026-01-10")], "130.0"),
        (
            [
                height("a", 170, "2010-01-10"),
                observation("b", "8302-2", 64.6, "2026-01-10", unit="[in_i]"),
            ],
            "5.916",
        ),
        (
            [
                height("a", 170, "2010-01-10"),
                observation("b", "8302-2", 164, "2026-01-10", unit="kg"),
            ],
            None,
        ),
        (
            [
                height("a", 170, "2010-01-10"),
                height("b", 164, "2026-01-10", implicitRules="urn:x"),
            ],
            None,
        ),
        (
            [
                height("a", 170, "2010-01-10"),
                height("b", 168, "2020-01-10"),
                height("c", 160, "2026-01-10", implicitRules="urn:x"),
            ],
            "2.0",
        ),
        (
            [
                height("a", 190, "2010-01-10", implicitRules="urn:x"),
                height("b", 168, "2020-01-10"),
                height("c", 163, "2026-01-10"),
            ],
            "5.0",
        ),
    ],
)
def test_height_loss(heights: list[Resource], loss: str | None) -> None:
    """Loss is the greatest minus the latest usable adult height; unusable ones are left out."""
    explanation = ask(DXA, LOW, *heights)
    found = fact(explanation, "heightLossCm")
    assert (found is None) == (loss is None)
    if loss is not None:
        assert Decimal(found) == Decimal(loss)
    is_lost = loss is not None and Decimal(loss) > 4
    assert ("suspected-vertebral-fracture" in only_order(explanation)["modifiers"]) == is_lost


def test_height_loss_without_birth_date() -> None:
    """Without a birth date no height is known to be of an adult."""
    heights = [height("a", 170, "2010-01-10"), height("b", 160, "2026-01-10")]
    explanation = ask(DXA, LOW, *heights, person=patient(birth=None))
    assert fact(explanation, "heightLossCm") is None


def test_height_with_a_local_code() -> None:
    """A height with a code of the house counts where the registry maps it."""
    heights = [
        observation("a", "HT", 170, "2010-01-10", unit="cm", system="urn:house"),
        observation("b", "HT", 160, "2026-01-10", unit="cm", system="urn:house"),
    ]
    block = {"local_codes": [{"system": "urn:house", "code": "HT", "means": "8302-2"}]}
    assert fact(ask(DXA, LOW, *heights, block=block), "heightLossCm") == "10"
    assert fact(ask(DXA, LOW, *heights), "heightLossCm") is None


# --- Conditions and surgery ---


@pytest.mark.parametrize(
    ("more", "scenario"),
    [
        ({}, "surveillance"),
        ({"code": None}, "insufficient-data"),
        ({"code": "M81.0"}, "insufficient-data"),
        ({"implicitRules": "urn:x"}, "insufficient-data"),
        ({"onsetDateTime": "2020-13-01"}, "insufficient-data"),
    ],
)
def test_condition_that_cannot_be_read(more: Resource, scenario: str) -> None:
    """A condition that may matter and cannot be read leaves the conditions open."""
    order = only_order(ask(DXA, LOW, {**condition("c", "I10"), **more}))
    expected = "surveillance" if "code" not in more and more else scenario
    assert order["scenario"] == expected
    assert only_order(ask(DXA, LOW, {**condition("c", "Z98.1"), **more}))["scenario"] == scenario


def test_condition_without_a_code() -> None:
    """A condition without any code says nothing that the rules read."""
    order = only_order(ask(DXA, LOW, without(condition("c", "I10"), "code")))
    assert (order["scenario"], order["modifiers"]) == ("surveillance", [])


@pytest.mark.parametrize(
    ("record", "modifiers"),
    [
        (condition("c", "Z98.1"), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical="resolved"), []),
        (condition("c", "Z98.1", clinical="inactive"), []),
        (condition("c", "Z98.1", clinical="relapse"), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical=None), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical=None, abatementDateTime="2020-01-01"), []),
        (condition("c", "Z98.1", clinical=None, abatementString="long ago"), []),
        (condition("c", "Z98.1", verification="provisional"), ["spine-unreliable"]),
        (condition("c", "Z98.1", verification="refuted"), []),
        (condition("c", "S32.010A", "2020-01-01", clinical="resolved"), ["spine-unreliable"]),
        (condition("c", "Z96.643", clinical="resolved"), ["hips-unreliable"]),
        (condition("c", "Z96.643", verification="provisional"), []),
        (condition("c", "Z98.1", verification="confirmed"), ["spine-unreliable"]),
        (condition("c", "Z98.1", "2026-11-24"), []),
        (condition("c", "S32.010A", "2020-01-01"), ["spine-unreliable"]),
        (condition("c", "S22.000A", "2020-01-01"), []),
        (
            condition("c", "S32.010A", "2020-01-01", verification="provisional"),
            ["suspected-vertebral-fracture"],
        ),
        (condition("c", "R29.890"), ["suspected-vertebral-fracture"]),
        (condition("c", "R29.890", clinical="resolved"), []),
        (condition("c", "M54.50", "2026-11-20"), ["suspected-vertebral-fracture"]),
        (condition("c", "M54.50", "2026-11-20", clinical="resolved"), []),
        (condition("c", "M54.50", "2026-10"), ["suspected-vertebral-fracture"]),
        (condition("c", "M54.50", "2026-08"), []),
        (condition("c", "M54.50", "2026"), []),
        (condition("c", "Z96.643"), ["hips-unreliable"]),
        (condition("c", "Z96.641"), []),
        (condition("c", "Z96.649"), []),
        (condition("c", "Z79.52"), ["rapid-loss-risk"]),
        (procedure("c", "9631008", None, SNOMED), None),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM), ["spine-unreliable"]),
        (procedure("c", "Z98.1", None, ICD10CM), ["spine-unreliable"]),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM, status="not-done"), []),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM, implicitRules="urn:x"), []),
        (procedure("c", "Z98.1", "2026-11-24", ICD10CM), []),
    ],
)
def test_modifier(record: Resource, modifiers: list[str] | None) -> None:
    """A modifier needs an active, confirmed (or, where suspicion counts, provisional) record."""
    order = only_order(ask(DXA, LOW, record))
    assert order["scenario"] == "surveillance"
    if modifiers is not None:
        assert order["modifiers"] == modifiers


@pytest.mark.parametrize("sides", [("Z96.641", "Z96.642"), ("430688009", "430694001")])
def test_both_hips_by_two_records(sides: tuple[str, str]) -> None:
    """Left and right together are both hips; one of them asks for the other hip."""
    system = ICD10CM if sides[0].startswith("Z") else SNOMED
    first, second = (condition(code, code, system=system) for code in sides)
    assert only_order(ask(DXA, LOW, first, second))["modifiers"] == ["hips-unreliable"]
    one = ask(DXA, LOW, first)
    assert "one-hip-replaced" in codes(one)
    assert only_order(one)["modifiers"] == []


@pytest.mark.parametrize(
    ("found", "is_established"),
    [
        (report("r", "38269-7", "2023-05-05"), True),
        (report("r", "38269-7", None), True),
        (report("r", "38269-7", "2023-05-05", status="amended"), True),
        (report("r", "38269-7", "2023-05-05", status="corrected"), True),
        (report("r", "38269-7", "2023-05-05", status="appended"), True),
        (report("r", "38269-7", "2023-05-05", status="preliminary"), False),
        (report("r", "38269-7", "2026-11-24"), False),
        (report("r", "38269-7", "2023-05-05", implicitRules="urn:x"), False),
        (report("r", "58410-2", "2023-05-05"), True),
    ],
)
def test_coded_conclusion(found: Resource, is_established: bool) -> None:
    """The coded conclusion of a final report establishes low BMD, as a diagnosis does."""
    concluded = {**found, "conclusionCode": [concept(SNOMED, "64859006"), concept(SNOMED, "1")]}
    order = only_order(ask(QUS, concluded))
    assert (order["scenario"] == "surveillance") == is_established
    other = {**found, "conclusionCode": [concept(SNOMED, "1")]}
    assert only_order(ask(QUS, other))["scenario"] != "surveillance"


@pytest.mark.parametrize(
    ("born", "records", "scenario"),
    [
        ("1981-03-04", [], "younger-adult-surveillance"),
        ("1981-03-04", [condition("c", "E28.319")], "surveillance"),
        ("1981-03-04", [condition("c", "E28.319", clinical="resolved")], "surveillance"),
        (
            "1981-03-04",
            [condition("c", "E28.319", verification="provisional")],
            "younger-adult-surveillance",
        ),
        ("1981-03-04", [condition("c", "N95.1")], "younger-adult-surveillance"),
        ("1974-03-04", [condition("c", "N95.1")], "insufficient-data"),
        ("1968-03-04", [condition("c", "N95.1")], "surveillance"),
        (
            "1974-03-04",
            [condition("c", "22636003", system=SNOMED)],
            "younger-adult-surveillance",
        ),
        (
            "1974-03-04",
            [condition("c", "22636003", system=SNOMED, clinical="resolved")],
            "insufficient-data",
        ),
        ("1964-03-04", [condition("c", "22636003", system=SNOMED)], "insufficient-data"),
        (
            "1964-03-04",
            [condition("c", "22636003", system=SNOMED), condition("d", "Z78.0")],
            "surveillance",
        ),
        (None, [condition("c", "Z78.0")], "insufficient-data"),
        (None, [condition("c", "22636003", system=SNOMED)], "insufficient-data"),
    ],
)
def test_menopausal_status(born: str | None, records: list[Resource], scenario: str) -> None:
    """Recorded postmenopause comes before recorded premenopause, and both before age."""
    person = patient(birth=born)
    assert only_order(ask(QUS, LOW, *records, person=person))["scenario"] == scenario


@pytest.mark.parametrize(
    ("record", "is_contradiction"),
    [
        (condition("c", "Z78.0"), True),
        (condition("c", "N95.1"), True),
        (condition("c", "22636003", system=SNOMED), True),
        (condition("c", "Z33.1", clinical="resolved"), False),
        (condition("c", "I10"), False),
    ],
)
def test_man_with_a_status_of_women(record: Resource, is_contradiction: bool) -> None:
    """A menopausal status in a man's record is a contradiction, not a scenario."""
    order = only_order(ask(DXA, LOW, record, person=patient("male", "1958-03-04")))
    assert order["scenario"] == ("insufficient-data" if is_contradiction else "surveillance")


@pytest.mark.parametrize(
    ("extensions", "sex"),
    [
        ([{"url": "sex", "valueCode": "F"}], "female"),
        ([{"url": "sex", "valueCode": "248153007"}], "male"),
        ([{"url": "birthsex", "valueCode": "M"}], "male"),
        ([{"url": "birthsex", "valueCode": "UNK"}], None),
        (
            [{"url": "birthsex", "valueCode": "M"}, {"url": "sex", "valueCode": "248152002"}],
            "female",
        ),
        ([{"url": "race", "valueCode": "F"}], None),
        ([], None),
    ],
)
def test_sex_from_extensions(extensions: list[Resource], sex: str | None) -> None:
    """Without a usable gender the US Core extensions speak, the newer before birth sex."""
    base = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
    person = patient(
        "unknown", extension=[{**item, "url": base + item["url"]} for item in extensions]
    )
    explanation = ask(DXA, LOW, person=person)
    assert fact(explanation, "sex") == sex
    assert fact(ask(DXA, LOW, person=person | {"gender": "female"}), "sex") == "female"


def test_unreadable_birth_date_is_said() -> None:
    """A birth date that is none is told apart from one that is not recorded."""
    missing = card_text(ask(DXA, LOW, person=patient(birth=None)))
    assert "birth date not recorded" in missing
    future = card_text(ask(DXA, LOW, person=patient(birth="2030-01-01")))
    assert "birth date lies in the future" in future
    old = card_text(ask(DXA, LOW, person=patient(birth="1850-01-01")))
    assert "birth date not plausible" in old


# --- Drugs ---


def treated(*records: Resource, more: Sequence[Resource] = (LOW,)) -> list[str]:
    """The therapy that the service reads."""
    return [str(text) for text in fact(ask(DXA, *more, *records), "therapy")]


@pytest.mark.parametrize(
    ("chart", "is_therapy"),
    [
        ([], False),
        ([OSTEOPOROSIS], True),
        ([condition("c", "M85.89")], True),
        ([condition("c", "M81.0", verification="provisional")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911", verification="provisional")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911", clinical="resolved")], True),
        ([OSTEOPOROSIS, condition("c", "E20.9")], False),
        ([OSTEOPOROSIS, condition("c", "E20.9", verification="differential")], False),
        ([OSTEOPOROSIS, condition("c", "I10")], True),
    ],
)
@pytest.mark.parametrize(("rxcui", "name"), [("993449", "denosumab"), ("32915", "teriparatide")])
def test_drug_of_two_indications(
    rxcui: str, name: str, chart: list[Resource], is_therapy: bool
) -> None:
    """A bare denosumab or teriparatide is osteoporosis therapy only where the chart says so."""
    explanation = ask(DXA, LOW, medication_request("m", rxcui, "2024-11-20"), *chart)
    text = card_text(explanation)
    assert bool(fact(explanation, "therapy")) == is_therapy
    assert (f"indication unclear: {name}" in text) == (not is_therapy)


@pytest.mark.parametrize(
    ("record", "therapy"),
    [
        (medication_request("m", "904431", "2024-11-20"), "since 2024-11-20"),
        (medication_request("m", "904431"), "start not recorded"),
        (medication_request("m", "904431", "2026-11-24"), None),
        (medication_request("m", "904431", "2024-11-20", status="on-hold"), None),
        (medication_request("m", "904431", "2024-11-20", status="cancelled"), None),
        (medication_request("m", "904431", "2024-11-20", intent="proposal"), None),
        (medication_request("m", "904431", "2024-11-20", intent="filler-order"), "2024-11-20"),
        (medication_request("m", "904431", "2024-11-20", implicitRules="urn:x"), None),
        (
            medication_request(
                "m",
                "904431",
                "2024-11-20",
                dispenseRequest={"validityPeriod": {"start": "2024-12-01", "end": "2026-11-22"}},
            ),
            None,
        ),
        (
            medication_request(
                "m",
                "904431",
                "2024-11-20",
                dispenseRequest={"validityPeriod": {"start": "2024-12-01", "end": "2026-11-23"}},
            ),
            "since 2024-12-01",
        ),
        (
            medication_request(
                "m", "904431", "2024-11-20", dispenseRequest={"validityPeriod": {"end": "2027"}}
            ),
            "since 2024-11-20",
        ),
        (statement("m", "904431", effectiveDateTime="2024-11-20"), "since 2024-11-20"),
        (statement("m", "904431", effectivePeriod={"end": "2026-11-22"}), None),
        (statement("m", "904431", effectivePeriod={"start": "2024-11", "end": "2027"}), "2024-11"),
        (statement("m", "904431"), "start not recorded"),
    ],
)
def test_course(record: Resource, therapy: str | None) -> None:
    """A course is present by status and stated period, and starts where the record says."""
    found = treated(record)
    assert len(found) == (therapy is not None)
    assert therapy is None or therapy in found[0]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (medication_request("m", "904431", "2026-11-24"), "future-dated"),
        (medication_request("m", "904431", "2024-11-20", status="draft"), "status draft"),
        (without(medication_request("m", "904431"), "status"), "not valid FHIR R4"),
        (medication_request("m", "904431", status="entered-in-error"), "entered-in-error"),
        (medication_request("m", "904431", implicitRules="urn:x"), "modifier-extension"),
    ],
)
def test_drug_that_is_not_used(record: Resource, reason: str) -> None:
    """A drug record that does not count is named with its reason."""
    assert ignored(ask(DXA, LOW, record))["MedicationRequest/m"].startswith(reason)


def test_codes_of_two_drugs() -> None:
    """A record whose codes name two drugs is named and not used, and drugs stay open."""
    record = medication_request("m", "904431", "2024-11-20")
    record["medicationCodeableConcept"]["coding"].append({"system": RXNORM, "code": "198145"})
    explanation = ask(DXA, EARLY, record)
    assert ignored(explanation)["MedicationRequest/m"] == "codes name two different drugs"
    assert only_order(explanation)["timing"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "timing"),
    [
        ({}, "unknown"),
        ({"status": "cancelled"}, "early-without-reason"),
        ({"intent": "plan"}, "early-without-reason"),
    ],
)
def test_drug_that_cannot_be_resolved(changes: Resource, timing: str) -> None:
    """A drug that cannot be resolved leaves drugs open only where it was taken."""
    record = without(medication_request("m", "1", "2024-11-20"), "medicationCodeableConcept")
    record |= {"medicationReference": {"reference": "Medication/elsewhere"}, **changes}
    assert only_order(ask(DXA, EARLY, record))["timing"] == timing


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([("904431", "2022-01-10", "completed"), ("905024", "2025-01-10", "active")], False),
        ([("904431", "2022-01-10", "completed"), ("993456", "2025-01-10", "active")], True),
        ([("904431", "2025-01-10", "completed")], True),
        ([("904431", "2025-01-10", "stopped")], False),
        ([("904431", "2025-01-10", "active")], True),
        ([("904431", None, "active")], False),
    ],
)
def test_class_change(records: list[tuple[str, str | None, str]], reason: bool) -> None:
    """A new class is a reason for an earlier DXA; another drug of the same class is none."""
    drugs = [
        medication_request(f"m{n}", rxcui, start, status=status)
        for n, (rxcui, start, status) in enumerate(records)
    ]
    order = only_order(ask(DXA, EARLY, *drugs))
    assert order["timing"] == f"early-with{'' if reason else 'out'}-reason"


@pytest.mark.parametrize(
    ("rxcui", "status", "reason"),
    [("84857", "active", True), ("84857", "completed", False), ("6809", "active", False)],
)
def test_bone_loss_drug(rxcui: str, status: str, reason: bool) -> None:
    """A present drug that accelerates bone loss is a reason for an earlier DXA."""
    drug = medication_request("m", rxcui, "2025-01-10", status=status)
    order = only_order(ask(DXA, EARLY, drug))
    assert order["timing"] == f"early-with{'' if reason else 'out'}-reason"


def test_fall_is_a_reason() -> None:
    """A fall beyond the facility's LSC is a reason for an earlier DXA; a rise is none."""
    block = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
    for value, timing in ((0.7, "early-with-reason"), (0.9, "early-without-reason")):
        series = [bmd("b1", 0.8, "2022-01-10"), bmd("b2", value, "2025-06-10")]
        assert only_order(ask(DXA, OSTEOPOROSIS, *series, block=block))["timing"] == timing


ANABOLIC = medication_request("m", "2123126", "2026-10-01")
STOPPED_DENOSUMAB = medication_request("m", "993456", "2024-01-10", status="stopped")
ANDROGEN_DEPRIVATION = medication_request("m", None, "2025-01-10", text="Eligard")


@pytest.mark.parametrize(
    ("records", "sex", "reasons"),
    [
        ([], "female", []),
        ([medication_request("m", "904431", "2026-10-01")], "female", []),
        (
            [medication_request("m", "904431", "2025-08-01")],
            "female",
            ["therapy-started-or-changed"],
        ),
        ([medication_request("m", "904431", "2023-01-10")], "female", []),
        ([ANABOLIC], "female", ["anabolic-drug"]),
        ([{**ANABOLIC, "status": "completed"}], "female", []),
        ([STOPPED_DENOSUMAB], "female", ["denosumab-stopped"]),
        ([{**STOPPED_DENOSUMAB, "status": "completed"}], "female", []),
        (
            [medication_request("m", "904431", "2024-01-10", status="stopped")],
            "female",
            [],
        ),
        ([medication_request("m", "84857", "2025-01-10")], "female", ["other-bone-loss-drug"]),
        ([ANDROGEN_DEPRIVATION], "male", ["other-bone-loss-drug"]),
        ([ANDROGEN_DEPRIVATION], "female", []),
        ([medication_request("m", "198145", "2026-01-10")], "female", ["systemic-glucocorticoid"]),
        ([medication_request("m", "198145", "2026-10-10")], "female", []),
        ([condition("c", "M80.08XA", "2026-10-10")], "female", ["new-fragility-fracture"]),
        ([condition("c", "M80.08XA", "2026-01-10")], "female", []),
        (
            [condition("c", "M80.08XA", "2026-10-10", verification="provisional")],
            "female",
            [],
        ),
        ([condition("c", "E21.0")], "female", ["primary-hyperparathyroidism"]),
        ([condition("c", "E21.0", verification="provisional")], "female", []),
        ([condition("c", "E21.0", clinical="resolved")], "female", []),
        ([condition("c", "E21.1")], "female", []),
    ],
)
def test_reasons_for_an_earlier_dxa(records: list[Resource], sex: str, reasons: list[str]) -> None:
    """What the chart documents as a reason is named, and without any the usual interval is."""
    explanation = ask(DXA, EARLY, OSTEOPOROSIS, *records, person=patient(sex))
    assert fact(explanation, "earlyReasons") == reasons
    assert only_order(explanation)["timing"] == f"early-with{'' if reasons else 'out'}-reason"
    assert [code for code in codes(explanation) if code in reasons] == reasons


@pytest.mark.parametrize(
    ("chart", "gaps"),
    [
        ([condition("c", "M81.0", verification="provisional")], ["diagnosis-not-confirmed"]),
        ([condition("c", "M85.89", verification="differential")], ["diagnosis-not-confirmed"]),
        ([condition("c", "M81.0", verification="refuted")], None),
        ([condition("c", "M81.0", clinical="resolved", verification="provisional")], None),
        ([observation("h", "38266-3", -2.9, "2024-05-05")], ["only-unusable-results"]),
        ([medication_request("m", "904431", "2024-01-10")], ["therapy-without-baseline"]),
        (
            [medication_request("m", "904431", "2024-01-10", status="completed")],
            ["therapy-without-baseline"],
        ),
        ([procedure("p", "76977", "2024-05-05")], ["only-unusable-results"]),
        ([procedure("p", "77080", "2024-05-05")], ["only-unusable-results"]),
        (
            [
                observation("t", "38267-1", -0.4, "2024-05-05"),
                medication_request("m", "904431", "2024-01-10"),
            ],
            None,
        ),
        (
            [
                observation("t", "38267-1", -0.4, "2024-05-05"),
                observation("h", "38266-3", -2.9, "2024-05-05"),
            ],
            None,
        ),
    ],
)
def test_whether_low_bmd_is_established_is_open(
    chart: list[Resource], gaps: list[str] | None
) -> None:
    """What leaves the baseline open is named, and nothing is rated without an if."""
    explanation = ask(QUS, *chart)
    order = only_order(explanation)
    if gaps is None:
        assert order["scenario"] == "initial-testing"
        return
    assert fact(explanation, "gaps") == gaps
    assert (order["scenario"], order["ratingStatus"]) == ("insufficient-data", "conditional")


def test_result_of_an_unstated_site() -> None:
    """A BMD whose site is stated nowhere is no baseline, and dates a scan of unstated kind."""
    result = observation("b", "46383-6", 0.8, "2024-05-05", unit="g/cm2")
    explanation = ask(DXA, OSTEOPOROSIS, result)
    assert ignored(explanation) == {"Observation/b": "unspecified-is-no-baseline"}
    assert "scan-of-unstated-modality" in codes(explanation)
    assert only_order(explanation)["timing"] == "unknown"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(
            (skipped, condition("b", "Z98.1"))
            for skipped in (
                without(condition("a", "I10"), "code"),
                condition("a", "I10"),
                condition("a", "Z98.1", verification="refuted"),
                condition("a", "M41.9", "2026-11-24"),
            )
        ),
        *(
            (skipped, procedure("b", "Z98.1", "2020-01-01", ICD10CM))
            for skipped in (
                procedure("a", "80146002", "2020-01-01", SNOMED),
                procedure("a", "Z98.1", "2020-01-01", ICD10CM, status="not-done"),
                procedure("a", "Z98.1", "2026-11-24", ICD10CM),
            )
        ),
    ],
)
def test_what_is_skipped_hides_nothing(first: Resource, second: Resource) -> None:
    """A record that is passed over does not hide the next one."""
    assert only_order(ask(DXA, LOW, first, second))["modifiers"] == ["spine-unreliable"]


@pytest.mark.parametrize(
    "first",
    [
        report("a", "58410-2", "2023-05-05"),
        report("a", "38269-7", "2023-05-05", status="preliminary"),
        report("a", "38269-7", "2026-11-24"),
        report("a", "38269-7", "2023-05-05", implicitRules="urn:x"),
        report("a", "38269-7", "2023-05-05", status="cancelled"),
    ],
)
def test_report_that_is_skipped_hides_nothing(first: Resource) -> None:
    """A report that is passed over does not hide the next one, its date or its conclusion."""
    conclusion = {"conclusionCode": [concept(SNOMED, "64859006")]}
    second = report("b", "38269-7", "2024-05-05", **conclusion)
    with_conclusion = first if first["code"] != concept(LOINC, "58410-2") else first | conclusion
    explanation = ask(DXA, with_conclusion, second)
    assert only_order(explanation)["scenario"] == "surveillance"
    assert fact(explanation, "lastCentralDxa") == "2024-05-05"


@pytest.mark.parametrize(
    "first",
    [
        observation("a", "38267-1", -2.0, "2024-05-05", status="registered"),
        observation("a", "38267-1", -25, "2024-05-05"),
        observation("a", "38266-3", -2.0, "2024-05-05"),
        {**observation("a", "1", 1, "2024-05-05"), "code": None},
        {**observation("a", "1", 1, "2024-05-05"), "code": {"coding": [{"code": 5}, "x"]}},
    ],
)
def test_result_that_is_skipped_hides_nothing(first: Resource) -> None:
    """A result that is passed over does not hide the next one."""
    second = observation("b", "38267-1", -2.0, "2024-05-05")
    assert only_order(ask(DXA, first, second))["scenario"] == "surveillance"


@pytest.mark.parametrize(
    "first",
    [
        medication_request("a", "6809", "2024-11-20"),
        medication_request("a", "904431", "2024-11-20", status="cancelled"),
        medication_request("a", "904431", "2026-11-24"),
        statement("a", "904431", status="entered-in-error"),
    ],
)
def test_drug_that_is_skipped_hides_nothing(first: Resource) -> None:
    """A drug record that is passed over does not hide the next one."""
    assert len(treated(first, medication_request("b", "905024", "2024-11-20"))) == 1


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        ([("2024-05-05", "Device/A"), ("2024-05-05", "Device/A")], 1),
        ([("2024-05-05", "Device/A"), ("2024-05-05", "Device/B")], 2),
        ([("2024-05-05", "Device/A"), ("2023-05-05", "Device/A")], 2),
        ([(None, "Device/A"), (None, "Device/A")], 2),
        ([("2024-05-05", "Device/A"), (None, "Device/A")], 2),
    ],
)
def test_repeated_results(results: list[tuple[str | None, str]], shown: int) -> None:
    """The same result of one day and device under two ids is one; undated ones may be two."""
    series = [
        observation(f"t{n}", "38267-1", -2.0, when, device={"reference": device})
        for n, (when, device) in enumerate(results)
    ]
    assert card_text(ask(DXA, *series)).count("| lumbar spine |") == shown


@pytest.mark.parametrize(
    ("born", "records", "is_inferred"),
    [
        ("1958-03-04", [], True),
        ("1958-03-04", [condition("c", "Z78.0")], False),
        ("1981-03-04", [], True),
        ("1981-03-04", [condition("c", "E28.319")], False),
        ("1981-03-04", [condition("c", "22636003", system=SNOMED)], False),
        ("1974-03-04", [condition("c", "22636003", system=SNOMED)], False),
    ],
)
def test_inferred_menopause_is_said(born: str, records: list[Resource], is_inferred: bool) -> None:
    """The card says where menopausal status was taken from age, and only there."""
    found = codes(ask(DXA, LOW, *records, person=patient(birth=born)))
    assert ("menopausal-status-from-age" in found) == is_inferred


@pytest.mark.parametrize(
    ("chart", "person", "silence"),
    [
        ([LOW], patient(deceasedBoolean=True), "deceased"),
        ([LOW], patient(deceasedBoolean=False), None),
        ([LOW], patient(deceasedDateTime="2020-01-01"), "deceased"),
        ([], None, "initial-testing"),
    ],
)
def test_silence(chart: list[Resource], person: Resource | None, silence: str | None) -> None:
    """A density order without a card says why there is none."""
    assert only_order(ask(DXA, *chart, person=person))["silence"] == silence


def test_older_scan_of_unstated_kind() -> None:
    """A scan of unstated kind before the last DXA leaves the timing as it is."""
    for when in ("2020-05-05", "2025-06-10"):
        scan = procedure("p", "312681000", when, SNOMED)
        assert only_order(ask(DXA, EARLY, scan))["timing"] == "early-without-reason"


def test_discordance_is_of_t_scores() -> None:
    """A T-score and a Z-score are not compared with each other."""
    spine = observation("s", "38267-1", -2.5, "2024-01-10")
    hip = observation("h", "80933-5", 0.5, "2024-01-10", unit="{Z-score}")
    assert "spine-hip-discordance" not in codes(ask(DXA, spine, hip))


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (condition("x", "Z98.1", "2026-11-24"), "future-dated"),
        (condition("x", "Z98.1", verification="refuted"), "refuted"),
        (condition("x", "Z98.1", verification="entered-in-error"), "entered-in-error"),
        (condition("x", "Z98.1", implicitRules="urn:x"), "modifier-extension-not-understood"),
        ({**condition("x", "Z98.1"), "code": "Z98.1"}, "code not readable"),
        (observation("x", "38267-1", -2, "2026-11-24"), "future-dated"),
        (observation("x", "38267-1", None, "2024-05-05"), "no-value"),
        (observation("x", "38267-1", -25, "2024-05-05"), "value-not-plausible"),
        (observation("x", "38267-1", -2, "2024-05-05", unit="cm"), "unit-contradicts-code"),
        (observation("x", "24966-4", 0.8, "2024-05-05", unit=None), "unit-missing"),
        (observation("x", "38266-3", -2, "2024-05-05"), "heel-is-no-baseline"),
        (observation("x", "38267-1", -2, "2024-05-05", status="unknown"), "status unknown"),
        (observation("x", "38267-1", -2, "2024-05-05", status="cancelled"), "cancelled"),
        (medication_request("x", "904431", "2026-11-24"), "future-dated"),
        (medication_request("x", "904431", status="cancelled"), "status cancelled, not taken"),
        (medication_request("x", "904431", status="entered-in-error"), "entered-in-error"),
        (procedure("x", "77080", "2026-11-24"), "future-dated"),
        (procedure("x", "Z98.1", "2026-11-24", ICD10CM), "future-dated"),
        (procedure("x", "77080", "2024-05-05", status="stopped"), "status stopped"),
        (report("x", "38269-7", "2026-11-24"), "future-dated"),
    ],
)
def test_reason_for_not_using(resource: Resource, reason: str) -> None:
    """What is received and not used is named with a stable reason."""
    explanation = ask(DXA, OSTEOPOROSIS, resource)
    assert ignored(explanation) == {f"{resource['resourceType']}/x": reason}


def test_absent_result_is_no_scan() -> None:
    """A result recorded as absent shows no scan; one without any value does."""
    absent = observation("x", "38267-1", None, "2026-05-05")
    reason = {"dataAbsentReason": concept("urn:x", "not-performed")}
    assert only_order(ask(DXA, LOW, absent | reason))["timing"] == "on-time"
    assert only_order(ask(DXA, LOW, absent))["timing"] == "too-soon"
    part = {"code": concept(LOINC, "38264-8")}
    panel = observation("x", "83311-1", None, "2026-05-05", component=[part])
    assert only_order(ask(DXA, LOW, panel))["timing"] == "on-time"


def test_drug_known_by_name_only() -> None:
    """A drug that only its name tells is shown as such."""
    by_name = medication_request("m", None, "2024-11-20", text="alendronate 70 mg weekly")
    assert "alendronate (from name), since 2024-11-20" in card_text(ask(DXA, LOW, by_name))
    by_code = medication_request("n", "904431", "2024-11-21")
    assert "(from name)" not in card_text(ask(DXA, LOW, by_code))
    assert "(from name)" not in card_text(ask(DXA, LOW, by_name, by_code))


def test_coded_conclusion_decides_the_indication() -> None:
    """A coded conclusion documents osteoporosis for a drug of two indications too."""
    concluded = report("r", "38269-7", "2023-05-05")
    concluded["conclusionCode"] = [concept(SNOMED, "64859006")]
    assert len(treated(medication_request("m", "993449", "2024-11-20"), concluded)) == 1


@pytest.mark.parametrize("unread", ["observations", "conditions"])
def test_drug_order_over_an_unread_chart(unread: str) -> None:
    """A treatment order is never refused, a density order is when nothing is established."""
    assert only_order(ask(DRUG, unread=unread))["silence"] is not None
    with pytest.raises(ChartNotReadable):
        ask(DXA, unread=unread)
    with pytest.raises(ChartNotReadable):
        ask([DXA, {**DRUG, "id": "drug"}], unread=unread)


@pytest.mark.parametrize("unread", ["observations", "procedures"])
def test_safety_before_readability(unread: str) -> None:
    """Deceased, red flag and pregnancy are answered although results are unread."""
    for record, person, scenario in (
        (condition("c", "G83.4", "2026-11-20"), None, "red-flag"),
        (condition("c", "Z33.1", "2026-10-01"), patient(birth="1990-03-04"), "pregnancy"),
        (condition("c", "I10"), patient(deceasedBoolean=True), "deceased"),
    ):
        order = only_order(ask(DXA, record, person=person, unread=unread))
        assert order["scenario"] == scenario


def test_newest_partial_date_decides_vfa() -> None:
    """Of partial dates the one that may be newest counts."""
    person = patient(birth="1950-01-01")
    exact = observation("t1", "38267-1", -0.8, "2024-05-05")
    for when, is_met in (("2024", True), ("2024-06", True), ("2024-04", False), ("2023", False)):
        partial = observation("t2", "38267-1", -1.8, when)
        order = only_order(ask(DXA, OSTEOPOROSIS, exact, partial, person=person))
        assert ("vfa-criteria-met" in order["modifiers"]) == is_met, when


@pytest.mark.parametrize("code", ["83311-1", "38268-9"])
def test_absent_panel_is_no_scan(code: str) -> None:
    """A panel recorded as absent dates no DXA; one that was done does."""
    panel = observation("x", code, None, "2026-05-05")
    absent = panel | {"dataAbsentReason": concept("urn:x", "not-performed")}
    assert only_order(ask(DXA, LOW, panel))["timing"] == "too-soon"
    assert only_order(ask(DXA, LOW, absent))["timing"] == "on-time"


@pytest.mark.parametrize(
    ("chart", "unread"),
    [
        ([LOW], "procedures"),
        ([LOW, observation("hip", "38264-8", -3.8, "2024-11-10")], None),
        ([OSTEOPOROSIS, bmd("b1", 0.80, "2022-01-10"), bmd("b2", 0.70, "2024-01-10")], None),
    ],
)
def test_never_quiet_about_what_matters(chart: list[Resource], unread: str | None) -> None:
    """A quiet site still gets the card that names a gap, a discordance or a fall."""
    block = {
        "quiet_when_appropriate": True,
        "lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}],
    }
    order = only_order(ask(DXA, *chart, block=block, unread=unread))
    assert (order["silence"], order["indicator"]) == (None, "info")


def test_courses_join_by_date() -> None:
    """Orders of one class are joined by their dates, whatever their ids."""
    supply = {"expectedSupplyDuration": {"value": 1900, "code": "d"}}
    first = medication_request(
        "m9", "904431", "2019-01-10", status="completed", dispenseRequest=supply
    )
    second = medication_request("m1", "904431", "2024-03-01")
    order = only_order(ask(DXA, LOW, condition("pain", "M79.651"), first, second))
    assert order["modifiers"] == ["thigh-pain-on-bisphosphonate"]


def test_dose_of_present_courses_only() -> None:
    """The dose is that of what is taken now; one unrecorded dose leaves the sum open."""
    supply = {"expectedSupplyDuration": {"value": 100, "code": "d"}}
    before = medication_request(
        "m1", "198145", "2026-06-01", status="completed", daily_mg=10, dispenseRequest=supply
    )
    now = medication_request("m2", "198145", "2026-09-05", daily_mg=3)
    found = fact(ask(VFA, LOW, before, now), "glucocorticoid")
    assert (found["threeMonthsOrLonger"], found["atVfaDose"]) == (True, False)
    unrecorded = statement("m3", "197783", effectivePeriod={"start": "2026-06-01"})
    assert "below 5 mg/day prednisone equivalent" in card_text(ask(VFA, LOW, before, now))
    explanation = ask(VFA, LOW, before, now, unrecorded)
    assert fact(explanation, "glucocorticoid")["atVfaDose"] is None
    assert "dose not recorded" in card_text(explanation)


def test_only_t_scores_decide_vfa() -> None:
    """A newer BMD or Z-score does not take the place of the newest T-score."""
    person = patient(birth="1950-01-01")
    t_score = observation("t", "38267-1", -1.8, "2022-01-10")
    z_score = observation("z", "85394-5", -0.5, "2024-01-10", unit="{Z-score}")
    for newer in (bmd("b", 0.8, "2024-01-10"), z_score):
        order = only_order(ask(DXA, t_score, newer, person=person))
        assert order["modifiers"] == ["vfa-criteria-met"]


def test_suspicion_while_the_scenario_is_open() -> None:
    """With one scenario possible and one use of VFA left, the rating still keeps its if."""
    order = only_order(ask(VFA, LOW, BACK_PAIN, person=patient(None, "1963-01-01")))
    assert order["ratingStatus"] == "conditional"
    assert all(item["when"].startswith("this is follow-up of") for item in order["conditional"])


@pytest.mark.parametrize(
    ("deficit", "beside", "is_red_flag"),
    [
        ("R33.9", condition("f", "S32.010A", "2020-01-01"), True),
        ("R33.9", condition("f", "S32.010A", verification="provisional"), True),
        ("R33.9", condition("f", "S32.010A", clinical="resolved"), False),
        ("R33.9", condition("f", "M54.50", "2026-11-10"), True),
        ("R33.9", condition("f", "M54.50", "2026-11-10", verification="provisional"), True),
        ("R33.9", condition("f", "M54.50", "2026-01-10"), False),
        ("R33.9", condition("f", "I10"), False),
        ("M54.16", condition("f", "S32.010A", "2020-01-01"), True),
        ("M54.16", condition("f", "S32.010A", verification="provisional"), False),
        ("M54.16", condition("f", "M54.50", "2026-11-10"), False),
    ],
)
def test_deficit_beside_something(deficit: str, beside: Resource, is_red_flag: bool) -> None:
    """Retention counts beside a fracture or new back pain, radicular signs beside a fracture."""
    order = only_order(ask(DXA, LOW, condition("d", deficit, "2026-11-20"), beside))
    assert (order["scenario"] == "red-flag") == is_red_flag


@pytest.mark.parametrize("code", ["G83.4", "R33.9", "M54.16"])
def test_provisional_deficit(code: str) -> None:
    """A deficit that is recorded as provisional is a red flag too; a resolved one is none."""
    fracture = condition("f", "S32.010A", "2020-01-01")
    for more, expected in (
        ({"verification": "provisional"}, True),
        ({"clinical": "resolved"}, False),
    ):
        deficit = condition("d", code, "2026-11-20", **more)
        order = only_order(ask(DXA, LOW, deficit, fracture))
        assert (order["scenario"] == "red-flag") == expected


@pytest.mark.parametrize("value", [-1.2, -0.9])
def test_newest_score_may_be_unread(value: float) -> None:
    """With further pages of results unread the VFA criterion stays open, whatever came."""
    older = observation("a", "38267-1", value, "2022-01-10")
    body = request([VFA], patient(birth="1948-01-01"), [OSTEOPOROSIS, older])
    body["prefetch"]["observations"]["total"] = 2
    order = only_order(explain(body))
    assert (order["modifiers"], order["rating"]) == ([], None)
    assert order["ratingStatus"] == "conditional"
    assert any("criterion is met" in item["when"] for item in order["conditional"])


def test_part_is_named_once_as_unread() -> None:
    """A part that is cut off and holds something unreadable is named once."""
    body = request([DXA], None, [LOW, {**condition("c", "I10"), "code": "I10"}])
    body["prefetch"]["conditions"]["total"] = 9
    assert [gap["data"] for gap in explain(body)["unread"]] == ["Condition"]
    body["prefetch"]["conditions"]["total"] = 1
    assert [gap["data"] for gap in explain(body)["unread"]] == ["Condition"]


def test_unresolved_drug_is_named() -> None:
    """A drug that cannot be resolved is named so."""
    record = without(medication_request("m", "1", "2024-11-20"), "medicationCodeableConcept")
    record |= {"medicationReference": {"reference": "Medication/elsewhere"}}
    assert ignored(ask(DXA, LOW, record)) == {"MedicationRequest/m": "medication not readable"}


@pytest.mark.parametrize(
    ("status", "intent", "reasons"),
    [
        ("active", "order", {"MedicationRequest/m": "medication not readable"}),
        ("active", {}, {"MedicationRequest/m": "medication not readable"}),
        ([], "order", {"MedicationRequest/m": "medication not readable"}),
        (None, ["order"], {"MedicationRequest/m": "medication not readable"}),
        ("cancelled", {}, {}),
        ([], "plan", {}),
    ],
)
def test_unreadable_drug_that_may_be_taken(
    status: object, intent: object, reasons: dict[str, str]
) -> None:
    """A drug that cannot be read is passed over only where the record says it is not taken."""
    record = medication_request("m", "904431", "2024-11-20")
    record |= {"medicationCodeableConcept": "904431", "status": status, "intent": intent}
    assert ignored(ask(DXA, LOW, record)) == reasons


MASKED = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "masked",
        }
    ]
}


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (medication_request("x", "904431", "2024-11-20"), "not said whether it is taken"),
        (procedure("x", "77080", "2026-05-05"), "status not known"),
        (procedure("x", "Z98.1", "2020-05-05", ICD10CM), "status not known"),
        (report("x", "38269-7", "2026-05-05"), "status not known"),
        (
            report("x", "11502-2", "2026-05-05", conclusionCode=[concept(ICD10CM, "M81.0")]),
            "status not known",
        ),
    ],
)
@pytest.mark.parametrize("change", [{"status": "unknown"}, {"_status": MASKED}])
def test_status_that_is_not_known(resource: Resource, reason: str, change: Resource) -> None:
    """What does not say its status neither counts nor shows that there was nothing."""
    record = (without(resource, "status") if "_status" in change else resource) | change
    explanation = ask(DXA, LOW, record)
    assert ignored(explanation) == {f"{resource['resourceType']}/x": reason}
    assert resource["resourceType"] in {gap["data"] for gap in explanation["unread"]}


def test_intent_that_is_not_known() -> None:
    """A drug order whose intent is withheld may be a plan, or be taken."""
    record = without(medication_request("m", "904431", "2024-11-20"), "intent")
    explanation = ask(DXA, LOW, {**record, "_intent": MASKED})
    assert ignored(explanation) == {"MedicationRequest/m": "not said whether it is taken"}
    assert "MedicationRequest" in {gap["data"] for gap in explanation["unread"]}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"doNotPerform": True}, "doNotPerform, not taken"),
        ({"intent": "plan"}, "intent plan, not taken"),
    ],
)
@pytest.mark.parametrize("status", [{"status": "active"}, {"_status": MASKED}])
def test_why_a_drug_is_not_taken(said: Resource, reason: str, status: Resource) -> None:
    """The element that says so is named, whatever the status."""
    record = without(medication_request("m", "904431", "2024-11-20"), "status") | said | status
    assert ignored(ask(DXA, LOW, record)) == {"MedicationRequest/m": reason}


def test_empty_list_of_instructions() -> None:
    """An empty list of instructions is no dose of nothing."""
    record = dosed()
    assert record["dosageInstruction"] == []
    found = fact(ask(VFA, LOW, record), "glucocorticoid")
    assert (found["drugs"], found["atVfaDose"]) == (["prednisone"], None)


@pytest.mark.parametrize(("record", "is_doubted"), [(FUSION, True), (BOTH_HIPS, False)])
def test_trend_of_an_unreliable_spine(record: Resource, is_doubted: bool) -> None:
    """A lumbar series is shown with its doubt where a recorded condition falsifies it."""
    series = [bmd("b1", 0.80, "2022-01-10"), bmd("b2", 0.70, "2024-01-10")]
    explanation = ask(DXA, OSTEOPOROSIS, *series, record)
    (text,) = (
        reason["text"]
        for reason in only_order(explanation)["reasons"]
        if reason["code"] == "change-indeterminate-no-facility-lsc"
    )
    assert text.endswith("may make the lumbar spine value falsely high.") == is_doubted
    apart = [
        observation("s", "38267-1", -1.2, "2024-01-10"),
        observation("h", "38264-8", -2.6, "2024-01-10"),
    ]
    found = codes(ask(DXA, *apart, record))
    assert ("spine-hip-discordance" in found) != is_doubted


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("77080", "DXA of lumbar spine and hip(s) is usually appropriate"),
        ("77085", "For the added VFA there is no published rating in this scenario."),
        ("77078", "Quantitative CT (QCT): may be appropriate in this scenario."),
        ("77086", "no published rating"),
    ],
)
def test_words_for_younger_adults(code: str, said: str) -> None:
    """In the younger-adult scenario nothing is said of a study that is not published for it."""
    explanation = ask(service_request("draft-1", code), LOW, person=YOUNG_MAN)
    assert only_order(explanation)["scenario"] == "younger-adult-surveillance"
    text = card_text(explanation)
    assert said in text
    assert "VFA is an optional addition" not in text


TOGETHER = ("it is done together with DXA", "usually-appropriate")
PERHAPS = ("it is done together with DXA and a VFA criterion is met", "usually-appropriate")
ALONE = ("it is done alone, to follow BMD", "usually-not-appropriate")


@pytest.mark.parametrize(
    ("chart", "person", "unread", "expected", "source"),
    [
        ([LOW], patient(birth="1950-01-01"), None, [TOGETHER, ALONE], "acr-2022-vfa"),
        ([LOW], patient(birth="1956"), None, [PERHAPS, ALONE], "acr-2022-vfa"),
        ([LOW, BACK_PAIN], None, None, [ALONE], "acr-2022-follow-up"),
        ([LOW, BACK_PAIN], patient(birth="1956"), None, [PERHAPS, ALONE], "acr-2022-vfa"),
        ([LOW], None, "medicationRequests", [PERHAPS, ALONE], "acr-2022-vfa"),
        (
            [OSTEOPOROSIS],
            patient(birth="1950-01-01"),
            "observations",
            [PERHAPS, ALONE],
            "acr-2022-vfa",
        ),
        ([OSTEOPOROSIS], patient(birth="1950-01-01"), None, None, "acr-2022-follow-up"),
        ([OSTEOPOROSIS], None, "observations", [PERHAPS, ALONE], "acr-2022-vfa"),
    ],
)
def test_vfa_alone(
    chart: list[Resource],
    person: Resource | None,
    unread: str | None,
    expected: list[tuple[str, str]] | None,
    source: str,
) -> None:
    """VFA alone shows both uses once a criterion is met, may be met, or a fracture is suspected."""
    order = only_order(ask(VFA, *chart, person=person, unread=unread))
    assert order["ratingSource"] == source
    if expected is None:
        assert (order["rating"], order["ratingStatus"]) == ("usually-not-appropriate", "rated")
    else:
        assert [(item["when"], item["rating"]) for item in order["conditional"]] == expected


def test_vfa_while_the_scenario_is_open() -> None:
    """A VFA criterion counts as long as surveillance is among the possible scenarios."""
    old = only_order(ask(VFA, LOW, person=patient(None, "1940-01-01")))
    assert [item["rating"] for item in old["conditional"]] == [TOGETHER[1], ALONE[1]]
    young = only_order(ask(VFA, LOW, person=patient(None, "1985-01-01")))
    assert (young["ratingStatus"], young["rating"]) == ("insufficient-data", None)


def test_source_of_an_open_rating() -> None:
    """A rating that presupposes low BMD still cites where it was published."""
    heel = observation("heel", "38266-3", -2.9, "2024-05-05")
    assert only_order(ask(DXA, heel))["ratingSource"] == "acr-2022-follow-up"
    young = only_order(ask(DXA, heel, person=YOUNG_MAN))
    assert young["ratingSource"] == "acr-2022-younger-follow-up"


def test_premenopausal_at_an_age_that_may_contradict() -> None:
    """A premenopausal status contradicts a year of birth that may mean 55 or more."""
    record = condition("c", "22636003", system=SNOMED)
    explanation = ask(QUS, LOW, record, person=patient(birth="1971"))
    assert fact(explanation, "gaps") == ["premenopausal-contradicts-age"]
    certain = ask(QUS, LOW, record, person=patient(birth="1972"))
    assert only_order(certain)["scenario"] == "younger-adult-surveillance"


def test_unknown_sex_is_said() -> None:
    """What is missing is named with why it is missing."""
    explanation = ask(DXA, LOW, person=patient(None))
    assert "Sex is not recorded as female or male" in card_text(explanation)
    assert explanation["facts"]["sex"]["unknown"] == "sex not recorded as female or male"
    assert fact(explanation, "gaps") == ["sex-not-known"]


@pytest.mark.parametrize("status", ["completed", "stopped", "on-hold"])
@pytest.mark.parametrize("kind", ["request", "statement"])
def test_earlier_therapy(status: str, kind: str) -> None:
    """Therapy that was taken and is not now is shown as earlier, and is no present therapy."""
    record = (
        medication_request("m", "904431", "2020-01-10", status=status)
        if kind == "request"
        else statement("m", "904431", status=status, effectiveDateTime="2020-01-10")
    )
    explanation = ask(DXA, LOW, record)
    assert "earlier: alendronate, since 2020-01-10" in card_text(explanation)
    assert fact(explanation, "therapy") == []


@pytest.mark.parametrize(
    "intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"]
)
def test_placed_orders_count(intent: str) -> None:
    """Every kind of placed order is a course; proposals and plans are not."""
    assert treated(medication_request("m", "904431", "2024-11-20", intent=intent)) != []
    for other in ("proposal", "plan", "option"):
        assert treated(medication_request("m", "904431", "2024-11-20", intent=other)) == []


def test_class_code_without_an_ingredient() -> None:
    """A drug known by a class code only is called by the name beside that code."""
    record = medication_request("m", None, "2024-11-20")
    record["medicationCodeableConcept"] = concept("http://www.whocc.no/atc", "M05BA02")
    assert "indication unclear: clodronic acid" in card_text(ask(DXA, LOW, record))


def test_sides_in_a_stable_order() -> None:
    """Left comes before right, whatever the ids of the results."""

    def hip(identifier: str, code: str, value: float, when: str) -> Resource:
        device = {"reference": "Device/A"}
        return observation(identifier, code, value, when, unit="g/cm2", device=device)

    right, left = "46279-6", "46278-8"
    series = [
        hip("a1", right, 0.9, "2022-01-10"),
        hip("a2", right, 0.8, "2024-01-10"),
        hip("b1", left, 0.7, "2022-01-10"),
        hip("b2", left, 0.6, "2024-01-10"),
    ]
    (order,) = orders(ask(DXA, OSTEOPOROSIS, *series))
    changes = [item for item in order["reasons"] if item["code"].startswith("change-")]
    assert [item["evidence"] for item in changes] == [
        ["Observation/b1", "Observation/b2"],
        ["Observation/a1", "Observation/a2"],
    ]


def test_future_result_is_named() -> None:
    """A result dated after the clinical date is named so."""
    explanation = ask(DXA, OSTEOPOROSIS, observation("f", "38267-1", -2.0, "2026-11-24"))
    assert ignored(explanation) == {"Observation/f": "future-dated"}


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
@pytest.mark.parametrize("element", ["result", "hasMember"])
def test_panel_and_report_of_results(status: str, element: str) -> None:
    """A report or a panel that refers to a readable result is the scan of that result."""
    refers = {element: [{"reference": "Observation/low"}], "status": status}
    panel = (
        report("r", "38269-7", "2025-06-05", **refers)
        if element == "result"
        else {**without(observation("r", "83311-1", None, "2025-06-05")), **refers}
    )
    explanation = ask(DXA, LOW, panel)
    assert fact(explanation, "lastCentralDxa") == "2025-06-05"
    assert "(result not readable)" not in card_text(explanation)
    concluded = report("c", "38269-7", "2025-06-05", status=status)
    concluded["conclusionCode"] = [concept(SNOMED, "64859006")]
    assert only_order(ask(DXA, concluded))["scenario"] == "surveillance"


@pytest.mark.parametrize(
    ("draft", "ordered"), [(DXA, True), (ANY_DXA, True), (QUS, False), (FOREARM, False)]
)
def test_drug_beside_a_draft(draft: Resource, ordered: bool) -> None:
    """A treatment order is not reminded of a DXA that is among the drafts."""
    drug = {**DRUG, "id": "drug"}
    body = request([drug, draft], None, [OLD], selected=["MedicationRequest/drug"])
    order = next(item for item in explain(body)["orders"] if item["study"])
    assert order["silence"] == ("dxa-ordered-or-not-due" if ordered else None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_lsc_is_a_number(value: float) -> None:
    """A least significant change that is no number is refused with its place."""
    block = {"lsc": [{"device": "D", "site": "hip", "value_g_per_cm2": value}]}
    with pytest.raises(ValueError, match=r"lsc\[0\].value_g_per_cm2"):
        SERVICE.read_settings(block)


def test_no_warning_about_local_codes_without_any() -> None:
    """Only a site with local codes is told that the published queries do not ask for them."""
    local = {"local_codes": [{"system": "urn:house", "code": "HT", "means": "8302-2"}]}
    with_codes, without_codes = (
        SERVICE.warnings(SERVICE.read_settings(block)) for block in (local, {})
    )
    assert any("published prefetch queries" in text for text in with_codes)
    assert not any("published prefetch queries" in text for text in without_codes)


def dosed(*instructions: Any) -> Resource:
    """Prednisone 5 mg tablets (since January) with dosage instructions."""
    return medication_request("m", "312617", "2026-01-15", dosageInstruction=list(instructions))


def instruction(
    quantity: Any = None,
    repeat: Any = None,
    **more: Any,
) -> Resource:
    """One dosage instruction, once a day unless told otherwise."""
    return {
        "doseAndRate": [{"doseQuantity": quantity or {"value": 5, "unit": "mg"}}],
        "timing": {"repeat": repeat or {"frequency": 1, "period": 1, "periodUnit": "d"}},
    } | more


TABLETS = {"value": 1, "unit": "{tbl}"}


@pytest.mark.parametrize(
    ("instructions", "reaches"),
    [
        ([instruction()], True),
        ([instruction({"value": 4, "unit": "mg"})], False),
        ([instruction({"value": 0.005, "unit": "g"})], True),
        ([instruction({"value": 5, "unit": "mg", "comparator": "<"})], None),
        ([instruction(TABLETS)], True),
        ([instruction({"value": 0.5, "unit": "tablet"})], False),
        ([instruction({"value": 1, "code": "{capsule}"})], True),
        ([instruction({"value": 1, "unit": "capsule"})], True),
        ([instruction({"value": 1, "unit": "puff"})], None),
        ([instruction({"unit": "mg"})], None),
        ([instruction(repeat={"frequency": 2, "period": 1, "periodUnit": "d"})], True),
        ([instruction(repeat={"frequency": 1, "period": 2, "periodUnit": "d"})], False),
        (
            [
                instruction(
                    {"value": 10, "unit": "mg"},
                    {"frequency": 1, "period": 2, "periodUnit": "d"},
                )
            ],
            True,
        ),
        (
            [
                instruction(
                    {"value": 35, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "wk"},
                )
            ],
            True,
        ),
        (
            [
                instruction(
                    {"value": 34, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "wk"},
                )
            ],
            False,
        ),
        (
            [
                instruction(
                    {"value": 150, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "mo"},
                )
            ],
            True,
        ),
        ([instruction(repeat={"period": 1, "periodUnit": "d"})], True),
        ([instruction(repeat={"frequency": 1, "period": 1, "periodUnit": "h"})], None),
        ([instruction(repeat={"frequency": 1, "period": 0, "periodUnit": "d"})], None),
        ([instruction(repeat={"frequency": 1, "periodUnit": "d"})], None),
        ([instruction(timing={"event": ["2026-01-15"]})], None),
        ([instruction(asNeededBoolean=True)], None),
        ([instruction(asNeededBoolean=False)], True),
        ([instruction({"value": 3, "unit": "mg"}), instruction({"value": 2, "unit": "mg"})], True),
        (
            [instruction({"value": 3, "unit": "mg"}), instruction({"value": 1, "unit": "mg"})],
            False,
        ),
        ([instruction(), instruction({"value": 1, "unit": "puff"})], None),
        ([{"text": "5 mg daily"}], None),
        ([instruction(doseAndRate=[])], None),
        ([], None),
    ],
)
def test_dose(instructions: list[Resource], reaches: bool | None) -> None:
    """The daily dose is read where it is structured, in mg or tablets, and added up; else open."""
    record = dosed(*instructions)
    if not instructions:
        del record["dosageInstruction"]
    explanation = ask(VFA, LOW, record)
    assert fact(explanation, "glucocorticoid")["atVfaDose"] is reaches
    order = only_order(explanation)
    assert ("vfa-criteria-met" in order["modifiers"]) == (reaches is True)
    assert order["ratingStatus"] == ("rated" if reaches is False else "conditional")


@pytest.mark.parametrize(
    ("rxcui", "daily_mg", "reaches"),
    [
        ("197783", 20, True),
        ("197783", 19, False),
        ("343033", 0.75, True),
        ("343033", 0.74, False),
        ("259966", 4, True),
        ("259966", 3.9, False),
        ("198145", 5, True),
        ("1870954", 18, None),
    ],
)
def test_prednisone_equivalents(rxcui: str, daily_mg: float, reaches: bool | None) -> None:
    """Glucocorticoids count by their prednisone equivalent; without one the dose stays open."""
    drug = medication_request("m", rxcui, "2026-01-15", daily_mg=daily_mg)
    found = fact(ask(VFA, LOW, drug), "glucocorticoid")
    assert found["threeMonthsOrLonger"] is True
    assert found["atVfaDose"] is reaches


@pytest.mark.parametrize(
    ("doses", "reaches"),
    [
        ([("198145", 3), ("198145", 3)], None),
        ([("198145", 5), ("198145", 5)], True),
        ([("198145", 2), ("198145", 2)], False),
        ([("198145", 3), ("259966", 2)], True),
    ],
)
def test_two_records_of_one_drug(doses: list[tuple[str, float]], reaches: bool | None) -> None:
    """Two records of one drug may be one prescription: whether they add up stays open."""
    records = [
        medication_request(f"m{number}", rxcui, "2026-01-15", daily_mg=daily_mg)
        for number, (rxcui, daily_mg) in enumerate(doses)
    ]
    assert fact(ask(VFA, LOW, *records), "glucocorticoid")["atVfaDose"] is reaches


@pytest.mark.parametrize(
    ("supply", "is_long"),
    [
        ({"expectedSupplyDuration": {"value": 100, "unit": "days", "code": "d"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "days"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "Day"}}, True),
        ({"expectedSupplyDuration": {"value": 15, "code": "wk"}}, True),
        ({"expectedSupplyDuration": {"value": 15, "unit": "wk"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "d"}}, True),
        ({"expectedSupplyDuration": {"value": 4, "code": "mo"}}, True),
        ({"expectedSupplyDuration": {"value": 1, "code": "a"}}, True),
        ({"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 3}, True),
        ({"expectedSupplyDuration": {"value": 30, "code": "d"}}, False),
        ({"expectedSupplyDuration": {"value": 1, "code": "d"}, "numberOfRepeatsAllowed": 99}, True),
        (
            {"expectedSupplyDuration": {"value": 1, "code": "d"}, "numberOfRepeatsAllowed": 100},
            False,
        ),
        ({"expectedSupplyDuration": {"value": 0, "code": "d"}}, False),
        ({"expectedSupplyDuration": {"value": 100, "code": "h"}}, False),
        ({"expectedSupplyDuration": {"unit": "days"}}, False),
        ({}, False),
    ],
)
def test_supply(supply: Resource, is_long: bool) -> None:
    """A completed order covers the days it supplied, repeats included, and no others."""
    drug = medication_request(
        "m", "198145", "2026-08-20", status="completed", dispenseRequest=supply
    )
    order = only_order(ask(DXA, LOW, drug))
    assert ("rapid-loss-risk" in order["modifiers"]) == is_long


def test_glucocorticoid_without_dates() -> None:
    """An undated present glucocorticoid has no known length; a coded long-term use has."""
    drug = medication_request("m", "198145")
    explanation = ask(DXA, LOW, drug)
    found = fact(explanation, "glucocorticoid")
    assert found["drugs"] == ["prednisone"]
    assert (found["months"], found["threeMonthsOrLonger"]) == (None, False)
    coded = ask(DXA, LOW, drug, condition("c", "Z79.52"))
    assert fact(coded, "glucocorticoid")["threeMonthsOrLonger"] is True


def test_glucocorticoid_of_several_records() -> None:
    """Records that join are one exposure from the first day on, also across a change of drug."""
    drugs = [
        medication_request("m1", "198145", "2026-06-01", status="completed"),
        medication_request("m2", "198145", "2026-06-20", status="completed"),
        medication_request("m3", "198145", "2026-07-15"),
    ]
    found = fact(ask(DXA, LOW, *drugs), "glucocorticoid")
    assert found["months"] == 5
    apart = fact(ask(DXA, LOW, drugs[0], drugs[2]), "glucocorticoid")
    assert apart["months"] == 4


@pytest.mark.parametrize(
    ("dispense", "months"),
    [
        ({"validityPeriod": {"start": "2026-06-10", "end": "9999-12-31"}}, 5),
        ({"expectedSupplyDuration": {"value": 9e9, "code": "d"}}, 5),
        (
            {
                "validityPeriod": {"start": "9999-12-31"},
                "expectedSupplyDuration": {"value": 30, "code": "d"},
            },
            None,
        ),
    ],
)
def test_glucocorticoid_to_the_end_of_time(dispense: Resource, months: int | None) -> None:
    """A record system's last day of all, or a supply beyond it, is a day like others."""
    drug = medication_request("m", "198145", "2026-06-10", dispenseRequest=dispense)
    assert fact(ask(DXA, LOW, drug), "glucocorticoid")["months"] == months


@pytest.mark.parametrize("end", ["2022-06-01", "9999-12-31"])
def test_drugs_without_an_id(end: str) -> None:
    """Two records that begin on one day and have no id are in no order, and need none."""
    open_ended = without(medication_request("m", "904431", "2022-01-10"), "id")
    ended = open_ended | {"dispenseRequest": {"validityPeriod": {"end": end}}}
    for records in ([open_ended, ended], [ended, open_ended]):
        assert "alendronate, since 2022-01-10." in card_text(ask(DXA, LOW, *records))


# --- Knowledge ---


def test_warm_up_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the warm-up no answer reads a file of the knowledge."""
    SERVICE.warm_up()

    def refuse(*_: object) -> None:
        raise AssertionError("a file is read while an answer is awaited")

    for name in ("knowledge", "drugs.table"):
        module = importlib.import_module(f"hooks.bone_density.{name}")
        monkeypatch.setattr(module, "files", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    order = only_order(ask(QUS, LOW, medication_request("m", "904431", "2024-11-20")))
    assert order["rating"] == "usually-not-appropriate"


def test_knowledge_of_several_dates(tmp_path: Path) -> None:
    """The newest entry of a threshold counts wherever it stands, and notes may lie beside."""
    folder = Path(str(importlib.import_module("hooks.bone_density.knowledge").__file__)).parent
    shutil.copytree(folder, tmp_path / "knowledge")
    (tmp_path / "knowledge" / "valuesets" / "NOTES.txt").write_text("not a value set")
    table = tmp_path / "knowledge" / "thresholds.toml"
    entry = (
        '\n[[thresholds]]\nkey = "pregnancy_days"\nvalue = "{}"\nunit = "days"\n'
        'since = {}\nsource = "project-choice"\nnote = "x"\n'
    )
    table.write_text(
        table.read_text("utf-8") + entry.format(200, "2001-01-01") + entry.format(280, "2030-01-01")
    )
    found = load(tmp_path / "knowledge")
    assert found.whole["pregnancy_days"] == 280
    assert found.value_sets.keys() == knowledge().value_sets.keys()
    table.write_text(table.read_text("utf-8").replace(entry.format(280, "2030-01-01"), ""))
    assert load(tmp_path / "knowledge").whole["pregnancy_days"] == 300


def test_coding_without_a_system() -> None:
    """A code without a system belongs to no value set."""
    bare = {"coding": [{"code": "M81.0"}, {"system": ICD10CM, "code": "I10"}]}
    order = only_order(ask(QUS, {**OSTEOPOROSIS, "code": bare}))
    assert order["scenario"] == "initial-testing"


def test_conclusion_of_a_report_on_the_card() -> None:
    """A diagnosis concluded by a report is shown with its date, as one that holds."""
    concluded = report("r", "38268-9", "2024-05-05", conclusionCode=[concept(SNOMED, "64859006")])
    text = card_text(ask(DXA, concluded))
    assert "osteoporosis (`conclusion`, onset 2024-05-05)" in text


def test_change_within_a_class() -> None:
    """Each drug is dated by its own records; the beginning of its class stands beside it."""
    before = statement(
        "a", "905100", effectivePeriod={"start": "2020-11-02", "end": "2022-05-01"}
    ) | {"status": "completed"}
    now = medication_request("b", "904431", "2022-05-02")
    text = card_text(ask(DXA, LOW, before, now))
    assert "alendronate, since 2022-05-02 (bisphosphonate since 2020-11-02)" in text
    assert "earlier: risedronate, since 2020-11-02" in text
