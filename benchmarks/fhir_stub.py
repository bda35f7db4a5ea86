"""A canned FHIR server for load figures: cheap, so that it never is what is measured.

`python -m benchmarks.fhir_stub --port 9090 --delay-ms 100 --hang-prefix /hung` answers below any
prefix `/{host}/r4`, one prefix for each hospital: `/h1/r4/Patient/any-id`,
`/h1/r4/Observation?patient=any-id&…`. The patients are those of `charts`: an id says which chart it
has, any other id is the same woman of 70 on alendronate with two low T-scores, whose last DXA is
two years before 2026-11-23. Tokens are taken as they come.

Hosts called `bad…` go through ROUND request by request, hosts under `--hang-prefix` never answer.
`GET /stats` counts the requests by host.

`--more-ports 8` opens eight ports besides, each to be taken for a host of its own, whose fault can
be changed at any time over the first port, `GET /control?port=9091&fault=F-02` or
`/control?faults=off`. The addresses go to standard output, one a line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
from collections import Counter
from functools import cache
from urllib.parse import parse_qs, unquote

from benchmarks import fhir_faults
from benchmarks.charts import CHARTS, DEFAULT, chart_of, resources, searchset
from benchmarks.fhir_faults import FAULTS, FHIR, Ask, Fault, head_of, outcome

BASE_MARK, PATIENT_MARK = "@BASE@", "@PATIENT@"
DRIP_S = 0.02
_BLACKHOLE = "F-01"


def _error_500(line: fhir_faults.Line, ask: Ask) -> None:
    line.send(500, outcome("exception"), FHIR)


def _cut_in_half(line: fhir_faults.Line, ask: Ask) -> None:
    line.raw(head_of(200, len(ask.body)) + ask.body[: len(ask.body) // 2], ends=True)


def _drip_body(line: fhir_faults.Line, ask: Ask) -> None:
    line.raw(head_of(200, len(ask.body)))
    line.drip(ask.body)


def _html(line: fhir_faults.Line, ask: Ask) -> None:
    line.send(200, fhir_faults.HTML, "text/html; charset=utf-8")


ROUND: tuple[Fault, ...] = (
    fhir_faults.hang,
    _error_500,
    _drip_body,
    _cut_in_half,
    fhir_faults.too_many,
    _html,
)
"""What hosts called `bad…` do, request by request."""


class Stub:
    """What all ports and connections of one process share."""

    def __init__(self, delay_s: float, hang_prefix: str | None) -> None:
        self.delay_s = delay_s
        self.hang_prefix = hang_prefix.strip("/") if hang_prefix else None
        self.seen: Counter[str] = Counter()
        self.ports: dict[int, Port] = {}

    def control(self, query: str) -> bytes:
        """Changes faults as a query says; the answer is what holds now."""
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        if asked.get("faults") == "off":
            for port in self.ports.values():
                port.set_fault(None)
        elif "port" in asked:
            fault = asked.get("fault", "off")
            self.ports[int(asked["port"])].set_fault(None if fault == "off" else fault)
        if "delay_ms" in asked:
            self.delay_s = float(asked["delay_ms"]) / 1000
        return json.dumps({number: port.fault for number, port in self.ports.items()}).encode()


class Port:
    """One listener: a host whose fault can be changed."""

    def __init__(self, stub: Stub, number: int) -> None:
        self._stub = stub
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server(("127.0.0.1", number), backlog=1024)
        self._listener.setblocking(False)
        self._fillers: list[socket.socket] = []
        self._opening: set[asyncio.Task[object]] = set()
        self.fault: str | None = None
        self.number = int(self._listener.getsockname()[1])
        self._loop.add_reader(self._listener, self._accept)

    def set_fault(self, name: str | None) -> None:
        """From now on one of FAULTS, None to be healthy; raises KeyError."""
        if name is not None and name not in FAULTS:
            raise KeyError(name)
        if name == _BLACKHOLE and self.fault != _BLACKHOLE:
            self._drop_syns()
        elif name != _BLACKHOLE and self.fault == _BLACKHOLE:
            self._take_syns()
        self.fault = name

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                connection, _ = self._listener.accept()
                opening = self._loop.create_task(self._open(connection))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> object:
        return await self._loop.connect_accepted_socket(
            lambda: Connection(self._stub, self), connection
        )

    def _drop_syns(self) -> None:
        """Fills the queue of a listener that accepts no more: then the kernel drops every SYN."""
        self._loop.remove_reader(self._listener)
        self._listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.number))
            self._fillers.append(filler)

    def _take_syns(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._listener.listen(1024)
        self._loop.add_reader(self._listener, self._accept)


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests are answered in their order."""

    def __init__(self, stub: Stub, port: Port) -> None:
        self._stub = stub
        self._port = port
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
            self.send(200, json.dumps(self._stub.seen).encode(), "application/json")
            return
        if host == "control":
            self.send(200, self._stub.control(query), "application/json")
            return
        number = self._stub.seen[host]
        self._stub.seen[host] += 1
        resource_type, _, identifier = rest.removeprefix("r4/").partition("/")
        if method == "POST" and identifier == "_search":
            query, identifier = f"{query}&{form}", ""
        patient = identifier if identifier else _patient(query)
        base = f"http://127.0.0.1:{self._port.number}/{host}/r4"
        body = _body(resource_type, patient, base) if patient else None
        if host == self._stub.hang_prefix:
            return
        fault: Fault | None = None
        serial = chart_of(patient)[1]
        ask = Ask(resource_type, patient, serial, number, query, base, body or b"")
        if host.startswith("bad"):
            fault = ROUND[number % len(ROUND)]
        elif self._port.fault is not None and ask.is_touched:
            fault = FAULTS[self._port.fault]
        loop = asyncio.get_running_loop()
        loop.call_later(self._stub.delay_s, self._finish, fault, ask)

    def _finish(self, fault: Fault | None, ask: Ask) -> None:
        if self._transport.is_closing():
            return
        if not ask.body:
            self.send(404, outcome("not-found"), FHIR)
        elif fault is None:
            self.send(200, ask.body, FHIR)
        else:
            fault(self, ask)

    def send(self, status: int, body: bytes, content_type: str, more: str = "") -> None:
        """A whole answer; the next request may follow."""
        self._transport.write(head_of(status, len(body), content_type, more) + body)
        self._busy = False
        if self._buffer:
            self._serve()

    def raw(self, data: bytes, *, ends: bool = False) -> None:
        """Bytes as they are, and after them nothing, or the end of the connection."""
        self._transport.write(data)
        if ends:
            self._transport.close()

    def drip(self, data: bytes) -> None:
        """One byte each 20 ms."""
        self._drip(data, 0)

    def _drip(self, data: bytes, position: int) -> None:
        if position == len(data) or self._transport.is_closing():
            self._busy = False
            return
        self._transport.write(data[position : position + 1])
        loop = asyncio.get_running_loop()
        loop.call_later(DRIP_S, self._drip, data, position + 1)


def _body(resource_type: str, patient: str, base: str) -> bytes | None:
    """The right answer about a patient; nothing for types that are not read."""
    if resource_type == "Medication":  # asked for by an id of its own, the same for everybody
        return _medications().get(patient)
    chart, _ = chart_of(patient)
    template = _templates(chart.name).get(resource_type)
    if template is None:
        return None
    return template.replace(BASE_MARK, base).replace(PATIENT_MARK, patient).encode()


@cache
def _templates(name: str) -> dict[str, str]:
    """The answer for each resource type, with marks for host and patient."""
    chart = next(chart for chart in (DEFAULT, *CHARTS) if chart.name == name)
    found = resources(chart, PATIENT_MARK)
    bundles = {kind: json.dumps(searchset(BASE_MARK, items)) for kind, items in found.items()}
    return bundles | {"Patient": json.dumps(found["Patient"][0])}


@cache
def _medications() -> dict[str, bytes]:
    charts = (resources(chart, PATIENT_MARK) for chart in CHARTS)
    return {
        item["id"]: json.dumps(item).encode() for chart in charts for item in chart["Medication"]
    }


def _content_length(head: bytes) -> int:
    _, found, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.split(b"\r\n", 1)[0]) if found else 0


def _patient(query: str) -> str:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in ("patient", "subject"):
            return unquote(value).removeprefix("Patient/")
    return ""


async def serve(port: int, delay_ms: float, hang_prefix: str | None, more_ports: int) -> None:
    """Serves until it is ended; port 0 takes a free one. The addresses go to standard output."""
    stub = Stub(delay_ms / 1000, hang_prefix)
    first = Port(stub, port)
    for _ in range(more_ports):
        another = Port(stub, 0)
        stub.ports[another.number] = another
    for number in (first.number, *stub.ports):
        print(f"http://127.0.0.1:{number}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="canned FHIR server for load figures")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=100.0)
    parser.add_argument("--hang-prefix", help="a first path segment below which nothing answers")
    parser.add_argument("--more-ports", type=int, default=0, help="ports with a fault of their own")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.delay_ms, given.hang_prefix, given.more_ports))


if __name__ == "__main__":
    main()
