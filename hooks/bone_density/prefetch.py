"""What this service reads of a chart: one definition for discovery and for the reader.

Only `{{context.patientId}}` and parameters that CDS Hooks 2.x clients resolve: no repeated
parameter, no sort, no include. Results, reports and procedures are asked for by code, since
several EHRs refuse a search by neither code nor category.
"""

from __future__ import annotations

from cds_service.protocol.service import PrefetchItem
from hooks.bone_density.knowledge import knowledge

_RESULTS = ("t-score", "z-score", "areal-bmd", "body-height")
_SCANS = (
    "study-dxa-spine-hip",
    "study-dxa-spine-hip-vfa",
    "study-dxa-unspecified",
    "study-dxa-forearm",
    "study-dxa-peripheral",
    "study-bone-density-unspecified",
    "study-qus",
    "study-qct",
)


def prefetch() -> tuple[PrefetchItem, ...]:
    """The prefetch items in the order in which discovery shows them."""
    patient = "patient={{context.patientId}}"
    return (
        PrefetchItem("patient", "Patient/{{context.patientId}}", "Patient"),
        PrefetchItem(
            "observations",
            f"Observation?{patient}&code={_tokens(*_RESULTS, 'study-dxa-unspecified')}",
            "Observation",
        ),
        PrefetchItem("conditions", f"Condition?{patient}", "Condition"),
        PrefetchItem(
            "medicationStatements",
            f"MedicationStatement?{patient}",
            "MedicationStatement",
            (("medicationReference", "Medication"),),
        ),
        PrefetchItem(
            "medicationRequests",
            f"MedicationRequest?{patient}",
            "MedicationRequest",
            (("medicationReference", "Medication"),),
        ),
        PrefetchItem(
            "reports",
            f"DiagnosticReport?{patient}&code={_tokens(*_SCANS)}",
            "DiagnosticReport",
            (("result", "Observation"),),
        ),
        PrefetchItem("procedures", f"Procedure?{patient}", "Procedure"),
    )


def _tokens(*set_ids: str) -> str:
    """`system|code` of every listed code, once each, comma-separated (OR)."""
    sets = knowledge().value_sets
    found = dict.fromkeys(
        f"{concept.system}|{concept.code}"
        for set_id in set_ids
        for concept in sets[set_id].listed.values()
    )
    return ",".join(found)
