"""The words of cards and reasons: each sentence is there when it is due, and only then."""

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
    LOW,
    OLD,
    OSTEOPOROSIS,
    QUS,
    RECENT,
    SEX_UNKNOWN,
    VFA,
    YOUNG_MAN,
    Resource,
    ask,
    bmd,
    codes,
    fact,
    report,
    without,
)
from builders import (
    CPT,
    LOINC,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from jsonschema import Draft202012Validator
from service import card_text, explain, offered_codes, only_order

from cds_service.protocol.advice import ChartNotReadable
from hooks.bone_density import SERVICE
from hooks.bone_density.facts.doses import supply_days
from hooks.bone_density.settings import SCHEMA

CT_FEA, TBS = service_request("draft-1", "0554T"), service_request("draft-1", "77089")
ALENDRONATE = medication_request("m", "904431", "2022-01-10")
PREDNISONE = medication_request("m", "198145", "2026-01-10")
CAUDA_EQUINA = condition("c", "G83.4", "2026-11-20")
LSC = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
FALL = (bmd("b1", 0.8, "2022-01-10"), bmd("b2", 0.7, "2024-06-10"))
RISE = (bmd("b1", 0.8, "2022-01-10"), bmd("b2", 0.9, "2024-06-10"))
FOREARM_RESULT = observation("f", "38265-5", -1.0, "2025-12-01", device={"reference": "Device/F"})
HEEL = observation("h", "38266-3", -2.9, "2024-11-10")
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def height(identifier: str, value: float, when: str, **more: Any) -> Resource:
    """A body height in cm."""
    return observation(identifier, "8302-2", value, when, unit="cm", **more)


def reasons(explanation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The reasons of the one order by their codes."""
    return {reason["code"]: reason for reason in only_order(explanation)["reasons"]}


@pytest.mark.parametrize(
    ("order", "chart", "more", "code", "text"),
    [
        (DXA, [LOW, PREDNISONE], {}, "rapid-loss-risk", "Systemic glucocorticoid: prednisone, 10"),
        (DXA, [OSTEOPOROSIS, *FALL], {"block": LSC}, "fall-beyond-lsc", "This fall exceeds the"),
        (DXA, [OSTEOPOROSIS, *RISE], {"block": LSC}, "rise-beyond-lsc", "This rise exceeds the"),
        (QUS, [RECENT], {}, "dxa-not-yet-due", "from 2028-01-10 on"),
        (DXA, [EARLY], {"unread": "medicationRequests"}, "timing-not-known", "could not all be"),
        (
            DXA,
            [HEEL, observation("s", "38267-1", -2.9, "2024-11-10", unit="kg")],
            {},
            "only-unusable-results",
            "A heel result is not a baseline",
        ),
        (
            DXA,
            [
                medication_request("a", "198145", "2026-01-15", daily_mg=2),
                medication_request("b", "198145", "2026-01-15"),
                LOW,
            ],
            {},
            "rapid-loss-risk",
            "dose not recorded",
        ),
    ],
)
def test_text_of_a_reason(
    order: Resource, chart: list[Resource], more: dict[str, Any], code: str, text: str
) -> None:
    """A reason says what it rests on."""
    assert text in reasons(ask(order, *chart, **more))[code]["text"]


@pytest.mark.parametrize(
    ("order", "chart", "more", "code"),
    [
        (DXA, [LOW, BOTH_HIPS], {}, "hips-unreliable"),
        (DXA, [condition("o", "M81.0", clinical="resolved")], {}, "diagnosis-no-longer-active"),
        (CT_FEA, [LOW], {}, "no-published-rating"),
    ],
)
def test_reason_that_is_there(
    order: Resource, chart: list[Resource], more: dict[str, Any], code: str
) -> None:
    """What the chart holds is said."""
    assert code in codes(ask(order, *chart, **more))


@pytest.mark.parametrize(
    ("chart", "code"),
    [([LOW], "thigh-pain-on-bisphosphonate"), ([LOW, BOTH_HIPS], "one-hip-replaced")],
)
def test_reason_that_is_not_there(chart: list[Resource], code: str) -> None:
    """What the chart does not hold is not said."""
    assert code not in codes(ask(DXA, *chart))


@pytest.mark.parametrize(
    ("chart", "person", "expected"),
    [
        ([], None, ["low-bmd-not-established"]),
        (
            [OSTEOPOROSIS, condition("p", "Z33.1", "2026-10-01")],
            patient("male", "1990-03-04"),
            ["pregnancy-recorded", "sex-contradicts-conditions"],
        ),
    ],
)
def test_all_reasons(chart: list[Resource], person: Resource | None, expected: list[str]) -> None:
    """Outside of follow-up these are all the reasons there are."""
    assert codes(ask(DXA, *chart, person=person)) == expected


def test_evidence_and_source() -> None:
    """A reason names the resources and the source it rests on, and no others."""
    drugs = [
        medication_request("old", "904431", "2020-01-10"),
        medication_request("new", "993456", "2025-08-01"),
    ]
    changed = reasons(ask(DXA, EARLY, *drugs))["therapy-started-or-changed"]
    assert changed["evidence"] == ["MedicationRequest/new"]
    unread = reasons(ask(DXA, EARLY, unread="medicationRequests"))["timing-not-known"]
    assert unread["evidence"] == ["Observation/low"]
    low = observation("z", "38267-1", -2.5, "2024-11-10")
    younger = reasons(ask(QUS, low, person=YOUNG_MAN))["dxa-usually-appropriate"]
    assert younger["source"] == "acr-2022-younger-follow-up"
    dated = reasons(ask(DXA, LOW, report("r", "38268-9", "2024-11-10")))["last-dxa"]
    assert "not readable" not in dated["text"]


@pytest.mark.parametrize(
    ("order", "chart", "text"),
    [
        (DXA, [LOW, bmd("b1", 0.8, "2022-01-10")], "same machine as the prior DXA (`Device/A`)"),
        (
            DXA,
            [
                LOW,
                observation("f", "38265-5", -1.0, "2025-12-01", device={"reference": "Device/F"}),
            ],
            "same machine as the prior DXA.",
        ),
        (DXA, [LOW, ALENDRONATE], "Guidelines differ on follow-up during treatment"),
        (DXA, [LOW, ALENDRONATE], "alendronate, since 2022-01-10"),
        (DXA, [LOW, medication_request("m", "904431")], "alendronate, start not recorded"),
        (DRUG, [OLD], "the last DXA was on 2023-10-15, 37 months ago"),
    ],
)
def test_words_on_the_card(order: Resource, chart: list[Resource], text: str) -> None:
    """What a clinician can act on is on the card."""
    assert text in card_text(ask(order, *chart))


def test_no_disagreement_without_treatment() -> None:
    """Guidelines differ on follow-up during treatment, which is of no use without one."""
    assert "Guidelines differ" not in card_text(ask(DXA, LOW))


@pytest.mark.parametrize(
    ("order", "chart", "more", "summary"),
    [
        (
            DXA,
            [OSTEOPOROSIS, *FALL],
            {"block": LSC},
            "DXA spine/hip: usually appropriate. Earlier results show a fall beyond the LSC.",
        ),
        (
            VFA,
            [LOW, BACK_PAIN],
            {"person": patient(birth="1968-03-04")},
            "VFA does not measure BMD; for a suspected fracture it can be added to DXA.",
        ),
        (
            VFA,
            [LOW],
            {"person": patient(birth="1950-03-04")},
            "VFA does not measure BMD: as an addition to DXA or alone, its rating differs.",
        ),
    ],
)
def test_summary(
    order: Resource, chart: list[Resource], more: dict[str, Any], summary: str
) -> None:
    """The one line that everybody reads."""
    (found,) = ask(order, *chart, **more)["response"]["cards"]
    assert found["summary"] == summary


def test_headline_of_a_red_flag() -> None:
    """The deficit comes first."""
    (found,) = ask(DXA, OSTEOPOROSIS, CAUDA_EQUINA)["response"]["cards"]
    assert found["summary"].startswith("Neurological deficit recorded")


def test_source_and_link_of_a_card() -> None:
    """A card that rests on the ACR criteria leads there, in its source and in its one link."""
    (found,) = ask(QUS, LOW)["response"]["cards"]
    assert found["source"]["url"] == "https://acsearch.acr.org/docs/69358/Narrative/"
    assert [link["url"] for link in found["links"]] == [found["source"]["url"]]


def test_conditional_ratings_blame_only_what_is_unread() -> None:
    """Where conditions were read, no rating waits for what may be among them."""
    found = only_order(ask(VFA, LOW, person=SEX_UNKNOWN))
    assert found["conditional"]
    assert all("among the conditions" not in item["when"] for item in found["conditional"])


# --- Facts ---


@pytest.mark.parametrize(
    ("chart", "name", "value", "evidence"),
    [
        (
            [LOW, height("a", 170, "2010-01-10"), height("b", 164, "2026-01-10")],
            "heightLossCm",
            "6",
            ["Observation/a", "Observation/b"],
        ),
        (
            [
                LOW,
                height("a", 170, "2010-01-10"),
                height("b", 150, "2026-01-10", system="urn:oid:1.2.3"),
            ],
            "heightLossCm",
            None,
            [],
        ),
        ([LOW], "lowBmdEstablished", True, ["Observation/low"]),
        (
            [LOW, medication_request("m", "84857", "2020-01-10", status="completed")],
            "otherBoneLossDrugs",
            [],
            [],
        ),
    ],
)
def test_fact(chart: list[Resource], name: str, value: object, evidence: list[str]) -> None:
    """A fact has the resources it rests on, and none when there is nothing to it."""
    found = ask(DXA, *chart)["facts"][name]
    assert (found["value"], found["evidence"]) == (value, evidence)


def test_sex_that_is_known_is_not_called_unknown() -> None:
    """A reason for not knowing stands beside what is not known only."""
    assert "unknown" not in ask(DXA, LOW)["facts"]["sex"]


@pytest.mark.parametrize(
    "extension",
    [
        "x",
        None,
        {"valueCode": "F"},
        {"url": f"{US_CORE}birthsex", "valueCode": ["F"]},
        {"url": f"{US_CORE}sex", "valueCoding": {"code": {"a": 1}}},
    ],
)
def test_extension_that_is_not_readable(extension: object) -> None:
    """A sex that cannot be read is none, and no fault of the service."""
    person = patient("unknown", extension=[extension])
    assert fact(ask(DXA, LOW, person=person), "sex") is None


def test_glucocorticoid_that_is_over() -> None:
    """A completed, undated glucocorticoid is no present one."""
    drug = medication_request("m", "198145", status="completed")
    assert fact(ask(DXA, LOW, drug), "glucocorticoid")["drugs"] == []


def test_another_drug_does_not_lengthen_a_bisphosphonate() -> None:
    """Long use is that of the bisphosphonate, not of what followed it."""
    chart = [
        LOW,
        medication_request("b", "904431", "2015-01-10", status="completed"),
        medication_request("d", "993456", "2019-01-10"),
        condition("t", "M79.651", "2026-11-01"),
    ]
    assert "thigh-pain-on-bisphosphonate" not in only_order(ask(DXA, *chart))["modifiers"]


def test_thigh_pain_without_a_bisphosphonate() -> None:
    """Thigh pain alone, or beside another drug, says nothing of a bisphosphonate."""
    pain = condition("t", "M79.651", "2026-11-01")
    denosumab = medication_request("d", "993456", "2015-01-10")
    for chart in ([LOW, pain], [LOW, pain, denosumab]):
        assert "thigh-pain-on-bisphosphonate" not in only_order(ask(DXA, *chart))["modifiers"]


def test_therapy_after_a_pause_begins_anew() -> None:
    """A bisphosphonate taken up after a long pause is dated by its second beginning."""
    supply = {"expectedSupplyDuration": {"value": 90, "code": "d"}}
    before = medication_request(
        "a", "904431", "2015-01-10", status="completed", dispenseRequest=supply
    )
    now = medication_request("b", "904431", "2022-03-01")
    assert "alendronate, since 2022-03-01;" in card_text(ask(DXA, LOW, before, now))


def test_component_of_an_unknown_panel() -> None:
    """A result inside a panel counts, whatever the panel's own code is."""
    component = {
        "code": concept(LOINC, "38267-1"),
        "valueQuantity": {"value": -1.8, "unit": "{T-score}"},
    }
    panel = observation("p", "99999-9", None, "2024-11-10", component=[component])
    assert only_order(ask(DXA, panel))["scenario"] == "surveillance"
    assert only_order(ask(DXA, {**panel, "code": {"text": "DXA"}}))["scenario"] == "surveillance"


def test_forearm_of_an_unknown_day() -> None:
    """A forearm DXA whose band is not certain leaves the timing unknown."""
    forearm = observation("f", "38265-5", -1.0, "2024")
    assert only_order(ask(DXA, OSTEOPOROSIS, forearm))["timing"] == "unknown"


def test_reminder_with_reports_unread() -> None:
    """Unread reports may hold the DXA that a forearm result leaves wanting."""
    forearm = observation("f", "38265-5", -1.0, "2020-01-10")
    found = only_order(ask(DRUG, OSTEOPOROSIS, forearm, unread="reports"))
    assert found["silence"] == "last-dxa-not-known"


def test_patient_that_did_not_come() -> None:
    """A refusal says which part is missing, and why."""
    body = request([DXA], None, [LOW])
    del body["prefetch"]["patient"]
    with pytest.raises(ChartNotReadable) as error:
        explain(body)
    (gap,) = error.value.missing
    assert (gap.data, gap.reason) == ("Patient", "prefetch key absent, no FHIR access")


# --- Doses, offers, settings ---


@pytest.mark.parametrize(
    ("duration", "days"),
    [
        ({"value": 3, "code": "d"}, 3),
        ({"value": 3, "code": "wk"}, 21),
        ({"value": 3, "code": "mo"}, 90),
        ({"value": 3, "code": "a"}, 1095),
        ({"value": 3, "code": "x"}, None),
        ({"value": 0, "code": "d"}, None),
        ({"unit": "month"}, None),
        ({"code": "d"}, None),
        (None, None),
    ],
)
def test_supply_days(duration: object, days: int | None) -> None:
    """A supply lasts as long as it says, or is not known."""
    assert supply_days({"dispenseRequest": {"expectedSupplyDuration": duration}}) == days
    assert supply_days({"dispenseRequest": {}}) is None


@pytest.mark.parametrize(("frequency", "period"), [(0, 1), (-1, 1), (1, 0), (1, -0.5), (1, -1)])
def test_timing_that_cannot_be(frequency: float, period: float) -> None:
    """A drug that is taken never, or backwards, has no known dose."""
    drug = medication_request("m", "198145", "2026-01-15", daily_mg=9)
    drug["dosageInstruction"][0]["timing"]["repeat"] |= {"frequency": frequency, "period": period}
    assert fact(ask(VFA, LOW, drug), "glucocorticoid")["atVfaDose"] is None


def test_offers() -> None:
    """An order is not beside itself; a body site belongs to the forearm only."""
    mine = {"study": "dxa-spine-hip", "system": CPT, "code": "77080", "display": "DXA"}
    assert offered_codes(ask(ANY_DXA, LOW, block={"orderables": [mine]})) == ["77080"]
    (found,) = ask(TBS, LOW)["response"]["cards"]
    for suggestion in found["suggestions"]:
        assert "bodySite" not in suggestion["actions"][0]["resource"]


def test_prefetch_asks_by_code() -> None:
    """Results and reports are asked for by their codes."""
    queries = {item.key: item.query for item in SERVICE.prefetch}
    assert "code=http://loinc.org|" in queries["observations"]
    assert "code=http" in queries["reports"]
    assert "None" not in "".join(queries.values())


@pytest.mark.parametrize(("name", "is_known"), [("quiet", False), ("quiet_when_appropriate", True)])
def test_setting_that_is_mistyped(name: str, is_known: bool) -> None:
    """A setting that does not exist is refused."""
    assert Draft202012Validator(SCHEMA).is_valid({name: True}) is is_known


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("local_codes", {"system": "urn:x", "code": "a", "means": "qus"}),
        (
            "orderables",
            {"study": "dxa-spine-hip", "system": "urn:x", "code": "a", "display": "DXA"},
        ),
        ("lsc", {"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}),
    ],
)
def test_entry_that_is_mistyped(name: str, entry: dict[str, Any]) -> None:
    """An entry with a name too many, or one too few, is refused."""
    schema = Draft202012Validator(SCHEMA)
    assert schema.is_valid({name: [entry]})
    assert not schema.is_valid({name: [{**entry, "note": "x"}]})
    for left_out in entry:
        assert not schema.is_valid({name: [without(entry, left_out)]})
