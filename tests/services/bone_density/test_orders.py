"""Orders: switches of a site, the reminder beside a treatment order, the study of a draft."""

from __future__ import annotations

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
    SUBJECT,
    VFA,
    Resource,
    ask,
    bmd,
    orders,
    procedure,
    without,
)
from builders import (
    CPT,
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
from service import explain, offered_codes, only_order

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
