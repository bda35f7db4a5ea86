"""The corners of charts: each a small chart and what must be answered."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

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
    treated,
    without,
)
from builders import (
    ICD10CM,
    LOINC,
    SNOMED,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from service import card_text, explain, only_order

from cds_service.protocol.advice import ChartNotReadable
from hooks.bone_density import SERVICE
from hooks.bone_density.knowledge import knowledge, load


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
