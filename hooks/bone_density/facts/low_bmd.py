"""Whether low bone mineral density is established, by which results or diagnoses."""

from __future__ import annotations

from decimal import Decimal

from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.conditions import Certainty, Finding, Findings
from hooks.bone_density.facts.measurements import Measurement, Measurements
from hooks.bone_density.knowledge import Knowledge
from hooks.bone_density.words import Group, Kind

DIAGNOSES = ("osteoporosis", "low-bone-mass")


@dataclass(frozen=True, slots=True)
class LowBmd:
    """What establishes low BMD: T-scores, Z-scores (younger adults only), coded diagnoses.

    `unconfirmed` are diagnoses recorded as provisional or differential, `undecided_t` and
    `undecided_z` scores given as a bound that leaves both sides of the limit possible: they
    establish nothing, and leave it open. `evidence` are the references of all that establishes it.
    """

    by_t_score: tuple[Measurement, ...]
    by_z_score: tuple[Measurement, ...]
    by_diagnosis: tuple[Finding, ...]
    unconfirmed: tuple[Finding, ...]
    undecided_t: tuple[Measurement, ...]
    undecided_z: tuple[Measurement, ...]
    evidence: tuple[str, ...]

    def is_established(self, group: Group) -> bool:
        """Whether it is established for a patient of one group."""
        return bool(
            self.by_t_score or self.by_diagnosis or (group is Group.YOUNGER and self.by_z_score)
        )

    def is_only_bounded(self, groups: frozenset[Group]) -> bool:
        """Whether a bound leaves it open for one of these groups; Z-scores of younger only."""
        return bool(self.undecided_t or (Group.YOUNGER in groups and self.undecided_z))


def read_low_bmd(measurements: Measurements, findings: Findings, known: Knowledge) -> LowBmd:
    """T-score below -1.0, Z-score at or below -2.0, or a coded diagnosis; never text.

    A diagnosis that is recorded as resolved still counts: low BMD was established once, and a
    better score does not withdraw it.

    Source: aace-2020, gighz-surveillance.
    """
    by_t_score, undecided_t = _scores(measurements, Kind.T_SCORE, known.number["low_bmd_t_score"])
    by_z_score, undecided_z = _scores(
        measurements, Kind.Z_SCORE, known.number["below_expected_range_z_score"], or_equal=True
    )
    by_diagnosis = _distinct([item for name in DIAGNOSES for item in findings.lasting(name)])
    suspected = [item for name in DIAGNOSES for item in findings.active(name)]
    results = [item.reference for item in (*by_t_score, *by_z_score)]
    diagnoses = [finding.reference for finding in by_diagnosis]
    return LowBmd(
        by_t_score=by_t_score,
        by_z_score=by_z_score,
        by_diagnosis=by_diagnosis,
        unconfirmed=_distinct(
            [item for item in suspected if item.certainty is Certainty.PROVISIONAL]
        ),
        undecided_t=undecided_t,
        undecided_z=undecided_z,
        evidence=tuple(dict.fromkeys((*results, *diagnoses))),
    )


def _scores(
    measurements: Measurements, kind: Kind, limit: Decimal, *, or_equal: bool = False
) -> tuple[tuple[Measurement, ...], tuple[Measurement, ...]]:
    """Scores of one kind that lie below a limit, and those of which it cannot be told."""
    below: list[Measurement] = []
    undecided: list[Measurement] = []
    for item in measurements.usable:
        if item.kind is not kind:
            continue
        if item.is_certainly_below(limit, or_equal=or_equal):
            below.append(item)
        elif item.may_be_below(limit, or_equal=or_equal):
            undecided.append(item)
    return tuple(below), tuple(undecided)


def _distinct(findings: list[Finding]) -> tuple[Finding, ...]:
    """Each finding once: one condition may belong to both value sets."""
    found: dict[str, Finding] = {}
    for finding in findings:
        found.setdefault(finding.reference, finding)
    return tuple(found.values())
