"""One call: orders and chart → facts → situation → decisions → advice."""

from __future__ import annotations

from datetime import date
from functools import partial

from cds_service.protocol.advice import Advice, Assessment, ChartNotReadable, Selection
from cds_service.protocol.chart import Chart, PartState, Unread
from cds_service.protocol.orders import Order
from hooks.bone_density.advice import advise
from hooks.bone_density.decision import decide
from hooks.bone_density.decision.situation import decide_situation
from hooks.bone_density.explanation import explain_facts
from hooks.bone_density.facts import read_facts
from hooks.bone_density.orders import study_of
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import Scenario, Study, Timing


def evaluate(selection: Selection, chart: Chart, settings: Settings, as_of: date) -> Assessment:
    """The answer to one call; ChartNotReadable when a density order cannot be judged at all."""
    judged = [(order, Study(study)) for order, study in selection.orders]
    has_density_order = any(study is not Study.OSTEOPOROSIS_DRUG for _, study in judged)
    if chart.patient.state is PartState.UNREAD:
        gap = Unread("Patient", chart.patient.reason or "not read")
        if has_density_order:
            raise ChartNotReadable((gap,))
        return Assessment(tuple(_not_read(order) for order, _ in judged), unread=chart.unread)
    facts = read_facts(chart, settings, as_of)
    situation = decide_situation(facts, may_refuse=has_density_order)
    studies = _drafted(selection, settings)
    advices: list[Advice] = []
    is_reminded = any(study is not Study.OSTEOPOROSIS_DRUG for _, study in judged)
    for order, study in judged:
        others = frozenset(other for identity, other in studies.items() if identity != id(order))
        decision = decide(study, situation, facts, settings, others, is_reminded=is_reminded)
        is_reminded = is_reminded or decision.indicator is not None
        advices.append(advise(order, decision, facts))
    return Assessment(
        tuple(advices), partial(explain_facts, facts, situation), facts.ignored, facts.unread
    )


def _drafted(selection: Selection, settings: Settings) -> dict[int, Study]:
    """The study of every draft that is still a proposal, by identity of the draft."""
    if len(selection.drafts) < 2:  # nothing beside the judged order
        return {}
    return {
        id(order): study
        for order in selection.drafts
        if order.excluded is None and (study := study_of(order, settings))
    }


def _not_read(order: Order) -> Advice:
    """A drug order in a chart without a readable patient: silence, never a refusal."""
    return Advice(
        order=order.reference,
        study=Study.OSTEOPOROSIS_DRUG.value,
        scenario=Scenario.INSUFFICIENT.value,
        timing=Timing.UNKNOWN.value,
        silence="patient-not-read",
        rule="insufficient-data",
    )
