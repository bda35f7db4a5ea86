"""One try of the console: what the hook would answer, how it came to it, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter
from typing import Any

from cds_service.engine import Answer
from cds_service.protocol.advice import Fact
from cds_service.protocol.outcome import Issue
from cds_service.protocol.picture import Picture
from cds_service.protocol.service import Service


@dataclass(frozen=True, slots=True)
class Step:
    """One rule in the order in which they are tried: `passed`, `decided` or `not-reached`."""

    id: str
    meaning: str
    state: str


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer with all that the page shows beside it."""

    explanation: Mapping[str, Any]
    facts: Mapping[str, Fact]
    steps: tuple[Step, ...]
    picture: Picture | None
    sources: Mapping[str, Mapping[str, Any]]
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class NotJudged:
    """What the hook would answer to a request that reaches no decision."""

    status: int
    issues: tuple[Issue, ...] = field(default=())


def judged(
    service: Service, settings: Any, answer: Answer, as_of: date, answered_ms: float
) -> Judged:
    """The answer taken apart; `answered_ms` is how long it took to come to it."""
    began = perf_counter()
    explanation = answer.explanation
    explained = perf_counter()
    chart = answer.chart
    picture = service.series(chart, settings, as_of) if chart is not None else None
    drawn = perf_counter()
    about = service.about()
    return Judged(
        explanation=explanation,
        facts=answer.assessment.facts(),
        steps=_steps(about, explanation),
        picture=picture,
        sources={item["key"]: item for item in about.get("sources", ())},
        timings_ms={
            "judged": answered_ms,
            "explained": (explained - began) * 1000,
            "history read": (drawn - explained) * 1000,
        },
    )


def _steps(about: Mapping[str, Any], explanation: Mapping[str, Any]) -> tuple[Step, ...]:
    """The rules as they were tried: the first one that holds decides.

    One patient has one situation, so the orders of a call share the rule. Without facts no rule
    was tried at all.
    """
    if not explanation["facts"]:
        return ()
    deciding = {order["rule"] for order in explanation["orders"]}
    rules = about.get("rules", ())
    if not any(rule["id"] in deciding for rule in rules):
        return ()
    steps, state = [], "passed"
    for rule in rules:
        decides = state == "passed" and rule["id"] in deciding
        steps.append(Step(rule["id"], rule["meaning"], "decided" if decides else state))
        state = "not-reached" if decides else state
    return tuple(steps)
