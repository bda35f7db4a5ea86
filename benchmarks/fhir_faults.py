"""The fourteen kinds of FHIR failure, F-01 to F-14, as a canned server plays them on one port.

Which answers of a patient's chart are touched depends on the serial number of the patient: all of
them for every fourth patient, one or two resource types for the others. What can be read then is
part of a chart, and that is where wrong answers would come from.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

FHIR = "application/fhir+json; charset=utf-8"
HTML = b"<!doctype html><html><body><h1>HTTP Status 502 - Bad Gateway</h1></body></html>"
MIB = 1024 * 1024
ELSEWHERE = "http://127.0.0.2:9/soak/r4"
_TYPES = (
    "Observation",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "DiagnosticReport",
    "Procedure",
    "Patient",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what is asked of whom, the right answer, and the how manieth it is."""

    resource_type: str
    patient: str
    serial: int
    number: int
    query: str
    base: str
    body: bytes

    @property
    def is_touched(self) -> bool:
        """Whether a fault that leaves some types alone touches this one."""
        serial = self.serial
        touched = (_TYPES[serial % 7], _TYPES[serial // 7 % 7])
        return serial % 4 == 0 or self.resource_type in touched

    @property
    def bundle(self) -> dict[str, Any] | None:
        """The right answer as a Bundle that may be changed; None for a single resource."""
        document: dict[str, Any] = json.loads(self.body)
        return document if document["resourceType"] == "Bundle" else None

    def variant(self, count: int) -> int:
        """One of several variants of a fault, the same for all requests about a patient."""
        return self.serial // 4 % count


class Line(Protocol):
    """The connection on which a fault is played."""

    def send(self, status: int, body: bytes, content_type: str, more: str = "") -> None:
        """A whole answer."""

    def raw(self, data: bytes, *, ends: bool = False) -> None:
        """Bytes as they are; `ends` closes the connection behind them."""

    def drip(self, data: bytes) -> None:
        """One byte each 20 ms."""


Fault = Callable[[Line, Ask], None]


def hang(line: Line, ask: Ask) -> None:
    """F-04: taken and never answered."""


def drip(line: Line, ask: Ask) -> None:
    """F-02: the body, or already the head, one byte each 20 ms."""
    head = head_of(200, len(ask.body))
    if ask.variant(2):
        line.drip(head + ask.body)
    else:
        line.raw(head)
        line.drip(ask.body)


def cut(line: Line, ask: Ask) -> None:
    """F-03: ends after the head, in the middle, or where a wrong length says; or just stops."""
    variant, body = ask.variant(4), ask.body
    if variant == 3:
        line.raw(head_of(200, len(body)) + body[: len(body) // 2])
    elif variant == 2:
        line.send(200, body[: len(body) // 2], FHIR)
    else:
        line.raw(head_of(200, len(body)) + body[: variant * len(body) // 2], ends=True)


def too_many(line: Line, ask: Ask) -> None:
    """F-05: 429, to come back at once, or in an hour."""
    seconds = ("1", "3600", "0")[ask.variant(3)]
    line.send(429, outcome("throttled"), FHIR, f"Retry-After: {seconds}\r\n")


def server_error(line: Line, ask: Ask) -> None:
    """F-06: 500, 502, 503 or 504, for some patients only every second time."""
    if ask.serial % 2 and ask.number % 2:
        line.send(200, ask.body, FHIR)
    else:
        line.send((500, 502, 503, 504)[ask.variant(4)], outcome("exception"), FHIR)


def not_granted(line: Line, ask: Ask) -> None:
    """F-07: 401 or 403."""
    line.send((401, 403)[ask.variant(2)], outcome("forbidden"), FHIR)


def no_patient(line: Line, ask: Ask) -> None:
    """F-08: 404 for the Patient."""
    if ask.resource_type == "Patient":
        line.send(404, outcome("not-found"), FHIR)
    else:
        line.send(200, ask.body, FHIR)


def no_json(line: Line, ask: Ask) -> None:
    """F-09: 200 with a page, the wrong media type, a byte order mark, or XML."""
    variant = ask.variant(4)
    if variant == 0:
        line.send(200, HTML, "text/html; charset=utf-8")
    elif variant == 1:
        line.send(200, ask.body, "text/plain")
    elif variant == 2:
        line.send(200, b"\xef\xbb\xbf" + ask.body, FHIR)
    else:
        line.send(200, b'<Bundle xmlns="http://hl7.org/fhir"/>', "application/fhir+xml")


def outcome_instead(line: Line, ask: Ask) -> None:
    """F-10: an OperationOutcome instead of the Bundle, or as one of fewer entries."""
    bundle = ask.bundle
    if bundle is None or ask.variant(2):
        line.send(200, outcome("exception"), FHIR)
        return
    entries = bundle.get("entry", [])
    told = {"resource": json.loads(outcome("incomplete")), "search": {"mode": "outcome"}}
    bundle["entry"] = [*entries[: len(entries) // 2], told]
    line.send(200, json.dumps(bundle).encode(), FHIR)


def endless_pages(line: Line, ask: Ask) -> None:
    """F-11: pages that go round, that go on for ever with one entry each, or that are elsewhere."""
    bundle = ask.bundle
    if bundle is None:
        line.send(200, ask.body, FHIR)
        return
    address = f"{ask.base}/{ask.resource_type}?patient={ask.patient}"
    entries = bundle.get("entry", [])
    following = (
        f"{address}&page=again",
        f"{address}&page={ask.number}",
        f"{ELSEWHERE}/{ask.resource_type}?patient={ask.patient}&page=2",
    )[ask.variant(3)]
    bundle["entry"] = entries[-1:] if "page=" in ask.query else entries[:1]
    bundle["link"] = [{"relation": "next", "url": following}]
    line.send(200, json.dumps(bundle).encode(), FHIR)


def fewer_than_total(line: Line, ask: Ask) -> None:
    """F-12: more in total than there are entries, and no next page."""
    bundle = ask.bundle
    if bundle is None:
        line.send(200, ask.body, FHIR)
        return
    entries = bundle.get("entry", [])
    if ask.variant(2):  # the newest are in front: they are what is missing here
        bundle["entry"] = entries[len(entries) // 2 :]
    else:
        bundle["entry"] = entries[: len(entries) // 2]
    bundle["total"] = len(entries) + 1
    line.send(200, json.dumps(bundle).encode(), FHIR)


def lost_page(line: Line, ask: Ask) -> None:
    """F-13: the first half is there, the page with the other half is not."""
    bundle = ask.bundle
    if bundle is None:
        line.send(200, ask.body, FHIR)
    elif "page=2" in ask.query:
        if ask.variant(2):
            line.send(410, outcome("expired"), FHIR)
    else:
        entries = bundle.get("entry", [])
        half = entries[len(entries) // 2 :] if ask.serial % 2 else entries[: len(entries) // 2]
        address = f"{ask.base}/{ask.resource_type}?patient={ask.patient}&page=2"
        bundle["entry"] = half
        bundle["link"] = [{"relation": "next", "url": address}]
        line.send(200, json.dumps(bundle).encode(), FHIR)


def huge(line: Line, ask: Ask) -> None:
    """F-14: 50 MB announced, a gzip bomb of 1:1000, 10,000 entries, or one text of 1 MB."""
    variant = ask.variant(4)
    if variant == 0:
        line.raw(head_of(200, 50 * MIB) + b'{"resourceType":"Bundle","entry":[' + b" " * 65536)
    elif variant == 1:
        line.send(200, _bomb(), FHIR, "Content-Encoding: gzip\r\n")
    elif variant == 2 and ask.bundle is not None:
        line.send(200, _many_entries(ask.patient), FHIR, "Content-Encoding: gzip\r\n")
    else:
        line.send(200, ask.body[:-1] + b',"implicitRules":"' + b"x" * MIB + b'"}', FHIR)


FAULTS: dict[str, Fault | None] = {
    "F-01": None,  # the port itself drops every SYN
    "F-02": drip,
    "F-03": cut,
    "F-04": hang,
    "F-05": too_many,
    "F-06": server_error,
    "F-07": not_granted,
    "F-08": no_patient,
    "F-09": no_json,
    "F-10": outcome_instead,
    "F-11": endless_pages,
    "F-12": fewer_than_total,
    "F-13": lost_page,
    "F-14": huge,
}
"""By the number of the fault table; None is no fault of HTTP."""


def head_of(status: int, length: int, content_type: str = FHIR, more: str = "") -> bytes:
    """Status line and headers of an answer."""
    return (
        f"HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode("latin-1")


def outcome(code: str) -> bytes:
    """An OperationOutcome."""
    issue = {"severity": "error", "code": code}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"resourceType":"Bundle","entry":[' + b" " * (50 * MIB) + b"]}")


@cache
def _many_entries(patient: str) -> bytes:
    resource = {
        "resourceType": "Procedure",
        "id": "p",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
    }
    entries = [{"resource": resource | {"id": f"p-{number}"}} for number in range(10_000)]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 10_000, "entry": entries}
    return gzip.compress(json.dumps(bundle).encode(), 1)
