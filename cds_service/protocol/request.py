"""The hook request, its envelope checked; what it carries stays raw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from cds_service.protocol.chart import Resource
from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.everyday import is_everyday
from cds_service.protocol.validation import has_schema, problems
from cds_service.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """One call of a service.

    `fhir_authorization` holds a bearer token and the rest holds patient data, so the
    representation that a log or a traceback might show leaves all of it out.
    """

    hook: str
    hook_instance: str
    patient_id: str = field(repr=False)
    user_id: str = field(repr=False)
    fhir_server: str | None = None
    fhir_authorization: Mapping[str, Any] | None = field(default=None, repr=False)
    selections: tuple[str, ...] = field(default=(), repr=False)
    draft_orders: Resource = field(default_factory=dict, repr=False)
    prefetch: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extension: Mapping[str, Any] = field(default_factory=dict, repr=False)


_ORDER_HOOKS = frozenset({"request-order-select", "request-order-sign"})


def _texts(value: object) -> tuple[str, ...]:
    """The strings of a list; other hooks than order-select may hold anything under the name."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def read_request(body: object, hooks: tuple[str, ...]) -> HookRequest:
    """A request for a service that offers these hooks; raises InvalidRequest with every problem.

    Without a hook that is offered only the envelope can be checked. The content of `prefetch` is
    never checked here, and unknown members are passed over wherever they are.
    """
    hook = body.get("hook") if isinstance(body, dict) else None
    is_offered = isinstance(hook, str) and hook in hooks
    schema = f"request-{hook}"
    if is_offered and schema in _ORDER_HOOKS and is_everyday(body, hook or ""):
        found: tuple[Problem, ...] = ()
    else:
        found = problems(schema if is_offered and has_schema(schema) else "request", body)
    if isinstance(hook, str) and hook and not is_offered:
        offered = ", ".join(hooks)
        found = (
            Problem("$.hook", f"this service does not offer the hook; it has {offered}"),
            *found,
        )
    if found or not isinstance(body, dict):
        raise InvalidRequest(found)
    context = body["context"]
    return HookRequest(
        hook=body["hook"],
        hook_instance=body["hookInstance"],
        patient_id=context["patientId"],
        user_id=context["userId"],
        fhir_server=body.get("fhirServer"),
        fhir_authorization=body.get("fhirAuthorization"),
        selections=_texts(context.get("selections")),
        draft_orders=context.get("draftOrders", {}),
        prefetch=body.get("prefetch", {}),
        extension=body.get("extension", {}),
    )
