"""Where the parts of a picture stand: later is right, more is up, nothing outside its panel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.protocol.picture import Band, Bar, Days, Panel, Picture, Point, Series
from cds_service.web.console.drawing import band_of, draw

UNTIL = date(2026, 11, 23)
BANDS = (
    Band("high", Decimal("-1.0"), None, has_low=True),
    Band("middle", Decimal("-2.5"), Decimal("-1.0")),
    Band("low", None, Decimal("-2.5"), has_high=True),
)


def point(day: str, value: str, joins: str | None = "A", **more: object) -> Point:
    """A value of one day."""
    when = date.fromisoformat(day)
    base = Point(Days(when, when), Decimal(value), value, day, "Observation/1", joins)
    return replace(base, **more)  # type: ignore[arg-type]


def picture(*series: Series, bands: tuple[Band, ...] = (), bars: tuple[Bar, ...] = ()) -> Picture:
    """A picture with one panel."""
    panels = (Panel("T", "T", series, bands),) if series else ()
    return Picture("History", UNTIL, panels, "Bars", bars)


def test_later_is_right_and_more_is_up() -> None:
    """Places follow dates and values."""
    points = (point("2020-01-01", "-2.0"), point("2022-01-01", "-1.0"), point("2026-01-01", "-3.0"))
    (sheet,) = draw(picture(Series("spine", points))).sheets
    marks = sheet.tracks[0].marks
    assert marks[0].x < marks[1].x < marks[2].x
    assert marks[1].y < marks[0].y < marks[2].y
    assert marks[2].x - marks[1].x == pytest.approx(2 * (marks[1].x - marks[0].x), rel=0.01)


def test_bands_fill_the_panel() -> None:
    """From top to bottom without a gap, the highest first."""
    (sheet,) = draw(picture(Series("spine", (point("2024-01-01", "-1.8"),)), bands=BANDS)).sheets
    assert [stripe.label for stripe in sheet.stripes] == ["high", "middle", "low"]
    assert sheet.stripes[0].y == sheet.top
    for above, below in pairwise(sheet.stripes):
        assert above.y + above.height == pytest.approx(below.y, abs=0.2)
    last = sheet.stripes[-1]
    assert last.y + last.height == pytest.approx(sheet.bottom, abs=0.2)


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (point("2020-01-01", "-2"), point("2022-01-01", "-1"), True),
        (point("2020-01-01", "-2"), point("2022-01-01", "-1", "B"), False),
        (point("2020-01-01", "-2", None), point("2022-01-01", "-1", None), False),
        (point("2020-01-01", "-2"), point("2022-01-01", "-1", bound="<"), False),
    ],
)
def test_lines_join_what_may_be_compared(first: Point, second: Point, joined: bool) -> None:
    """One line between two values of one device, none where that is not known."""
    (sheet,) = draw(picture(Series("spine", (first, second)))).sheets
    assert len(sheet.tracks[0].lines) == joined


def test_whiskers_intervals_and_bounds() -> None:
    """A whisker reaches as far as it says, a month is as wide as it is long, a bound has a side."""
    month = Days(date(2020, 5, 1), date(2020, 5, 31))
    (sheet,) = draw(
        picture(
            Series(
                "spine",
                (
                    point("2020-05-01", "0.8", when=month, error=Decimal("0.03")),
                    point("2022-01-01", "0.9", bound="<"),
                    point("2024-01-01", "0.9", bound=">="),
                ),
            )
        )
    ).sheets
    whole, below, above = sheet.tracks[0].marks
    assert whole.whisker is not None
    assert whole.whisker[0] < whole.y < whole.whisker[1]
    assert sheet.top <= whole.whisker[0]
    assert whole.whisker[1] <= sheet.bottom
    assert whole.from_x < whole.x < whole.to_x
    assert not whole.is_exact
    assert (below.bound, above.bound) == (1, -1)


@pytest.mark.parametrize(
    ("end", "goes_on", "kind"),
    [
        (None, True, "goes-on"),
        (None, False, "unknown"),
        (date(2022, 1, 1), False, "ended"),
    ],
)
def test_bars(end: date | None, goes_on: bool, kind: str) -> None:
    """An open end reaches to the clinical date, a known one to its day."""
    day = date(2020, 1, 1)
    drawing = draw(picture(bars=(Bar("drug", Days(day, day), end, goes_on, "text", "M/1"),)))
    (beam,) = drawing.beams
    assert beam.kind == kind
    reaches = beam.x + beam.width
    last_year = next(tick.at for tick in drawing.years if tick.text == "2026")
    assert (reaches > last_year) == (end is None)


def test_names_do_not_cover_each_other() -> None:
    """Series that end at one place get names one below the other, inside the picture."""
    same = tuple(Series(f"s{n}", (point("2024-01-01", "-1.8"),)) for n in range(5))
    (sheet,) = draw(picture(*same)).sheets
    places = sorted(track.label_y for track in sheet.tracks)
    assert all(below - above >= 15 for above, below in pairwise(places))
    assert places[-1] <= sheet.bottom


@pytest.mark.parametrize(
    ("value", "bound", "name"),
    [("-1.0", None, "high"), ("-1.8", None, "middle"), ("-2.5", None, "low"), ("-2.5", "<", "")],
)
def test_band_of(value: str, bound: str | None, name: str) -> None:
    """The band of a value; a bound is in none."""
    assert band_of(BANDS, point("2024-01-01", value, bound=bound)) == name


_DAYS = st.dates(date(1, 1, 1), UNTIL)
_VALUES = st.decimals(min_value=-8, max_value=5, places=3)


@given(
    st.lists(st.tuples(_DAYS, _VALUES), min_size=1, max_size=8),
    st.dates(date(1900, 1, 1), date(2199, 12, 31)),
)
def test_any_history_can_be_drawn(found: list[tuple[date, Decimal]], until: date) -> None:
    """Whatever the dates and values are: every mark lies in its panel, the grid is readable."""
    points = tuple(point(day.isoformat(), str(value)) for day, value in found if day <= until)
    assume(points)
    drawing = draw(replace(picture(Series("s", points), bands=BANDS), until=until))
    for sheet in drawing.sheets:
        assert 2 <= len(sheet.ticks) <= 12
        for mark in sheet.tracks[0].marks:
            assert drawing.left <= mark.x <= drawing.right
            assert sheet.top <= mark.y <= sheet.bottom
    assert len(drawing.years) <= 25
