"""A picture of a history as places on a sheet: what the SVG template draws, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from cds_service.protocol.picture import Band, Bar, Panel, Picture, Point, Series

WIDTH = 860
LEFT, RIGHT, TOP = 58, 150, 30
PANEL_HEIGHT, GAP = 190, 46
BAR_HEIGHT = 24
SHAPES = ("circle", "square", "diamond", "triangle")
COLOURS = 6
_LABEL_GAP = 15


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid with its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Stripe:
    """A band behind the values; `tone` counts the bands from the top."""

    y: float
    height: float
    label: str
    tone: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One value: its place, the days it may belong to, its whisker, and what is read out."""

    x: float
    y: float
    from_x: float
    to_x: float
    is_exact: bool
    whisker: tuple[float, float] | None
    bound: int
    words: str
    tip: str
    tip_anchor: str


@dataclass(frozen=True, slots=True)
class Track:
    """One series: its marks, the lines between comparable ones, and its name beside the last."""

    label: str
    label_y: float
    colour: int
    shape: str
    marks: tuple[Mark, ...]
    lines: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One panel."""

    title: str
    unit: str
    top: float
    bottom: float
    stripes: tuple[Stripe, ...]
    ticks: tuple[Tick, ...]
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Beam:
    """One bar: `kind` is `ended`, `goes-on`, or `unknown` for an end that was never recorded."""

    x: float
    y: float
    width: float
    kind: str
    words: str
    label: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything of one picture, in units of the view box."""

    width: int
    height: float
    left: float
    right: float
    bottom: float
    sheets: tuple[Sheet, ...]
    years: tuple[Tick, ...]
    bars_top: float
    beams: tuple[Beam, ...]


def band_of(bands: tuple[Band, ...], point: Point) -> str:
    """The name of the band that a value lies in; none for a bound, which may lie in another."""
    names = (band.label for band in bands if not point.bound and band.holds(point.value))
    return next(names, "")


Scale = Callable[[date], float]


def draw(picture: Picture) -> Drawing:
    """The picture with one time axis for all panels and bars."""
    first, last = _span(picture)
    days = (last - first).days
    right = WIDTH - RIGHT

    def x_of(day: date) -> float:
        return round(LEFT + (right - LEFT) * (day - first).days / days, 1)

    sheets = []
    top = float(TOP)
    for panel in picture.panels:
        sheets.append(_sheet(panel, top, x_of))
        top += PANEL_HEIGHT + GAP
    bars_top = top
    beams = tuple(
        _beam(bar, bars_top + position * BAR_HEIGHT, picture.until, x_of)
        for position, bar in enumerate(picture.bars)
    )
    bottom = bars_top + len(beams) * BAR_HEIGHT + (4 if beams else -GAP + 12)
    return Drawing(
        width=WIDTH,
        height=bottom + 28,
        left=LEFT,
        right=right,
        bottom=bottom,
        sheets=tuple(sheets),
        years=tuple(_years(first, last, x_of)),
        bars_top=bars_top,
        beams=beams,
    )


def _span(picture: Picture) -> tuple[date, date]:
    """The days of the time axis: all that is drawn, two years at least, with a margin."""
    days = [picture.until, *(bar.start.earliest for bar in picture.bars)]
    for panel in picture.panels:
        for series in panel.series:
            days += [point.when.earliest for point in series.points]
    first = min(min(days), picture.until - timedelta(days=730))
    margin = timedelta(days=max(60, (picture.until - first).days // 30))
    if first - date.min > margin:
        first -= margin
    return first, picture.until + margin if date.max - picture.until > margin else date.max


def _years(first: date, last: date, x_of: Scale) -> Iterable[Tick]:
    count = last.year - first.year
    step = next((size for size in (1, 2, 5, 10, 20, 50) if count <= size * 12), 100)
    for year in range(first.year + 1, last.year + 1):
        if year % step == 0:
            yield Tick(x_of(date(year, 1, 1)), str(year))


def _sheet(panel: Panel, top: float, x_of: Scale) -> Sheet:
    bottom = top + PANEL_HEIGHT
    low, high, step = _range(panel)

    def y_of(value: Decimal) -> float:
        return round(bottom - PANEL_HEIGHT * float((value - low) / (high - low)), 1)

    ticks = []
    value = (low / step).to_integral_value(rounding="ROUND_CEILING") * step
    while value <= high:
        ticks.append(Tick(y_of(value), f"{value:.{_decimals(step)}f}".replace("-", "−")))
        value += step
    tracks = [_track(series, position, x_of, y_of) for position, series in enumerate(panel.series)]
    return Sheet(
        title=panel.title,
        unit=panel.unit,
        top=top,
        bottom=bottom,
        stripes=tuple(_stripes(panel.bands, low, high, y_of)),
        ticks=tuple(ticks),
        tracks=_apart(tracks, bottom),
    )


def _range(panel: Panel) -> tuple[Decimal, Decimal, Decimal]:
    """Lowest and highest value of the axis, and the step of its grid."""
    edges = [edge for band in panel.bands for edge in (band.low, band.high) if edge is not None]
    reach = [
        value
        for series in panel.series
        for point in series.points
        for value in (point.value - (point.error or 0), point.value + (point.error or 0))
    ]
    low, high = min((*reach, *edges)), max((*reach, *edges))
    span = high - low or abs(high) / 5 or Decimal(1)
    step = _step(span / 4)
    pad = step / 2
    return low - pad, high + pad, step


def _step(rough: Decimal) -> Decimal:
    """The next of 1, 2 and 5 times a power of ten."""
    power = Decimal(10) ** math.floor(math.log10(rough))
    return next((power * size for size in (1, 2, 5) if power * size >= rough), power * 10)


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _stripes(
    bands: tuple[Band, ...], low: Decimal, high: Decimal, y_of: Callable[[Decimal], float]
) -> Iterable[Stripe]:
    ordered = sorted(bands, key=lambda band: high if band.high is None else band.high, reverse=True)
    for tone, band in enumerate(ordered):
        upper = y_of(high if band.high is None else min(band.high, high))
        lower = y_of(low if band.low is None else max(band.low, low))
        yield Stripe(upper, round(lower - upper, 1), band.label, tone)


def _track(series: Series, position: int, x_of: Scale, y_of: Callable[[Decimal], float]) -> Track:
    marks = tuple(_mark(series, point, x_of, y_of) for point in series.points)
    lines = tuple(
        (left.x, left.y, right.x, right.y)
        for (one, left), (other, right) in pairwise(zip(series.points, marks, strict=True))
        if one.joins is not None and one.joins == other.joins and not (one.bound or other.bound)
    )
    return Track(
        label=series.label,
        label_y=marks[-1].y,
        colour=position % COLOURS,
        shape=SHAPES[position % len(SHAPES)],
        marks=marks,
        lines=lines,
    )


def _mark(series: Series, point: Point, x_of: Scale, y_of: Callable[[Decimal], float]) -> Mark:
    from_x, to_x = x_of(point.when.earliest), x_of(point.when.latest)
    x = round((from_x + to_x) / 2, 1)
    error = f", ± {point.error}" if point.error is not None else ""
    tip = f"{point.text}{error}, {point.dated}"
    return Mark(
        x=x,
        y=y_of(point.value),
        from_x=from_x,
        to_x=to_x,
        is_exact=point.when.is_exact,
        whisker=None
        if point.error is None
        else (y_of(point.value + point.error), y_of(point.value - point.error)),
        bound={"<": 1, "<=": 1, ">": -1, ">=": -1}.get(point.bound or "", 0),
        words=f"{series.label}: {tip}",
        tip=tip,
        tip_anchor="end" if x > WIDTH / 2 else "start",
    )


def _apart(tracks: list[Track], bottom: float) -> tuple[Track, ...]:
    """The tracks with their names moved so far apart that each can be read."""
    places: dict[int, float] = {}
    previous = -math.inf
    for index in sorted(range(len(tracks)), key=lambda index: (tracks[index].label_y, index)):
        previous = max(tracks[index].label_y, previous + _LABEL_GAP)
        places[index] = previous
    too_low = max(0.0, previous - bottom)
    return tuple(
        Track(
            track.label,
            round(places[index] - too_low, 1),
            track.colour,
            track.shape,
            track.marks,
            track.lines,
        )
        for index, track in enumerate(tracks)
    )


def _beam(bar: Bar, y: float, until: date, x_of: Scale) -> Beam:
    end = bar.end if bar.end is not None else until
    start_x, end_x = x_of(bar.start.earliest), x_of(min(max(end, bar.start.earliest), until))
    kind = "goes-on" if bar.goes_on else "unknown" if bar.end is None else "ended"
    return Beam(
        x=start_x,
        y=y,
        width=max(3.0, round(end_x - start_x, 1)),
        kind=kind,
        words=f"{bar.label}: {bar.text}",
        label=bar.label,
    )
