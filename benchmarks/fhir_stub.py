"""A canned FHIR server for load figures: cheap, so that it never is what is measured.

`python -m benchmarks.fhir_stub --port 9090 --delay-ms 100 --hang-prefix /hung` answers below any
prefix `/{host}/r4`, one prefix for each hospital: `/h1/r4/Patient/any-id`,
`/h1/r4/Observation?patient=any-id&…`. Every id is the same woman of 70 on alendronate with two
low T-scores, whose last DXA is two years before 2026-11-23. Tokens are taken as they come.

Hosts called `bad…` go through FAULTS request by request, hosts under `--hang-prefix` never answer.
`GET /stats` counts the requests by host.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

HOST_MARK, PATIENT_MARK = b"@HOST@", b"@PATIENT@"
DRIP_S = 0.02
FHIR = "application/fhir+json; charset=utf-8"
HTML = b"<!doctype html><html><body><h1>HTTP Status 502 - Bad Gateway</h1></body></html>"
LOINC = "http://loinc.org"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


class Stub:
    """The canned answers and what all connections share."""

    def __init__(self, port: int, delay_s: float, hang_prefix: str | None) -> None:
        self.delay_s = delay_s
        self.hang_prefix = hang_prefix.strip("/") if hang_prefix else None
        self.seen: Counter[str] = Counter()
        base = f"http://127.0.0.1:{port}/{HOST_MARK.decode()}/r4"
        self._templates = {name: json.dumps(value).encode() for name, value in _chart(base).items()}

    def body(self, host: str, resource_type: str, patient: str) -> bytes | None:
        """A canned answer with host and patient filled in; nothing for types that are not read."""
        template = self._templates.get(resource_type)
        if template is None:
            return None
        return template.replace(HOST_MARK, host.encode()).replace(PATIENT_MARK, patient.encode())


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests are answered in their order."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._buffer = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collects a request."""
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if self._busy or not found:
            return
        length = _content_length(head)
        if len(rest) < length:
            return
        form, self._buffer = rest[:length], rest[length:]
        self._busy = True
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        self._answer(method, target, form.decode("latin-1"))

    def _answer(self, method: str, target: str, form: str) -> None:
        path, _, query = target.partition("?")
        host, _, rest = path.lstrip("/").partition("/")
        if host == "stats":
            self._send(200, json.dumps(self._stub.seen).encode(), "application/json")
            return
        number = self._stub.seen[host]
        self._stub.seen[host] += 1
        resource_type, _, identifier = rest.removeprefix("r4/").partition("/")
        if method == "POST" and identifier == "_search":
            query, identifier = f"{query}&{form}", ""
        patient = identifier or _patient(query)
        body = self._stub.body(host, resource_type, patient) if patient else None
        if host == self._stub.hang_prefix:
            return
        fault = FAULTS[number % len(FAULTS)] if host.startswith("bad") else None
        asyncio.get_running_loop().call_later(self._stub.delay_s, self._finish, fault, body)

    def _finish(self, fault: Fault | None, body: bytes | None) -> None:
        if self._transport.is_closing():
            return
        if body is None:
            self._send(404, _outcome("not-found"), FHIR)
        elif fault is None:
            self._send(200, body, FHIR)
        else:
            fault(self, body)

    def _send(self, status: int, body: bytes, content_type: str, more: str = "") -> None:
        self._transport.write(_head(status, len(body), content_type, more) + body)
        self._busy = False
        if self._buffer:
            self._serve()

    # The faults: each gets the right body and does something else with it.

    def hang(self, body: bytes) -> None:
        """Nothing, ever."""

    def server_error(self, body: bytes) -> None:
        """500."""
        self._send(500, _outcome("exception"), FHIR)

    def drip(self, body: bytes) -> None:
        """One byte each 20 ms."""
        self._transport.write(_head(200, len(body), FHIR))
        self._drip(body, 0)

    def _drip(self, body: bytes, position: int) -> None:
        if position == len(body) or self._transport.is_closing():
            self._busy = False
            return
        self._transport.write(body[position : position + 1])
        loop = asyncio.get_running_loop()
        loop.call_later(DRIP_S, self._drip, body, position + 1)

    def cut(self, body: bytes) -> None:
        """Half of what Content-Length says."""
        self._transport.write(_head(200, len(body), FHIR) + body[: len(body) // 2])
        self._transport.close()

    def too_many(self, body: bytes) -> None:
        """429, to come back in an hour."""
        self._send(429, _outcome("throttled"), FHIR, "Retry-After: 3600\r\n")

    def html(self, body: bytes) -> None:
        """200 and a page."""
        self._send(200, HTML, "text/html; charset=utf-8")


Fault = Callable[[Connection, bytes], None]
FAULTS: tuple[Fault, ...] = (
    Connection.hang,
    Connection.server_error,
    Connection.drip,
    Connection.cut,
    Connection.too_many,
    Connection.html,
)


def _head(status: int, length: int, content_type: str, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode("latin-1")


def _content_length(head: bytes) -> int:
    _, found, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.split(b"\r\n", 1)[0]) if found else 0


def _patient(query: str) -> str:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in ("patient", "subject"):
            return unquote(value).removeprefix("Patient/")
    return ""


def _outcome(code: str) -> bytes:
    issue = {"severity": "error", "code": code}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def _chart(base: str) -> dict[str, Any]:
    """The answer for each resource type, with marks for host and patient."""
    patient = PATIENT_MARK.decode()
    subject = {"subject": {"reference": f"Patient/{patient}"}}

    def coded(system: str, code: str) -> dict[str, Any]:
        return {"coding": [{"system": system, "code": code}]}

    def t_score(code: str, value: float) -> dict[str, Any]:
        return subject | {
            "resourceType": "Observation",
            "id": f"t-score-{code}",
            "status": "final",
            "category": [
                coded("http://terminology.hl7.org/CodeSystem/observation-category", "imaging")
            ],
            "code": coded(LOINC, code),
            "effectiveDateTime": "2024-11-10",
            "valueQuantity": {"value": value, "unit": "{T-score}", "code": "{T-score}"},
        }

    condition = subject | {
        "resourceType": "Condition",
        "id": "osteoporosis",
        "clinicalStatus": coded(_CLINICAL, "active"),
        "code": coded("http://hl7.org/fhir/sid/icd-10-cm", "M81.0"),
        "onsetDateTime": "2024-11-12",
    }
    alendronate = subject | {
        "resourceType": "MedicationRequest",
        "id": "alendronate",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": coded("http://www.nlm.nih.gov/research/umls/rxnorm", "904431"),
        "authoredOn": "2024-11-20",
    }
    return {
        "Patient": {
            "resourceType": "Patient",
            "id": patient,
            "active": True,
            "gender": "female",
            "birthDate": "1956-05-20",
        },
        "Observation": _searchset(base, [t_score("38267-1", -2.7), t_score("38264-8", -2.1)]),
        "Condition": _searchset(base, [condition]),
        "MedicationStatement": _searchset(base, []),
        "MedicationRequest": _searchset(base, [alendronate]),
        "DiagnosticReport": _searchset(base, []),
        "Procedure": _searchset(base, []),
    }


def _searchset(base: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [
        {
            "fullUrl": f"{base}/{item['resourceType']}/{item['id']}",
            "resource": item,
            "search": {"mode": "match"},
        }
        for item in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return bundle | ({"entry": entries} if entries else {})


async def serve(port: int, delay_ms: float, hang_prefix: str | None) -> None:
    """Serves until it is ended; port 0 takes a free one. The address goes to standard output."""
    loop = asyncio.get_running_loop()
    stubs: list[Stub] = []
    server = await loop.create_server(
        lambda: Connection(stubs[0]), "127.0.0.1", port, backlog=1024, start_serving=False
    )
    bound = int(server.sockets[0].getsockname()[1])
    stubs.append(Stub(bound, delay_ms / 1000, hang_prefix))
    async with server:
        await server.start_serving()
        print(f"http://127.0.0.1:{bound}", flush=True)
        await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="canned FHIR server for load figures")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=100.0)
    parser.add_argument("--hang-prefix", help="a first path segment below which nothing answers")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.delay_ms, given.hang_prefix))


if __name__ == "__main__":
    main()
