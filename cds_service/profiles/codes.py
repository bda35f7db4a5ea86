"""Which code an offered order gets: the client's own, else one in the code system it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.fhir.codings import canonical_system, codings
from cds_service.protocol.advice import Coding, Proposal
from cds_service.protocol.chart import Resource


def coding_for(
    proposal: Proposal, draft: Resource, orderables: Mapping[str, Any]
) -> dict[str, str] | None:
    """The coding for the proposed study, or None when the client has none."""
    own = orderables.get(proposal.study)
    if own is not None:
        return own_coding(own)
    used = {coding.system for coding in codings(draft.get("code"))}
    for coding in proposal.codes:
        if canonical_system(coding.system) in used:
            return own_coding(coding)
    return None


def own_coding(coding: Coding | Mapping[str, str]) -> dict[str, str]:
    """A coding as JSON, without what it does not have."""
    members: dict[str, Any]
    if isinstance(coding, Coding):
        members = {"system": coding.system, "code": coding.code, "display": coding.display}
    else:
        members = {name: coding.get(name) for name in ("system", "code", "display")}
    if all(members.values()):
        return members
    return {name: value for name, value in members.items() if value}
