"""One call: orders and chart → facts → situation → decisions → advice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

from cds_service.protocol.advice import Advice, Assessment, ChartNotReadable, Selection
from cds_service.protocol.chart import Chart, PartState, Unread
from cds_service.protocol.orders import Order
from hooks.bone_density.advice import advise
from hooks.bone_density.decision import decide
from hooks.bone_density.decision.situation import Situation, decide_situation
from hooks.bone_density.explanation import explain_facts
from hooks.bone_density.facts import Facts, read_facts
from hooks.bone_density.orders import codes_disagree, study_of
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import AXIAL_DXA, Scenario, Study, Timing

MAX_JUDGED = 100
"""Orders of one call that get a card; a longer list is no clinician's click."""


def evaluate(selection: Selection, chart: Chart, settings: Settings, as_of: date) -> Assessment:
    """The answer to one call; ChartNotReadable when a density order cannot be judged at all."""
    judged = [(order, Study(study)) for order, study in selection.orders]
    has_density_order = any(study is not Study.OSTEOPOROSIS_DRUG for _, study in judged)
    if chart.patient.state is PartState.UNREAD:
        gap = Unread("Patient", chart.patient.reason or "not read")
        if has_density_order:
            raise ChartNotReadable((gap,))
        return Assessment(
            tuple(
                _silent(order, study, Scenario.INSUFFICIENT, Timing.UNKNOWN, "patient-not-read")
                for order, study in judged
            ),
            unread=chart.unread,
        )
    facts = read_facts(chart, settings, as_of)
    situation = decide_situation(facts, may_refuse=has_density_order)
    drafted = _drafted(judged, selection.drafts, settings)
    advices = (
        *_advices(judged[:MAX_JUDGED], drafted, situation, facts, settings),
        *(
            _silent(order, study, situation.scenario, situation.timing, "too-many-orders")
            for order, study in judged[MAX_JUDGED:]
        ),
    )
    return Assessment(
        advices, partial(explain_facts, facts, situation), facts.ignored, facts.unread
    )


def _advices(
    judged: list[tuple[Order, Study]],
    drafted: list[Study],
    situation: Situation,
    facts: Facts,
    settings: Settings,
) -> Iterator[Advice]:
    """The advice of each order, in their order: what one card offers or says, the next does not."""
    offered: set[Study] = set()
    is_reminded = any(study is not Study.OSTEOPOROSIS_DRUG for _, study in judged)
    for order, study in judged:
        others = frozenset(drafted) if drafted.count(study) > 1 else frozenset(drafted) - {study}
        if study is not Study.OSTEOPOROSIS_DRUG:  # two clicks would order the DXA twice
            others |= offered
        decision = decide(study, situation, facts, settings, others, is_reminded=is_reminded)
        is_reminded = is_reminded or decision.indicator is not None
        if study is not Study.OSTEOPOROSIS_DRUG:
            offered |= AXIAL_DXA.intersection(offer.target for offer in decision.offers)
        disagree = study is Study.BONE_DENSITY_UNSPECIFIED and codes_disagree(order, settings)
        yield advise(order, decision, facts, codes_disagree=disagree)


def _drafted(
    judged: list[tuple[Order, Study]], drafts: tuple[Order, ...], settings: Settings
) -> list[Study]:
    """The studies that the drafts which are still proposals ask for, each as often as asked for."""
    if len(drafts) < 2:  # nothing beside the judged order
        return [study for _, study in judged]
    of_judged = {id(order): study for order, study in judged}
    return [
        study
        for order in drafts
        if order.excluded is None
        and (study := of_judged.get(id(order)) or study_of(order, settings))
    ]


def _silent(order: Order, study: Study, scenario: Scenario, timing: Timing, silence: str) -> Advice:
    """No card for an order that was not judged, and why."""
    return Advice(
        order=order.reference,
        study=study.value,
        scenario=scenario.value,
        timing=timing.value,
        silence=silence,
        rule="insufficient-data",
    )
