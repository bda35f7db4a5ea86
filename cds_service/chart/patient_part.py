"""The Patient of the chart: the one part without which nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from cds_service.chart.newest import keep_newest
from cds_service.chart.walk import listed
from cds_service.fhir.checking import problem
from cds_service.fhir.resources import has_unknown_meaning
from cds_service.protocol.chart import Part, PartState, Resource

_READ = (
    "resourceType",
    "id",
    "active",
    "gender",
    "birthDate",
    "deceasedBoolean",
    "deceasedDateTime",
    "link",
    "extension",
)
_CHECKED = frozenset((*_READ, *(f"_{name}" for name in _READ)))


def patient_part(
    patients: Iterable[Resource], patient_id: str, otherwise: Callable[[], str]
) -> Part:
    """The newest copy of the patient's own resource; `otherwise` says why there may be none.

    Unread when the record must not be relied on: inactive, replaced by another one, or changed in
    meaning by a modifier. Partial when elements that are read are not valid FHIR: the resource is
    kept, since its readers check each element for themselves.
    """
    kept: dict[Hashable, Resource] = {}
    for resource in patients:
        if resource.get("id") == patient_id:
            keep_newest(kept, patient_id, resource)
    patient = kept.get(patient_id)
    if patient is None:
        return Part("Patient", PartState.UNREAD, otherwise())
    refusal = _refusal(patient)
    if refusal:
        return Part("Patient", PartState.UNREAD, refusal)
    trouble = problem({name: value for name, value in patient.items() if name in _CHECKED})
    if trouble:
        return Part("Patient", PartState.PARTIAL, f"not valid FHIR R4: {trouble}", (patient,))
    return Part("Patient", PartState.COMPLETE, None, (patient,))


def _refusal(patient: Resource) -> str | None:
    for name in ("active", "deceasedBoolean"):
        if name in patient and not isinstance(patient[name], bool):
            return f"not valid FHIR R4: {name} is neither true nor false"
    if patient.get("active") is False:
        return "inactive"
    for link in listed(patient.get("link")):
        if isinstance(link, dict) and link.get("type") == "replaced-by":
            return "replaced by another record"
    if has_unknown_meaning(patient):
        return "modifier extension not understood"
    return None
