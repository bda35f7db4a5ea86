"""Prior results, therapy and dates as lines and a small table for a card."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.protocol.markdown import quote
from hooks.bone_density.advice.labels import SETS, SITES
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.conditions import Certainty, Finding
from hooks.bone_density.facts.measurements import Measurement
from hooks.bone_density.facts.medications import Course
from hooks.bone_density.facts.trend import Comparison
from hooks.bone_density.words import Kind

MOST_RESULTS = 8
"""Rows a card shows; older results stay in the explanation."""

_ORDER_OF_SETS = tuple(SETS).index
"""Where a value set stands among the words for them."""


def value(item: Measurement) -> str:
    """A result with its unit: scores to one decimal, BMD to three (ISCD reporting)."""
    bound = f"{item.comparator} " if item.comparator else ""
    if item.kind is Kind.BMD:
        return f"{bound}{item.value:.3f} g/cm²"
    return f"{bound}{item.kind} {item.value:.1f}"


def site(item: Measurement) -> str:
    """Site with side."""
    return f"{SITES[item.site]}, {item.side}" if item.side else SITES[item.site]


def when(item: Measurement) -> str:
    """Date of a result."""
    return str(item.when) if item.when else "undated"


def newest_first(items: Iterable[Measurement]) -> list[Measurement]:
    """Results by date, newest first, undated ones last, in a stable order."""
    stable = sorted(items, key=lambda item: (item.site, item.kind, item.side or "", item.reference))
    return sorted(
        stable, key=lambda item: item.when.latest.isoformat() if item.when else "", reverse=True
    )


def results_table(facts: Facts) -> str:
    """The newest results as a table; empty without results."""
    items = newest_first(facts.measurements.usable)
    if not items:
        return ""
    shown = items[:MOST_RESULTS]
    devices = {
        device: quote(device, 40) if device else "not recorded"
        for device in {item.device for item in shown}
    }
    rows = ["| Date | Site | Result | Device |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {when(item)} | {site(item)} | {value(item)} | {devices[item.device]} |"
        for item in shown
    ]
    if len(items) > MOST_RESULTS:
        rows.append(f"\n{len(items) - MOST_RESULTS} earlier results are not shown.")
    return "\n".join(rows)


def therapy_line(facts: Facts) -> str:
    """Osteoporosis therapy with its start, present before past."""
    present = facts.medications.therapy
    past = tuple(
        course
        for course in facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY)
        if not course.is_current
    )
    texts = [
        *_courses(present, facts, ""),
        *_courses(past, facts, "earlier: "),
    ]
    unclear = sorted({course.drug for course in facts.medications.of(Purpose.AMBIGUOUS_INDICATION)})
    if unclear:
        texts.append(f"indication unclear: {', '.join(unclear)}")
    return "; ".join(texts)


def _courses(courses: tuple[Course, ...], facts: Facts, prefix: str) -> list[str]:
    texts = []
    for drug in sorted({course.drug for course in courses}):
        of_drug = [course for course in courses if course.drug == drug]
        family = of_drug[0].family
        of_class = facts.medications.start_of(family, Purpose.OSTEOPOROSIS_THERAPY)
        start = facts.medications.start_of(family, Purpose.OSTEOPOROSIS_THERAPY, drug)
        since = f"since {start}" if start else "start not recorded"
        if of_class is not None and of_class != start:
            since += f" ({family} since {of_class})"
        name = " (from name)" if all(course.is_from_name for course in of_drug) else ""
        texts.append(f"{prefix}{drug}{name}, {since}")
    return texts


def condition(finding: Finding) -> str:
    """A recorded condition in fixed words, its code, its date, and how certain it is."""
    name = ", ".join(SETS[key] for key in sorted(finding.sets, key=_ORDER_OF_SETS))
    date = (
        f"onset {finding.onset}"
        if finding.onset
        else f"recorded {finding.recorded}"
        if finding.recorded
        else "undated"
    )
    notes = [date]
    if finding.certainty is Certainty.PROVISIONAL:
        notes.append("not confirmed")
    if not finding.is_active:
        notes.append("no longer active")
    return f"{name} ({quote(finding.code, 20)}, {', '.join(notes)})"


def comparison(item: Comparison) -> str:
    """Two results of one site, without any statement about their difference."""
    return (
        f"{SITES[item.site]}: {item.earlier.value:.3f} g/cm² on {when(item.earlier)}, "
        f"{item.later.value:.3f} g/cm² on {when(item.later)}"
    )


def months(count: tuple[int, int]) -> str:
    """An interval in completed months, in words."""
    fewest, most = count
    span = str(fewest) if fewest == most else f"{fewest} to {most}"
    return f"{span} month{'' if span == '1' else 's'}"
