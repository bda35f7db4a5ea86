"""Results and scans: what dates the last DXA, sites, codes, repeats, heights."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bone import (
    DXA,
    LOW,
    OSTEOPOROSIS,
    RECENT,
    Resource,
    ask,
    bmd,
    codes,
    fact,
    ignored,
    procedure,
    report,
    without,
)
from builders import (
    ICD10CM,
    LOINC,
    SNOMED,
    concept,
    observation,
    patient,
)
from service import card_text, only_order

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
