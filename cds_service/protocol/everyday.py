"""Recognises the everyday envelope of a request, which needs no further look by the schema.

Walking a JSON Schema is a tenth of the cost of a hook call. What is not recognised here is not
refused: the schema decides it, and says what is wrong. A test holds this module to accepting
nothing that the schema does not accept.
"""

from __future__ import annotations

import re

_SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?")
_KNOWN = frozenset(
    {"hook", "hookInstance", "fhirServer", "fhirAuthorization", "context", "prefetch"}
)
_AUTHORIZATION = ("access_token", "token_type", "scope", "subject")


def is_everyday(body: object, hook: str) -> bool:
    """Whether a request of an order hook certainly has a valid envelope."""
    if type(body) is not dict or not body.keys() <= _KNOWN or body.get("hook") != hook:
        return False
    context = body.get("context")
    return (
        _is_text(body.get("hookInstance"))
        and type(body.get("prefetch", {})) is dict
        and type(context) is dict
        and _is_text(context.get("userId"))
        and _is_text(context.get("patientId"))
        and "/" not in context["patientId"]
        and type(context.get("encounterId", "")) is str
        and _is_server(body)
        and (hook == "order-sign" or _is_texts(context.get("selections")))
        and _is_drafts(context.get("draftOrders"))
    )


def _is_text(value: object) -> bool:
    return type(value) is str and value != ""


def _is_texts(value: object) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _is_drafts(bundle: object) -> bool:
    if type(bundle) is not dict or bundle.get("resourceType") != "Bundle":
        return False
    entries = bundle.get("entry", [])
    return type(entries) is list and all(
        type(entry) is dict and type(entry.get("resource", {})) is dict for entry in entries
    )


def _is_server(body: dict[str, object]) -> bool:
    server = body.get("fhirServer")
    if "fhirServer" in body and not (type(server) is str and _SERVER.fullmatch(server)):
        return False
    if "fhirAuthorization" not in body:
        return True
    grant = body["fhirAuthorization"]
    return (
        "fhirServer" in body
        and type(grant) is dict
        and all(_is_text(grant.get(name)) for name in _AUTHORIZATION)
        and type(grant.get("expires_in")) is int
        and type(grant.get("patient", "")) is str
    )
