"""Serial BMD in g/cm² at one site, side and device, against the facility's LSC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from operator import attrgetter
from typing import TypeAlias

from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.measurements import Measurement
from hooks.bone_density.facts.reading import Reading
from hooks.bone_density.words import HIP_SITES, SPINE_SITES, Kind, Site

_Dated: TypeAlias = tuple[date, Measurement]
_LOWEST = attrgetter("value", "reference")
"""What is least in the lowest of several results: its value, and among equal ones its name."""


class Change(StrEnum):
    """What may be said about the difference of two results."""

    FALL = "fall-beyond-lsc"
    RISE = "rise-beyond-lsc"
    WITHIN = "within-lsc"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The newest result of one site beside an earlier one, and what their difference allows to say.

    Changes are in g/cm² and percent of the earlier value, both None when not comparable.
    """

    site: Site
    earlier: Measurement
    later: Measurement
    change: Change
    reason: str | None
    change_g_per_cm2: Decimal | None
    change_percent: Decimal | None
    lsc_g_per_cm2: Decimal | None


@dataclass(frozen=True, slots=True)
class Discordance:
    """T-scores of spine and hip on one day that lie far apart."""

    spine: Measurement
    hip: Measurement


@dataclass(frozen=True, slots=True)
class Trend:
    """Comparisons per site, those that show a fall, and discordance on the newest day of both."""

    comparisons: tuple[Comparison, ...]
    falls: tuple[Comparison, ...]
    discordance: Discordance | None


def read_trend(reading: Reading, measurements: Iterable[Measurement]) -> Trend:
    """The newest dated result of every site and side beside the one before it.

    The one before it on the same device, where there is one. A bound or a result without an exact
    day is compared with nothing.
    """
    series: dict[tuple[Site, str | None], list[_Dated]] = {}
    scores: dict[date, list[Measurement]] = {}
    for item in measurements:
        day = item.day
        if day is None or item.comparator:
            continue
        if item.kind is Kind.BMD:
            series.setdefault((item.site, item.side), []).append((day, item))
        elif item.kind is Kind.T_SCORE:
            scores.setdefault(day, []).append(item)
    comparisons = tuple(
        comparison
        for _, items in sorted(series.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
        if len(items) > 1 and (comparison := _compare(items, reading))
    )
    falls = tuple(item for item in comparisons if item.change is Change.FALL)
    return Trend(comparisons, falls, _discordance(reading, scores))


def _compare(items: list[_Dated], reading: Reading) -> Comparison | None:
    ordered = sorted(items, key=lambda dated: (dated[0], dated[1].reference))
    last_day, later = ordered[-1]
    before = [item for day, item in ordered if day < last_day]
    if not before:
        return None
    same_device = [item for item in before if item.device and item.device == later.device]
    earlier = (same_device or before)[-1]
    reason = _not_comparable(items, earlier, later)
    if reason is not None:
        return Comparison(
            later.site, earlier, later, Change.INDETERMINATE, reason, None, None, None
        )
    absolute = later.value - earlier.value
    percent = (absolute / earlier.value * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
    lsc = reading.settings.lsc.get((later.device or "", later.site))
    if lsc is None:
        change, reason = Change.INDETERMINATE, "no-facility-lsc"
    elif abs(absolute) <= lsc:
        change = Change.WITHIN
    else:
        change = Change.FALL if absolute < 0 else Change.RISE
    return Comparison(later.site, earlier, later, change, reason, absolute, percent, lsc)


def _not_comparable(items: list[_Dated], earlier: Measurement, later: Measurement) -> str | None:
    """Why two results must not be compared, or None."""
    for item in (earlier, later):
        same_day = {other.value for day, other in items if day == item.day}
        if len(same_day) > 1:
            return "two-values-on-one-day"
    if earlier.device is None or later.device is None:
        return "device-not-recorded"
    if earlier.device != later.device:
        return "different-devices"
    return None


def _discordance(reading: Reading, scores: dict[date, list[Measurement]]) -> Discordance | None:
    """The lowest T-scores of spine and hip on the newest day that has both, if they lie apart."""
    for day in sorted(scores, reverse=True):
        spine = [item for item in scores[day] if item.site in SPINE_SITES]
        hip = [item for item in scores[day] if item.site in HIP_SITES]
        if spine and hip:
            lowest_spine, lowest_hip = min(spine, key=_LOWEST), min(hip, key=_LOWEST)
            apart = abs(lowest_spine.value - lowest_hip.value)
            if apart >= reading.known.number["discordance_t_score"]:
                return Discordance(lowest_spine, lowest_hip)
            return None
    return None
