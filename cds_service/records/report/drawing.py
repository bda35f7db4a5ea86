"""Pictures as inline SVG: plain shapes with classes, no script, no style attribute.

Each has a title, and a description that says in words what it shows: nothing is said by colour
alone. The classes get their colours from the style sheet of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cds_service.records.report.statistics import Rate
from cds_service.records.report.words import MARK, interval, number, percent

WIDTH = 980
_LABEL = 320
"""Width of the names on the left."""
_ROW = 26
_BAR = 16
_LONGEST = 44
"""Characters of a name that fit beside a bar; the whole name is in the table."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar: what it is, the class of its colour, and its numbers."""

    name: str
    colour: str
    values: tuple[int, ...]


def picture(name: str, title: str, about: str, height: float, shapes: Iterable[Markup]) -> Markup:
    """An SVG element with its title and description; `name` is unique on the page."""
    return Markup(
        '<svg role="img" aria-labelledby="{name}-title {name}-about" '
        'viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        '<title id="{name}-title">{title}</title><desc id="{name}-about">{about}</desc>{shapes}'
        "</svg>"
    ).format(
        name=name,
        width=WIDTH,
        height=_n(height),
        title=title,
        about=about,
        shapes=Markup("").join(shapes),
    )


def bars(name: str, title: str, rows: Sequence[tuple[str, Rate]], colour: str) -> Markup:
    """Horizontal bars of rates: the length is the share, the whisker its 95 % interval."""
    about = "; ".join(f"{label}: {number(rate.count)} of {number(rate.of)}" for label, rate in rows)
    scale = WIDTH - _LABEL - 130
    widest = max((rate.interval or (0.0, 0.0))[1] for _, rate in rows)

    def shapes() -> Iterator[Markup]:
        for place, (label, rate) in enumerate(rows):
            top = place * _ROW + 4
            low, high = (scale * end / widest for end in rate.interval or (0.0, 0.0))
            length = scale * (rate.share or 0.0) / widest
            yield _name(label, top)
            yield _box(_LABEL, top, length, _BAR, colour)
            yield _line(_LABEL + low, top + _BAR / 2, _LABEL + high, top + _BAR / 2, "whisker")
            mark = MARK if rate.is_small else ""
            words = f"{number(rate.count)} ({percent(rate.share or 0.0)}){mark}"
            yield _text(_LABEL + high + 8, top + 12, words, "value")
        yield _line(_LABEL, 0, _LABEL, len(rows) * _ROW, "axis")

    return picture(name, title, about, len(rows) * _ROW + 4, shapes())


def dots(name: str, title: str, rows: Sequence[tuple[str, Rate]], colour: str) -> Markup:
    """Rates as dots with their 95 % interval, on a scale from 0 to 100 %."""
    about = "; ".join(
        f"{label}: {percent(rate.share or 0.0)}, 95 % interval {interval(rate)}"
        for label, rate in rows
    )
    scale, bottom = WIDTH - _LABEL - 170, len(rows) * _ROW + 6

    def shapes() -> Iterator[Markup]:
        for step in range(0, 101, 25):
            across = _LABEL + scale * step / 100
            yield _line(across, 0, across, bottom, "grid")
            yield _text(across, bottom + 16, f"{step} %", "tick")
        for place, (label, rate) in enumerate(rows):
            middle = place * _ROW + 14
            low, high = (_LABEL + scale * end for end in rate.interval or (0.0, 0.0))
            yield _name(label, middle - 9)
            yield _line(low, middle, high, middle, "whisker")
            for end in (low, high):
                yield _line(end, middle - 4, end, middle + 4, "whisker")
            yield Markup('<circle cx="{}" cy="{}" r="5" class="{}"/>').format(
                _n(_LABEL + scale * (rate.share or 0.0)), _n(middle), colour
            )
            mark = MARK if rate.is_small else ""
            words = f"{number(rate.count)} of {number(rate.of)} ({percent(rate.share or 0)}){mark}"
            yield _text(_LABEL + scale + 14, middle + 4, words, "value")

    return picture(name, title, about, bottom + 24, shapes())


def stacks(name: str, title: str, labels: Sequence[str], parts: Sequence[Part]) -> Markup:
    """Horizontal bars of one length, each the whole of a row, divided into parts."""
    wholes = [sum(part.values[row] for part in parts) for row in range(len(labels))]
    about = "; ".join(
        f"{label}: " + ", ".join(f"{number(part.values[row])} {part.name}" for part in parts)
        for row, label in enumerate(labels)
    )
    scale = WIDTH - _LABEL - 80

    def shapes() -> Iterator[Markup]:
        yield from _legend(parts, _LABEL)
        for row, label in enumerate(labels):
            top, left = 28 + row * (_ROW + 6), float(_LABEL)
            yield _name(label, top + 3)
            for part in parts:
                length = scale * part.values[row] / max(wholes[row], 1)
                yield _box(left, top, length, 22, part.colour)
                words = number(part.values[row])
                if length > 9 * len(words) + 6:
                    yield _text(left + length / 2, top + 15, words, f"inside on-{part.colour}")
                left += length
            yield _text(_LABEL + scale + 8, top + 15, number(wholes[row]), "value")

    return picture(name, title, about, 28 + len(labels) * (_ROW + 6), shapes())


def columns(
    name: str, title: str, labels: Sequence[str], parts: Sequence[Part], height: float = 190
) -> Markup:
    """Upright bars beside each other, divided into parts that stand on each other."""
    wholes = [sum(part.values[place] for part in parts) for place in range(len(labels))]
    highest = ceiling(max(wholes))
    about = "; ".join(
        f"{label}: {number(whole)}" for label, whole in zip(labels, wholes, strict=True)
    )
    left, bottom = 56.0, 30 + height
    step = (WIDTH - left - 8) / len(labels)
    wide = min(step * 0.76, 90.0)
    every = math.ceil(len(labels) * 66 / (WIDTH - left))

    def shapes() -> Iterator[Markup]:
        if len(parts) > 1:
            yield from _legend(parts, left)
        for part_of in (0, 0.5, 1):
            level = bottom - height * part_of
            yield _line(left, level, WIDTH - 8, level, "grid" if part_of else "axis")
            yield _text(left - 8, level + 4, number(round(highest * part_of, 1)), "tick end")
        for place, label in enumerate(labels):
            across, base = left + (place + 0.5) * step, bottom
            for part in parts:
                tall = height * part.values[place] / highest
                yield _box(across - wide / 2, base - tall, wide, tall, part.colour)
                base -= tall
            if place % every == 0:
                yield _text(across, bottom + 18, label, "tick")

    return picture(name, title, about, bottom + 28, shapes())


def ceiling(value: float) -> float:
    """The next number above that is easy to read: 1, 2, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1)))
    return next(n * power for n in (1, 2, 4, 5, 6, 8, 10, 20) if n * power >= value)


def _legend(parts: Sequence[Part], left: float) -> Iterator[Markup]:
    for part in parts:
        yield _box(left, 2, 12, 12, part.colour)
        yield _text(left + 18, 12, part.name, "legend")
        left += 40 + 7.2 * len(part.name)


def _name(label: str, top: float) -> Markup:
    shown = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    return _text(_LABEL - 10, top + 12, shown, "name")


def _text(across: float, down: float, words: str, kind: str) -> Markup:
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(
        _n(across), _n(down), kind, words
    )


def _box(across: float, down: float, width: float, height: float, colour: str) -> Markup:
    if width <= 0 or height <= 0:
        return Markup("")
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>').format(
        _n(across), _n(down), _n(width), _n(height), colour
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(
        _n(x1), _n(y1), _n(x2), _n(y2), kind
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
