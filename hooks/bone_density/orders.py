"""Draft order → study: which of the drafts ask for bone densitometry, and which for a drug."""

from __future__ import annotations

from cds_service.fhir.codings import CodedValue, codings, concepts
from cds_service.fhir.resources import resolve
from cds_service.protocol.advice import Advice, Selection
from cds_service.protocol.orders import Order
from hooks.bone_density.drugs import DrugMatch, Purpose
from hooks.bone_density.drugs import resolve as resolve_drug
from hooks.bone_density.knowledge import Knowledge, knowledge
from hooks.bone_density.settings import Settings, is_study
from hooks.bone_density.words import Scenario, Site, Study, Timing

_STUDY_SETS: dict[str, Study] = {
    f"study-{study.value}": study for study in Study if study is not Study.OSTEOPOROSIS_DRUG
}

_REFINES = {
    Study.BONE_DENSITY_UNSPECIFIED: frozenset(_STUDY_SETS.values()),
    Study.DXA_UNSPECIFIED: frozenset(
        {
            Study.DXA_SPINE_HIP,
            Study.DXA_SPINE_HIP_VFA,
            Study.DXA_FOREARM,
            Study.DXA_HEEL,
            Study.DXA_PERIPHERAL,
        }
    ),
    Study.DXA_PERIPHERAL: frozenset({Study.DXA_FOREARM, Study.DXA_HEEL}),
    Study.DXA_SPINE_HIP: frozenset({Study.DXA_SPINE_HIP_VFA}),
}
"""Which studies say the same as another one, only more exactly."""


def select(orders: tuple[Order, ...], settings: Settings) -> Selection:
    """The orders that this service judges, each with its study, and the reasons for the others."""
    ours: list[tuple[Order, str]] = []
    declined: list[Advice] = []
    for order in orders:
        if not order.judged:
            continue
        study = None if order.excluded else study_of(order, settings)
        if study is not None:
            ours.append((order, str(study)))
        else:
            declined.append(_declined(order, order.excluded or _why_not(order)))
    return Selection(tuple(ours), tuple(declined), orders)


def study_of(order: Order, settings: Settings) -> Study | None:
    """The study a draft asks for, from its codes; text never counts."""
    if order.resource_type == "ServiceRequest":
        return _imaging_study(order, settings, knowledge())
    if order.resource_type == "MedicationRequest":
        return Study.OSTEOPOROSIS_DRUG if _is_osteoporosis_drug(order) else None
    return None


def _imaging_study(order: Order, settings: Settings, known: Knowledge) -> Study | None:
    code = order.resource.get("code")
    found = studies_of(codings(code), settings, known)
    if not found:
        return None
    study = most_exact(found)
    if study in (Study.DXA_PERIPHERAL, Study.DXA_UNSPECIFIED):
        return _at_site(study, order, known)
    return study


def studies_of(
    coded: tuple[CodedValue, ...], settings: Settings, known: Knowledge
) -> frozenset[Study]:
    """Every study that one of the codings means, local codes included."""
    found = {
        study
        for set_id in known.memberships(settings.expand(coded))
        if (study := _STUDY_SETS.get(set_id))
    }
    for coding in coded if settings.local_codes else ():
        meaning = settings.local_codes.get((coding.system or "", coding.code))
        if meaning and is_study(meaning):
            found.add(Study(meaning))
    return frozenset(found)


def most_exact(found: frozenset[Study]) -> Study:
    """The one study several codes agree on; codes that contradict each other name no modality."""
    return _agreed(found) or Study.BONE_DENSITY_UNSPECIFIED


def _agreed(found: frozenset[Study]) -> Study | None:
    for study in found:
        if all(other is study or study in _REFINES.get(other, ()) for other in found):
            return study
    return None


def codes_disagree(order: Order, settings: Settings) -> bool:
    """Whether the codes of one imaging order name studies that contradict each other."""
    found = studies_of(codings(order.resource.get("code")), settings, knowledge())
    return bool(found) and _agreed(found) is None


def _at_site(study: Study, order: Order, known: Knowledge) -> Study:
    """A DXA whose code leaves the site open, by its coded body sites."""
    sites = {
        concept.attributes["site"]
        for concept_value in concepts(order.resource.get("bodySite"))
        if (concept := known.memberships(codings(concept_value)).get("body-site"))
    }
    if sites == {Site.FOREARM.value}:
        return Study.DXA_FOREARM
    if sites == {Site.HEEL.value}:
        return Study.DXA_HEEL
    central = {Site.LUMBAR_SPINE.value, Site.FEMORAL_NECK.value, Site.FEMUR.value, Site.HIP.value}
    if study is Study.DXA_UNSPECIFIED and sites and sites <= central:
        return Study.DXA_SPINE_HIP
    return study


def _is_osteoporosis_drug(order: Order) -> bool:
    concept = order.resource.get("medicationCodeableConcept")
    if concept is None:
        medication = resolve(
            order.resource.get("medicationReference"), order.resource, order.related
        )
        concept = medication.get("code") if medication else None
    text = concept.get("text") if isinstance(concept, dict) else None
    match = resolve_drug(
        [(item.system, item.code, item.display) for item in codings(concept)],
        text if isinstance(text, str) else None,
    )
    return isinstance(match, DrugMatch) and match.purpose is Purpose.OSTEOPOROSIS_THERAPY


def _why_not(order: Order) -> str:
    """Why a proposed draft is none of ours, as a stable code."""
    if order.resource_type not in ("ServiceRequest", "MedicationRequest"):
        return "other-resource-type"
    if order.resource_type == "MedicationRequest":
        return "not-an-osteoporosis-drug"
    return "code-not-recognised" if codings(order.resource.get("code")) else "no-code"


def _declined(order: Order, silence: str) -> Advice:
    return Advice(
        order=order.reference,
        study=None,
        scenario=Scenario.NOT_BONE_DENSITY.value,
        timing=Timing.NOT_APPLICABLE.value,
        silence=silence,
        rule="not-bone-density",
    )
