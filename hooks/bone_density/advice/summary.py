"""The one line of a card: fewer than 140 characters, plain, with no text from the chart."""

from __future__ import annotations

from hooks.bone_density.advice.history import months
from hooks.bone_density.advice.labels import GAP_HEADS, RATINGS, STUDIES
from hooks.bone_density.advice.reasons import is_appropriate_dxa
from hooks.bone_density.decision import Decision
from hooks.bone_density.facts import Facts
from hooks.bone_density.words import (
    TIMED,
    RatingStatus,
    RatingWord,
    Scenario,
    Study,
    Timing,
)


def summary(decision: Decision, facts: Facts) -> str:
    """What the clinician should know first."""
    situation, study = decision.situation, decision.study
    if situation.scenario is Scenario.RED_FLAG:
        return _red_flag(decision)
    if situation.scenario is Scenario.PREGNANCY:
        return "Pregnancy recorded: please confirm, and consider deferring bone densitometry."
    if study is Study.OSTEOPOROSIS_DRUG:
        return "Osteoporosis drug ordered: a DXA of lumbar spine and hip(s) may be due."
    if situation.scenario is Scenario.INSUFFICIENT:
        return _undecided(decision)
    if study in TIMED and (text := _timing(decision)):
        return text
    if facts.trend.falls and is_appropriate_dxa(decision):
        return "DXA spine/hip: usually appropriate. Earlier results show a fall beyond the LSC."
    if is_appropriate_dxa(decision):
        return _appropriate(decision, facts)
    return _by_rating(decision)


def _appropriate(decision: Decision, facts: Facts) -> str:
    head, when = "DXA spine/hip: usually appropriate.", decision.situation.when
    if not facts.scans.central:
        return f"{head} No DXA of spine or hip found to compare with. No calcium for 24 h before."
    if when.timing is Timing.UNKNOWN:
        return f"{head} When it is due is not certain. Same scanner, no calcium for 24 h before."
    return f"{head} Last DXA {when.last}. Same scanner, no calcium for 24 h before."


def _undecided(decision: Decision) -> str:
    gap, rated = decision.situation.gaps[0], decision.rated
    head = GAP_HEADS[gap]
    if gap == "under-adult-age":
        return f"{head}."
    if rated.status is RatingStatus.RATED and rated.rating is not None:
        label = STUDIES[decision.study]
        return f"{head}; {label}: {RATINGS[rated.rating]} all the same."
    if rated.status is RatingStatus.CONDITIONAL:
        return f"{head}: appropriateness can be given only conditionally."
    return f"{head}: no rating is given, please check the record."


def _red_flag(decision: Decision) -> str:
    if decision.situation.rule == "red-flag-radicular":
        return "Radicular symptom with vertebral fracture: DXA does not assess this; consider MRI."
    return "Neurological deficit recorded: DXA does not assess it; prompt clinical assessment, MRI."


def _timing(decision: Decision) -> str | None:
    when = decision.situation.when
    if when.last is None or when.months is None or when.forearm_only:
        return None
    ago = f"Last DXA {when.last}, {months(when.months)} ago"
    if decision.situation.timing is Timing.TOO_SOON:
        return f"{ago}: repeating within a year is rarely indicated."
    if decision.situation.timing is Timing.EARLY_WITHOUT_REASON:
        return f"{ago}: the usual interval is about 2 years."
    if decision.situation.timing is Timing.EARLY_WITH_REASON and is_appropriate_dxa(decision):
        return f"{ago}: usually appropriate, a reason for an earlier DXA is documented."
    return None


def _by_rating(decision: Decision) -> str:
    rated, label = decision.rated, STUDIES[decision.study]
    head = f"{label[0].upper()}{label[1:]}"
    if rated.status is RatingStatus.RATED and rated.rating is not None:
        if rated.rating is RatingWord.USUALLY_NOT:
            return f"{head} is usually not appropriate for BMD follow-up; DXA spine/hip is."
        return f"{head}: {RATINGS[rated.rating]} for BMD follow-up."
    if rated.status is RatingStatus.CONDITIONAL:
        if decision.study is Study.VFA:
            if any(item.rating == RatingWord.USUALLY.value for item in rated.conditional):
                return (
                    "VFA does not measure BMD: as an addition to DXA or alone, its rating differs."
                )
            return "VFA does not measure BMD; for a suspected fracture it can be added to DXA."
        return f"{head}: rating depends on what is measured; ask for lumbar spine and hip(s)."
    return f"{head}: no published rating for this situation."
