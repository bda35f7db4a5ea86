"""Reasons about time: the last DXA, what documents an earlier one, when the next is due."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.fhir.dates import add_months
from cds_service.protocol.advice import Reason
from hooks.bone_density.advice.history import months
from hooks.bone_density.decision import Decision
from hooks.bone_density.decision.timing import EarlyReason, Unclear, When
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.scans import newest
from hooks.bone_density.words import (
    TIMED,
    Timing,
)

EARLY_TEXTS = {
    EarlyReason.NEW_THERAPY: (
        "Therapy was started or changed: a DXA about 1 year after starting new therapy can be "
        "warranted.",
        "iscd-2023-adult",
    ),
    EarlyReason.GLUCOCORTICOID: (
        "A systemic glucocorticoid for 3 months or longer is a documented reason for earlier "
        "testing.",
        "iscd-2023-adult",
    ),
    EarlyReason.BONE_LOSS_DRUG: (
        "A drug that accelerates bone loss is a documented reason for earlier testing.",
        "gighz-surveillance",
    ),
    EarlyReason.ANABOLIC: (
        "An anabolic drug is in use: a DXA after 1 year can be warranted.",
        "gighz-surveillance",
    ),
    EarlyReason.DENOSUMAB_STOPPED: (
        "Denosumab is recorded as stopped: earlier testing can be warranted after stopping.",
        "iscd-2023-adult",
    ),
    EarlyReason.NEW_FRACTURE: (
        "A new fragility fracture is a documented reason for earlier testing.",
        "gighz-surveillance",
    ),
    EarlyReason.HYPERPARATHYROIDISM: (
        "Primary hyperparathyroidism is a documented reason for earlier testing.",
        "medicare-42-cfr-410-31",
    ),
    EarlyReason.FALL_BEYOND_LSC: (
        "A fall beyond the facility LSC is a documented reason for earlier testing.",
        "gighz-surveillance",
    ),
}
"""What documents an earlier DXA: words and source key."""


_UNCLEAR_TEXTS = {
    Unclear.RESULTS_NOT_READ: "not all results could be read, so a later DXA may exist",
    Unclear.DATE_NOT_EXACT: "its date is not exact enough",
    Unclear.REASONS_NOT_READ: "conditions or medications that may document a reason could not all "
    "be read",
}


def timing_reasons(decision: Decision, facts: Facts) -> Iterator[Reason]:
    """When the last DXA was, then what follows from it for this order."""
    evidence = _of_last_dxa(decision.situation.when, facts)
    yield from _last_dxa(decision, facts, evidence)
    yield from _unclear(decision, facts, evidence)
    yield from _band(decision, facts, evidence)


def _last_dxa(decision: Decision, facts: Facts, evidence: tuple[str, ...]) -> Iterator[Reason]:
    when = decision.situation.when
    ago = "" if when.months is None else f", {months(when.months)} ago"
    site = "forearm DXA" if when.forearm_only else "DXA"
    if when.last is not None:
        readable = facts.measurements.usable and any(
            scan.has_result
            for scan in (*facts.scans.central, *facts.scans.forearm)
            if scan.reference in evidence
        )
        note = "" if readable else " (result not readable)"
        yield Reason(
            "last-dxa",
            f"Last {site} {when.last}{ago}{note}.",
            "project-choice",
            evidence,
        )
    elif facts.scans.none_found:
        yield Reason(
            "no-prior-dxa",
            "No prior DXA was found in the results, reports and procedures read.",
            "project-choice",
        )
    elif facts.scans.unstated:
        yield Reason(
            "scan-of-unstated-modality",
            "A bone density scan is recorded whose modality is not stated: the date of the last "
            "DXA is not known.",
            "project-choice",
            tuple(scan.reference for scan in facts.scans.unstated),
        )
    else:
        yield Reason(
            "last-dxa-not-known", "The date of the last central DXA is not known.", "project-choice"
        )


def _unclear(decision: Decision, facts: Facts, evidence: tuple[str, ...]) -> Iterator[Reason]:
    """Why it is not said whether a repeat is early although a DXA is dated."""
    causes = decision.situation.when.unclear
    if not causes:
        return
    later = newest(facts.scans.unstated)
    texts = [
        _UNCLEAR_TEXTS.get(cause) or f"a bone density scan of unstated modality is recorded {later}"
        for cause in causes
    ]
    yield Reason(
        "timing-not-known",
        f"Whether a repeat is early is not known: {'; '.join(texts)}.",
        "project-choice",
        tuple(scan.reference for scan in facts.scans.unstated)
        if Unclear.NEWER_UNSTATED_SCAN in causes
        else evidence,
    )


def _of_last_dxa(when: When, facts: Facts) -> tuple[str, ...]:
    """References of what dates the last DXA."""
    if when.last is None:
        return ()
    last = when.last.latest
    scans = facts.scans.forearm if when.forearm_only else facts.scans.central
    return tuple(
        scan.reference for scan in scans if scan.when is not None and scan.when.latest == last
    )


def _band(decision: Decision, facts: Facts, evidence: tuple[str, ...]) -> Iterator[Reason]:
    when, study = decision.situation.when, decision.study
    timing = decision.situation.timing
    if timing is Timing.EARLY_WITH_REASON or (timing is Timing.TOO_SOON and when.reasons):
        for reason in when.reasons:
            text, source = EARLY_TEXTS[reason]
            yield Reason(reason.value, text, source, when.evidence)
    if timing is Timing.TOO_SOON and study in TIMED:
        yield Reason(
            "repeat-within-a-year",
            "Repeating DXA more often than yearly is rarely indicated: a change is likely to be "
            "smaller than can be detected.",
            "gighz-surveillance",
            evidence,
        )
    elif timing is Timing.TOO_SOON and when.last is not None:
        due = add_months(when.last.latest, facts.known.whole["surveillance_interval_months"])
        yield Reason(
            "dxa-not-yet-due",
            f"The next DXA is usually due about 2 years after the last one, from {due} on; none is "
            "offered now.",
            "gighz-surveillance",
            evidence,
        )
    if timing is Timing.EARLY_WITHOUT_REASON and study in TIMED:
        yield Reason(
            "usual-interval-two-years",
            "The usual interval is about 2 years; no reason for an earlier DXA is documented.",
            "gighz-surveillance",
            evidence,
        )
