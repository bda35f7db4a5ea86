"""The real server: one process group on a loopback port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

SECONDS_TO_START = 60
CAP_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    def connection(self) -> closing[http.client.HTTPConnection]:
        """A new connection, closed at the end of its block."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10))

    def services(self) -> list[str]:
        """Ids from discovery."""
        with self.connection() as connection:
            connection.request("GET", "/cds-services")
            ids = [entry["id"] for entry in json.load(connection.getresponse())["services"]]
        assert ids, "no service is installed"
        return ids


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _is_alive(server: Server) -> bool:
    try:
        with server.connection() as connection:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`cds-service serve` with one worker, started in an empty folder that is also its home."""
    folder, log = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("said") / "log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder),
        "CDS_MAX_BODY_BYTES": str(CAP_BYTES),
        "CDS_WORKERS": "1",
    }
    port = _free_port()
    command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
    command += ["--port", str(port)]
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=written, stderr=written
        )
    server = Server(process, port)
    end = time.monotonic() + SECONDS_TO_START
    while not _is_alive(server):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"the server did not start:\n{log.read_text('utf-8')}")
        time.sleep(0.05)
    with server.connection() as connection:  # at least one call, whichever tests run here
        connection.request("POST", "/cds-services/none", "{}")
        connection.getresponse().read()
    yield server
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    output = log.read_text("utf-8")
    assert "Traceback" not in output
    assert " info cds_service.calls call " in output
    assert [path.name for path in folder.iterdir()] in ([], [".local"])  # its own store


def test_answers_discovery(server: Server) -> None:
    """Discovery is answered, without a version of the server in the headers."""
    with server.connection() as connection:
        connection.request("GET", "/cds-services")
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Server") == "gunicorn"
        assert "services" in json.load(response)


def test_caps_chunked_bodies(server: Server) -> None:
    """A chunked body past the cap is a JSON 413."""
    url = f"/cds-services/{server.services()[0]}"
    chunks = iter([b" " * 1000] * 8)
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    with server.connection() as connection:
        connection.request("POST", url, body=chunks, headers=headers, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413
        assert json.load(response)["resourceType"] == "OperationOutcome"


def test_a_connection_outlives_an_error(server: Server) -> None:
    """After a refused request the same connection serves the next one."""
    url = f"/cds-services/{server.services()[0]}"
    statuses = []
    with server.connection() as connection:
        for body in (b"{", b" " * (CAP_BYTES + 1), b"[]"):
            headers = {"Content-Type": "application/json"}
            connection.request("POST", url, body=body, headers=headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
    assert statuses == [400, 413, 400]
