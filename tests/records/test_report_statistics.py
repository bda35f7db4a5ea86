"""Shares, intervals and quantiles of a report, against published and hand-made figures."""

from __future__ import annotations

import pytest

from cds_service.records.report import words
from cds_service.records.report.statistics import (
    BANDS_MS,
    Latencies,
    Latency,
    Rate,
    three_digits,
    wilson,
)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998; 17: 857-872, table I, method 3; 29 mirrors 0 of 29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(count: int, of: int, low: float, high: float) -> None:
    """The interval is that of the literature to its four digits."""
    found = wilson(count, of)
    assert found is not None
    assert found == pytest.approx((low, high), abs=0.00005)


def test_no_share_of_nothing() -> None:
    """Without any, there is neither a share nor an interval, and nothing is divided by zero."""
    nothing = Rate(0, 0)
    assert (nothing.share, nothing.interval, nothing.is_small) == (None, None, False)
    assert words.rate(nothing) == "–"


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (Rate(40, 50), "40/50, 80 % (67–89)"),
        (Rate(1, 1000), "1/1,000, <1 % (0–1)"),
        (Rate(1999, 2000), "1,999/2,000, >99 % (99.7–100.0)"),
        (Rate(29, 29), "29/29, 100 % (88–100)†"),
        (Rate(30, 30), "30/30, 100 % (89–100)"),
        (Rate(73, 3762), "73/3,762, 2 % (1.5–2.4)"),
        (Rate(0, 5), "0/5, 0 % (0–43)†"),
    ],
)
def test_rates_in_words(rate: Rate, shown: str) -> None:
    """A rate says what it rests on; few are marked, and almost all is not all."""
    assert words.rate(rate) == shown


@pytest.mark.parametrize(
    ("milliseconds", "found"),
    [
        ([], None),
        ([7.0], Latency(7, 7, 7, 7)),
        ([1.0, 2, 3, 4], Latency(2, 4, 4, 4)),
        ([float(n) for n in range(1, 101)], Latency(50, 95, 99, 100)),
        ([12.349, 12.351], Latency(12.3, 12.4, 12.4, 12.4)),
    ],
)
def test_quantiles(milliseconds: list[float], found: Latency | None) -> None:
    """The nearest rank, whatever the order in which they came."""
    latencies = Latencies()
    for one in reversed(milliseconds):
        latencies.add(three_digits(one))
    assert latencies.latency() == found


def test_bands() -> None:
    """A latency at the upper end of a band is in it; beyond the last there is one more."""
    latencies = Latencies()
    for one in (0.5, BANDS_MS[0], 2.01, 5000, 5010):
        latencies.add(one)
    assert latencies.bands() == (2, 1, *[0] * 8, 1, 1)


def test_memory_of_many() -> None:
    """A hundred thousand different latencies are held as some thousand numbers."""
    latencies = Latencies()
    for number in range(100_000):
        latencies.add(three_digits(1 + number * 0.37))
    assert len(latencies._counts) < 5000
