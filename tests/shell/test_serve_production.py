"""The real server in production: two listeners, two workers, a log that tells no secrets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from tokens import PATH, PUBLIC, jwk, jwks, token

CANARY = "canary7f3a"
SECONDS_TO_START = 90
REGISTRY = """
[clients.demo.trust]
issuer = "https://ehr.example.org"
jwks_file = "keys.json"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server with its two listeners."""

    process: subprocess.Popen[str]
    public: int
    admin: int
    log: Path

    def ask(self, port: int, path: str, **headers: str) -> tuple[int, str]:
        """One GET."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def hook(self, bearer: str, document: Any) -> tuple[int, str]:
        """One hook call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=20)
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        with closing(connection):
            connection.request("POST", PATH, json.dumps(document), headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def raw(self, sent: bytes) -> bytes:
        """What is answered to bytes that need not be HTTP."""
        with socket.create_connection(("127.0.0.1", self.public), timeout=20) as connection:
            connection.sendall(sent)
            return connection.recv(65536)

    def number(self, sample: str) -> float | None:
        """One sample of the metrics."""
        _, text = self.ask(self.admin, "/metrics")
        values = [line.split(" ")[1] for line in text.splitlines() if line.startswith(f"{sample} ")]
        return float(values[0]) if values else None


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def eventually(holds: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`cds-service serve` in production at DEBUG."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "clients.toml").write_text(REGISTRY, "utf-8")
    (folder / "keys.json").write_text(json.dumps(jwks(jwk("rsa"))), "utf-8")
    public, admin = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder),
        "CDS_MODE": "production",
        "CDS_CLIENTS": str(folder / "clients.toml"),
        "CDS_PUBLIC_URL": PUBLIC,
        "CDS_SECRET_KEY": "a key for this test, thirty-two bytes and more",
        "CDS_DATABASE_URL": f"sqlite:///{folder}/store.db",
        "CDS_PORT": str(public),
        "CDS_ADMIN_PORT": str(admin),
        "CDS_LOG_LEVEL": "debug",
        "CDS_WORKERS": "2",
    }
    log = folder / "log"
    command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
    with log.open("w") as written:
        process = subprocess.Popen(
            command, env=environment, stdout=written, stderr=subprocess.STDOUT, text=True
        )
    server = Server(process, public, admin, log)
    try:
        up = eventually(lambda: server.ask(public, "/livez")[0] == 200, SECONDS_TO_START)
        assert up, log.read_text()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def call(server: Server, bearer: str) -> tuple[int, str]:
    """A hook call with the canary in it."""
    low = observation(CANARY, "38267-1", -2.7, "2023-05-10", note=[{"text": CANARY}])
    person = patient(name=[{"family": CANARY}])
    chart = prefetch(person, [low, condition(f"{CANARY}-c", "M81.0")])
    return server.hook(bearer, body(None, prefetch=chart))


def test_two_listeners(server: Server) -> None:
    """Metrics and reasons are on the one, hooks on the other; no header changes that."""
    spoofed = {
        "Host": f"127.0.0.1:{server.admin}",
        "X-Forwarded-Port": str(server.admin),
        "X-Forwarded-Host": f"127.0.0.1:{server.admin}",
        "Forwarded": f'host="127.0.0.1:{server.admin}"',
    }
    for headers in ({}, spoofed):
        assert server.ask(server.public, "/metrics", **headers)[0] == 404
        assert server.ask(server.public, "/readyz", **headers) == (200, '{"status":"ready"}')
        assert server.ask(server.public, "/cds-services", **headers)[0] == 200
    assert server.ask(server.admin, "/metrics")[0] == 200
    assert "services" in json.loads(server.ask(server.admin, "/readyz")[1])
    for path in ("/cds-services", "/openapi.json", "/about", "/"):
        assert server.ask(server.admin, path, Host=f"127.0.0.1:{server.public}")[0] == 404


def test_the_numbers_of_all_workers(server: Server) -> None:
    """Whichever worker is asked: all calls are told, also those of a worker that was killed."""
    sample = (
        'cds_calls_total{client="demo",hook="order-select",'
        'service="bone-density-imaging",status="200"}'
    )
    before = server.number(sample) or 0.0
    for _ in range(6):
        assert call(server, token(sub=CANARY))[0] == 200
    assert eventually(lambda: server.number(sample) == before + 6)
    assert eventually(lambda: server.number("cds_workers") == 2.0)
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    worker = int(children.read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: str(worker) not in children.read_text().split())
    assert eventually(lambda: server.number("cds_workers") == 2.0)
    assert server.number(sample) == before + 6


def test_a_log_without_secrets(server: Server) -> None:
    """At DEBUG, gunicorn included: each line is JSON, and nothing of a caller is in it."""
    good = token(sub=CANARY)
    statuses = [call(server, good)[0], call(server, good)[0], call(server, f"{CANARY}.x.y")[0]]
    assert statuses == [200, 401, 401]
    server.ask(server.public, f"/{CANARY}?{CANARY}={CANARY}", **{CANARY: CANARY})
    for sent in (
        f"{CANARY}\r\n\r\n".encode(),
        f"GET /{CANARY} HTTP/9.9\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{CANARY} {CANARY}: x\r\n\r\n".encode(),
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {CANARY}\r\n\r\n".encode(),
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {CANARY}\r\n\r\n".encode(),
    ):
        answer = server.raw(sent)
        assert CANARY.encode() not in answer
        assert b" 400 " in answer.splitlines()[0] or b" 501 " in answer.splitlines()[0]
    time.sleep(0.5)
    text = server.log.read_text()
    assert CANARY not in text
    assert not [part for part in good.split(".") if part in text]
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    others = [line for line in text.splitlines() if not line.startswith("{")]
    assert all(line.split(" ")[0].isalpha() for line in others), (
        others
    )  # the addresses at the start
    assert {"cds_service.calls", "cds_service.callers", "gunicorn.error"} <= {
        line["logger"] for line in lines
    }
    assert CANARY not in server.ask(server.admin, "/metrics")[1]


def test_no_folder_is_left(server: Server) -> None:
    """The folder of the metrics ends with the server; so this test is the last."""
    folders = [
        parent.joinpath(name)
        for parent in (Path("/dev/shm"), Path("/tmp"))  # noqa: S108
        for name in os.listdir(parent)
        if name.startswith(f"cds-service-metrics-{server.process.pid}-")
    ]
    assert len(folders) == 1
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    assert not folders[0].exists()
