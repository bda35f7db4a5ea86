"""Dates: partial ones are intervals, instants are days of one zone, intervals count in months."""

from __future__ import annotations

from datetime import date, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir.dates import (
    DateInterval,
    add_months,
    completed_months,
    completed_years,
    read_date,
    read_event,
)

UTC = ZoneInfo("UTC")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago")


def interval(earliest: str, latest: str) -> DateInterval:
    """An interval from two ISO days."""
    return DateInterval(date.fromisoformat(earliest), date.fromisoformat(latest))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("2024", "2024-01-01", "2024-12-31"),
        ("2023", "2023-01-01", "2023-12-31"),
        ("2024-05", "2024-05-01", "2024-05-31"),
        ("2024-06", "2024-06-01", "2024-06-30"),
        ("2024-12", "2024-12-01", "2024-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2023-02", "2023-02-01", "2023-02-28"),
        ("1900-02", "1900-02-01", "1900-02-28"),
        ("2000-02", "2000-02-01", "2000-02-29"),
        ("2024-02-29", "2024-02-29", "2024-02-29"),
        ("2000-02-29", "2000-02-29", "2000-02-29"),
        ("2024-01-01", "2024-01-01", "2024-01-01"),
        ("2024-12-31", "2024-12-31", "2024-12-31"),
        ("0001", "0001-01-01", "0001-12-31"),
        ("2999", "2999-01-01", "2999-12-31"),  # whether a date lies ahead is for its reader to say
        ("2999-07-01", "2999-07-01", "2999-07-01"),
        ("9999-12-31", "9999-12-31", "9999-12-31"),
    ],
)
def test_date_without_a_time(text: str, earliest: str, latest: str, zone: str) -> None:
    """A year, month or day is every day that it may mean, in every zone the same."""
    assert read_date(text, ZoneInfo(zone)) == interval(earliest, latest)


@pytest.mark.parametrize(
    "value",
    [
        "２０２４",  # digits of another script
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00+01:99",
        "2023-02-29",  # no such day
        "1900-02-29",
        "2024-02-30",
        "2024-06-31",
        "2024-13",
        "2024-00",
        "2024-00-01",
        "2024-01-00",
        "0000",
        "2024-1-1",  # not how FHIR writes it
        "24-01-01",
        "20240101",
        "2024/01/01",
        "2024-W01",
        "01.01.2024",
        "+2024",
        "-2024",
        " 2024",
        "2024 ",
        "2024-01-01\n",
        "2024-01-",
        "",
        "soon",
        2024,  # no string
        2024.5,
        True,
        None,
        ["2024"],
        {"start": "2024"},
        "2024-01-01T",  # a time needs seconds and its offset
        "2024-01-01T10Z",
        "2024-01-01T00:30Z",
        "2024-01-01T00:30:00",
        "2024-01-01T00:30:00.123",
        "2024-01-01T00:30:00z",
        "2024-01-01t00:30:00Z",
        "2024-01-01 00:30:00Z",
        "2024-01-01T00:30:00 Z",
        "2024-01-01T00:30:00+01",
        "2024-01-01T00:30:00+0100",
        "2024-01-01T00:30:00+1:00",
        "2024-01-01T00:30:00.Z",
        "2024-01-01T00:30:00,5Z",
        "2024-01-01T00:30:00Z\n",
        "2024-01T00:30:00Z",
        "2024-01-01T25:30:00Z",  # no such time
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00+24:00",
        "2023-02-29T00:30:00Z",
        "2024-13-01T00:30:00Z",
        "0000-01-01T00:30:00Z",
        "0001-01-01T00:30:00+14:00",  # a day before the first or after the last of the calendar
        "9999-12-31T23:30:00-12:00",
    ],
)
def test_not_a_date(value: object) -> None:
    """What is not written as FHIR writes it, or is no day of the calendar, is no date."""
    assert read_date(value, UTC) is None


def test_end_of_day_written_as_24() -> None:
    """FHIR forbids 24:00 as a time: it is neither this day nor the next."""
    assert read_date("2024-01-01T24:00:00Z", UTC) is None


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2024-01-01T00:30:00Z", "UTC", "2024-01-01"),
        ("2016-12-31T23:59:60Z", "UTC", "2016-12-31"),
        ("2024-01-01T00:30:00+14:00", "UTC", "2023-12-31"),
        ("2023-12-31T23:30:00-01:00", "UTC", "2024-01-01"),
        ("2024-01-01T00:30:00-00:00", "UTC", "2024-01-01"),
        ("2025-01-01T00:30:00+01:00", "UTC", "2024-12-31"),
        ("2025-01-01T00:30:00+01:00", "Europe/Berlin", "2025-01-01"),
        ("2025-01-01T00:30:00+02:00", "Europe/Berlin", "2024-12-31"),
        ("2024-01-02T04:59:59Z", "America/New_York", "2024-01-01"),
        ("2024-01-02T05:00:00Z", "America/New_York", "2024-01-02"),
        ("2024-07-02T03:59:59Z", "America/New_York", "2024-07-01"),  # an hour earlier in summer
        ("2024-07-02T04:00:00Z", "America/New_York", "2024-07-02"),
        ("2024-03-01T04:59:59Z", "America/New_York", "2024-02-29"),
        ("2023-03-01T04:59:59Z", "America/New_York", "2023-02-28"),
        ("2024-02-29T23:59:59-05:00", "America/New_York", "2024-02-29"),
        ("2024-02-29T23:59:59-05:00", "UTC", "2024-03-01"),
        ("2024-01-01T18:29:59Z", "Asia/Kolkata", "2024-01-01"),
        ("2024-01-01T18:30:00Z", "Asia/Kolkata", "2024-01-02"),
        ("2024-01-01T14:59:59Z", "Asia/Tokyo", "2024-01-01"),
        ("2024-01-01T15:00:00Z", "Asia/Tokyo", "2024-01-02"),
        ("2024-01-01T09:59:59Z", "Pacific/Kiritimati", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "Pacific/Kiritimati", "2024-01-02"),
        ("2024-01-01T10:59:59Z", "Pacific/Pago_Pago", "2023-12-31"),
        ("2024-01-01T11:00:00Z", "Pacific/Pago_Pago", "2024-01-01"),
        ("2011-12-30T09:59:59Z", "Pacific/Apia", "2011-12-29"),  # 30 December never was there
        ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"),
        ("2999-12-31T23:30:00Z", "Asia/Tokyo", "3000-01-01"),
        ("2024-01-01T00:30:00.1Z", "UTC", "2024-01-01"),
        ("2024-01-01T00:30:00.123456Z", "UTC", "2024-01-01"),
        ("2024-01-01T00:30:00.1234567Z", "UTC", "2024-01-01"),
        ("2024-01-01T00:30:00.123456789Z", "UTC", "2024-01-01"),
        ("2024-01-01T00:30:00.1234567+01:00", "UTC", "2023-12-31"),
        ("2024-01-01T23:59:59.9999999Z", "UTC", "2024-01-01"),  # never rounded up to the next day
        ("2024-01-01T14:59:59.9999999Z", "Asia/Tokyo", "2024-01-01"),
    ],
)
def test_day_of_an_instant(text: str, zone: str, day: str) -> None:
    """An instant falls on the day that it has in the client's zone, to the second."""
    assert read_date(text, ZoneInfo(zone)) == interval(day, day)


@pytest.mark.parametrize(
    ("hours", "day"),
    [(-12, "2024-01-01"), (-7, "2024-01-01"), (-6, "2024-01-02"), (14, "2024-01-02")],
)
def test_day_at_a_fixed_offset(hours: int, day: str) -> None:
    """A zone may be a fixed offset too."""
    found = read_date("2024-01-02T06:00:00Z", timezone(timedelta(hours=hours)))
    assert str(found) == day


@pytest.mark.parametrize(
    ("earliest", "latest", "shown", "is_exact"),
    [
        ("2024-05-05", "2024-05-05", "2024-05-05", True),
        ("2024-05-01", "2024-05-31", "2024-05", False),
        ("2024-01-01", "2024-12-31", "2024", False),
        ("2024-01-01", "2024-11-30", "2024-01-01 to 2024-11-30", False),
        ("2024-02-01", "2024-12-31", "2024-02-01 to 2024-12-31", False),
        ("2023-12-01", "2024-12-31", "2023-12-01 to 2024-12-31", False),
    ],
)
def test_interval_as_text(earliest: str, latest: str, shown: str, is_exact: bool) -> None:
    """An interval is shown as the partial date it came from, else with both ends."""
    found = interval(earliest, latest)
    assert (str(found), found.is_exact) == (shown, is_exact)


@pytest.mark.parametrize(
    ("resource", "shown"),
    [
        ({"xDateTime": "2024-05-05"}, "2024-05-05"),
        ({"xDateTime": "2024"}, "2024"),
        ({"xInstant": "2024-05-05T10:00:00Z"}, "2024-05-05"),
        ({"xDate": "2024-05"}, "2024-05"),
        ({"xPeriod": {"start": "2024-05-05", "end": "2024-06-05"}}, "2024-05-05"),
        ({"xPeriod": {"start": "2024-05"}}, "2024-05"),
        ({"xPeriod": {"end": "2024-06-05"}}, "2024-06-05"),
        ({"xPeriod": {"start": "soon", "end": "2024-06-05"}}, "2024-06-05"),
        ({"xPeriod": {"start": "2024-05-05", "end": "later"}}, "2024-05-05"),
        ({"xPeriod": {"start": "2024-05-05T23:30:00-01:00"}}, "2024-05-06"),
        ({"xPeriod": {}}, "None"),
        ({"xPeriod": "2024"}, "None"),
        ({"xPeriod": ["2024"]}, "None"),
        ({"xTiming": {"event": ["2024-05-05"]}}, "None"),
        ({"xDateTime": "soon", "xPeriod": {"start": "2024-05-05"}}, "None"),
        ({"xDateTime": "2024-05-05", "xPeriod": {"start": "2023-05-05"}}, "2024-05-05"),
        ({"yDateTime": "2024-05-05"}, "None"),
        ({}, "None"),
    ],
)
def test_read_event(resource: dict[str, Any], shown: str) -> None:
    """An event is dated by its DateTime, Instant or Date, else by its Period."""
    assert str(read_event(resource, "x", UTC)) == shown


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2024-05-10", 0, "2024-05-10"),
        ("2024-01-31", 1, "2024-03-01"),
        ("2023-01-31", 1, "2023-03-01"),
        ("2024-01-29", 1, "2024-02-29"),
        ("2023-01-29", 1, "2023-03-01"),
        ("2024-02-29", 12, "2025-03-01"),
        ("2024-02-29", 23, "2026-01-29"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2024-11-30", 3, "2025-03-01"),
        ("2024-12-15", 1, "2025-01-15"),
        ("2024-12-31", 2, "2025-03-01"),
        ("2024-10-31", 1, "2024-12-01"),
        ("2024-11-15", 1, "2024-12-15"),
        ("2024-01-15", 23, "2025-12-15"),
        ("2024-05-10", -1, "2024-04-10"),
        ("2024-01-10", -1, "2023-12-10"),
        ("2024-03-31", -1, "2024-03-01"),
        ("2024-05-10", -12, "2023-05-10"),
    ],
)
def test_months_later(start: str, count: int, end: str) -> None:
    """The day so many months later is the first on which so many months are completed."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    assert add_months(first, count) == last
    assert completed_months(first, last) == count
    assert completed_months(first, last - timedelta(days=1)) == count - 1


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        ("1958-11-23", "2026-11-22", 67),
        ("1958-11-23", "2026-11-23", 68),
        ("1958-12-01", "2026-11-30", 67),
        ("2004-02-29", "2024-02-28", 19),
        ("2004-02-29", "2024-02-29", 20),
        ("2004-02-29", "2022-02-28", 17),
        ("2004-02-29", "2022-03-01", 18),
        ("2026-11-23", "2026-11-23", 0),
        ("2026-11-24", "2026-11-23", -1),
    ],
)
def test_completed_years(born: str, on: str, years: int) -> None:
    """A birthday counts from its own day on; who was born on 29 February has it on 1 March."""
    assert completed_years(date.fromisoformat(born), date.fromisoformat(on)) == years
