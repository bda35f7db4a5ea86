"""References from the chart to resources that did not come along."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cds_service.chart.patient_gate import SubjectCheck
from cds_service.chart.prefetch import related_to
from cds_service.chart.walk import listed
from cds_service.egress import Base
from cds_service.fhir.resources import reference_text
from cds_service.protocol.request import HookRequest
from cds_service.protocol.service import PrefetchItem

MAX_REFERENCED = 20
"""Resources of one call that are read because others refer to them."""
_LOCAL = re.compile(r"(?P<type>[A-Z][A-Za-z]{1,63})/(?P<id>[A-Za-z0-9.-]{1,256})")


def unresolved(
    request: HookRequest, items: tuple[PrefetchItem, ...], check: SubjectCheck, base: Base
) -> list[tuple[str, str]]:
    """(type, address) of resources on the FHIR server that are referred to and not there."""
    follow = {item.resource_type: item.references for item in items if item.references}
    found = {}
    for kind, text in _references(check, follow):
        bare = text.split("/_history/", 1)[0]
        local = _LOCAL.fullmatch(bare.removeprefix(f"{base.url}/"))
        if local and local["type"] == kind and local["id"].strip("."):
            found[bare] = (kind, f"{base.url}/{kind}/{local['id']}")
    if not found:
        return []
    related = related_to(request, items, check)
    missing = dict.fromkeys(place for bare, place in found.items() if bare not in related)
    return list(missing)[:MAX_REFERENCED]


def _references(
    check: SubjectCheck, follow: dict[str, tuple[tuple[str, str], ...]]
) -> Iterator[tuple[str, str]]:
    """(type, reference) of the elements that are followed."""
    for value in check.values.values():
        for item in value.received:
            for element, kind in follow.get(item.resource_type, ()):
                stated = item.resource.get(element)
                for reference in listed(stated) or [stated]:
                    text = reference_text(reference)
                    if text is not None and id(item.resource) not in check.unmatched:
                        yield kind, text
