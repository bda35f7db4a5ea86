"""Dates as FHIR gives them: partial dates are intervals, instants become days in one zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo

from cds_service.values import dataclass

_PARTIAL = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)"
    r"((?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-5][0-9]))"
)


@dataclass(frozen=True, slots=True)
class DateInterval:
    """The days on which something may have happened, both ends included."""

    earliest: date
    latest: date

    def __str__(self) -> str:
        if self.earliest == self.latest:
            return self.earliest.isoformat()
        if self.earliest.year == self.latest.year:
            if self.earliest.month == self.latest.month:
                return f"{self.earliest:%Y-%m}"
            if (self.earliest.month, self.latest.month) == (1, 12):
                return f"{self.earliest:%Y}"
        return f"{self.earliest.isoformat()} to {self.latest.isoformat()}"

    @property
    def is_exact(self) -> bool:
        """True when the day is known."""
        return self.earliest == self.latest


def read_date(value: object, zone: tzinfo) -> DateInterval | None:
    """A FHIR date, dateTime or instant as an interval of days; None when it is not one.

    A time of day needs its offset (FHIR requires it); the day is the one in `zone`.
    """
    if not isinstance(value, str):
        return None
    partial = _PARTIAL.fullmatch(value)
    if partial:
        return _partial(*partial.groups())
    instant = read_instant(value)
    try:
        day = instant.astimezone(zone).date() if instant else None
    except (ValueError, OverflowError):
        return None
    return DateInterval(day, day) if day else None


def read_instant(value: object) -> datetime | None:
    """A FHIR instant, or a dateTime with a time of day; a leap second counts as the one before."""
    if not isinstance(value, str) or not (found := _INSTANT.fullmatch(value)):
        return None
    minute, second, rest = found.groups()
    try:
        return datetime.fromisoformat(f"{minute}:59{rest}" if second == "60" else value)
    except ValueError:
        return None


def _partial(year: str, month: str | None, day: str | None) -> DateInterval | None:
    try:
        if day and month:
            exact = date(int(year), int(month), int(day))
            return DateInterval(exact, exact)
        first, last = (int(month), int(month)) if month else (1, 12)
        return DateInterval(
            date(int(year), first, 1),
            date(int(year), last, calendar.monthrange(int(year), last)[1]),
        )
    except ValueError:
        return None


def read_event(resource: Mapping[str, object], name: str, zone: tzinfo) -> DateInterval | None:
    """When something happened: `{name}DateTime`, `{name}Instant`, or the start of `{name}Period`.

    A Period without start is dated by its end.
    """
    for suffix in ("DateTime", "Instant", "Date"):
        element = f"{name}{suffix}"
        if element in resource:
            return read_date(resource[element], zone)
    period = resource.get(f"{name}Period")
    if isinstance(period, dict):
        return read_date(period.get("start"), zone) or read_date(period.get("end"), zone)
    return None


def completed_months(start: date, end: date) -> int:
    """Months completed from one day to another, negative when the second is earlier."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - 1 if end.day < start.day else months


def completed_years(start: date, end: date) -> int:
    """Years completed from one day to another; a birthday counts from its own day on."""
    return completed_months(start, end) // 12


def add_months(start: date, months: int) -> date:
    """The day so many months later; where that day does not exist, the first of the next month.

    It is the first day on which `completed_months` reaches that number.
    """
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    if start.day <= calendar.monthrange(year, month + 1)[1]:
        return date(year, month + 1, start.day)
    year, month = divmod(index + 1, 12)
    return date(year, month + 1, 1)
