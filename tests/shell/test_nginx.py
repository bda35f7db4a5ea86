"""The sample for nginx is accepted by nginx, and serves before the real service."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fhir_certificate import write_certificate
from passed_sockets import Supervisor
from steady_load import HOOK

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "deploy" / "nginx" / "cds-service.conf"
BODY = (ROOT / "fixtures" / "requests" / "qus.json").read_bytes()
SECRET = "canary-0d9f"
MIB = 1024 * 1024
WRAPPER = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/cds-service.conf;
}}
"""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Nginx:
    """nginx with the sample: its own ports, files and certificate put in, nothing else changed."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder, self.port, self.plain_port = folder, _free_port(), _free_port()
        self.certificate = write_certificate(folder)
        text = SAMPLE.read_text("utf-8")
        for line, ours in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("listen [::]:443 ssl;", ""),
            ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            ("listen [::]:80;", ""),
            ("/etc/nginx/tls/cds-service.crt", str(self.certificate)),
            ("/etc/nginx/tls/cds-service.key", str(self.certificate)),
            ("/var/log/nginx/", f"{folder}/"),
            ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
        ):
            assert text.count(line) >= 1, line
            text = text.replace(line, ours)
        (folder / "cds-service.conf").write_text(text, "utf-8")
        (folder / "nginx.conf").write_text(WRAPPER.format(folder=folder), "utf-8")
        self.command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        """One request over TLS, with the certificate checked."""
        trust = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("localhost", self.port, context=trust, timeout=60)
        with closing(connection):
            sent = {"Content-Type": "application/json", **headers}
            connection.request(method, path, body or None, sent)
            response = connection.getresponse()
            return response.status, json.loads(response.read())


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """nginx before the service on a loopback port."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    supervisor = Supervisor(tmp_path, CDS_WORKERS="1")
    made = Nginx(tmp_path, supervisor.port)
    checked = subprocess.run([*made.command, "-t"], capture_output=True, text=True)
    # A wrong line would be told here, and so would one that is out of date.
    assert checked.returncode == 0, checked.stderr
    assert "cds-service.conf" not in checked.stderr
    process = subprocess.Popen(made.command, stderr=subprocess.DEVNULL)
    try:
        supervisor.start()
        until = time.monotonic() + 30
        while not _listens(made.port):
            assert time.monotonic() < until, "nginx does not listen"
            time.sleep(0.05)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        supervisor.close()


def test_before_the_service(nginx: Nginx) -> None:
    """What the sample forwards and what it keeps back, its limits, its answers and its log."""
    asked = f"{HOOK}?{SECRET}=1"
    status, answer = nginx.ask("POST", asked, BODY, Authorization=f"Bearer {SECRET}")
    assert (status, answer["cards"][0]["indicator"]) == (200, "warning")
    assert nginx.ask("GET", "/cds-services")[1]["services"]
    for path in ("/livez", "/readyz", "/openapi.json"):
        assert nginx.ask("GET", path)[0] == 200, path
    for path in ("/metrics", "/", "/explain/bone-density-imaging", "/console"):
        status, answer = nginx.ask("GET", path)
        assert (status, answer["resourceType"]) == (404, "OperationOutcome"), path
    # The service itself reads, and refuses, what just fits; nginx refuses what is longer.
    padded = BODY[:-1].rstrip() + b" " * (4 * MIB - len(BODY)) + b"}"
    assert len(padded) <= 4 * MIB
    assert nginx.ask("POST", HOOK, padded)[0] == 200
    status, answer = nginx.ask("POST", HOOK, b" " * (4 * MIB + 1))
    assert (status, answer["issue"][0]["code"]) == (413, "too-long")
    written = "".join(path.read_text("utf-8") for path in nginx.folder.glob("cds-service*.log"))
    assert f"POST {HOOK} 200" in written
    assert SECRET not in written
    # Addresses of callers are told only with an error of nginx itself.
    assert "127.0.0.1" not in (nginx.folder / "cds-service.log").read_text("utf-8")
    assert list((nginx.folder / "body").iterdir()) == []
    # Without TLS nothing is forwarded, nor redirected.
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.plain_port, timeout=30)) as plain:
        plain.request("POST", HOOK, BODY, {"Content-Type": "application/json"})
        assert plain.getresponse().status == 403


def test_times_fit() -> None:
    """The body that fits is the one that the service takes; a restart may take its time."""
    text = SAMPLE.read_text("utf-8")
    found = dict(re.findall(r"^    (\w+) (\d+)(?:s|m);$", text, re.MULTILINE))
    assert int(found["client_max_body_size"]) * MIB == 4 * MIB
    assert found["client_body_buffer_size"] == found["client_max_body_size"]
    assert int(found["proxy_read_timeout"]) >= 30
