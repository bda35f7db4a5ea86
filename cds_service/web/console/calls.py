"""What was typed or pasted into the console → a hook request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.protocol import strict_json
from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.orders import bundle_entries
from cds_service.protocol.service import Service
from cds_service.web.refusals import NotOneObject

_PATIENT = "Patient"
_OTHER = "other"
DRAFT_ID = "console-draft"


@dataclass(frozen=True, slots=True)
class Choice:
    """An order that can be tried with any chart: a draft of one of the examples."""

    key: str
    label: str
    resource: Mapping[str, Any]


def choices(service: Service) -> tuple[Choice, ...]:
    """The different orders among a service's examples, each once."""
    found: dict[str, Choice] = {}
    for example in service.examples():
        for draft in drafts_of(example.request):
            label = order_text(draft)
            found.setdefault(label, Choice(str(len(found)), label, draft))
    return tuple(found.values())


def read_document(text: str) -> dict[str, Any]:
    """The pasted text as one strict JSON object; raises NotStrictJson or NotOneObject."""
    if not text.strip():
        raise NotOneObject("Nothing was pasted; choose an example, or paste a request or a Bundle")
    document = strict_json.loads(text.encode())
    if not isinstance(document, dict):
        raise NotOneObject("What was pasted is JSON, but not one object")
    return document


def request_of(
    document: dict[str, Any],
    service: Service,
    *,
    hook: str | None,
    instance: str,
    order: str | None,
    is_whole_chart: bool,
) -> dict[str, Any]:
    """A hook request from a pasted one, or from a Bundle with a chosen order.

    Another `hook` than the request's own gets or loses the selections; each try is a new instance
    of the hook. Nothing else is mended: the service itself says what is wrong with a request.
    Raises InvalidRequest for a Bundle that cannot become one.
    """
    if document.get("resourceType") == "Bundle":
        request = _from_bundle(document, service, order, is_whole_chart)
        request["hookInstance"] = ""
    else:
        request = dict(document)
    if request.get("hookInstance") is not None:
        request["hookInstance"] = instance
    if hook is None or hook == request.get("hook"):
        return request
    request["hook"] = hook
    context = request.get("context")
    if isinstance(context, dict):
        request["context"] = {
            name: value for name, value in context.items() if name != "selections"
        }
        if hook == "order-select":
            request["context"]["selections"] = [_name(draft) for draft in drafts_of(request)]
    return request


def _from_bundle(
    bundle: dict[str, Any], service: Service, order: str | None, is_whole_chart: bool
) -> dict[str, Any]:
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for entry in bundle_entries(bundle):
        resource = entry.get("resource")
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            kept = {name: entry[name] for name in ("fullUrl", "resource") if name in entry}
            by_type.setdefault(resource["resourceType"], []).append(kept)
    patients = by_type.get(_PATIENT, [])
    identifier = patients[0]["resource"].get("id") if len(patients) == 1 else None
    if not isinstance(identifier, str):
        raise InvalidRequest(
            (Problem("$.entry", "A Bundle needs exactly one Patient, with an id"),)
        )
    wanted = {item.resource_type: item.key for item in service.prefetch}
    prefetch: dict[str, Any] = {}
    for resource_type, entries in by_type.items():
        key = wanted.get(resource_type, _OTHER)
        prefetch.setdefault(key, []).extend(entries)
    if is_whole_chart:
        prefetch |= {key: [] for key in wanted.values() if key not in prefetch}
    return {
        "hook": None,
        "context": {
            "userId": "Practitioner/console",
            "patientId": identifier,
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": _draft(service, order, identifier)}],
            },
        },
        "prefetch": {key: _searchset(entries) for key, entries in prefetch.items()},
    }


def _draft(service: Service, order: str | None, patient_id: str) -> dict[str, Any]:
    for choice in choices(service):
        if choice.key == order:
            return {
                **choice.resource,
                "id": DRAFT_ID,
                "subject": {"reference": f"Patient/{patient_id}"},
            }
    raise InvalidRequest((Problem("$.order", "Choose the order to try with this Bundle"),))


def _searchset(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
    }
    return found | ({"entry": entries} if entries else {})


def drafts_of(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The draft orders of a request, as far as it has any."""
    context = request.get("context")
    bundle = context.get("draftOrders") if isinstance(context, Mapping) else None
    for entry in bundle_entries(bundle):
        if isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def order_text(draft: Mapping[str, Any]) -> str:
    """An order as a clinician would see it in a list: its words, else its codes."""
    concept = draft.get("code") or draft.get("medicationCodeableConcept")
    if not isinstance(concept, Mapping):
        return "order without a code"
    codings = concept.get("coding")
    coding = codings[0] if isinstance(codings, list) and codings else {}
    coding = coding if isinstance(coding, Mapping) else {}
    words = str(concept.get("text") or coding.get("display") or "")
    code = str(coding.get("code") or "")
    return f"{words} ({code})" if words and code else words or code or "order without a code"


def _name(draft: Mapping[str, Any]) -> str:
    return f"{draft.get('resourceType')}/{draft.get('id')}"
