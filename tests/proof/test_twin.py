"""The service and a second reading of its specification give the same answers."""

from __future__ import annotations

import os

import pytest
import twin_charts
from service import explain, only_order
from twin import Expected, judge
from twin_patient import Patient, describe, site_settings, to_request

from cds_service.protocol.advice import ChartNotReadable

CHARTS = int(os.environ.get("PROOF_CHARTS", "1500"))
BATCHES = 10
LEAST = 20
FULL = 20_000
SHOWN = 25


def answered(chart: Patient, as_of: str) -> Expected:
    """What the service answers, in the twin's words."""
    try:
        order = only_order(explain(to_request(chart), site_settings(chart), as_of))
    except ChartNotReadable:
        return Expected(refused=True)
    return Expected(
        order["scenario"],
        frozenset(order["modifiers"]),
        order["rating"],
        order["ratingStatus"],
        order["timing"],
        order["indicator"],
    )


def difference(twin: Expected, service: Expected) -> str:
    """The fields in which two answers differ, the twin's answer first."""
    if twin.refused or service.refused:
        return f"refused: {twin.refused} / {service.refused}"
    parts = []
    for name in ("scenario", "rating", "rating_status", "timing", "indicator"):
        ours, theirs = getattr(twin, name), getattr(service, name)
        if ours != theirs:
            parts.append(f"{name}: {ours} / {theirs}")
    if twin.modifiers != service.modifiers:
        only_ours = sorted(twin.modifiers - service.modifiers)
        only_theirs = sorted(service.modifiers - twin.modifiers)
        parts.append(f"modifiers: {only_ours} / {only_theirs}")
    return ", ".join(parts)


@pytest.mark.parametrize("seed", range(BATCHES))
def test_twin_agrees(seed: int) -> None:
    """Every generated chart gets the same answer from the service and from the second reading."""
    found = []
    for chart, as_of in twin_charts.charts(seed, CHARTS // BATCHES):
        expected, answer = judge(chart, as_of), answered(chart, as_of.isoformat())
        if expected != answer:
            found.append(f"{as_of} {describe(chart)}\n    {difference(expected, answer)}")
    shown = "\n".join(sorted(found, key=len)[:SHOWN])
    assert not found, f"{len(found)} disagreements (twin / service), shortest first:\n{shown}"


@pytest.mark.proof
def test_every_combination_is_met() -> None:
    """Each reachable scenario, study and timing is met often enough, and nothing else is met."""
    assert CHARTS >= FULL, f"set PROOF_CHARTS={FULL}, as make proof does"
    met = twin_charts.coverage(range(BATCHES), CHARTS // BATCHES)
    rare = {key: met[key] for key in twin_charts.REACHABLE if met[key] < LEAST}
    assert not rare, f"met less than {LEAST} times: {rare}"
    assert not set(met) - set(twin_charts.REACHABLE)
