"""The pictures of a report: which numbers are drawn, by the name of the table they stand beside."""

from __future__ import annotations

from markupsafe import Markup

from cds_service.records.report.counting import NO_CARD, NO_RATING
from cds_service.records.report.drawing import Part, bars, columns, dots, stacks
from cds_service.records.report.model import Answered, Report
from cds_service.records.report.statistics import BANDS_MS, Rate
from cds_service.records.report.table import Labels

AT_MOST = 14
"""Rows of a picture; the rest stands in the table."""
ACCEPTED = "Accepted, of cards with a suggestion and feedback"
_WEEKS = 26
"""Weeks of a picture of rates, the newest; each needs a line."""


def pictures(report: Report, labels: Labels | None = None) -> dict[str, tuple[Markup, ...]]:
    """Pictures by the name of their table; none where there is nothing to draw."""
    total = report.total
    found = {
        "weeks": (_weeks(report), *_weekly_rates(report)),
        "answers": _answer_rates(report),
        "feedback": _feedback(report),
        "override_reasons": _reasons(report, labels or {}),
        "silence": _counted(
            "quiet", "Judged orders without a card, by reason", report.quiet_orders, total.judged
        )
        + _counted(
            "declined",
            "Orders that were not judged, by reason",
            report.declined,
            sum(count for _, count in report.declined),
        ),
        "unread": _counted(
            "unread",
            "Calls in which data could not be read, by data",
            report.unread,
            report.charts_read,
        ),
        "latency": (_latency(report),),
    }
    return {name: drawn for name, drawn in found.items() if drawn}


def _weeks(report: Report) -> Markup:
    weeks = report.by_week
    parts = [
        Part("shown", "shown", tuple(tally.shown for _, tally in weeks)),
        Part("would have been shown", "would", tuple(tally.would_show for _, tally in weeks)),
        Part("judged, no card", "quiet", tuple(tally.quiet for _, tally in weeks)),
    ]
    return columns(
        "weeks-orders",
        "Judged orders by week",
        [f"{week:%Y-%m-%d}" for week, _ in weeks],
        [part for part in parts if any(part.values)] or parts[:1],
    )


def _weekly_rates(report: Report) -> tuple[Markup, ...]:
    rows = [
        (f"week of {week:%Y-%m-%d}", tally.acceptance)
        for week, tally in report.by_week
        if tally.acceptance.of
    ]
    if len(rows) < 2:
        return ()
    return (dots("weeks-accepted", ACCEPTED, rows[-_WEEKS:], "accepted"),)


def _answer_rates(report: Report) -> tuple[Markup, ...]:
    rows = [
        (_answer(key), tally.acceptance) for key, tally in report.by_answer if tally.acceptance.of
    ]
    return (dots("answers-accepted", ACCEPTED, rows[:AT_MOST], "accepted"),) if rows else ()


def _answer(key: Answered) -> str:
    rating = key.rating_status if key.rating == NO_RATING else key.rating
    indicator = "" if key.indicator == NO_CARD else f", {key.indicator}"
    return f"{key.study}: {rating}{indicator}"


def _feedback(report: Report) -> tuple[Markup, ...]:
    rows = [
        ("all cards", report.total),
        ("with a suggestion", report.offering),
        ("without a suggestion", report.dismissible),
    ]
    rows = [(label, tally) for label, tally in rows if tally.cards]
    if not rows:
        return ()
    parts = [
        Part("accepted", "accepted", tuple(tally.accepted for _, tally in rows)),
        Part("overridden", "overridden", tuple(tally.overridden for _, tally in rows)),
        Part("no feedback", "quiet", tuple(tally.unanswered for _, tally in rows)),
    ]
    return (stacks("feedback-cards", "Cards by outcome", [label for label, _ in rows], parts),)


def _reasons(report: Report, labels: Labels) -> tuple[Markup, ...]:
    of = report.total.overridden
    rows = [
        (labels.get(key, key[1]), Rate(count, of))
        for key, count in report.override_reasons[:AT_MOST]
    ]
    if report.overrides_without_reason:
        rows.append(("no reason given", Rate(report.overrides_without_reason, of)))
    if not rows:
        return ()
    return (bars("reasons", "Overridden cards by reason", rows, "overridden"),)


def _counted(
    name: str, title: str, counts: tuple[tuple[str, int], ...], of: int
) -> tuple[Markup, ...]:
    rows = [(label, Rate(count, of)) for label, count in counts[:AT_MOST]]
    return (bars(name, title, rows, "plain"),) if rows else ()


def _latency(report: Report) -> Markup:
    ends = [f"≤ {end:g} ms" for end in BANDS_MS] + [f"> {BANDS_MS[-1]:g} ms"]
    filled = [place for place, count in enumerate(report.latency_bands) if count]
    seen = range(filled[0], filled[-1] + 1)
    return columns(
        "latency-bands",
        "Calls by the time of their answer",
        [ends[place] for place in seen],
        [Part("calls", "plain", tuple(report.latency_bands[place] for place in seen))],
        height=130,
    )
