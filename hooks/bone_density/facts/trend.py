"""Serial BMD in g/cm² at one site, side and device, against the facility's LSC."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.measurements import Measurement
from hooks.bone_density.facts.reading import Reading
from hooks.bone_density.words import HIP_SITES, SPINE_SITES, Kind, Site


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
    """Comparisons per site, and discordance on the newest day that has both."""

    comparisons: tuple[Comparison, ...]
    discordance: Discordance | None

    def with_change(self, change: Change) -> tuple[Comparison, ...]:
        """Comparisons that allow one statement."""
        return tuple(item for item in self.comparisons if item.change is change)


def read_trend(reading: Reading, measurements: Iterable[Measurement]) -> Trend:
    """The newest dated result of every site and side beside the one before it.

    The one before it on the same device, where there is one.
    """
    series: dict[tuple[Site, str | None], list[Measurement]] = {}
    for item in measurements:
        if item.kind is Kind.BMD and _day(item) and not item.comparator:
            series.setdefault((item.site, item.side), []).append(item)
    comparisons = tuple(
        comparison
        for _, items in sorted(series.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
        if (comparison := _compare(items, reading))
    )
    return Trend(comparisons, _discordance(reading, measurements))


def _day(item: Measurement) -> str:
    """The day of a result; empty without an exact one."""
    return item.when.latest.isoformat() if item.when and item.when.is_exact else ""


def _compare(items: list[Measurement], reading: Reading) -> Comparison | None:
    ordered = sorted(items, key=lambda item: (_day(item), item.reference))
    later = ordered[-1]
    before = [item for item in ordered if _day(item) < _day(later)]
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


def _not_comparable(
    items: list[Measurement], earlier: Measurement, later: Measurement
) -> str | None:
    """Why two results must not be compared, or None."""
    for item in (earlier, later):
        same_day = {other.value for other in items if _day(other) == _day(item)}
        if len(same_day) > 1:
            return "two-values-on-one-day"
    if earlier.device is None or later.device is None:
        return "device-not-recorded"
    if earlier.device != later.device:
        return "different-devices"
    return None


def _discordance(reading: Reading, measurements: Iterable[Measurement]) -> Discordance | None:
    days: dict[str, list[Measurement]] = {}
    for item in measurements:
        if item.kind is Kind.T_SCORE and not item.comparator and (day := _day(item)):
            days.setdefault(day, []).append(item)
    for day in sorted(days, reverse=True):
        spine = [item for item in days[day] if item.site in SPINE_SITES]
        hip = [item for item in days[day] if item.site in HIP_SITES]
        if not spine or not hip:
            continue
        lowest_spine = min(spine, key=lambda item: (item.value, item.reference))
        lowest_hip = min(hip, key=lambda item: (item.value, item.reference))
        apart = abs(lowest_spine.value - lowest_hip.value)
        if apart >= reading.known.number["discordance_t_score"]:
            return Discordance(lowest_spine, lowest_hip)
        return None
    return None
