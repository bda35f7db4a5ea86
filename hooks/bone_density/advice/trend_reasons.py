"""What serial results allow to be said, and what to look into after a fall beyond the LSC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.protocol.advice import Reason
from cds_service.protocol.markdown import quote
from hooks.bone_density.advice.history import comparison, site, value, when
from hooks.bone_density.advice.labels import INDETERMINATE
from hooks.bone_density.decision import Decision
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.trend import Change, Comparison
from hooks.bone_density.words import SPINE_SITES, Scenario


def trend_reasons(decision: Decision, facts: Facts) -> Iterator[Reason]:
    """One reason per site with two results, then discordance of spine and hip."""
    if decision.situation.scenario not in (Scenario.SURVEILLANCE, Scenario.YOUNGER):
        return
    spine_is_reliable = not decision.situation.signs.spine
    for item in facts.trend.comparisons:
        yield _change(item, is_reliable=item.site not in SPINE_SITES or spine_is_reliable)
    if facts.trend.falls:
        yield _look_into(facts)
    if facts.trend.discordance is not None and spine_is_reliable:
        spine, hip = facts.trend.discordance.spine, facts.trend.discordance.hip
        yield Reason(
            "spine-hip-discordance",
            f"Spine and hip disagree on {when(spine)}: {value(spine)} at the {site(spine)}, "
            f"{value(hip)} at the {site(hip)}. This can be technical (positioning) or biological; "
            "interpret with care.",
            "gighz-surveillance",
            (spine.reference, hip.reference),
        )


def _change(item: Comparison, *, is_reliable: bool) -> Reason:
    reason = _compared(item)
    if is_reliable:
        return reason
    doubt = " Recorded conditions may make the lumbar spine value falsely high."
    return replace(reason, text=reason.text + doubt)


def _compared(item: Comparison) -> Reason:
    evidence = (item.earlier.reference, item.later.reference)
    if item.change is Change.INDETERMINATE:
        text = (
            f"{comparison(item)}: no change is stated, because {INDETERMINATE[item.reason or '']}."
        )
        if item.reason == "different-devices":
            text += (
                " Results from different devices are not directly comparable; repeat on the device "
                f"of {when(item.later)} ({quote(item.later.device, 40)})."
            )
        return Reason(f"change-indeterminate-{item.reason}", text, "iscd-2023-adult", evidence)
    amount = f"{item.change_g_per_cm2:+.3f} g/cm² ({item.change_percent:+.1f} percent)"
    if item.change is Change.WITHIN:
        text = (
            f"{comparison(item)}: {amount}, within the facility LSC of "
            f"{item.lsc_g_per_cm2:.3f} g/cm²; not to be read as a change."
        )
        return Reason("change-within-lsc", text, "gighz-surveillance", evidence)
    word = "fall" if item.change is Change.FALL else "rise"
    text = (
        f"{comparison(item)}: {amount}. This {word} exceeds the facility LSC of "
        f"{item.lsc_g_per_cm2:.3f} g/cm² (same site, same device)."
    )
    return Reason(item.change.value, text, "gighz-surveillance", evidence)


def _look_into(facts: Facts) -> Reason:
    losing = sorted(
        {
            course.drug
            for course in facts.medications.of(Purpose.BONE_LOSS_DRUG)
            if course.is_current
        }
    )
    drugs = f" (recorded: {', '.join(losing)})" if losing else ""
    return Reason(
        "look-into-fall",
        f"To review: adherence, new bone-affecting drugs{drugs}, and serum calcium, PTH, "
        "25-OH vitamin D (25-hydroxyvitamin D) and TSH. Referral to a bone metabolism specialist "
        "can be considered.",
        "gighz-surveillance",
    )
