"""The search that goes along with every test finds what got out, and only that."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from builders import MINE, NAME, observation, patient, prefetch
from fhir_calls import TOKEN, body
from flask import Flask, request
from leaks import CANARY, Leaks, secrets_of
from sqlalchemy import create_engine, text

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.bodies import read_object
from cds_service.web.deploy import prepare_store
from cds_service.web.meters import Call

NOTE = {"text": "told-by-her-sister-in-2023"}
CHART = prefetch(
    patient(), [observation("measured-2023", "38267-1", -2.7, "2023-05-10", note=[NOTE])]
)
BEARER = "opaque-5f0c1d2e3b4a5968"
SECRETS = (
    "pat-1",
    "1958-03-04",
    "measured-2023",
    BEARER,
    TOKEN,
    NAME["family"],
    NOTE["text"],
    MINE["display"],
)


@pytest.fixture
def app(leaks: Leaks, tmp_path: Path) -> Iterator[Flask]:
    """An application that was called; what the test lets out is forgotten before the search."""
    services = load_services()
    settings = Settings(database_url=f"sqlite:///{tmp_path}/store.db")
    prepare_store(settings)
    app = create_app(settings, lambda: load(None, services), services)
    document = body("https://fhir.example.org/r4", prefetch=CHART)
    headers = {"Authorization": f"Bearer {BEARER}"}
    url = "/cds-services/bone-density-imaging"
    app.add_url_rule("/echo", view_func=_echo, methods=["POST"])
    assert app.test_client().post(url, json=document, headers=headers).status_code == 200
    assert app.extensions["cds_service"].recorder.flush()
    yield app
    leaks.begin()


def _echo() -> tuple[dict[str, Any], int]:
    return read_object(request.environ, 1_000_000), 422


def _in_a_line(app: Flask, secret: str) -> None:
    logging.getLogger("cds_service.calls").debug("call of %s", secret)


def _in_a_field(app: Flask, secret: str) -> None:
    logging.getLogger("cds_service.x").info("call", extra={"fields": {"reason": f"no {secret}!"}})


def _in_an_error(app: Flask, secret: str) -> None:
    app.test_client().post("/echo", json={"diagnostics": f"not {secret}"})


def _in_a_metric(app: Flask, secret: str) -> None:
    call = Call("bone-density-imaging", "order-sign", secret, 200, 0.1)
    app.extensions["cds_service"].meters.count_call(call)


def _in_a_row(app: Flask, secret: str) -> None:
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("CREATE TABLE decision (patient)"))
        connection.execute(text("INSERT INTO decision VALUES (:patient)"), {"patient": secret})
        connection.connection.close()
    connection.engine.dispose()


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "let_out", [_in_a_line, _in_a_field, _in_an_error, _in_a_metric, _in_a_row]
)
def test_found(
    app: Flask, leaks: Leaks, let_out: Callable[[Flask, str], None], secret: str
) -> None:
    """Ids, birth date, names, notes and tokens are found in all that others read."""
    assert leaks.found() == []
    let_out(app, secret)
    assert leaks.found()


_LOOSE = """
import http.server, sqlite3, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = (self.headers["Authorization"] + body.decode()).encode()
        if sys.argv[1] == "log":
            print(said.decode(), file=sys.stderr, flush=True)
        if sys.argv[1] == "database":
            with sqlite3.connect("store.db") as store:
                store.execute("CREATE TABLE decision (patient)")
                store.execute("INSERT INTO decision VALUES (?)", (said,))
        self.send_response(422)
        self.end_headers()
        self.wfile.write(said if sys.argv[1] == "error" else b"{}")
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.handle_request()
"""
"""A server that tells one way or another what it is asked."""


@pytest.mark.parametrize("channel", ["log", "database", "error", None])
@pytest.mark.parametrize("has_log", [True, False])
def test_found_in_other_processes(
    leaks: Leaks, tmp_path: Path, channel: str | None, has_log: bool
) -> None:
    """What a server of its own writes is searched for what was sent to it."""
    command = [sys.executable, "-c", _LOOSE, channel or "nowhere", "serve"]
    with (
        (tmp_path / "log").open("w") as written,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=written if has_log else None,
        ) as process,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            sent = json.dumps(body("https://fhir.example.org/r4", prefetch=CHART)).encode()
            headers = {"Authorization": f"Bearer {BEARER}"}
            connection.request("POST", "/cds-services/bone-density-imaging", sent, headers)
            assert connection.getresponse().read()
    found = leaks.found()
    leaks.begin()
    missed = [secret for secret in SECRETS if not any(repr(secret) in line for line in found)]
    assert missed == ([] if channel else list(SECRETS))
    assert not [line for line in found if f"in the {channel}" not in line and channel != "error"]


def test_what_is_written_late(app: Flask, leaks: Leaks) -> None:
    """What a thread tells after the end of its test is found by the next one."""
    leaks.begin()
    assert leaks.found() == []
    logging.getLogger("cds_service.records").debug("call of %s", "pat-1")
    assert leaks.found()
    leaks.begin()


def test_what_a_library_logs(app: Flask, leaks: Leaks) -> None:
    """It is searched as it would be written: without what was put into its words."""
    logging.getLogger("urllib3.connectionpool").warning("no connection to %s", f"/{CANARY}")
    assert leaks.found() == []


@pytest.mark.parametrize(
    "document",
    [
        {"resourceType": "Observation", "id": "low", "status": "preliminary"},
        {"resourceType": "Patient", "birthDate": "2026-11-23", "gender": "female"},
        {"context": {"patientId": "Patient", "userId": None}},
        {"resourceType": "Patient", "name": [{"family": "Test"}], "telecom": [{"system": "phone"}]},
        [1, "patientId", None],
    ],
)
def test_words_that_may_be_anywhere(document: Any) -> None:
    """Short ids, names that are words and days of today would be found by chance."""
    assert secrets_of(json.dumps(document).encode()) == set()
