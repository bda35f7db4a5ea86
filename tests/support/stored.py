"""An answered call as it is stored; what a test is about it says itself, with `replace`."""

from __future__ import annotations

from datetime import UTC, datetime

from cds_service.store import Decision, Judgement

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

JUDGED = Judgement(
    patient_order="pseudonym-of-an-order",
    study="qus",
    scenario="surveillance",
    rating="usually-not-appropriate",
    rating_status="rated",
    timing="on-time",
    rule="qus",
    indicator="warning",
    card="card-1",
    suggestions=("s-1",),
)
"""An ultrasound of the heel that got its warning."""

CALL = Decision(
    id="d-1",
    at=NOON,
    service="s",
    hook="order-select",
    ruleset="1",
    knowledge="k",
    client="a",
    mode="live",
    patient="pseudonym-of-a-patient",
    latency_ms=12.5,
    judgements=(JUDGED,),
)
"""The call with that order alone."""
