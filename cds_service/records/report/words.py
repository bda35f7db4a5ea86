"""Numbers and sentences as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.records.report.model import Report
from cds_service.records.report.statistics import SMALL, Rate
from cds_service.records.report.table import Cell

MARK = "†"
SMALL_NOTE = f"{MARK} Of fewer than {SMALL}: the true share may lie far from it."
READING = (
    "A call is one question of the EHR that got an answer; refused calls (status 4xx and 503) are "
    "not recorded and not in here.",
    "An order is judged as often as the EHR asks about it, for example when it is picked and when "
    "it is signed.",
    "A card that is shown again is the same card: shown counts each time, different cards once.",
    "Rates are given with their 95 % interval (Wilson): what chance alone leaves open. It "
    "does not cover that those who give feedback may differ from those who do not, or that cards "
    "of one clinician resemble each other.",
    f"Feedback counts for the card whenever it came. {SMALL_NOTE}",
    "Patients appear in no table. Small numbers can still point to somebody who knows the day: "
    "treat the report as internal.",
)


def number(value: float) -> str:
    """A number with thin thousands: 12,345 or 3.5."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def percent(share: float) -> str:
    """A share; what is neither nothing nor all is not rounded to it."""
    shown = 100 * share
    if 0 < shown < 0.5:
        return "<1 %"
    if 99.5 <= shown < 100:
        return ">99 %"
    return f"{shown:.0f} %"


def interval(rate: Rate) -> str:
    """The interval of a rate, such as 67–89, or 1.6–2.4 where whole numbers say too little."""
    if rate.interval is None:
        return ""
    low, high = (100 * end for end in rate.interval)
    return f"{low:.1f}–{high:.1f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f}–{high:.0f}"


def rate(one: Rate) -> str:
    """A rate with everything that belongs to it: 40/50, 80 % (67–89)."""
    if one.share is None:
        return "–"
    mark = MARK if one.is_small else ""
    of = f"{number(one.count)}/{number(one.of)}"
    return f"{of}, {percent(one.share)} ({interval(one)}){mark}"


def cell(value: Cell) -> str:
    """A cell of a table for people."""
    if isinstance(value, Rate):
        return rate(value)
    if isinstance(value, int | float):
        return number(value)
    return "" if value is None else value


def scope(report: Report) -> str:
    """Which calls the report is about, in one line."""
    meant = report.filters
    client = f"client {meant.client}" if meant.client else "all clients"
    service = f"service {meant.service}" if meant.service else "all services"
    if meant.since and meant.until:
        days = f"{meant.since:%Y-%m-%d} to {meant.until - timedelta(microseconds=1):%Y-%m-%d}"
    elif meant.since:
        days = f"from {meant.since:%Y-%m-%d}"
    elif meant.until:
        days = f"to {meant.until - timedelta(microseconds=1):%Y-%m-%d}"
    else:
        days = "all that is kept"
    return f"{client}, {service}, {days} (UTC)"


def nothing(report: Report) -> str:
    """What is said instead of tables when there is nothing to tell."""
    meant = report.filters
    if meant.client or meant.service or meant.since or meant.until:
        return f"No answered call is recorded for {scope(report)}. There is nothing to report."
    return "No answered call is recorded yet. There is nothing to report."


def sentences(report: Report) -> Iterator[str]:
    """The report in a few sentences; it must not be empty."""
    if report.first is None or report.last is None:
        return
    total, different = report.total, report.different
    yield (
        f"{_many(total.calls, 'call')} answered from {report.first:%Y-%m-%d} to "
        f"{report.last:%Y-%m-%d}; {number(total.eligible_calls)} had an order to judge: "
        f"{_many(total.judged, 'judged order')} of {_many(different.patients, 'patient')}."
    )
    if total.shown:
        yield (
            f"{_many(total.shown, 'card')} shown ({_many(total.cards, 'different one')}), "
            f"{_per_hundred(total.shown, _judged(report, 'live'))}."
        )
    if total.would_show:
        yield (
            f"Silent mode: {_many(total.would_show, 'card')} would have been shown, "
            f"{_per_hundred(total.would_show, _judged(report, 'silent'))}. Nobody saw them, and "
            "they have no part in acceptance."
        )
    if different.orders:
        orders = _many(different.orders, "different order")
        yield (
            f"{number(different.orders_with_card)} of {orders} got a card or would have got one; "
            "orders are told apart by the ids that the client gives them."
        )
    if total.cards:
        yield f"Feedback came for {_rate_of(total.feedback, 'different card')}."
    if total.answered_offering:
        cards = _rate_of(total.acceptance, "card")
        yield f"Accepted: {cards}, of those with a suggestion and feedback."
    if total.answered:
        dismissed = number(report.dismissible.overridden)
        yield (
            f"Overridden: {_rate_of(total.override, 'card')}, of those with feedback; {dismissed} "
            "of these had no suggestion and could only be overridden."
        )
    if total.unanswered:
        yield (
            f"No feedback for {_many(total.unanswered, 'card')}: never sent, or not yet; these "
            "are not counted as ignored."
        )
    if report.unknown_feedback:
        yield (
            f"{_many(report.unknown_feedback, 'outcome')} of unknown cards kept aside, in no rate."
        )
    if total.latency:
        times = total.latency
        yield (
            f"Answers took {number(times.median_ms)} ms (median), {number(times.p95_ms)} ms (p95), "
            f"{number(times.p99_ms)} ms (p99)."
        )


def _many(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _rate_of(one: Rate, noun: str) -> str:
    return f"{number(one.count)} of {_many(one.of, noun)} ({_share(one)})"


def _share(one: Rate) -> str:
    mark = f"; {MARK}" if one.is_small else ""
    return f"{percent(one.share or 0.0)}, 95 % interval {interval(one)} %{mark}"


def _judged(report: Report, mode: str) -> int:
    return sum(tally.judged for (found, _), tally in report.by_mode if found == mode)


def _per_hundred(count: int, judged: int) -> str:
    return f"{100 * count / max(judged, 1):.0f} for every 100 judged orders"
