"""Study and situation → published rating, conditional rating, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.protocol.advice import Conditional
from cds_service.protocol.values import dataclass
from hooks.bone_density.decision.situation import Situation
from hooks.bone_density.knowledge import Knowledge
from hooks.bone_density.words import Modifier, RatingStatus, RatingWord, Scenario, Study

FOLLOW_UP = "follow-up"
VFA_FOLLOW_UP = "follow-up-vfa"
YOUNGER_FOLLOW_UP = "younger-follow-up"
VARIANTS = {Scenario.SURVEILLANCE: FOLLOW_UP, Scenario.YOUNGER: YOUNGER_FOLLOW_UP}

_OPEN_STUDIES: dict[Study, tuple[tuple[str, Study], ...]] = {
    Study.DXA_UNSPECIFIED: (
        ("lumbar spine and hip(s) are measured", Study.DXA_SPINE_HIP),
        ("only the forearm is measured", Study.DXA_FOREARM),
    ),
    Study.DXA_PERIPHERAL: (
        ("the forearm is measured", Study.DXA_FOREARM),
        ("the heel is measured", Study.DXA_HEEL),
    ),
    Study.BONE_DENSITY_UNSPECIFIED: (
        ("it is DXA of lumbar spine and hip(s)", Study.DXA_SPINE_HIP),
        ("it is DXA of the forearm", Study.DXA_FOREARM),
        ("it is quantitative CT", Study.QCT),
        ("it is quantitative ultrasound", Study.QUS),
    ),
}
"""Orders that leave open what is measured: each reading with its condition."""

_WHEN = {
    Scenario.SURVEILLANCE: "this is follow-up of low BMD in a postmenopausal woman or a man of 50 "
    "or over",
    Scenario.YOUNGER: "this is follow-up of low BMD in a premenopausal woman or a man under 50",
}


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating with its status and source; conditional ratings carry their conditions."""

    status: RatingStatus
    rating: RatingWord | None = None
    source: str | None = None
    conditional: tuple[Conditional, ...] = ()

    def words(self) -> frozenset[str | None]:
        """Every rating it may amount to."""
        if self.status is RatingStatus.CONDITIONAL:
            return frozenset(item.rating for item in self.conditional)
        return frozenset({self.rating.value if self.rating else None})


def rate(study: Study, situation: Situation, known: Knowledge) -> Rated:
    """The rating of one ordered study in one situation."""
    if study is Study.OSTEOPOROSIS_DRUG:
        return Rated(RatingStatus.OUT_OF_SCOPE)
    if situation.scenario in VARIANTS:
        return _in_scenario(study, situation.scenario, situation, known)
    if situation.scenario is not Scenario.INSUFFICIENT:
        return Rated(RatingStatus.OUT_OF_SCOPE)
    return _undecided(study, situation, known)


def _undecided(study: Study, situation: Situation, known: Knowledge) -> Rated:
    """With the scenario open: the rating all possible scenarios agree on, or each with its if."""
    by_scenario = {
        scenario: _in_scenario(study, scenario, situation, known)
        if scenario in VARIANTS
        else Rated(RatingStatus.OUT_OF_SCOPE)
        for scenario in sorted(situation.possible)
    }
    answers = tuple(by_scenario.values())
    words = frozenset(word for answer in answers for word in answer.words())
    if words <= {None}:
        return Rated(RatingStatus.INSUFFICIENT)
    if len(words) == 1 and all(answer.status is RatingStatus.RATED for answer in answers):
        return answers[-1]
    conditional = tuple(
        item
        for scenario, answer in by_scenario.items()
        for item in _conditions_of(scenario, answer, situation)
    )
    source = next(answer.source for answer in answers if answer.source)
    return Rated(RatingStatus.CONDITIONAL, None, source, conditional)


def _conditions_of(
    scenario: Scenario, answer: Rated, situation: Situation
) -> Iterable[Conditional]:
    if scenario not in VARIANTS:
        return
    when = _WHEN[scenario]
    if Scenario.INITIAL in situation.possible:
        when += " and low BMD is established"
    if "conditions-not-read" in situation.gaps:
        when += ", with no pregnancy and no new neurological deficit among the conditions"
    if answer.status is RatingStatus.CONDITIONAL:
        for item in answer.conditional:
            yield Conditional(f"{when}, and {item.when}", item.rating)
    elif answer.rating is not None:
        yield Conditional(when, answer.rating.value)


def _in_scenario(study: Study, scenario: Scenario, situation: Situation, known: Knowledge) -> Rated:
    variant = VARIANTS[scenario]
    if study in _OPEN_STUDIES:
        return _open_study(study, variant, known)
    if study is Study.VFA and variant == FOLLOW_UP:
        return _vfa_alone(situation, known)
    rated = Study.DXA_SPINE_HIP if study is Study.DXA_SPINE_HIP_VFA else study
    entry = known.rating(variant, rated)
    if entry is None:
        return Rated(RatingStatus.NO_PUBLISHED)
    return Rated(RatingStatus.RATED, entry.rating, entry.source)


def _open_study(study: Study, variant: str, known: Knowledge) -> Rated:
    conditional = []
    source = None
    for when, reading in _OPEN_STUDIES[study]:
        entry = known.rating(variant, reading)
        if entry is not None:
            source = source or entry.source
            conditional.append(Conditional(when, entry.rating.value))
        elif study is not Study.BONE_DENSITY_UNSPECIFIED:
            conditional.append(Conditional(when, None))
    return Rated(RatingStatus.CONDITIONAL, None, source, tuple(conditional))


def _vfa_alone(situation: Situation, known: Knowledge) -> Rated:
    """VFA alone: conditional once a criterion, a suspicion or an open question is there."""
    alone = known.rating(FOLLOW_UP, Study.VFA)
    added = known.rating(VFA_FOLLOW_UP, Study.VFA)
    if alone is None or added is None:
        return Rated(RatingStatus.NO_PUBLISHED)
    signs = situation.signs
    suspected = Modifier.SUSPECTED_VERTEBRAL_FRACTURE in signs.modifiers
    if signs.vfa_criteria is False and not suspected:
        return Rated(RatingStatus.RATED, alone.rating, alone.source)
    conditional = [Conditional("it is done alone, to follow BMD", alone.rating.value)]
    if signs.vfa_criteria is True:
        conditional.insert(0, Conditional("it is done together with DXA", added.rating.value))
    elif signs.vfa_criteria is None:
        conditional.insert(
            0,
            Conditional(
                "it is done together with DXA and a VFA criterion is met", added.rating.value
            ),
        )
    source = added.source if signs.vfa_criteria is not False else alone.source
    return Rated(RatingStatus.CONDITIONAL, None, source, tuple(conditional))
