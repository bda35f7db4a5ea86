"""Faults in time, in transport and in content; each kind is one line of the table at the end."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir_exchange import FHIR_JSON, Exchange, Kind, outcome

BOM = b"\xef\xbb\xbf"
MIB = 1024 * 1024
TOMCAT = (
    b"<!doctype html><html lang='en'><head><title>HTTP Status 404 \xe2\x80\x93 Not Found</title>"
    b"</head><body><h1>HTTP Status 404 \xe2\x80\x93 Not Found</h1><hr class='line' />"
    b"<h3>Apache Tomcat/9.0.65</h3></body></html>"
)
XML = b'<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://hl7.org/fhir"/>'


def healthy(exchange: Exchange) -> None:
    """The upstream's answer, on links of this server."""
    exchange.pass_on()


def slow(exchange: Exchange) -> None:
    """The right answer after so many milliseconds."""
    if not exchange.wait(exchange.number(100) / 1000):
        exchange.pass_on()


def hang(exchange: Exchange) -> None:
    """The request is read and never answered."""
    exchange.hang()


def reset(exchange: Exchange) -> None:
    """The request is read and the connection reset."""
    exchange.reset()


def drip_headers(exchange: Exchange) -> None:
    """One byte each 20 ms, from the status line on."""
    body = exchange.ask().body
    exchange.drip(exchange.head(200, len(body)) + body, exchange.number(20) / 1000)


def drip_body(exchange: Exchange) -> None:
    """The headers at once, then one byte each 20 ms."""
    body = exchange.ask().body
    exchange.raw(exchange.head(200, len(body)))
    exchange.drip(body, exchange.number(20) / 1000)


def stop_after_headers(exchange: Exchange) -> None:
    """The headers, then nothing; the connection stays open."""
    exchange.raw(exchange.head(200, len(exchange.ask().body)))
    exchange.hang()


def cut_json(exchange: Exchange) -> None:
    """Broken JSON under a Content-Length that agrees: HTTP sees nothing wrong."""
    body = exchange.ask().body
    exchange.send(200, body[: exchange.number(len(body) // 2)])


def cut_body(exchange: Exchange) -> None:
    """The connection ends before Content-Length is reached."""
    body = exchange.ask().body
    exchange.raw(exchange.head(200, len(body)) + body[: exchange.number(len(body) // 2)])
    exchange.cut()


def cut_chunked(exchange: Exchange) -> None:
    """A chunked body that ends without its last chunk."""
    body = exchange.ask().body
    part = body[: exchange.number(len(body) // 2)]
    exchange.raw(exchange.head(200, None, headers={"Transfer-Encoding": "chunked"}))
    exchange.raw(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    exchange.cut()


def cut_unframed(exchange: Exchange) -> None:
    """Neither length nor chunks: the body is what came before the end, and it came to half."""
    body = exchange.ask().body
    exchange.cut()
    exchange.raw(exchange.head(200, None) + body[: exchange.number(len(body) // 2)])


def too_many_requests(exchange: Exchange) -> None:
    """429 with Retry-After in seconds."""
    seconds = str(exchange.number(3600))
    exchange.refuse(429, "throttled", "slow down", {"Retry-After": seconds})


def unauthorized(exchange: Exchange) -> None:
    """401 as for a token that has run out."""
    challenge = 'Bearer error="invalid_token", error_description="The access token expired"'
    exchange.refuse(401, "expired", "access token expired", {"WWW-Authenticate": challenge})


def flaky(exchange: Exchange) -> None:
    """A failure the first time for each URL, 503 or the status given, then the right answer."""
    if exchange.earlier:
        exchange.pass_on()
    else:
        exchange.refuse(exchange.number(503), "transient", "try again")


def forbidden_type(exchange: Exchange) -> None:
    """403 for one type, Observation or the one given."""
    if exchange.seen.resource_type == (exchange.argument or "Observation"):
        exchange.refuse(403, "forbidden", "the token's scopes do not permit this")
    else:
        exchange.pass_on()


def no_patient(exchange: Exchange) -> None:
    """404 for the Patient; everything else is there."""
    if exchange.seen.resource_type == "Patient":
        exchange.refuse(404, "not-found", "no such Patient")
    else:
        exchange.pass_on()


def wrong_content_type(exchange: Exchange) -> None:
    """The right JSON, called something else."""
    exchange.send(200, exchange.ask().body, exchange.argument or "text/plain")


def no_content_type(exchange: Exchange) -> None:
    """The right JSON, called nothing."""
    exchange.send(200, exchange.ask().body, "")


def bom(exchange: Exchange) -> None:
    """The right JSON behind a byte order mark."""
    exchange.send(200, BOM + exchange.ask().body)


def duplicate_key(exchange: Exchange) -> None:
    """JSON that says one key twice."""
    body = exchange.ask().body
    exchange.send(200, b'{"resourceType":"Patient",' + body[1:])


def outcome_instead(exchange: Exchange) -> None:
    """200 with an OperationOutcome where a Bundle is due."""
    exchange.send_json(outcome("error", "processing", "the search failed"))


def redirect(status: int) -> Kind:
    """To the same thing on another origin."""

    def answer(exchange: Exchange) -> None:
        target = f"{exchange.elsewhere}/healthy/r4/{exchange.seen.path}"
        target += f"?{exchange.seen.query}" if exchange.seen.query else ""
        exchange.send(status, b"", headers={"Location": target})

    return answer


def failure(status: int) -> Kind:
    """Always the same error."""

    def answer(exchange: Exchange) -> None:
        exchange.refuse(status, "exception", f"always {status}")

    return answer


def body(content: bytes, content_type: str = FHIR_JSON, status: int = 200) -> Kind:
    """Always the same bytes."""

    def answer(exchange: Exchange) -> None:
        exchange.send(status, content, content_type)

    return answer


def extra_entry(severity: str) -> Kind:
    """The right Bundle and an OperationOutcome as one more entry; a read is answered rightly."""

    def answer(exchange: Exchange) -> None:
        issue = outcome(severity, "processing", "part of the search failed")
        _add(exchange, {"resource": issue, "search": {"mode": "outcome"}})

    return answer


def other_patient(exchange: Exchange) -> None:
    """The right Bundle and another patient's resource in it; a read gives another Patient."""
    kind = exchange.seen.resource_type
    foreign = {
        "resourceType": kind,
        "id": "foreign-1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "38267-1"}]},
        "subject": {"reference": "Patient/somebody-else"},
        "valueQuantity": {"value": -4.1},
    }
    entry = {
        "fullUrl": f"{exchange.base}/{kind}/foreign-1",
        "resource": foreign,
        "search": {"mode": "match"},
    }
    if exchange.seen.path.startswith("Patient/"):
        exchange.send_json({"resourceType": "Patient", "id": "somebody-else", "gender": "male"})
    else:
        _add(exchange, entry)


def too_large_total(exchange: Exchange) -> None:
    """A `total` above the number of entries, and no next page."""
    if "/" in exchange.seen.path:
        exchange.pass_on()
        return
    bundle = exchange.bundle(exchange.seen.search[0], exchange.seen.params)
    bundle["total"] = len(bundle.get("entry", ())) + exchange.number(7)
    exchange.send_json(bundle)


def huge_entries(exchange: Exchange) -> None:
    """10,000 entries, or as many as given, on one page."""
    kind, number = exchange.seen.resource_type, exchange.number(10_000)
    exchange.send(200, _many(kind, _patient(exchange), number))


def huge_string(exchange: Exchange) -> None:
    """One Observation with a string of 1 MiB, or of so many bytes."""
    observation = _observation("Observation", "big", _patient(exchange))
    observation["note"] = [{"text": "x" * exchange.number(MIB)}]
    exchange.send_json(_searchset([observation]))


def gzip_bomb(exchange: Exchange) -> None:
    """64 MiB, or as many as given, of valid JSON in a thousandth of that on the wire."""
    exchange.send(200, _bomb(exchange.number(64)), headers={"Content-Encoding": "gzip"})


def deep_nesting(exchange: Exchange) -> None:
    """A Bundle nested 100,000 levels deep, or as deep as given."""
    depth = exchange.number(100_000)
    start = b'{"resourceType":"Bundle","type":"searchset","entry":'
    exchange.send(200, start + b"[" * depth + b"]" * depth + b"}")


def _add(exchange: Exchange, entry: Mapping[str, Any]) -> None:
    answer = exchange.ask()
    found = json.loads(answer.body)
    if found.get("resourceType") == "Bundle":
        found.setdefault("entry", []).append(entry)
    exchange.send_json(found, answer.status)


def _patient(exchange: Exchange) -> str:
    named = dict(exchange.seen.params)
    return named.get("patient", named.get("subject", "unknown")).removeprefix("Patient/")


def _observation(resource_type: str, identifier: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": resource_type,
        "id": identifier,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "38267-1"}]},
        "subject": {"reference": f"Patient/{patient}"},
    }


def _searchset(resources: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [{"resource": item, "search": {"mode": "match"}} for item in resources]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "entry": entries,
    }


@cache
def _many(resource_type: str, patient: str, number: int) -> bytes:
    names = (f"many-{position}" for position in range(number))
    found = [_observation(resource_type, name, patient) for name in names]
    return json.dumps(_searchset(found)).encode()


@cache
def _bomb(mebibytes: int) -> bytes:
    start = b'{"resourceType":"Bundle","type":"searchset","entry":['
    return gzip.compress(start + b" " * (mebibytes * MIB) + b"]}")


KINDS: dict[str, Kind] = {
    "healthy": healthy,
    "slow": slow,
    "slow-100ms": slow,
    "hang": hang,
    "reset": reset,
    "drip-headers": drip_headers,
    "drip-body": drip_body,
    "stop-after-headers": stop_after_headers,
    "cut-json": cut_json,
    "cut-body": cut_body,
    "cut-chunked": cut_chunked,
    "cut-unframed": cut_unframed,
    "429": too_many_requests,
    "401": unauthorized,
    "flaky": flaky,
    "403-on-one-type": forbidden_type,
    "404-on-patient": no_patient,
    "html-200": body(TOMCAT, "text/html;charset=utf-8"),
    "xml": body(XML, "application/fhir+xml; charset=utf-8"),
    "bom": bom,
    "wrong-content-type": wrong_content_type,
    "no-content-type": no_content_type,
    "not-json": body(b"Service temporarily unavailable"),
    "not-utf8": body(b'{"resourceType":"Bundle","type":"searchset","id":"\xff\xfe"}'),
    "nan": body(b'{"resourceType":"Bundle","type":"searchset","total":NaN}'),
    "array": body(b"[]"),
    "null": body(b"null"),
    "empty": body(b""),
    "duplicate-key": duplicate_key,
    "outcome-instead-of-bundle": outcome_instead,
    "outcome-entry": extra_entry("error"),
    "outcome-warning": extra_entry("warning"),
    "other-patient": other_patient,
    "total-too-large": too_large_total,
    "huge-entries": huge_entries,
    "huge-string": huge_string,
    "gzip-bomb": gzip_bomb,
    "deep-nesting": deep_nesting,
    **{str(status): failure(status) for status in (400, 403, 404, 410, 500, 502, 503, 504)},
    **{str(status): redirect(status) for status in (301, 302, 303, 307, 308)},
}
