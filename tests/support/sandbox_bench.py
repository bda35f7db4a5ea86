"""What a built CDS Hooks sandbox needs beside it, on loopback ports, for a browser or a script.

`PYTHONPATH=. python tests/support/sandbox_bench.py FOLDER` serves the sandbox built in FOLDER, an
open FHIR server with the patient of the README, the service with verified tokens, and the service
that orders an ultrasound of the heel. It prints the address to open and ends with Ctrl-C.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import urlencode

from fhir_real import real_server
from sandbox_ordering import ordering_service

ROOT = Path(__file__).parents[2]
AS_OF = "2026-11-23"
PATIENT_ID = "seed-1"
SANDBOX_PORT, PROXY_PORT, SERVICE_PORT, ORDERING_PORT = 8093, 8091, 8094, 8095
REGISTRY = """
[clients.sandbox]
profile = "sandbox"
cors_origins = ["{origin}"]

[clients.sandbox.trust]
issuer = "https://sandbox.cds-hooks.org"
audiences = ["{audience}"]
jwks_file = "sandbox-keys.json"
"""
_START_S = 60


@dataclass(slots=True)
class Exchange:
    """One request of the browser to the service, and the answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer_headers: dict[str, str]
    answer: bytes


@dataclass(slots=True)
class Bench:
    """Where everything is; `exchanges` grows while the browser works."""

    sandbox: str
    service: str
    ordering: str
    fhir: str
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The sandbox with FHIR server and patient; the services are added in its settings."""
        chosen = {"fhirServiceUrl": self.fhir, "patientId": PATIENT_ID}
        return f"{self.sandbox}/?{urlencode(chosen)}"


@contextmanager
def bench(built: Path) -> Iterator[Bench]:
    """Starts everything; `built` is the folder with the sandbox's index.html."""
    sandbox = f"http://127.0.0.1:{SANDBOX_PORT}"
    found = Bench(sandbox, f"http://127.0.0.1:{PROXY_PORT}", "", "")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        found.fhir = stack.enter_context(real_server(chart(), tokens_needed=False)).base
        found.ordering = stack.enter_context(ordering_service(ORDERING_PORT))
        pages = functools.partial(_Pages, directory=str(built))
        stack.enter_context(_serving(ThreadingHTTPServer(("127.0.0.1", SANDBOX_PORT), pages)))
        stack.enter_context(_service(folder, built, found))
        forwarder = type("Forwarder", (_Forwarder,), {"exchanges": found.exchanges})
        stack.enter_context(_serving(ThreadingHTTPServer(("127.0.0.1", PROXY_PORT), forwarder)))
        yield found


def chart() -> list[dict[str, Any]]:
    """The patient of the README with the name that the sandbox cannot do without."""
    request = json.loads((ROOT / "fixtures/requests/qus.json").read_text("utf-8"))
    found: list[dict[str, Any]] = []
    for value in request["prefetch"].values():
        entries = value.get("entry", []) if value["resourceType"] == "Bundle" else []
        found += [entry["resource"] for entry in entries] or [value]
    patient = {"name": [{"family": "Example", "given": ["Ada"]}]}
    return [
        item | (patient if item["resourceType"] == "Patient" else {})
        for item in found
        if item["resourceType"] != "Bundle"
    ]


@contextmanager
def _service(folder: Path, built: Path, found: Bench) -> Iterator[None]:
    registry = folder / "clients.toml"
    registry.write_text(REGISTRY.format(origin=found.sandbox, audience=found.service), "utf-8")
    keys = (built / ".well-known" / "jwks.json").read_text("utf-8")
    (folder / "sandbox-keys.json").write_text(keys, "utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "CDS_AUTH": "required",
        "CDS_CLIENTS": str(registry),
        "CDS_AS_OF": AS_OF,
        "CDS_WORKERS": "1",
    }
    command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
    process = subprocess.Popen([*command, "--port", str(SERVICE_PORT)], env=environment, cwd=folder)
    try:
        _wait_for(process)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", SERVICE_PORT, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("the service did not start; its words are above")


class _Pages(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Forwarder(BaseHTTPRequestHandler):
    """Passes everything on to the service unchanged and writes it down."""

    protocol_version = "HTTP/1.1"
    exchanges: list[Exchange]

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection("127.0.0.1", SERVICE_PORT, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        headers = {
            name: value
            for name, value in response.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length")
        }
        heard = dict(self.headers.items())
        self.exchanges.append(
            Exchange(self.command, self.path, heard, body, response.status, headers, answer)
        )
        self.send_response_only(response.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_OPTIONS = _forward  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Serves until Ctrl-C."""
    with bench(Path(sys.argv[1])) as found:
        print(f"open {found.url}", flush=True)
        print(f"add the services {found.ordering} and {found.service}/cds-services", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
