"""Shares with their intervals, and latencies: the little statistics of a report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The normal distribution's quantile of 97.5 %: two sides of 95 %."""
SMALL = 30
"""Below it a 95 % interval can be more than 34 percentage points wide: such shares are marked."""
BANDS_MS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
"""Upper ends of the bands in which latencies are shown; beyond the last there is one more."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many. Shares are fractions; without any `of` there is none."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        """The fraction, or None."""
        return self.count / self.of if self.of else None

    @property
    def is_small(self) -> bool:
        """Whether it rests on so few that it says little."""
        return 0 < self.of < SMALL

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % score interval of Wilson (1927), without correction for continuity."""
        return wilson(self.count, self.of)


def wilson(count: int, of: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share as fractions; None when there is nothing to share."""
    if of == 0:
        return None
    share, z2 = count / of, Z_95**2
    middle = share + z2 / (2 * of)
    half = Z_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    whole = 1 + z2 / of
    # At the ends rounding would leave a hair's breadth, or a negative zero.
    low = 0.0 if count == 0 else (middle - half) / whole
    high = 1.0 if count == of else (middle + half) / whole
    return low, high


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, in milliseconds to three digits; quantiles by the nearest rank."""

    median_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float


def three_digits(milliseconds: float) -> float:
    """As exact as a latency is told."""
    return float(f"{milliseconds:.3g}")


class Latencies:
    """Counts latencies of three digits: some thousand numbers at most, however many calls."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def add(self, milliseconds: float) -> None:
        """Counts one that has three digits already."""
        self._counts[milliseconds] += 1

    def latency(self) -> Latency | None:
        """The quantiles of what was counted; None when nothing was."""
        if not self._counts:
            return None
        ranked = sorted(self._counts)
        return Latency(*(_quantile(self._counts, ranked, q) for q in (0.5, 0.95, 0.99, 1.0)))

    def bands(self) -> tuple[int, ...]:
        """How many fall into each band; a latency at its upper end is in it."""
        found = [0] * (len(BANDS_MS) + 1)
        for milliseconds, count in self._counts.items():
            found[sum(milliseconds > end for end in BANDS_MS)] += count
        return tuple(found)


def _quantile(counts: Mapping[float, int], ranked: list[float], fraction: float) -> float:
    rank = math.ceil(fraction * sum(counts.values()))
    passed = 0
    for milliseconds in ranked:
        passed += counts[milliseconds]
        if passed >= rank:
            return milliseconds
    return ranked[-1]
