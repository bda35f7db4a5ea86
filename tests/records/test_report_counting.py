"""Twelve calls counted by hand, and by the report."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from report_calls import CALLS, DXA, LIVE, QUS, SILENT, SYSTEM, call

from cds_service.records.report.counting import Counting, count, monday
from cds_service.records.report.model import Answered, Report, Tally
from cds_service.records.report.statistics import Latency, Rate
from cds_service.store import AnsweredCall, Filters, LastOutcome

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def report(*calls: AnsweredCall) -> Report:
    """The report on some calls."""
    return count(calls).report(Filters(), made_at=NOW)


def numbers(tally: Tally) -> dict[str, Any]:
    """What of a tally is not zero."""
    names = [field.name for field in fields(tally) if field.name != "latency"]
    return {name: getattr(tally, name) for name in names if getattr(tally, name)}


LIVE_NUMBERS = {
    "calls": 8,
    "eligible_calls": 6,
    "judged": 8,
    "shown": 7,
    "quiet": 1,
    "cards": 6,
    "offering": 4,
    "answered": 4,
    "answered_offering": 3,
    "accepted": 1,
    "overridden": 3,
}
SILENT_NUMBERS = {"calls": 4, "eligible_calls": 3, "judged": 3, "would_show": 2, "quiet": 1}


def test_everything() -> None:
    """Live and silent calls beside each other: what would have been shown is no card."""
    found = report(*CALLS)
    both = {
        name: LIVE_NUMBERS.get(name, 0) + SILENT_NUMBERS.get(name, 0)
        for name in {*LIVE_NUMBERS, *SILENT_NUMBERS}
    }
    assert numbers(found.total) == both
    assert found.total.latency == Latency(10, 1230, 1230, 1230)
    assert (found.total.feedback, found.total.unanswered) == (Rate(4, 6), 2)
    assert (found.total.acceptance, found.total.override) == (Rate(1, 3), Rate(3, 4))
    assert (found.first, found.last) == (CALLS[0].at, CALLS[-1].at)


def test_by_client_week_and_mode() -> None:
    """Each group has its own numbers; a week in which nothing happened is there too."""
    found = report(*CALLS)
    assert {name: numbers(tally) for name, tally in found.by_client} == {
        "a": LIVE_NUMBERS,
        "b": SILENT_NUMBERS,
    }
    assert [(week, numbers(tally)) for week, tally in found.by_week] == [
        (date(2026, 11, 2), LIVE_NUMBERS),
        (date(2026, 11, 9), {}),
        (date(2026, 11, 16), SILENT_NUMBERS),
    ]
    assert {key: tally.calls for key, tally in found.by_mode} == {
        ("live", "order-select"): 7,
        ("live", "order-sign"): 1,
        ("silent", "order-select"): 4,
    }
    assert dict(found.by_client)["b"].latency == Latency(10, 10, 10, 10)


def test_by_answer_and_rule() -> None:
    """Study, rating and indicator with what became of their cards; most orders first."""
    found = report(*CALLS)
    qus = {
        "judged": 6,
        "shown": 5,
        "would_show": 1,
        "cards": 4,
        "offering": 4,
        "answered": 3,
        "answered_offering": 3,
        "accepted": 1,
        "overridden": 2,
    }
    dxa = {"judged": 3, "shown": 2, "would_show": 1, "cards": 2, "answered": 1, "overridden": 1}
    quiet = {"judged": 2, "quiet": 2}
    assert [(key, numbers(tally)) for key, tally in found.by_answer] == [
        (Answered("qus", "usually-not-appropriate", "rated", "warning"), qus),
        (Answered("dxa", "usually-appropriate", "rated", "info"), dxa),
        (Answered("dxa", "none", "out-of-scope", "no card"), quiet),
    ]
    assert [(rule, numbers(tally)) for rule, tally in found.by_rule] == [
        ("qus", qus),
        ("dxa", dxa),
        ("initial", quiet),
    ]


def test_feedback_and_reasons() -> None:
    """Cards that can only be overridden stand apart; what is no code is not repeated."""
    found = report(*CALLS)
    assert (found.offering.cards, found.offering.overridden) == (4, 2)
    assert (found.dismissible.cards, found.dismissible.overridden) == (2, 1)
    assert found.dismissible.acceptance == Rate(0, 0)
    assert dict(found.override_reasons) == {
        (SYSTEM, "no"): 1,
        (SYSTEM, "later"): 1,
        ("no system", "not a code"): 1,
        ("no system", "x"): 1,
    }
    assert (found.overrides_without_reason, found.overrides_with_comment) == (1, 1)
    assert "Canary" not in repr(found)


def test_silence_gaps_and_editions() -> None:
    """Why there was no card, what was not read, of how many charts, and under which rules."""
    found = report(*CALLS)
    assert found.silent_calls == (("chart-not-readable", 1), ("switched-off", 1))
    assert found.quiet_orders == (("initial-testing", 2),)
    assert found.declined == (("code-not-recognised", 2), ("no-code", 1))
    assert found.unread == (("Condition", 2), ("Observation", 1))
    assert found.charts_read == 10  # neither the call without our order nor the one switched off
    assert found.ignored == (("entered-in-error", 2), ("not valid FHIR R4", 1))
    assert found.editions == ((("1", "k"), 8), (("2", "k"), 4))


def test_the_order_of_the_calls_does_not_matter() -> None:
    """Late calls are counted as if they had come in time."""
    assert report(*reversed(CALLS)) == report(*CALLS)


@pytest.mark.parametrize(
    ("outcome", "suggestion", "acceptance", "override"),
    [
        (None, True, Rate(0, 0), Rate(0, 0)),
        (LastOutcome(True), True, Rate(1, 1), Rate(0, 1)),
        (LastOutcome(False), True, Rate(0, 1), Rate(1, 1)),
        (LastOutcome(False), False, Rate(0, 0), Rate(1, 1)),
        # Accepted although the record knows no suggestion: no rate above one.
        (LastOutcome(True), False, Rate(1, 1), Rate(0, 1)),
    ],
)
def test_one_card(
    outcome: LastOutcome | None, suggestion: bool, acceptance: Rate, override: Rate
) -> None:
    """What one card adds to the rates; without feedback it adds to none."""
    total = report(call(0, replace(QUS, has_suggestion=suggestion, outcome=outcome))).total
    assert (total.acceptance, total.override) == (acceptance, override)
    assert total.unanswered == (outcome is None)


def test_the_same_reason_twice_is_one() -> None:
    """A reason counts once for a card, and the same code of two systems is two reasons."""
    outcome = LastOutcome(False, (("u", "no"), ("u", "no"), ("v", "no")))
    found = report(call(0, replace(DXA, outcome=outcome)))
    assert dict(found.override_reasons) == {("u", "no"): 1, ("v", "no"): 1}


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 2, tzinfo=UTC), date(2026, 11, 2)),
        (datetime(2026, 11, 8, 23, 59, tzinfo=UTC), date(2026, 11, 2)),
        (datetime(2026, 1, 1, tzinfo=UTC), date(2025, 12, 29)),
    ],
)
def test_weeks_begin_on_monday(moment: datetime, day: date) -> None:
    """Also over the end of a year."""
    assert monday(moment) == day


def test_nothing() -> None:
    """Without a call there is a report, and it is empty."""
    found = Counting().report(Filters(), made_at=NOW)
    assert found.is_empty
    assert (found.by_week, found.total, found.override_reasons) == ((), Tally(), ())


@pytest.mark.parametrize(("calls", "expected"), [(LIVE, LIVE_NUMBERS), (SILENT, SILENT_NUMBERS)])
def test_one_mode_alone(calls: tuple[AnsweredCall, ...], expected: dict[str, int]) -> None:
    """The go-live report of a silent client is the same report."""
    assert numbers(report(*calls).total) == expected
