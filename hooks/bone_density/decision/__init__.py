"""Facts → Decision per judged order: rating, timing, indicator, offers; no words for people."""

from __future__ import annotations

from cds_service.protocol.advice import ProposalKind
from cds_service.protocol.values import dataclass
from hooks.bone_density.decision.offers import Offer, dxa_may_be_offered, offers
from hooks.bone_density.decision.rating import Rated, rate
from hooks.bone_density.decision.situation import Situation
from hooks.bone_density.facts import Facts
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import (
    AXIAL_DXA,
    TIMED,
    RatingStatus,
    RatingWord,
    Scenario,
    Study,
    Timing,
)

INFO, WARNING = "info", "warning"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one order; `silence` says why there is no card when there is none."""

    study: Study
    situation: Situation
    rated: Rated
    indicator: str | None
    silence: str | None
    offers: tuple[Offer, ...]


def decide(
    study: Study,
    situation: Situation,
    facts: Facts,
    settings: Settings,
    drafted: frozenset[Study],
    *,
    is_reminded: bool,
) -> Decision:
    """The decision about one judged order.

    `drafted` are the studies of the other drafts. `is_reminded` is True when this call has already
    reminded of the follow-up DXA: that is said once.
    """
    rated = rate(study, situation, facts.known)
    if study is Study.OSTEOPOROSIS_DRUG:
        silence = _no_reminder(situation, facts, settings, drafted, is_reminded)
        offer = () if silence else (Offer(ProposalKind.ADD, Study.DXA_SPINE_HIP),)
        return Decision(study, situation, rated, None if silence else INFO, silence, offer)
    silence = _silence(study, situation, rated, settings, facts)
    if silence is not None:
        return Decision(study, situation, rated, None, silence, ())
    return Decision(
        study,
        situation,
        rated,
        _indicator(study, situation, rated, settings),
        None,
        offers(study, situation, rated, facts, drafted),
    )


def _silence(
    study: Study, situation: Situation, rated: Rated, settings: Settings, facts: Facts
) -> str | None:
    """Why a density order gets no card, or None."""
    if situation.scenario is Scenario.DECEASED:
        return "deceased"
    if situation.scenario is Scenario.INITIAL:
        return "initial-testing"
    if situation.scenario is Scenario.INSUFFICIENT and settings.on_indeterminate == "silent":
        return "indeterminate"
    if (
        settings.quiet_when_appropriate
        and study in AXIAL_DXA
        and rated.rating is RatingWord.USUALLY
        and situation.timing is Timing.ON_TIME
        and not situation.modifiers
        and situation.scenario in (Scenario.SURVEILLANCE, Scenario.YOUNGER)
        and not _has_more_to_say(facts)
    ):
        return "quiet-when-appropriate"
    return None


def _has_more_to_say(facts: Facts) -> bool:
    """Whether a fall, a discordance or a gap stands in the chart that no one should miss."""
    trend = facts.trend
    return bool(facts.unread or trend.falls or trend.discordance)


def _indicator(study: Study, situation: Situation, rated: Rated, settings: Settings) -> str:
    if situation.scenario is Scenario.RED_FLAG:
        return WARNING if situation.rule == "red-flag-radicular" else settings.red_flag_indicator
    if situation.scenario is Scenario.PREGNANCY:
        return WARNING
    if situation.scenario is Scenario.INSUFFICIENT:
        return INFO
    if rated.status is RatingStatus.RATED and rated.rating is RatingWord.USUALLY_NOT:
        return WARNING
    if study in TIMED and situation.timing is Timing.TOO_SOON and not situation.when.is_softened:
        return WARNING
    return INFO


def _no_reminder(
    situation: Situation,
    facts: Facts,
    settings: Settings,
    drafted: frozenset[Study],
    is_reminded: bool,
) -> str | None:
    """Why a treatment order is not accompanied by a reminder, or None."""
    if not settings.remind_with_treatment:
        return "reminder-switched-off"
    if situation.scenario in (Scenario.DECEASED, Scenario.PREGNANCY, Scenario.RED_FLAG):
        return situation.scenario.value
    if not facts.conditions_known:
        return "conditions-not-read"
    if "under-adult-age" in situation.gaps:
        return "under-adult-age"
    if not dxa_may_be_offered(situation, drafted):
        return "dxa-ordered-or-not-due"
    if is_reminded:
        return "said-on-another-card"
    if facts.scans.no_central_found:
        return None
    months = situation.when.months
    if facts.scans.last_central is None or months is None:
        return "last-dxa-not-known"
    if not facts.observations_known:
        return "results-not-read"
    if months[0] < facts.known.whole["reminder_interval_months"]:
        return "dxa-not-due"
    return None
