"""Every limit of the rules, walked over step by step: days, months, years and scores.

What is expected is computed here by counting days and birthdays, not by the service's own dates.
PROOF_EXAMPLES multiplies the clinical dates at which the limits are swept.
"""

from __future__ import annotations

import calendar
import os
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from builders import (
    PATIENT_ID,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from service import explain, only_order

TIMES = int(os.environ.get("PROOF_EXAMPLES", "1"))
DXA, QUS, VFA = (service_request("draft-1", code) for code in ("77080", "76977", "77086"))
ALENDRONATE = medication_request("draft-1", "904431", status="draft")
NEAR = range(-2, 3)
DATES = [
    date(2026, 11, 23),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2025, 2, 28),
    date(2025, 3, 1),
    date(2026, 3, 31),
    date(2026, 12, 31),
    *(date(2024, 1, 1) + timedelta(days=97 * step % 1490) for step in range(8 * (TIMES - 1))),
]
"""Clinical dates: month ends, leap days, a turn of the year; more of them with PROOF_EXAMPLES."""

at_every_date = pytest.mark.parametrize("as_of", DATES, ids=str)


def age(birth: date, as_of: date) -> int:
    """Age in years: one less until the birthday has come."""
    before_birthday = (as_of.month, as_of.day) < (birth.month, birth.day)
    return as_of.year - birth.year - before_birthday


def months(start: date, end: date) -> int:
    """Completed months, by counting the monthly anniversaries that have come."""
    end_month = (end.year * 12 + end.month, end.day)
    count = 0
    while (start.year * 12 + start.month + count + 1, start.day) <= end_month:
        count += 1
    return count


def back(day: date, count: int) -> date:
    """So many months earlier, at the latest on the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 - count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def near(day: date, *offsets: int) -> Iterator[date]:
    """The days around one day."""
    for offset in offsets or NEAR:
        yield day + timedelta(days=offset)


def days_of(text: str) -> list[date]:
    """Every day that a full, month-only or year-only date may mean."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        return [date(parts[0], parts[1], parts[2])]
    first, last = (parts[1], parts[1]) if len(parts) == 2 else (1, 12)
    start = date(parts[0], first, 1)
    end = date(parts[0], last, calendar.monthrange(parts[0], last)[1])
    return [start + timedelta(days=step) for step in range((end - start).days + 1)]


def ask(
    draft: dict[str, Any],
    person: dict[str, Any] | None,
    resources: list[dict[str, Any]],
    as_of: date,
    block: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The explanation at one clinical date."""
    return explain(request([draft], person, resources), block, as_of.isoformat())


def low(as_of: date, value: float = -1.8, when: date | None = None) -> dict[str, Any]:
    """A T-score of the lumbar spine, three years ago unless told otherwise."""
    day = when or as_of - timedelta(days=1095)
    return observation("low", "38267-1", value, day.isoformat())


def scenario_by_age(sex: str, years: int) -> str:
    """The scenario that sex and age alone give, low BMD being established."""
    if years < 20:
        return "insufficient-data"
    if years < 50:
        return "younger-adult-surveillance"
    if sex == "female" and years < 55:
        return "insufficient-data"
    return "surveillance"


def codes(explanation: dict[str, Any]) -> set[str]:
    """The codes of all reasons."""
    return {reason["code"] for reason in only_order(explanation)["reasons"]}


def gaps(explanation: dict[str, Any]) -> list[str]:
    """The gaps that the explanation names."""
    return list(explanation["facts"].get("gaps", {"value": []})["value"])


# --- Ages ---


@at_every_date
@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("limit", [20, 50, 55])
def test_age_limit(sex: str, limit: int, as_of: date) -> None:
    """The scenario changes on the birthday itself, not a day before or after."""
    met = set()
    for birth in near(back(as_of, 12 * limit)):
        years = age(birth, as_of)
        explanation = ask(QUS, patient(sex, birth.isoformat()), [low(as_of)], as_of)
        order = only_order(explanation)
        assert order["scenario"] == scenario_by_age(sex, years), birth
        assert ("under-adult-age" in gaps(explanation)) == (years < 20), birth
        assert ("menopausal-status-not-known" in gaps(explanation)) == (
            sex == "female" and 50 <= years < 55
        ), birth
        assert order["rating"] == (
            "usually-not-appropriate" if order["scenario"] == "surveillance" else None
        ), birth
        met.add(years)
    assert met == {limit - 1, limit}


@at_every_date
@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("limit", [20, 50, 55])
def test_age_limit_of_partial_birth_date(sex: str, limit: int, as_of: date) -> None:
    """A month or a year counts only where every day of it gives the same scenario."""
    around = back(as_of, 12 * limit)
    texts = [f"{back(around, step):%Y-%m}" for step in NEAR]
    for text in [*texts, *(str(around.year + step) for step in NEAR)]:
        found = {scenario_by_age(sex, age(day, as_of)) for day in days_of(text)}
        expected = found.pop() if len(found) == 1 else "insufficient-data"
        explanation = ask(QUS, patient(sex, text), [low(as_of)], as_of)
        assert only_order(explanation)["scenario"] == expected, text


@pytest.mark.parametrize(("sex", "limit"), [("male", 50), ("male", 20), ("female", 20)])
@pytest.mark.parametrize("year", [1960, 1972, 1976, 2004])
def test_born_on_a_leap_day(sex: str, limit: int, year: int) -> None:
    """Someone born on 29 February turns a year older on 1 March where that day does not exist."""
    birth = date(year, 2, 29)
    for as_of in near(date(year + limit, 3, 1), -3, -2, -1, 0, 1):
        order = only_order(ask(QUS, patient(sex, birth.isoformat()), [low(as_of)], as_of))
        assert order["scenario"] == scenario_by_age(sex, age(birth, as_of)), as_of


@at_every_date
@pytest.mark.parametrize(("sex", "limit"), [("female", 70), ("male", 80)])
def test_vfa_age_limit(sex: str, limit: int, as_of: date) -> None:
    """The VFA criterion of age begins on the birthday; a partial date leaves it open."""
    around = back(as_of, 12 * limit)
    births = [day.isoformat() for day in near(around)]
    births += [f"{back(around, step):%Y-%m}" for step in NEAR]
    births += [str(around.year + step) for step in NEAR]
    for text in births:
        met = {age(day, as_of) >= limit for day in days_of(text)}
        order = only_order(ask(VFA, patient(sex, text), [low(as_of)], as_of))
        assert ("vfa-criteria-met" in order["modifiers"]) == (met == {True}), text
        assert order["ratingStatus"] == ("rated" if met == {False} else "conditional"), text
        assert order["indicator"] == ("warning" if met == {False} else "info"), text


@pytest.mark.parametrize("offset", NEAR)
def test_oldest_plausible_age(offset: int) -> None:
    """Older than 130 years is not believed, and 130 is."""
    as_of = DATES[0]
    birth = back(as_of, 12 * 131) + timedelta(days=offset)
    explanation = ask(QUS, patient("male", birth.isoformat()), [low(as_of)], as_of)
    assert ("age-not-known" in gaps(explanation)) == (age(birth, as_of) > 130)


@pytest.mark.parametrize("offset", NEAR)
def test_birth_around_the_clinical_date(offset: int) -> None:
    """A newborn is a child; a birth date still to come is no age."""
    as_of = DATES[0]
    birth = (as_of + timedelta(days=offset)).isoformat()
    explanation = ask(QUS, patient("male", birth), [low(as_of)], as_of)
    assert gaps(explanation) == ["age-not-known" if offset > 0 else "under-adult-age"]


# --- Intervals since the last DXA ---


def band(count: int) -> str:
    """The timing band of completed months, without a documented reason."""
    return "too-soon" if count < 12 else "early-without-reason" if count < 23 else "on-time"


@at_every_date
@pytest.mark.parametrize("limit", [12, 23, 24])
def test_interval_limit(limit: int, as_of: date) -> None:
    """The band changes on the day on which the months are completed."""
    met = set()
    for last in near(back(as_of, limit), -3, -2, -1, 0, 1, 2, 3):
        count = months(last, as_of)
        explanation = ask(DXA, None, [low(as_of, when=last)], as_of)
        order = only_order(explanation)
        assert explanation["facts"]["monthsSinceLastDxa"]["value"] == [count, count], last
        assert order["timing"] == band(count), last
        assert order["indicator"] == ("warning" if count < 12 else "info"), last
        drug = only_order(ask(ALENDRONATE, None, [low(as_of, when=last)], as_of))
        assert drug["indicator"] == ("info" if count >= 24 else None), last
        met.add(count)
    assert {limit - 1, limit} <= met


@at_every_date
def test_interval_of_partial_dates(as_of: date) -> None:
    """A month or a year gives a band only where each of its days up to today gives that band."""
    texts = [f"{back(as_of, step):%Y-%m}" for step in (0, 1, 11, 12, 13, 22, 23, 24, 25)]
    texts += [str(as_of.year - step) for step in range(4)]
    for text in texts:
        found = {band(months(day, as_of)) for day in days_of(text) if day <= as_of}
        result = observation("low", "38267-1", -1.8, text)
        order = only_order(ask(DXA, None, [result], as_of))
        assert order["timing"] == (found.pop() if len(found) == 1 else "unknown"), text


@at_every_date
def test_day_of_the_scan(as_of: date) -> None:
    """A result of the clinical date counts; one of the day after is not used."""
    for last in near(as_of):
        explanation = ask(DXA, None, [low(as_of, when=last)], as_of)
        is_used = last <= as_of
        assert only_order(explanation)["scenario"] == (
            "surveillance" if is_used else "insufficient-data"
        )
        assert (explanation["ignored"] == []) == is_used


@at_every_date
def test_forearm_interval(as_of: date) -> None:
    """Only a forearm DXA: on time from 23 months on, before that unknown and never too soon."""
    for limit in (12, 23):
        for last in near(back(as_of, limit)):
            result = observation("low", "38265-5", -2.6, last.isoformat())
            order = only_order(ask(DXA, None, [result], as_of))
            expected = "on-time" if months(last, as_of) >= 23 else "unknown"
            assert order["timing"] == expected, last
            assert order["modifiers"] == ["forearm-only-baseline"]


@at_every_date
def test_therapy_check(as_of: date) -> None:
    """Therapy of 11 months or more is a reason until a DXA that long after its start is done."""
    last = as_of - timedelta(days=480)
    for start in (*near(back(last, 11)), *near(back(as_of, 11))):
        drug = medication_request("m", "904431", start.isoformat())
        order = only_order(ask(DXA, None, [low(as_of, when=last), drug], as_of))
        was_done = start <= last and months(start, last) >= 11
        is_due = months(start, as_of) >= 11 and not was_done
        assert order["timing"] == ("early-with-reason" if is_due else "early-without-reason"), start


# --- Days and months since findings and drugs ---


@at_every_date
@pytest.mark.parametrize("element", ["onsetDateTime", "recordedDate"])
def test_new_finding(element: str, as_of: date) -> None:
    """New means within 90 days of the clinical date, both ends included, by onset or record."""
    fracture = condition("fracture", "S22.000A", "2020-01-01")
    for day in (*near(as_of - timedelta(days=90)), *near(as_of)):
        is_new = 0 <= (as_of - day).days <= 90
        for code, more in (("G83.4", []), ("R33.9", [fracture]), ("M54.16", [fracture])):
            record = condition("c", code, **{element: day.isoformat()})
            order = only_order(ask(DXA, None, [low(as_of), record, *more], as_of))
            assert (order["scenario"] == "red-flag") == is_new, (code, day)
        pain = condition("c", "M54.50", **{element: day.isoformat()})
        order = only_order(ask(DXA, None, [low(as_of), pain], as_of))
        assert ("suspected-vertebral-fracture" in order["modifiers"]) == is_new, day


@at_every_date
@pytest.mark.parametrize("element", ["onsetDateTime", "recordedDate"])
def test_pregnancy(element: str, as_of: date) -> None:
    """A pregnancy recorded more than 300 days ago is over; an undated active one is not."""
    person = patient(birth="1990-03-04")
    for day in near(as_of - timedelta(days=300)):
        record = condition("c", "Z33.1", **{element: day.isoformat()})
        order = only_order(ask(DXA, person, [low(as_of), record], as_of))
        is_present = (as_of - day).days <= 300
        assert (order["scenario"] == "pregnancy") == is_present, day
    undated = only_order(ask(DXA, person, [low(as_of), condition("c", "Z33.1")], as_of))
    assert undated["scenario"] == "pregnancy"


@at_every_date
def test_glucocorticoid_duration(as_of: date) -> None:
    """Prednisone counts from three completed months on, as a risk and as a reason."""
    recent = low(as_of, when=as_of - timedelta(days=480))
    for start in near(back(as_of, 3)):
        drug = medication_request("m", "198145", start.isoformat(), daily_mg=5)
        order = only_order(ask(DXA, None, [recent, drug], as_of))
        is_long = months(start, as_of) >= 3
        expected = ["vfa-criteria-met", "rapid-loss-risk"] if is_long else []
        assert order["modifiers"] == expected, start
        assert order["timing"] == f"early-with{'' if is_long else 'out'}-reason", start


@pytest.mark.parametrize("tenths", range(45, 56))
def test_glucocorticoid_dose(tenths: int) -> None:
    """The VFA criterion begins at 5 mg of prednisone a day; the risk of rapid loss has no dose."""
    as_of = DATES[0]
    drug = medication_request("m", "198145", "2026-01-15", daily_mg=tenths / 10)
    order = only_order(ask(VFA, None, [low(as_of), drug], as_of))
    assert ("vfa-criteria-met" in order["modifiers"]) == (tenths >= 50)
    assert "rapid-loss-risk" in order["modifiers"]
    assert order["ratingStatus"] == ("conditional" if tenths >= 50 else "rated")


def supplied(record: dict[str, Any], days: int) -> dict[str, Any]:
    """An order with the days that it supplies, no longer active."""
    duration = {"value": days, "unit": "days", "code": "d"}
    return {
        **record,
        "status": "completed",
        "dispenseRequest": {"expectedSupplyDuration": duration},
    }


@pytest.mark.parametrize("gap", [0, 1, *range(28, 33)])
def test_glucocorticoid_break(gap: int) -> None:
    """Two supplies are one exposure unless more than 30 days lie between them."""
    as_of = DATES[0]
    first, over = as_of - timedelta(days=200), as_of - timedelta(days=100)
    drugs = [
        supplied(medication_request("m1", "198145", first.isoformat()), 100),
        supplied(medication_request("m2", "198145", (over + timedelta(days=gap)).isoformat()), 99),
    ]
    order = only_order(ask(DXA, None, [low(as_of), *drugs], as_of))
    is_long = gap <= 30 or months(over + timedelta(days=gap), as_of) >= 3
    assert ("rapid-loss-risk" in order["modifiers"]) == is_long


@pytest.mark.parametrize("ago", [0, 1, *range(28, 33), 60])
def test_glucocorticoid_that_ended(ago: int) -> None:
    """An exposure that ended more than 30 days before the clinical date is not a present one."""
    as_of = DATES[0]
    start = as_of - timedelta(days=150 + ago)
    drug = supplied(medication_request("m", "198145", start.isoformat()), 150)
    order = only_order(ask(DXA, None, [low(as_of), drug], as_of))
    assert ("rapid-loss-risk" in order["modifiers"]) == (ago <= 30)


@at_every_date
def test_long_bisphosphonate(as_of: date) -> None:
    """Thigh pain on a bisphosphonate matters from five completed years on."""
    pain = condition("pain", "M79.651")
    for start in near(back(as_of, 60)):
        drug = medication_request("m", "904431", start.isoformat())
        order = only_order(ask(DXA, None, [low(as_of), pain, drug], as_of))
        is_long = age(start, as_of) >= 5
        assert ("thigh-pain-on-bisphosphonate" in order["modifiers"]) == is_long, start


@pytest.mark.parametrize("gap", [0, 1, *range(181, 186)])
def test_therapy_break(gap: int) -> None:
    """A break of more than 183 days between two orders ends the earlier course."""
    as_of = DATES[0]
    first = as_of - timedelta(days=6 * 366)
    second = first + timedelta(days=1000 + gap)
    drugs = [
        supplied(medication_request("m1", "904431", first.isoformat()), 1000),
        medication_request("m2", "904431", second.isoformat()),
    ]
    order = only_order(ask(DXA, None, [low(as_of), condition("p", "M79.651"), *drugs], as_of))
    assert ("thigh-pain-on-bisphosphonate" in order["modifiers"]) == (gap <= 183)


# --- Scores ---

HAIR = (-0.01, -0.001, 0.0, 0.001, 0.01)
AROUND_NORMAL = [step / 10 for step in range(-20, 6)] + [-1.0 + hair for hair in HAIR]
AROUND_OSTEOPOROSIS = [step / 10 for step in range(-30, -19)] + [-2.5 + hair for hair in HAIR]
SITES = {"lumbar-spine": "38267-1", "hip": "38264-8", "femur": "38263-0", "forearm": "38265-5"}


def rounded(value: float) -> float:
    """A score as a client writes it, without the dust of binary fractions."""
    return round(value, 3)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("value", sorted({rounded(value) for value in AROUND_NORMAL}))
def test_t_score_establishes(site: str, value: float) -> None:
    """Below -1.0 is low bone density; -1.0 itself is normal."""
    result = observation("t", SITES[site], value, "2024-01-10")
    order = only_order(ask(QUS, None, [result], DATES[0]))
    expected = "surveillance" if round(value * 1000) < -1000 else "initial-testing"
    assert order["scenario"] == expected


@pytest.mark.parametrize("value", sorted({rounded(value) for value in AROUND_NORMAL}))
def test_t_score_beside_diagnosis_and_age(value: float) -> None:
    """The VFA criterion needs less than -1.0; above -1.0 a diagnosis stands beside the number."""
    person = patient(birth="1950-01-01")
    result = observation("t", "38267-1", value, "2024-01-10")
    explanation = ask(VFA, person, [result, condition("c", "M81.0")], DATES[0])
    thousandths = round(value * 1000)
    is_met = "vfa-criteria-met" in only_order(explanation)["modifiers"]
    assert is_met == (thousandths < -1000)
    assert ("diagnosis-stands-beside-better-score" in codes(explanation)) == (thousandths > -1000)


@pytest.mark.parametrize("value", sorted({rounded(value) for value in AROUND_OSTEOPOROSIS}))
def test_t_score_in_osteoporosis_range(value: float) -> None:
    """From -2.5 down a score is in the osteoporosis range, said beside coded low bone mass only."""
    result = observation("t", "38267-1", value, "2024-01-10")
    for code, may_be_said in (("M85.89", True), ("M81.0", False)):
        explanation = ask(DXA, None, [result, condition("c", code)], DATES[0])
        is_said = "score-in-osteoporosis-range" in codes(explanation)
        assert is_said == (may_be_said and round(value * 1000) <= -2500)
    young = ask(DXA, patient("male", "1990-01-01"), [result, condition("c", "M85.89")], DATES[0])
    assert "score-in-osteoporosis-range" not in codes(young)


@pytest.mark.parametrize(
    "value", sorted({rounded(-2.0 + step) for step in (*HAIR, *(n / 10 for n in range(-9, 10)))})
)
def test_z_score_establishes_in_younger_adults(value: float) -> None:
    """From -2.0 down a Z-score is below the expected range, in younger adults only."""
    result = observation("z", "80933-5", value, "2024-01-10", unit="{Z-score}")
    is_low = round(value * 1000) <= -2000
    for birth, when_low in (
        ("1985-01-01", "younger-adult-surveillance"),
        ("1960-01-01", "initial-testing"),
    ):
        order = only_order(ask(QUS, patient("male", birth), [result], DATES[0]))
        assert order["scenario"] == (when_low if is_low else "initial-testing")


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("tenths", range(-12, -7))
def test_t_score_bound(comparator: str, tenths: int) -> None:
    """A bound establishes low BMD where all it allows is low, excludes it where none is."""
    result = observation("t", "38267-1", None, "2024-01-10")
    result["valueQuantity"] = {
        "value": tenths / 10,
        "comparator": comparator,
        "unit": "{T-score}",
    }
    order = only_order(ask(QUS, None, [result], DATES[0]))
    if comparator.startswith("<"):
        is_low = tenths < -10 or (comparator == "<" and tenths == -10)
        assert order["scenario"] == ("surveillance" if is_low else "insufficient-data")
    else:
        assert order["scenario"] == ("insufficient-data" if tenths < -10 else "initial-testing")


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("tenths", range(-22, -17))
def test_z_score_bound(comparator: str, tenths: int) -> None:
    """The same for Z-scores of younger adults, of which -2.0 itself is low."""
    result = observation("z", "80933-5", None, "2024-01-10")
    result["valueQuantity"] = {"value": tenths / 10, "comparator": comparator}
    order = only_order(ask(QUS, patient("male", "1985-01-01"), [result], DATES[0]))
    if comparator.startswith("<"):
        expected = "younger-adult-surveillance" if tenths <= -20 else "insufficient-data"
    else:
        may_be_low = tenths < -20 or (comparator == ">=" and tenths == -20)
        expected = "insufficient-data" if may_be_low else "initial-testing"
    assert order["scenario"] == expected
    older = only_order(ask(QUS, patient("male", "1960-01-01"), [result], DATES[0]))
    assert older["scenario"] == "initial-testing"


@pytest.mark.parametrize("hundredths", [0, 50, 90, 99, 100, 101, 110, 200])
@pytest.mark.parametrize("sign", [-1, 1])
def test_discordance(hundredths: int, sign: int) -> None:
    """Spine and hip are called discordant from 1.0 T-score apart on, whichever is lower."""
    hip = (-250 + sign * hundredths) / 100
    results = [
        observation("spine", "38267-1", -2.5, "2024-01-10"),
        observation("hip", "38264-8", hip, "2024-01-10"),
    ]
    explanation = ask(DXA, None, results, DATES[0])
    assert ("spine-hip-discordance" in codes(explanation)) == (hundredths >= 100)


@pytest.mark.parametrize("loss_mm", [0, 20, 38, 39, 40, 41, 42, 60])
def test_height_loss(loss_mm: int) -> None:
    """More than 4 cm between adult heights is a sign; 4 cm is not."""
    heights = [
        observation("h1", "8302-2", 170.0, "2010-01-10", unit="cm"),
        observation("h2", "8302-2", (1700 - loss_mm) / 10, "2026-01-10", unit="cm"),
    ]
    order = only_order(ask(DXA, None, [low(DATES[0]), *heights], DATES[0]))
    is_lost = loss_mm > 40
    expected = ["suspected-vertebral-fracture", "vfa-criteria-met"] if is_lost else []
    assert order["modifiers"] == expected


@at_every_date
def test_adult_height(as_of: date) -> None:
    """A height counts from the twentieth birthday on."""
    birth = back(as_of, 12 * 30)
    later = observation("h2", "8302-2", 160.0, (as_of - timedelta(days=9)).isoformat(), unit="cm")
    for day in near(back(as_of, 12 * 10)):
        first = observation("h1", "8302-2", 170.0, day.isoformat(), unit="cm")
        person = patient("male", birth.isoformat())
        order = only_order(ask(DXA, person, [low(as_of), first, later], as_of))
        is_adult = age(birth, day) >= 20
        assert (order["modifiers"] == ["suspected-vertebral-fracture"]) == is_adult, day


@pytest.mark.parametrize("change", [-31, -30, -29, 0, 29, 30, 31])
def test_least_significant_change(change: int) -> None:
    """A change is called one only beyond the facility's LSC, never at it."""
    results = [
        observation(
            f"b{position}",
            "24966-4",
            value,
            when,
            unit="g/cm2",
            device={"reference": "Device/A"},
        )
        for position, (value, when) in enumerate(
            ((0.8, "2022-01-10"), (rounded(0.8 + change / 1000), "2024-01-10"))
        )
    ]
    lsc = {"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}
    resources = [*results, condition("c", "M81.0")]
    found = codes(ask(DXA, None, resources, DATES[0], {"lsc": [lsc]}))
    expected = {-31: "fall-beyond-lsc", 31: "rise-beyond-lsc"}.get(change, "change-within-lsc")
    of_trend = {"fall-beyond-lsc", "rise-beyond-lsc", "change-within-lsc"}
    assert found & of_trend == {expected}
    assert "change-indeterminate-no-facility-lsc" in codes(ask(DXA, None, resources, DATES[0]))


@pytest.mark.parametrize(
    ("code", "unit", "value", "is_plausible"),
    [
        ("38267-1", "{T-score}", -8.1, False),
        ("38267-1", "{T-score}", -8.0, True),
        ("38267-1", "{T-score}", -7.9, True),
        ("38267-1", "{T-score}", 4.9, True),
        ("38267-1", "{T-score}", 5.0, True),
        ("38267-1", "{T-score}", 5.1, False),
        ("24966-4", "g/cm2", 0.199, False),
        ("24966-4", "g/cm2", 0.2, True),
        ("24966-4", "g/cm2", 2.2, True),
        ("24966-4", "g/cm2", 2.201, False),
        ("24966-4", "mg/cm2", 950, True),
        ("24966-4", "g/cm2", 950, False),
    ],
)
def test_plausible_range(code: str, unit: str, value: float, is_plausible: bool) -> None:
    """Numbers outside the plausible range are named and not used."""
    result = observation("r", code, value, "2024-01-10", unit=unit)
    explanation = ask(DXA, None, [result, condition("c", "M81.0")], DATES[0])
    ignored = {item["resource"]: item["reason"] for item in explanation["ignored"]}
    assert ignored == ({} if is_plausible else {"Observation/r": "value-not-plausible"})


def test_patient_of_every_sweep() -> None:
    """The patient of the sweeps is a woman of 55 to 69, so that nothing else decides."""
    birth = date.fromisoformat(patient()["birthDate"])
    assert age(birth, min(DATES)) >= 55
    assert age(birth, max(DATES)) < 70
    assert patient()["id"] == PATIENT_ID
