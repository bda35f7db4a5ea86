"""The explanation of one answer: facts, rules, sources and gaps as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from cds_service.protocol.advice import Advice, Assessment, Fact, Selection
from cds_service.protocol.chart import Chart
from cds_service.protocol.orders import Order
from cds_service.protocol.service import Service


def explain(
    service: Service,
    hook: str,
    as_of: date,
    orders: tuple[Order, ...],
    selection: Selection,
    chart: Chart | None,
    assessment: Assessment,
    response: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything the answer rests on; without a chart nothing was read because nothing was ours."""
    ignored = {*(chart.ignored if chart else ()), *assessment.ignored}
    unread = dict.fromkeys((*(chart.unread if chart else ()), *assessment.unread))
    return {
        "service": service.id,
        "hook": hook,
        "asOf": as_of.isoformat(),
        "ruleset": service.ruleset,
        "orders": [
            _order(advice)
            for advice in _in_draft_order((*assessment.advices, *selection.declined), orders)
        ],
        "facts": {name: _fact(fact) for name, fact in assessment.facts().items()},
        "ignored": [
            {"resource": item.resource, "reason": item.reason}
            for item in sorted(ignored, key=lambda item: (item.resource, item.reason))
        ],
        "unread": [{"data": gap.data, "reason": gap.reason} for gap in unread],
        "response": response,
    }


def _in_draft_order(advices: tuple[Advice, ...], orders: tuple[Order, ...]) -> list[Advice]:
    first: dict[str, int] = {}
    for position, order in enumerate(orders):
        first.setdefault(order.reference, position)
    return sorted(advices, key=lambda advice: first.get(advice.order, len(orders)))


def _order(advice: Advice) -> dict[str, Any]:
    row: dict[str, Any] = {
        "order": advice.order,
        "study": advice.study,
        "scenario": advice.scenario,
        "modifiers": list(advice.modifiers),
        "rating": advice.rating,
        "ratingStatus": advice.rating_status,
        "ratingSource": advice.rating_source,
        "timing": advice.timing,
        "indicator": advice.indicator,
        "silence": advice.silence,
        "rule": advice.rule,
        "reasons": [
            {
                "code": reason.code,
                "text": reason.text,
                "source": reason.source,
                "evidence": list(reason.evidence),
            }
            for reason in advice.reasons
        ],
    }
    if advice.conditional:
        row["conditional"] = [
            {"when": item.when, "rating": item.rating} for item in advice.conditional
        ]
    return row


def _fact(fact: Fact) -> dict[str, Any]:
    row: dict[str, Any] = {"value": as_json(fact.value), "evidence": list(fact.evidence)}
    if fact.unknown:
        row["unknown"] = fact.unknown
    return row


def as_json(value: object) -> Any:
    """A value of a service as JSON: enums by value, decimals as numbers, dates and rest as text."""
    if isinstance(value, Enum):
        return as_json(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal | float):
        exact = Decimal(str(value))
        if not exact.is_finite():
            return None
        return int(exact) if exact == exact.to_integral_value() else float(exact)
    if isinstance(value, Mapping):
        return {str(as_json(name)): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((as_json(item) for item in value), key=str)
    if (
        is_dataclass(value)
        and not isinstance(value, type)
        and type(value).__str__ is object.__str__
    ):
        return {item.name: as_json(getattr(value, item.name)) for item in fields(value)}
    return str(value)
