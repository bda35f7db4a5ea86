"""Follow-up imaging of established low bone mineral density: the service, wired together."""

from __future__ import annotations

from cds_service.fhir import checking
from cds_service.protocol.service import Service
from hooks.bone_density.about import about, markdown
from hooks.bone_density.drugs import load_drug_table
from hooks.bone_density.evaluate import evaluate
from hooks.bone_density.examples import examples
from hooks.bone_density.knowledge import RULESET, knowledge
from hooks.bone_density.orders import select
from hooks.bone_density.prefetch import prefetch
from hooks.bone_density.series import series
from hooks.bone_density.settings import SCHEMA, orderables, read_settings, warnings


def warm_up() -> None:
    """Loads the knowledge and the FHIR models, so that the first answer does not."""
    knowledge()
    load_drug_table()
    checking.warm_up()


SERVICE = Service(
    id="bone-density-imaging",
    title="Bone density imaging: follow-up of low bone mineral density",
    description=(
        "Judges bone density imaging orders for surveillance of established low bone mineral "
        "density by ACR-based appropriateness and by the time since the last DXA, and offers the "
        "better order. Content not yet reviewed by a clinician."
    ),
    usage_requirements=(
        "Needs the patient, bone density Observations and Conditions, by prefetch or from the FHIR "
        "server; medications, reports and procedures make the answer more complete."
    ),
    hooks=("order-select", "order-sign"),
    ruleset=RULESET,
    prefetch=prefetch(),
    settings_schema=SCHEMA,
    read_settings=read_settings,
    select=select,
    evaluate=evaluate,
    orderables=orderables,
    warm_up=warm_up,
    warnings=warnings,
    about=about,
    examples=examples,
    series=series,
    about_markdown=markdown,
)
