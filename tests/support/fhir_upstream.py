"""Where the faulty server takes true data from: a real FHIR server or a list of resources."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fhir_exchange import FHIR_JSON, Answer, outcome

_PASSED_ON = ("authorization", "accept", "prefer")
_NOT_FILTERS = {"_format", "_pretty", "_sort", "_include", "_revinclude", "_total"}


class RealUpstream:
    """A FHIR server under `base`, asked over HTTP with the caller's own token."""

    def __init__(self, base: str) -> None:
        self.base = base

    def __call__(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """One GET on a new connection."""
        parts = urlsplit(self.base)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        kept = {name: value for name, value in headers.items() if name.lower() in _PASSED_ON}
        try:
            target = f"{parts.path}/{path}" + (f"?{query}" if query else "")
            connection.request("GET", target, headers=kept)
            response = connection.getresponse()
            return Answer(response.status, response.headers["Content-Type"], response.read())
        finally:
            connection.close()


class InMemory:
    """Resources in a list, with reads and the few searches that a chart needs; no tokens.

    Searches know `patient`, `subject`, `code`, `category`, `_id`, `_count` and `_offset`.
    """

    def __init__(self, resources: Iterable[Mapping[str, Any]]) -> None:
        self.base = "http://upstream.invalid/r4"
        self._resources = [dict(resource) for resource in resources]

    def __call__(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """A read or a search."""
        resource_type, _, identifier = path.partition("/")
        of_type = [item for item in self._resources if item["resourceType"] == resource_type]
        if identifier:
            found = [item for item in of_type if item["id"] == identifier]
            if not found:
                return _json(404, outcome("error", "not-found", f"{path} is not here"))
            return _json(200, found[0])
        params = parse_qsl(query, keep_blank_values=True)
        return _json(200, self._search(resource_type, query, params, of_type))

    def _search(
        self,
        resource_type: str,
        query: str,
        params: list[tuple[str, str]],
        of_type: list[dict[str, Any]],
    ) -> dict[str, Any]:
        found = [item for item in of_type if all(_fits(item, *pair) for pair in params)]
        last = dict(params)
        start, count = int(last.get("_offset", 0)), int(last.get("_count", 1000))
        url = f"{self.base}/{resource_type}"
        links = [{"relation": "self", "url": f"{url}?{query}"}]
        if start + count < len(found):
            kept = [f"{k}={v}" for k, v in params if k not in ("_offset", "_count")]
            more = "&".join([*kept, f"_count={count}", f"_offset={start + count}"])
            links.append({"relation": "next", "url": f"{url}?{more}"})
        entries = [
            {"fullUrl": f"{url}/{item['id']}", "resource": item, "search": {"mode": "match"}}
            for item in found[start : start + count]
        ]
        bundle = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": links,
        }
        return bundle | ({"entry": entries} if entries else {})


def _fits(resource: Mapping[str, Any], name: str, value: str) -> bool:
    if name in _NOT_FILTERS or name in ("_count", "_offset"):
        return True
    wanted = value.split(",")
    if name in ("patient", "subject"):
        reference = resource.get("subject", resource.get("patient", {})).get("reference", "")
        return any(reference == f"Patient/{item.removeprefix('Patient/')}" for item in wanted)
    if name == "_id":
        return resource["id"] in wanted
    if name == "code":
        return _has_code([resource.get("code", {})], wanted)
    if name == "category":
        category = resource.get("category", [])
        return _has_code(category if isinstance(category, list) else [category], wanted)
    return True


def _has_code(concepts: list[Mapping[str, Any]], wanted: list[str]) -> bool:
    codings = [coding for concept in concepts for coding in concept.get("coding", ())]
    held = {coding.get("code") for coding in codings}
    held |= {f"{coding.get('system')}|{coding.get('code')}" for coding in codings}
    return any(token in held for token in wanted)


def _json(status: int, value: Any) -> Answer:
    return Answer(status, FHIR_JSON, json.dumps(value).encode())
