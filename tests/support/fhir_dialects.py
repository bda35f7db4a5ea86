"""How particular EHRs differ from the specification, as their documentation and users say.

Provenance: Epic and Oracle Health rows of the project's notes on FHIR servers (fhir.epic.com as
quoted in dibbs-query-connector #1030 and yourphr #754; docs.oracle.com, mfrap). They imitate
refusals and limits, not whole products.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fhir_exchange import Exchange, Kind, outcome

_COMMON = {"_id", "_count", "_format", "_lastUpdated", "patient"}
_EPIC = {
    "Observation": {"category", "code", "date", "issued", "subject", "encounter", "focus"},
    "Condition": {"category", "clinical-status", "subject", "encounter", "recorded-date"},
    "MedicationRequest": {"category", "date", "intent", "status", "subject"},
    "DiagnosticReport": {"category", "code", "date", "subject", "identifier"},
    "Procedure": {"category", "date", "subject"},
}
_IGNORED_BY_EPIC = {"_include", "_revinclude"}
_ORACLE_REPORT = {"patient", "_id", "category", "code", "date", "_lastUpdated", "_count"}
_ORACLE_REFUSED = {"_sort", "_include", "_revinclude"}
_ORACLE_DEFAULT, _ORACLE_MOST = 10, 100
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+")


def epic(exchange: Exchange) -> None:
    """No Observation without category or code, no unknown parameter, `_include` ignored.

    Nothing found is `total` 0 and an OperationOutcome entry of mode `outcome`.
    """
    kind, params = exchange.seen.resource_type, exchange.seen.params
    if "/" in exchange.seen.search[0]:
        exchange.pass_on()
        return
    kept = [pair for pair in params if pair[0] not in _IGNORED_BY_EPIC]
    names = {_name(pair) for pair in kept}
    unknown = sorted(names - _COMMON - _EPIC.get(kind, names) - {"_offset"})
    if unknown:
        exchange.refuse(400, "not-supported", f"unknown search parameter {unknown[0]}")
    elif kind == "Observation" and not names & {"category", "code", "_id"}:
        exchange.refuse(400, "required", "Must have either code or category.")
    else:
        answer = exchange.ask(params=kept)
        found = json.loads(answer.body)
        if answer.status == 200 and not found.get("entry"):
            issue = outcome("warning", "processing", "Resource request returns no results.")
            entry = {"resource": issue, "search": {"mode": "outcome"}}
            found = {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": [entry]}
        exchange.send_json(found, answer.status)


def oracle(exchange: Exchange) -> None:
    """Pages of 10, at most of 100; no `_sort`, no `_include`; reports by a few parameters only."""
    kind, params = exchange.seen.resource_type, exchange.seen.params
    if "/" in exchange.seen.search[0]:
        exchange.pass_on()
        return
    names = {_name(pair) for pair in params} - {"_offset"}
    refused = names & _ORACLE_REFUSED
    if kind == "DiagnosticReport":
        refused |= names - _ORACLE_REPORT
    if refused:
        exchange.refuse(400, "not-supported", f"unsupported parameter {sorted(refused)[0]}")
        return
    count = min(int(dict(params).get("_count", _ORACLE_DEFAULT)), _ORACLE_MOST)
    kept = [pair for pair in params if pair[0] != "_count"]
    answer = exchange.ask(params=[*kept, ("_count", str(count))])
    exchange.send(answer.status, answer.body, answer.content_type)


def no_post(exchange: Exchange) -> None:
    """405 for a search by POST."""
    if exchange.seen.method == "POST":
        exchange.refuse(405, "not-supported", "POST is not supported", {"Allow": "GET"})
    else:
        exchange.pass_on()


def category_required(exchange: Exchange) -> None:
    """No Observation without a category, and only those of the categories asked for.

    The argument lists the categories that the server knows (Soarian:
    `laboratory,social-history,vital-signs`); another one is refused.
    """
    search, params = exchange.seen.search[0], exchange.seen.params
    if search != "Observation":
        exchange.pass_on()
        return
    asked = dict(params).get("category")
    tokens = {token.rpartition("|")[2] for token in asked.split(",")} if asked else set()
    unknown = tokens - set(exchange.argument.split(",")) if exchange.argument else set()
    if not tokens:
        exchange.refuse(400, "required", "category is required")
    elif unknown:
        exchange.refuse(400, "value", f"category {sorted(unknown)[0]} is not supported")
    else:
        exchange.pass_on()


def absolute_references(exchange: Exchange) -> None:
    """Every relative reference becomes absolute on this base."""
    answer = exchange.ask()
    found = _absolute(json.loads(answer.body), exchange.base)
    exchange.send_json(found, answer.status)


def no_medication_statement(exchange: Exchange) -> None:
    """404, or the status given, for MedicationStatement: the type is not supported."""
    if exchange.seen.resource_type == "MedicationStatement":
        status = exchange.number(404)
        exchange.refuse(status, "not-supported", "MedicationStatement is not supported")
    else:
        exchange.pass_on()


def _name(pair: tuple[str, str]) -> str:
    return pair[0].partition(":")[0].partition(".")[0]


def _absolute(value: Any, base: str) -> Any:
    if isinstance(value, list):
        return [_absolute(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _absolute(item, base) for key, item in value.items()}
    reference = found.get("reference")
    if isinstance(reference, str) and _RELATIVE.fullmatch(reference):
        found["reference"] = f"{base}/{reference}"
    return found


KINDS: dict[str, Kind] = {
    "epic": epic,
    "oracle": oracle,
    "no-post": no_post,
    "category-required": category_required,
    "absolute-refs": absolute_references,
    "no-medicationstatement": no_medication_statement,
}
