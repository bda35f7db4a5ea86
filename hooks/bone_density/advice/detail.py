"""The body of a card: reasons, results, preparation, what was not read, and the basis."""

from __future__ import annotations

from cds_service.protocol.advice import Reason
from cds_service.protocol.markdown import plain, quote
from cds_service.protocol.orders import Order
from hooks.bone_density.advice.history import (
    condition,
    newest_first,
    results_table,
    therapy_line,
)
from hooks.bone_density.advice.labels import STUDIES, UNREAD_DATA
from hooks.bone_density.advice.reasons import is_appropriate_dxa
from hooks.bone_density.decision import Decision
from hooks.bone_density.facts import Facts
from hooks.bone_density.knowledge import RULESET
from hooks.bone_density.words import CENTRAL_SITES, Scenario, Study, Timing

MOST_NAMED = 6
"""Resources named one by one before a card only counts them."""

DISAGREEMENT = (
    "Guidelines differ on follow-up during treatment: about 2 years for most (ACR-based), "
    "every 1-2 years (NOF), every 1-3 years (Endocrine Society 2019); ACP 2017 advises against "
    "monitoring BMD during the first 5 years of treatment in women."
)
"""Source: nof-treated-interval, endocrine-society-2019, acp-2017, gighz-surveillance."""

DISAGREEMENT_SOURCES = (
    "gighz-surveillance",
    "nof-treated-interval",
    "endocrine-society-2019",
    "acp-2017",
)

_NO_CALCIUM = "- No calcium supplements for at least 24 hours before the scan."

_WITHOUT_HISTORY = frozenset({Scenario.RED_FLAG, Scenario.PREGNANCY})


def detail(order: Order, decision: Decision, facts: Facts, reasons: tuple[Reason, ...]) -> str:
    """GitHub Flavored Markdown without HTML; text from the chart only as code spans."""
    parts = [
        f"**Order:** {STUDIES[decision.study]} ({quote(order.reference, 80)})",
        "\n".join(f"- {reason.text}" for reason in reasons),
    ]
    parts.append(_conditions(decision, facts, reasons))
    if decision.situation.scenario not in _WITHOUT_HISTORY:
        parts += [_results(facts), _therapy(facts)]
    if is_appropriate_dxa(decision) or decision.study in (
        Study.DXA_UNSPECIFIED,
        Study.OSTEOPOROSIS_DRUG,
    ):
        parts.append(_preparation(facts))
    parts += [_not_read(facts), _not_used(facts), _basis(decision, facts, reasons)]
    return "\n\n".join(filter(None, parts))


def _conditions(decision: Decision, facts: Facts, reasons: tuple[Reason, ...]) -> str:
    """The recorded conditions that the reasons and the rule rest on."""
    used = set(decision.situation.evidence).union(*(reason.evidence for reason in reasons))
    lines = sorted(
        {f"- {condition(finding)}" for finding in facts.findings.all if finding.reference in used}
    )
    if not lines:
        return ""
    return "\n".join(("**Conditions used**", "", *_some(lines)))


def _some(lines: list[str]) -> list[str]:
    if len(lines) <= MOST_NAMED:
        return lines
    return [*lines[:MOST_NAMED], f"- and {len(lines) - MOST_NAMED} more"]


def _results(facts: Facts) -> str:
    table = results_table(facts)
    return f"**Results used**\n\n{table}" if table else ""


def _therapy(facts: Facts) -> str:
    line = therapy_line(facts)
    return f"**Osteoporosis therapy:** {line}." if line else ""


def _preparation(facts: Facts) -> str:
    """What the ordering clinician can still do for a follow-up DXA.

    Source: gighz-surveillance (same machine, LSC, no calcium supplements for 24 hours).
    """
    if not facts.scans.central:
        found = "was found" if facts.scans.is_complete else "was found in what could be read"
        return "\n".join(
            (
                "**For the DXA**",
                "",
                f"- No DXA of spine or hip {found}: this one becomes the baseline to compare with.",
                _NO_CALCIUM,
            )
        )
    device = next(
        (
            item.device
            for item in newest_first(facts.measurements.usable)
            if item.site in CENTRAL_SITES and item.device
        ),
        None,
    )
    named = f" ({quote(device, 40)})" if device else ""
    return "\n".join(
        (
            "**For the DXA**",
            "",
            f"- Ask for the same facility and the same machine as the prior DXA{named}.",
            "- Ask for the change against the facility's least significant change (LSC); do not "
            "over-read differences within it.",
            _NO_CALCIUM,
        )
    )


def _not_read(facts: Facts) -> str:
    if not facts.unread:
        return ""
    lines = [
        f"- {UNREAD_DATA.get(gap.data, plain(gap.data, 40))}: {plain(gap.reason, 100)}"
        for gap in facts.unread
    ]
    return "\n".join(("**Could not be checked**", "", *lines))


def _not_used(facts: Facts) -> str:
    if not facts.ignored:
        return ""
    lines = [f"- {quote(item.resource, 80)}: {plain(item.reason, 100)}" for item in facts.ignored]
    return "\n".join(("**Received and not used**", "", *_some(lines)))


def _basis(decision: Decision, facts: Facts, reasons: tuple[Reason, ...]) -> str:
    sources = dict.fromkeys(
        (
            *((decision.rated.source,) if decision.rated.source else ()),
            *(reason.source for reason in reasons),
        )
    )
    lines = []
    if decision.study in (Study.DXA_SPINE_HIP, Study.DXA_SPINE_HIP_VFA, Study.DXA_UNSPECIFIED) and (
        facts.medications.therapy
        and decision.situation.timing is not Timing.NOT_APPLICABLE
        and decision.situation.scenario not in _WITHOUT_HISTORY
    ):
        lines.append(DISAGREEMENT)
        sources.update(dict.fromkeys(DISAGREEMENT_SOURCES))
    cited = [facts.known.sources[key] for key in sources if key != "project-choice"]
    titles = "; ".join(
        f"{source.cite} ({source.grade} source, retrieved {source.retrieved})" for source in cited
    )
    if titles:
        lines.append(f"**Basis:** {titles}.")
    lines.append(
        f"Rules {RULESET}, clinical date {facts.as_of}. Based on chart data to date, which may be "
        "incomplete. Clinical content not yet reviewed by a clinician. The decision stays with "
        "you."
    )
    return "\n\n".join(lines)
