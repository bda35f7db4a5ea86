"""A report as tables: the same numbers and words for text, CSV, JSON and the page."""

from __future__ import annotations

from cds_service.records.report.model import Counts, Report, Tally
from cds_service.records.report.statistics import BANDS_MS, Latency, Rate
from cds_service.records.report.table import Cell, Column, Labels, Table


def tables(report: Report, labels: Labels | None = None) -> tuple[Table, ...]:
    """All tables of a report, in the order in which they are read."""
    return (
        _weeks(report),
        _answers(report),
        _feedback(report),
        _override_reasons(report, labels or {}),
        _rules(report),
        _silence(report),
        _unread(report),
        _not_used(report),
        _clients(report),
        _modes(report),
        _latency(report),
        _editions(report),
    )


_LATENCY = (
    Column("latency_median_ms", "Median ms"),
    Column("latency_p95_ms", "p95 ms"),
    Column("latency_p99_ms", "p99 ms"),
)
_ORDERS = (
    Column("judged_orders", "Orders judged"),
    Column("cards_shown", "Cards shown"),
    Column("would_have_been_shown", "Would have been shown"),
)
_OUTCOMES = (
    Column("different_cards", "Different cards"),
    Column("with_feedback", "With feedback", is_rate=True),
    Column("accepted", "Accepted", is_rate=True),
    Column("overridden", "Overridden", is_rate=True),
)
_CALLS = (
    Column("calls", "Calls"),
    Column("calls_with_order", "With an order"),
)


def _orders(tally: Tally) -> tuple[Cell, ...]:
    return tally.judged, tally.shown, tally.would_show


def _outcomes(tally: Tally) -> tuple[Cell, ...]:
    return tally.cards, tally.feedback, tally.acceptance, tally.override


def _calls(tally: Tally) -> tuple[Cell, ...]:
    return tally.calls, tally.eligible_calls


def _times(latency: Latency | None) -> tuple[Cell, ...]:
    return (latency.median_ms, latency.p95_ms, latency.p99_ms) if latency else (None,) * 3


def _weeks(report: Report) -> Table:
    return Table(
        "weeks",
        "By week",
        "Weeks begin on Monday, 0:00 UTC. A card counts in the week in which it was first shown.",
        (Column("week", "Week of"), *_CALLS, *_ORDERS, *_OUTCOMES, *_LATENCY),
        tuple(
            (
                week.isoformat(),
                *_calls(tally),
                *_orders(tally),
                *_outcomes(tally),
                *_times(tally.latency),
            )
            for week, tally in report.by_week
        ),
    )


def _clients(report: Report) -> Table:
    return Table(
        "clients",
        "By client",
        "",
        (Column("client", "Client"), *_CALLS, *_ORDERS, *_OUTCOMES, *_LATENCY),
        tuple(
            (name, *_calls(tally), *_orders(tally), *_outcomes(tally), *_times(tally.latency))
            for name, tally in report.by_client
        ),
    )


def _modes(report: Report) -> Table:
    return Table(
        "modes",
        "By mode and hook",
        "In the mode silent orders are judged and the client gets no cards.",
        (Column("mode", "Mode"), Column("hook", "Hook"), *_CALLS, *_ORDERS),
        tuple(
            (mode, hook, *_calls(tally), *_orders(tally)) for (mode, hook), tally in report.by_mode
        ),
    )


def _answers(report: Report) -> Table:
    return Table(
        "answers",
        "By study, rating and indicator",
        "What a judged order was answered with, in the words of the explanation.",
        (
            Column("study", "Study"),
            Column("rating", "Rating"),
            Column("rating_status", "Rating status"),
            Column("indicator", "Indicator"),
            *_ORDERS,
            *_OUTCOMES,
        ),
        tuple(
            (
                key.study,
                key.rating,
                key.rating_status,
                key.indicator,
                *_orders(tally),
                *_outcomes(tally),
            )
            for key, tally in report.by_answer
        ),
    )


def _rules(report: Report) -> Table:
    return Table(
        "rules",
        "By rule",
        "The rule that decided; a rule can be switched off (cds-service client switch).",
        (Column("rule", "Rule"), *_ORDERS, *_OUTCOMES),
        tuple((rule, *_orders(tally), *_outcomes(tally)) for rule, tally in report.by_rule),
    )


def _feedback(report: Report) -> Table:
    rows = (
        ("all cards", report.total),
        ("with a suggestion", report.offering),
        ("without a suggestion", report.dismissible),
    )
    return Table(
        "feedback",
        "What became of the cards",
        "Each card counts once, with its last outcome so far. To accept a card means to take a "
        "suggestion: only cards that had one count there, and the others can only be overridden. "
        "Without feedback does not mean ignored: the client may not send any, or not yet.",
        (
            Column("cards", "Cards"),
            *_OUTCOMES,
            Column("no_feedback", "No feedback"),
        ),
        tuple((name, *_outcomes(tally), tally.unanswered) for name, tally in rows if tally.cards),
    )


def _override_reasons(report: Report, labels: Labels) -> Table:
    of = report.total.overridden
    rows: list[tuple[Cell, ...]] = [
        (code, labels.get((system, code)), system, Rate(count, of))
        for (system, code), count in report.override_reasons
    ]
    if report.overrides_without_reason:
        rows.append(("no reason given", None, None, Rate(report.overrides_without_reason, of)))
    commented = (
        f" {report.overrides_with_comment} came with a comment, which is not part of a report."
        if report.overrides_with_comment
        else ""
    )
    return Table(
        "override_reasons",
        "Reasons for overriding",
        "Of the overridden cards; one may have several reasons. Codes of an EHR's own build stand "
        "under its name for them." + commented,
        (
            Column("reason", "Reason"),
            Column("words", "In words"),
            Column("system", "System"),
            Column("overridden", "Overridden cards", is_rate=True),
        ),
        tuple(rows),
    )


def _silence(report: Report) -> Table:
    parts = (
        ("call", report.silent_calls, report.total.calls),
        ("judged order", report.quiet_orders, report.total.judged),
        ("order not judged", report.declined, sum(count for _, count in report.declined)),
    )
    return Table(
        "silence",
        "Why there was no card",
        "Calls as a whole, of all calls; judged orders, of all judged orders; orders that are not "
        "of this service or cannot be told to be, of all of these. code-not-recognised: the order "
        "has codes and none is known. The codes themselves are not recorded.",
        (
            Column("of", "What"),
            Column("reason", "Reason"),
            Column("number", "Number", is_rate=True),
        ),
        tuple(
            (what, reason, Rate(count, of))
            for what, counts, of in parts
            for reason, count in counts
        ),
    )


def _unread(report: Report) -> Table:
    return Table(
        "unread",
        "Data that could not be read",
        "Calls in which a type of data could not be read at all or not wholly, of those calls "
        "whose chart was looked at.",
        (Column("data", "Data"), Column("calls", "Calls", is_rate=True)),
        tuple((data, Rate(count, report.charts_read)) for data, count in report.unread),
    )


def _not_used(report: Report) -> Table:
    return Table(
        "not_used",
        "Data that came and was not used",
        "Resources by the reason; the same resource counts with every call that brought it.",
        (Column("reason", "Reason"), Column("resources", "Resources")),
        _plain(report.ignored),
    )


def _latency(report: Report) -> Table:
    ends = [*(f"{end:g}" for end in BANDS_MS), ""]
    begins = ["0", *ends[:-1]]
    return Table(
        "latency",
        "How long answers took",
        "From the arrival of the call to its answer, as the service sees it: the network to the "
        "EHR is not in it.",
        (
            Column("over_ms", "Over ms"),
            Column("up_to_ms", "Up to ms"),
            Column("calls", "Calls", is_rate=True),
        ),
        tuple(
            (begin, end or "no limit", Rate(count, report.total.calls))
            for begin, end, count in zip(begins, ends, report.latency_bands, strict=True)
            if count
        ),
    )


def _editions(report: Report) -> Table:
    return Table(
        "editions",
        "Rules in use",
        "With several editions, numbers before and after a change are mixed: choose dates.",
        (Column("ruleset", "Ruleset"), Column("knowledge", "Knowledge"), Column("calls", "Calls")),
        tuple((*edition, count) for edition, count in report.editions),
    )


def _plain(counts: Counts) -> tuple[tuple[Cell, ...], ...]:
    return tuple(counts)
