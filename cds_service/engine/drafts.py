"""The draft orders of a request as orders: which are asked about, and which are out."""

from __future__ import annotations

from cds_service.chart import SubjectCheck
from cds_service.chart.newest import keep_newest
from cds_service.chart.related import Related
from cds_service.protocol.chart import Resource
from cds_service.protocol.orders import Order, bundle_entries, exclusion, reference_of
from cds_service.protocol.request import HookRequest

ORDER_SELECT = "order-select"


def read_orders(request: HookRequest, check: SubjectCheck) -> tuple[Order, ...]:
    """Every draft once, in the order of the Bundle.

    At order-select those are judged that are selected, by `Type/id` or by the fullUrl of their
    entry; at any other hook all of them. A draft whose patient cannot be told is excluded.
    """
    drafts = [
        (reference_of(entry["resource"], position), entry["resource"], entry.get("fullUrl"))
        for position, entry in enumerate(bundle_entries(request.draft_orders))
        if isinstance(entry.get("resource"), dict)
    ]
    related: dict[str, Resource] = {}
    for reference, resource, url in drafts:
        keep_newest(related, reference, resource)
        if isinstance(url, str):
            keep_newest(related, url, resource)
    reachable = Related(lambda: related, request.fhir_server)
    selected = _selected(request)
    return tuple(
        Order(
            reference=reference,
            resource=resource,
            judged=selected is None
            or reference in selected
            or (isinstance(url, str) and url in selected),
            excluded=check.unmatched.get(id(resource)) or exclusion(resource),
            related=reachable,
        )
        for reference, resource, url in drafts
    )


def _selected(request: HookRequest) -> frozenset[object] | None:
    """What is selected, also under the name without server and version; None means everything."""
    if request.hook != ORDER_SELECT:
        return None
    bare = [selection.split("/_history/", 1)[0] for selection in request.selections]
    named = ["/".join(name.split("/")[-2:]) for name in bare if "://" in name]
    return frozenset((*request.selections, *bare, *named))
