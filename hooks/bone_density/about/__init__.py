"""What this service knows, as data: for `services --knowledge`, and for the about page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.protocol.advice import Coding
from cds_service.protocol.page import as_data, as_markdown
from hooks.bone_density.about.content import content
from hooks.bone_density.about.page import sections_of
from hooks.bone_density.advice import LINKS, OVERRIDE_REASONS, TOPIC
from hooks.bone_density.advice.detail import DISAGREEMENT, DISAGREEMENT_SOURCES
from hooks.bone_density.advice.labels import RATINGS, STUDIES, VFA_REASONS
from hooks.bone_density.advice.timing_reasons import EARLY_TEXTS
from hooks.bone_density.decision.rating import VFA_FOLLOW_UP
from hooks.bone_density.decision.situation import RULES
from hooks.bone_density.knowledge import RULESET, Knowledge, Rating, knowledge
from hooks.bone_density.words import Study

NEVER_SAID = (
    "that a treatment has failed or is working, or that a drug should be stopped, started or "
    "changed",
    "that a fracture is present or absent, or that waiting is safe",
    "that osteoporosis has resolved",
    "that a change is real or significant without the facility's LSC, the same site and the same "
    "device; a percentage across devices",
    "that QUS or heel DXA can be used for follow-up",
    "a rating as the ACR's that was not read in a source",
    "anything about coverage, or codes and identifiers of appropriate use programmes",
    "that the chart is complete",
)
"""The claims that no card makes; a test searches every card for them."""

_NOT_USED = "not used"


def about() -> dict[str, Any]:
    """Everything this service states of itself, as plain data that JSON can hold.

    Purpose, limits, rules, ratings, doses, thresholds, sources, source attributes and rulesets;
    `sections` is the page made of them.
    """
    data = _data(knowledge())
    return {**data, "sections": [as_data(item) for item in sections_of(content().chapters, data)]}


def _data(known: Knowledge) -> dict[str, Any]:
    return {
        "title": "Follow-up imaging of low bone mineral density",
        "notice": "No clinician has reviewed the clinical content yet.",
        "ruleset": RULESET,
        "purpose": "Appropriateness and timing of bone density imaging orders for surveillance of "
        "established low bone mineral density in adults.",
        "users": "Clinicians who order imaging; the clinician decides.",
        "limits": [
            "No clinician has reviewed the clinical content yet.",
            "Not a medical device; it reads coded chart data only, no images and no free text.",
            "Initial testing, children and adolescents are outside its scope.",
        ],
        "neverSaid": list(NEVER_SAID),
        "rules": [{"id": name, "meaning": _first_line(rule.__doc__)} for name, rule in RULES],
        "studies": {study.value: STUDIES[study] for study in Study},
        "ratings": _ratings(known),
        "pastRatings": [
            {
                "edition": item.edition,
                "variant": item.variant,
                "study": item.study,
                "rating": RATINGS[item.rating],
                "source": item.source,
            }
            for item in known.past_ratings
        ],
        "doses": list(_doses()),
        "vfaCriteria": list(VFA_REASONS.values()),
        "earlyReasons": [
            {"code": reason.value, "text": text, "source": source}
            for reason, (text, source) in EARLY_TEXTS.items()
        ],
        "guidelinesDiffer": {"text": DISAGREEMENT, "sources": list(DISAGREEMENT_SOURCES)},
        "thresholds": [
            {
                "key": item.key,
                "value": str(item.value),
                "unit": item.unit,
                "since": item.since.isoformat(),
                "source": item.source,
                "note": item.note,
            }
            for item in known.thresholds.values()
        ],
        "valueSets": [
            {"id": item.id, "title": item.title, "entries": len(item.concepts())}
            for item in known.value_sets.values()
        ],
        "sources": [
            {
                "key": item.key,
                "title": item.title,
                "cite": item.cite,
                "short": item.short,
                "grade": item.grade,
                "retrieved": item.retrieved,
                **({"url": item.url} if item.url else {}),
            }
            for item in known.sources.values()
        ],
        "rulesets": [
            {
                "version": item.version,
                "since": item.since.isoformat(),
                "changes": list(item.changes),
            }
            for item in content().rulesets
        ],
        "sourceAttributes": source_attributes(known),
        "topics": [_coding(TOPIC)],
        "overrideReasons": [_coding(reason) for reason in OVERRIDE_REASONS],
        "links": [{"label": link.label, "url": link.url} for link in LINKS.values()],
    }


def _coding(coding: Coding) -> dict[str, str | None]:
    return {"system": coding.system, "code": coding.code, "display": coding.display}


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def _study(item: Rating) -> str:
    """The study as it is rated: in the VFA variant, VFA is rated as an addition to DXA."""
    if item.variant == VFA_FOLLOW_UP and item.study == Study.VFA:
        return "vertebral fracture assessment (VFA) together with DXA"
    return STUDIES[Study(item.study)]


def _ratings(known: Knowledge) -> list[dict[str, str]]:
    return [
        {
            "id": f"rating-{item.variant}-{item.study}",
            "edition": item.edition,
            "variantId": item.variant,
            "variant": known.variants[item.variant]["title"],
            "studyId": item.study,
            "study": _study(item),
            "rating": RATINGS[item.rating],
            "doseMSv": item.dose_msv,
            "source": item.source,
        }
        for item in known.ratings.values()
    ]


def _doses() -> Iterator[dict[str, str]]:
    """The dose of each study, of those without one too, then of what cards only mention."""
    listed = {item.study: item for item in content().doses}
    studies = [study.value for study in Study if study is not Study.OSTEOPOROSIS_DRUG]
    for study in (*studies, *(name for name in listed if name not in studies)):
        found = {"studyId": study}
        if study in studies:
            found["study"] = STUDIES[Study(study)]
        dose = listed.get(study)
        if dose is not None:
            told = {"doseMSv": dose.dose_msv, "note": dose.note, "study": dose.label}
            found |= {name: value for name, value in told.items() if value}
            found["source"] = dose.source
        yield found


def source_attributes(known: Knowledge) -> list[dict[str, str]]:
    """The 13 source attributes of an evidence-based decision support intervention (HTI-1).

    Source: 45 CFR 170.315(b)(11)(iv)(A).
    """
    citation = "; ".join(
        item.title for key, item in known.sources.items() if key.startswith(("acr-2022", "gighz"))
    )
    return [
        {"attribute": name, "value": value}
        for name, value in (
            ("Bibliographic citation", citation),
            ("Developer", "The maintainers of this open-source project"),
            ("Funding source of the technical implementation", "None declared"),
            ("Release and revision dates", _dates()),
            ("Use of race", _NOT_USED),
            ("Use of ethnicity", _NOT_USED),
            ("Use of language", _NOT_USED),
            ("Use of sexual orientation", _NOT_USED),
            ("Use of gender identity", _NOT_USED),
            ("Use of sex", "Used: decides age limits and the follow-up variant"),
            ("Use of date of birth", "Used: age at the clinical date"),
            ("Use of social determinants of health data", _NOT_USED),
            ("Use of health status assessments data", _NOT_USED),
        )
    ]


def markdown() -> str:
    """The page for a terminal or a file."""
    found = about()
    return as_markdown(f"{found['title']} (rules {found['ruleset']})", found["sections"])


def _dates() -> str:
    newest, *older = content().rulesets
    before = ", ".join(f"{item.version} since {item.since}" for item in older) or "none before it"
    return f"Ruleset {newest.version}, since {newest.since}; {before}"
