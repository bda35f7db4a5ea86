"""The addresses of a chart's reads on the client's FHIR server, from the published queries."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

from cds_service.protocol.dialect import Dialect
from cds_service.protocol.service import PrefetchItem

_PATIENT_ID = "{{context.patientId}}"


def address_of(base: str, item: PrefetchItem, patient_id: str, dialect: Dialect) -> str:
    """The address that answers one prefetch item for one patient; every value is encoded."""
    path, _, query = item.query.partition("?")
    address = f"{base}/{'/'.join(_segment(part, patient_id) for part in path.split('/'))}"
    if not query:
        return address
    parameters = dict(part.split("=", 1) for part in query.split("&"))
    parameters |= dialect.parameters.get(item.resource_type, {})
    if dialect.page_size is not None:
        parameters["_count"] = str(dialect.page_size)
    encoded = (
        f"{name}={quote_plus(value.replace(_PATIENT_ID, patient_id), safe=',:/')}"
        for name, value in parameters.items()
    )
    return f"{address}?{'&'.join(encoded)}"


def is_search(item: PrefetchItem) -> bool:
    """Whether the item is answered by a search, not by one resource."""
    return "?" in item.query


def _segment(part: str, patient_id: str) -> str:
    return quote(part.replace(_PATIENT_ID, patient_id), safe="")
