"""Facts → the patient's bone density history as data for a picture."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from cds_service.fhir.dates import DateInterval
from cds_service.protocol.chart import Chart
from cds_service.protocol.picture import Band, Bar, Days, NotDrawn, Panel, Picture, Point, Series
from hooks.bone_density.advice.history import value
from hooks.bone_density.advice.labels import SITES
from hooks.bone_density.decision.modifiers import unreliable_spine
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts, read_facts
from hooks.bone_density.facts.measurements import Measurement
from hooks.bone_density.facts.medications import Course
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import SPINE_SITES, Group, Kind, Site

_UNITS = {Kind.T_SCORE: "T-score", Kind.Z_SCORE: "Z-score", Kind.BMD: "g/cm²"}
_TITLES = {
    Kind.T_SCORE: "T-score by site",
    Kind.Z_SCORE: "Z-score by site",
    Kind.BMD: "BMD by site",
}
_DRAWN = (Purpose.OSTEOPOROSIS_THERAPY, Purpose.BONE_LOSS_DRUG)
_SITE_ORDER = tuple(Site)

JOINED = (
    "Lines join results of one site and one recorded device only: results of different devices "
    "are not directly comparable."
)
"""Source: iscd-2023-adult."""

NO_BANDS = (
    "WHO bands are not drawn: they apply to postmenopausal women and to men of 50 or over, and "
    "whether this patient belongs to them is {}."
)
"""Source: iscd-2023-adult."""


def series(chart: Chart, settings: Settings, as_of: date) -> Picture | None:
    """T-score, Z-score and BMD by site over time, with therapy under them; None without any.

    WHO bands stand behind T-scores where they apply. A whisker is ± the facility's LSC of that
    device and site, where it is configured.

    Source: iscd-2023-adult (WHO ranges, Z-scores in younger adults, LSC by facility).
    """
    facts = read_facts(chart, settings, as_of)
    panels = tuple(panel for kind in Kind if (panel := _panel(kind, facts, settings)) is not None)
    picture = Picture(
        title="Bone density history",
        until=as_of,
        panels=panels,
        bars_title="Osteoporosis therapy, and drugs that cause bone loss",
        bars=tuple(_bars(facts)),
        not_drawn=tuple(_not_drawn(facts)),
        notes=tuple(_notes(facts, panels)),
    )
    return None if picture.is_empty and not picture.not_drawn else picture


def _panel(kind: Kind, facts: Facts, settings: Settings) -> Panel | None:
    by_site: dict[tuple[Site, str | None], list[Point]] = {}
    for item in facts.measurements.usable:
        if item.kind is kind and item.when is not None:
            point = _point(item, item.when, settings)
            by_site.setdefault((item.site, item.side), []).append(point)
    if not by_site:
        return None
    found = tuple(
        Series(
            f"{SITES[site]}, {side}" if side else SITES[site],
            tuple(sorted(points, key=_age)),
        )
        for (site, side), points in sorted(
            by_site.items(), key=lambda pair: (_SITE_ORDER.index(pair[0][0]), pair[0][1] or "")
        )
    )
    has_whiskers = any(point.error for one in found for point in one.points)
    return Panel(
        title=_TITLES[kind],
        unit=_UNITS[kind],
        series=found,
        bands=_bands(kind, facts),
        note="Whiskers are ± the facility's LSC." if has_whiskers else "",
    )


def _age(point: Point) -> tuple[date, date, str]:
    return (point.when.earliest, point.when.latest, point.evidence)


def _point(item: Measurement, when: DateInterval, settings: Settings) -> Point:
    has_whisker = item.device and item.kind is Kind.BMD and not item.comparator
    return Point(
        when=_days(when),
        value=item.value,
        text=value(item),
        dated=str(when),
        evidence=item.reference,
        joins=item.device,
        error=settings.lsc.get((item.device or "", item.site)) if has_whisker else None,
        bound=item.comparator,
    )


def _bands(kind: Kind, facts: Facts) -> tuple[Band, ...]:
    """WHO ranges for older adults, the expected range for younger ones; none while that is open."""
    if kind is Kind.T_SCORE and facts.belonging.groups == {Group.OLDER}:
        low, osteoporosis = (
            facts.known.number["low_bmd_t_score"],
            facts.known.number["osteoporosis_range_t_score"],
        )
        return (
            Band("normal", low, None, has_low=True),
            Band("low bone mass", osteoporosis, low),
            Band("osteoporosis range", None, osteoporosis, has_high=True),
        )
    if kind is Kind.Z_SCORE and facts.belonging.groups == {Group.YOUNGER}:
        limit = facts.known.number["below_expected_range_z_score"]
        return (
            Band("within the expected range", limit, None),
            Band("below the expected range for age", None, limit, has_high=True),
        )
    return ()


def _bars(facts: Facts) -> Iterator[Bar]:
    """Courses by their start; a record that goes on has no end, whatever its supply lasts."""
    courses = [course for purpose in _DRAWN for course in facts.medications.of(purpose)]
    for course in sorted(courses, key=lambda item: (str(item.start or ""), item.reference)):
        if course.start is None:
            continue
        yield Bar(
            label=course.drug,
            start=_days(course.start),
            end=None if course.is_current else course.end,
            goes_on=course.is_current,
            text=_lasted(course),
            evidence=course.reference,
        )


def _lasted(course: Course) -> str:
    name = " (from name)" if course.is_from_name else ""
    if course.is_current:
        return f"since {course.start}{name}"
    return f"{course.start} to {course.end or 'an end that is not recorded'}{name}"


def _not_drawn(facts: Facts) -> Iterator[NotDrawn]:
    for item in facts.measurements.usable:
        if item.when is None:
            yield NotDrawn(f"{SITES[item.site]} {value(item)}", "no date", item.reference)
    for reference, reason in sorted(facts.measurements.unusable.items()):
        yield NotDrawn("result", reason.replace("-", " "), reference)
    for purpose in _DRAWN:
        for course in facts.medications.of(purpose):
            if course.start is None:
                yield NotDrawn(course.drug, "start not recorded", course.reference)


def _notes(facts: Facts, panels: tuple[Panel, ...]) -> Iterator[str]:
    if any(len(one.points) > 1 for panel in panels for one in panel.series):
        yield JOINED
    if unreliable_spine(facts) and any(
        item.site in SPINE_SITES for item in facts.measurements.usable
    ):
        yield "Recorded conditions may make the spine values falsely high."
    if any(panel.unit == _UNITS[Kind.T_SCORE] and not panel.bands for panel in panels):
        known = facts.belonging.groups == {Group.YOUNGER}
        yield NO_BANDS.format("excluded" if known else "not known")


def _days(interval: DateInterval) -> Days:
    return Days(interval.earliest, interval.latest)
