"""Facts → the clinical situation: one small function per rule, in the order of the decision table.

The decisions behind the rules: docs/clinical-decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.values import dataclass
from hooks.bone_density.decision.modifiers import Signs, read_signs
from hooks.bone_density.decision.timing import When, read_timing
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.conditions import Certainty, Finding
from hooks.bone_density.words import Group, Modifier, Scenario, Timing


@dataclass(frozen=True, slots=True)
class Situation:
    """The scenario of one patient, the rule that decided it, and what the texts need.

    `possible` are the scenarios that the data leave open; outside insufficient data it is the
    scenario itself. `timing` is the band of `when` where a band applies at all, `modifiers` are
    those of `signs` in the two surveillance scenarios only. `gaps` are stable codes of what is
    missing or contradictory.
    """

    rule: str
    scenario: Scenario
    possible: frozenset[Scenario]
    when: When
    timing: Timing
    signs: Signs
    modifiers: tuple[Modifier, ...]
    gaps: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule concludes when its condition holds."""

    scenario: Scenario
    possible: frozenset[Scenario]
    gaps: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


Rule = Callable[[Facts], Verdict | None]


def _certain(scenario: Scenario, evidence: tuple[str, ...] = ()) -> Verdict:
    return Verdict(scenario, frozenset({scenario}), (), evidence)


def _references(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.reference for finding in findings))


def deceased(facts: Facts) -> Verdict | None:
    """A deceased patient: silence."""
    return (
        _certain(Scenario.DECEASED, (facts.person.reference,)) if facts.person.is_deceased else None
    )


def red_flag_cord(facts: Facts) -> Verdict | None:
    """New cauda equina syndrome or cord compression."""
    found = facts.findings.new("cord-or-cauda-equina")
    return _certain(Scenario.RED_FLAG, _references(found)) if found else None


def red_flag_deficit(facts: Facts) -> Verdict | None:
    """A new neurological deficit beside a coded vertebral fracture or new back pain."""
    deficit = facts.findings.new("neurological-deficit")
    if not deficit:
        return None
    beside = (*facts.findings.active("vertebral-fracture"), *facts.findings.new("back-pain"))
    return _certain(Scenario.RED_FLAG, _references((*deficit, *beside))) if beside else None


def red_flag_radicular(facts: Facts) -> Verdict | None:
    """A new radicular symptom beside a confirmed vertebral fracture."""
    symptom = facts.findings.new("radicular-symptom")
    if not symptom:
        return None
    fracture = tuple(
        item
        for item in facts.findings.active("vertebral-fracture")
        if item.certainty is Certainty.CONFIRMED
    )
    return _certain(Scenario.RED_FLAG, _references((*symptom, *fracture))) if fracture else None


def pregnancy(facts: Facts) -> Verdict | None:
    """A present pregnancy, whatever the recorded sex: confirm or defer, no rating."""
    found = present_pregnancy(facts)
    return _certain(Scenario.PREGNANCY, _references(found)) if found else None


def present_pregnancy(facts: Facts) -> tuple[Finding, ...]:
    """Active pregnancy records, undated or not older than a pregnancy lasts."""
    found = facts.findings.active("pregnancy")
    if not found:
        return ()
    limit = facts.as_of - timedelta(days=facts.known.whole["pregnancy_days"])
    dated = ((item, item.onset or item.recorded) for item in found)
    return tuple(item for item, when in dated if when is None or when.latest >= limit)


def insufficient_data(facts: Facts) -> Verdict | None:
    """Age, sex or menopausal status open, contradictory or unusable data, unread conditions."""
    gaps = list(facts.belonging.gaps)
    if not facts.conditions_known:
        gaps.append("conditions-not-read")
    is_established = facts.low_bmd_is_established
    open_baseline = [] if is_established else _open_baseline(facts)
    gaps += open_baseline
    if not gaps:
        return None
    possible = _follow_up_scenarios(facts)
    if not facts.conditions_known:
        possible |= {Scenario.RED_FLAG, Scenario.PREGNANCY}
    if not is_established:
        possible = (possible if open_baseline else set()) | {Scenario.INITIAL}
    if "under-adult-age" in gaps:
        possible = set()
    return Verdict(Scenario.INSUFFICIENT, frozenset(possible), tuple(dict.fromkeys(gaps)))


def _follow_up_scenarios(facts: Facts) -> set[Scenario]:
    """The scenario of every group still possible: follow-up where low BMD is established there."""
    by_group = {Group.OLDER: Scenario.SURVEILLANCE, Group.YOUNGER: Scenario.YOUNGER}
    if not facts.low_bmd_is_established:
        return {by_group[group] for group in facts.belonging.groups}
    return {
        by_group[group] if facts.low_bmd.is_established(group) else Scenario.INITIAL
        for group in facts.belonging.groups
    }


def _open_baseline(facts: Facts) -> list[str]:
    """Why it stays open whether low BMD is established, although nothing read establishes it."""
    gaps = []
    if not facts.observations_known:
        gaps.append("results-not-usable")
    if not facts.measurements.usable and (facts.measurements.unusable or facts.scans.any_scan):
        gaps.append("only-unusable-results")
    if facts.low_bmd.unconfirmed:
        gaps.append("diagnosis-not-confirmed")
    if facts.low_bmd.is_only_bounded(facts.belonging.groups):
        gaps.append("result-is-only-a-bound")
    if not facts.measurements.usable and facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY):
        gaps.append("therapy-without-baseline")
    return gaps


def initial_testing(facts: Facts) -> Verdict | None:
    """Low BMD is not established by anything in a chart that was read to its end."""
    return None if facts.low_bmd_is_established else _certain(Scenario.INITIAL)


def younger_adult(facts: Facts) -> Verdict | None:
    """Premenopausal women and men under 50: the variant of their own."""
    if facts.belonging.groups == {Group.YOUNGER}:
        return _certain(Scenario.YOUNGER, facts.low_bmd.evidence)
    return None


def surveillance(facts: Facts) -> Verdict | None:
    """Follow-up of established low BMD."""
    return _certain(Scenario.SURVEILLANCE, facts.low_bmd.evidence)


_SAFETY_RULES: tuple[tuple[str, Rule], ...] = (
    ("deceased", deceased),
    ("red-flag-cord", red_flag_cord),
    ("red-flag-deficit", red_flag_deficit),
    ("red-flag-radicular", red_flag_radicular),
    ("pregnancy", pregnancy),
)
"""Rules that unread Observations cannot refute: they answer before the chart is found wanting."""

_FOLLOW_UP_RULES: tuple[tuple[str, Rule], ...] = (
    ("insufficient-data", insufficient_data),
    ("initial-testing", initial_testing),
    ("younger-adult-surveillance", younger_adult),
    ("surveillance", surveillance),
)
"""Rules for a chart in which it could be seen whether low BMD is established."""

RULES = (*_SAFETY_RULES, *_FOLLOW_UP_RULES)
"""The rules in the order in which they are tried; the first that holds decides."""


def decide_situation(facts: Facts, *, may_refuse: bool = True) -> Situation:
    """The situation of the patient; ChartNotReadable when nothing read establishes low BMD.

    `may_refuse` is False when only drug orders are judged: those are never refused.
    """
    name, verdict = _first_verdict(facts, may_refuse)
    group = _GROUPS.get(verdict.scenario)
    if verdict.scenario is Scenario.INSUFFICIENT and Scenario.SURVEILLANCE in verdict.possible:
        group = Group.OLDER
    when = read_timing(facts)
    signs = read_signs(facts, when, group)
    return Situation(
        rule=name,
        scenario=verdict.scenario,
        possible=verdict.possible,
        when=when,
        timing=Timing.NOT_APPLICABLE if verdict.scenario in _WITHOUT_TIMING else when.timing,
        signs=signs,
        modifiers=signs.modifiers if verdict.scenario in _GROUPS else (),
        gaps=verdict.gaps,
        evidence=verdict.evidence,
    )


_GROUPS = {Scenario.SURVEILLANCE: Group.OLDER, Scenario.YOUNGER: Group.YOUNGER}
_WITHOUT_TIMING = frozenset({Scenario.INITIAL, Scenario.DECEASED})


def _first_verdict(facts: Facts, may_refuse: bool) -> tuple[str, Verdict]:
    """The first rule that holds, with its name; the last one always does."""
    urgent = next(_holding(_SAFETY_RULES, facts), None)
    if urgent is not None:
        return urgent
    if may_refuse:
        _require_readable(facts)
    return next(_holding(_FOLLOW_UP_RULES, facts))


def _holding(rules: Iterable[tuple[str, Rule]], facts: Facts) -> Iterator[tuple[str, Verdict]]:
    """The rules that hold, each tried only when the ones before it do not."""
    for name, rule in rules:
        verdict = rule(facts)
        if verdict is not None:
            yield name, verdict


def _require_readable(facts: Facts) -> None:
    if facts.low_bmd_is_established:
        return
    missing = tuple(
        gap
        for gap in facts.unread
        if gap.data in ("Observation", "Condition") and gap.reason != LOST
    )
    if missing:
        raise ChartNotReadable(missing)


LOST = "some resources were not usable"
"""Why a part that was read to its end is still not known: it holds something unusable."""
