"""A history as plain data for a picture: values over time, bands behind them, bars under them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Days:
    """The days on which something happened, both ends included; one day when it is known."""

    earliest: date
    latest: date

    @property
    def is_exact(self) -> bool:
        """True when the day is known."""
        return self.earliest == self.latest


@dataclass(frozen=True, slots=True)
class Point:
    """One value at its time, in the unit of its panel.

    `text` is the value, `dated` its time in words. `joins` names what makes two neighbours of a
    series comparable (a device): a line goes only between points of the same one, never where it
    is None. `error` is the half width of a whisker. `bound` (`<`, `<=`, `>`, `>=`) says that the
    true value lies beyond the point.
    """

    when: Days
    value: Decimal
    text: str
    dated: str
    evidence: str
    joins: str | None = None
    error: Decimal | None = None
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Values that belong together, oldest first."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """A range of values with a name; None is open-ended, an edge may belong to it or not."""

    label: str
    low: Decimal | None
    high: Decimal | None
    has_low: bool = False
    has_high: bool = False

    def holds(self, value: Decimal) -> bool:
        """Whether a value lies in the range."""
        above = self.low is None or value > self.low or (self.has_low and value == self.low)
        below = self.high is None or value < self.high or (self.has_high and value == self.high)
        return above and below


@dataclass(frozen=True, slots=True)
class Panel:
    """Series that share one axis; `note` says how to read it."""

    title: str
    unit: str
    series: tuple[Series, ...]
    bands: tuple[Band, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, such as a treatment.

    `end` None is an open end: it goes on (`goes_on`), or its end was never recorded.
    """

    label: str
    start: Days
    end: date | None
    goes_on: bool
    text: str
    evidence: str


@dataclass(frozen=True, slots=True)
class NotDrawn:
    """What is known and cannot be drawn, and why."""

    label: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One patient's history up to a date; panels stand above the bars and share the time axis."""

    title: str
    until: date
    panels: tuple[Panel, ...] = ()
    bars_title: str = ""
    bars: tuple[Bar, ...] = ()
    not_drawn: tuple[NotDrawn, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to draw."""
        return not self.panels and not self.bars
