"""Whether low bone mineral density is established, by which results or diagnoses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hooks.bone_density.facts.conditions import Certainty, Finding, Findings
from hooks.bone_density.facts.measurements import Measurement, Measurements
from hooks.bone_density.knowledge import Knowledge
from hooks.bone_density.words import Group, Kind

DIAGNOSES = ("osteoporosis", "low-bone-mass")


@dataclass(frozen=True, slots=True)
class LowBmd:
    """What establishes low BMD: T-scores, Z-scores (younger adults only), coded diagnoses.

    `unconfirmed` are diagnoses recorded as provisional or differential, `undecided` results given
    as a bound on the wrong side of the limit: they establish nothing, and leave it open.
    """

    by_t_score: tuple[Measurement, ...]
    by_z_score: tuple[Measurement, ...]
    by_diagnosis: tuple[Finding, ...]
    unconfirmed: tuple[Finding, ...]
    undecided: tuple[Measurement, ...]

    def is_established(self, group: Group) -> bool:
        """Whether it is established for a patient of one group."""
        return bool(
            self.by_t_score or self.by_diagnosis or (group is Group.YOUNGER and self.by_z_score)
        )

    @property
    def evidence(self) -> tuple[str, ...]:
        """References of everything that establishes it."""
        results = [item.reference for item in (*self.by_t_score, *self.by_z_score)]
        diagnoses = [finding.reference for finding in self.by_diagnosis]
        return tuple(dict.fromkeys((*results, *diagnoses)))


def read_low_bmd(measurements: Measurements, findings: Findings, known: Knowledge) -> LowBmd:
    """T-score below -1.0, Z-score at or below -2.0, or a coded diagnosis; never text.

    A diagnosis that is recorded as resolved still counts: low BMD was established once, and a
    better score does not withdraw it.

    Source: aace-2020, gighz-surveillance.
    """
    below = known.number("low_bmd_t_score")
    expected = known.number("below_expected_range_z_score")
    return LowBmd(
        by_t_score=tuple(
            item
            for item in measurements.usable
            if item.kind is Kind.T_SCORE and item.is_certainly_below(below)
        ),
        by_z_score=tuple(
            item
            for item in measurements.usable
            if item.kind is Kind.Z_SCORE and item.is_certainly_below(expected, or_equal=True)
        ),
        by_diagnosis=_distinct(findings.lasting(set_id) for set_id in DIAGNOSES),
        unconfirmed=_distinct(
            tuple(
                item for item in findings.active(set_id) if item.certainty is Certainty.PROVISIONAL
            )
            for set_id in DIAGNOSES
        ),
        undecided=tuple(
            item
            for item in measurements.usable
            if item.kind is Kind.T_SCORE
            and not item.is_certainly_below(below)
            and (item.comparator in ("<", "<=") or (item.comparator and item.value < below))
        ),
    )


def _distinct(groups: Iterable[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    found: dict[str, Finding] = {}
    for group in groups:
        for finding in group:
            found.setdefault(finding.reference, finding)
    return tuple(found.values())
