"""Menopausal status, and with sex and age the follow-up variant a patient may belong to."""

from __future__ import annotations

from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.conditions import Findings
from hooks.bone_density.facts.patient import Age, Person
from hooks.bone_density.knowledge import Knowledge
from hooks.bone_density.words import Group, Menopause, Sex


@dataclass(frozen=True, slots=True)
class Belonging:
    """The follow-up variants still possible for a patient.

    `gaps` are stable codes of what is missing or contradictory; with none of them there is exactly
    one group. `is_inferred` means menopause was taken from age, which the card says.
    """

    groups: frozenset[Group]
    gaps: tuple[str, ...]
    menopause: Menopause | None
    is_inferred: bool
    evidence: tuple[str, ...]


def read_belonging(person: Person, findings: Findings, known: Knowledge) -> Belonging:
    """Which variants sex, age and menopausal status leave open.

    Explicit postmenopausal status comes before explicit premenopausal status, and both before age
    (docs/clinical-decisions.md, 4).
    """
    status, evidence = _recorded(findings)
    adult = known.whole["adult_age_years"]
    gaps: list[str] = []
    if person.age is None:
        gaps.append("age-not-known")
    elif person.age.oldest < adult:
        return Belonging(frozenset(), ("under-adult-age",), status, False, evidence)
    elif person.age.youngest < adult:
        gaps.append("adult-age-not-certain")
    if person.sex is None:
        gaps.append("sex-not-known")
    if person.sex is Sex.MALE and status is not None:
        gaps.append("sex-contradicts-conditions")
    groups: set[Group] = set()
    if person.sex is not Sex.FEMALE:
        groups |= _man(person.age, known)
    inferred = False
    if person.sex is not Sex.MALE:
        women, women_gaps, inferred = _woman(person.age, status, known)
        groups |= women
        gaps.extend(women_gaps if person.sex is Sex.FEMALE else ())
    if len(groups) > 1 and not gaps:
        gaps.append("age-not-exact")
    return Belonging(frozenset(groups), tuple(gaps), status, inferred, evidence)


_STATUSES = {
    "postmenopausal": Menopause.POST,
    "premenopausal": Menopause.PRE,
    "perimenopausal": Menopause.PERI,
}
"""Value sets of menopausal status, in the order in which one comes before another."""


def _recorded(findings: Findings) -> tuple[Menopause | None, tuple[str, ...]]:
    if findings.by_set.keys().isdisjoint(_STATUSES):
        return None, ()
    for set_id, status in _STATUSES.items():
        found = findings.established(set_id)
        if status is Menopause.POST:  # menopause is not undone: a resolved record still says it
            found = (*found, *findings.resolved(set_id))
        if found:
            return status, tuple(finding.reference for finding in found)
    return None, ()


def _man(age: Age | None, known: Knowledge) -> set[Group]:
    limit = known.whole["older_adult_age_years"]
    if age is None:
        return {Group.OLDER, Group.YOUNGER}
    groups = set()
    if age.oldest >= limit:
        groups.add(Group.OLDER)
    if age.youngest < limit:
        groups.add(Group.YOUNGER)
    return groups


def _woman(
    age: Age | None, status: Menopause | None, known: Knowledge
) -> tuple[set[Group], list[str], bool]:
    """Possible groups of a woman, what is missing, and whether menopause was inferred from age."""
    if status is Menopause.POST:
        return {Group.OLDER}, [], False
    both = {Group.OLDER, Group.YOUNGER}
    if age is None:
        return ({Group.YOUNGER} if status is Menopause.PRE else both), [], False
    inferred_from = known.whole["postmenopausal_age_years"]
    unknown_from = known.whole["older_adult_age_years"]
    if status is Menopause.PRE:
        if age.oldest >= inferred_from:
            return both, ["premenopausal-contradicts-age"], False
        return {Group.YOUNGER}, [], False
    if age.youngest >= inferred_from:
        return {Group.OLDER}, [], True
    if age.oldest < unknown_from:
        return {Group.YOUNGER}, [], True
    return both, ["menopausal-status-not-known"], False
