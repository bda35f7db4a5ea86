"""Facts → the fact entries of an explanation: value, evidence, or why it is unknown."""

from __future__ import annotations

from dataclasses import replace

from cds_service.protocol.advice import Fact
from hooks.bone_density.advice.history import newest_first, site, value, when
from hooks.bone_density.decision.situation import Situation
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts

LABELS = {
    "sex": "Sex",
    "age": "Age in years",
    "menopausalStatus": "Menopausal status",
    "lowBmdEstablished": "Low BMD established",
    "results": "Results",
    "lastCentralDxa": "Last central DXA",
    "monthsSinceLastDxa": "Months since the last DXA (fewest, most)",
    "therapy": "Osteoporosis therapy",
    "glucocorticoid": "Glucocorticoid",
    "otherBoneLossDrugs": "Other drugs that cause bone loss",
    "conditions": "Conditions",
    "earlyReasons": "Reasons for an early repeat",
    "heightLossCm": "Height loss in cm",
    "gaps": "Missing or contradictory",
}
"""The facts as people call them."""


def explain_facts(facts: Facts, situation: Situation) -> dict[str, Fact]:
    """Every fact the rules used, by name."""
    person = facts.person
    patient = (person.reference,)
    found = {
        "sex": Fact(person.sex, patient, person.unknown.get("sex")),
        "age": Fact(str(person.age) if person.age else None, patient, person.unknown.get("age")),
        "menopausalStatus": Fact(
            facts.belonging.menopause,
            facts.belonging.evidence,
            None if facts.belonging.menopause else "not recorded",
        ),
        "lowBmdEstablished": _low_bmd(facts),
        "results": Fact(
            [
                f"{when(item)} {site(item)} {value(item)}"
                for item in newest_first(facts.measurements.usable)
            ],
            tuple(item.reference for item in newest_first(facts.measurements.usable)),
            None if facts.observations_known else "not all results could be read",
        ),
        "lastCentralDxa": _last_dxa(facts),
        "monthsSinceLastDxa": Fact(
            list(situation.when.months) if situation.when.months else None,
            situation.when.evidence,
            None if situation.when.months else "no dated central DXA",
        ),
        "therapy": Fact(
            [
                f"{course.drug} ({course.drug_class}), "
                f"{'since ' + str(course.start) if course.start else 'start not recorded'}"
                for course in facts.medications.therapy
            ],
            tuple(course.reference for course in facts.medications.therapy),
            None if facts.medications_known else "not all medications could be read",
        ),
        "glucocorticoid": Fact(
            {
                "drugs": list(facts.glucocorticoid.drugs),
                "months": facts.glucocorticoid.months,
                "threeMonthsOrLonger": facts.glucocorticoid.is_long,
                "atVfaDose": facts.glucocorticoid.reaches_vfa_dose,
            },
            facts.glucocorticoid.evidence,
        ),
        "otherBoneLossDrugs": Fact(
            sorted(
                {
                    course.drug
                    for course in facts.medications.of(Purpose.BONE_LOSS_DRUG)
                    if course.is_current
                }
            ),
            tuple(
                course.reference
                for course in facts.medications.of(Purpose.BONE_LOSS_DRUG)
                if course.is_current
            ),
        ),
        "conditions": Fact(
            [
                f"{finding.code}: {', '.join(sorted(finding.sets))}"
                for finding in facts.findings.all
            ],
            tuple(finding.reference for finding in facts.findings.all),
            None if facts.conditions_known else "not all conditions could be read",
        ),
        "earlyReasons": Fact(
            [reason.value for reason in situation.when.reasons], situation.when.evidence
        ),
        "heightLossCm": Fact(
            str(facts.height_loss.loss_cm) if facts.height_loss else None,
            facts.height_loss.evidence if facts.height_loss else (),
            None if facts.height_loss else "no two adult heights",
        ),
    }
    if situation.gaps:
        found["gaps"] = Fact(list(situation.gaps))
    return {name: replace(fact, label=LABELS[name]) for name, fact in found.items()}


def _low_bmd(facts: Facts) -> Fact:
    if facts.low_bmd.evidence:
        return Fact(True, facts.low_bmd.evidence)
    if facts.observations_known and facts.conditions_known:
        return Fact(False)
    return Fact(None, (), "results or conditions could not all be read")


def _last_dxa(facts: Facts) -> Fact:
    last = facts.scans.last_central
    evidence = tuple(scan.reference for scan in facts.scans.central)
    if last is not None:
        return Fact(str(last), evidence)
    if facts.scans.none_found:
        return Fact(None, (), "complete search, none found")
    return Fact(None, evidence, "no dated central DXA in what could be read")
