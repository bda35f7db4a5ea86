"""Every status code the service gives, and what the body says then."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from log_lines import written

from cds_service.engine import Answer
from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.chart import Unread
from cds_service.protocol.errors import InvalidRequest, Problem, WrongPatient
from cds_service.protocol.service import Service
from cds_service.protocol.validation import problems

URL = "/cds-services/fake-service"
BODY: dict[str, Any] = {"hook": "order-select", "hookInstance": "x", "context": {}}
ANSWER = Answer({"cards": []}, lambda: {"service": "fake-service"})


class FakeEngine:
    """Stands for the engine: answers, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls: list[dict[str, Any]] = []

    def __call__(self, service: Service, client: Any, body: Any, **rest: Any) -> Answer:
        """Record the call and answer."""
        self.calls.append({"service": service, "client": client, "body": body, **rest})
        if self.error:
            raise self.error
        return ANSWER


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that the application uses in these tests."""
    fake = FakeEngine()
    monkeypatch.setattr("cds_service.web.context.answer", fake)
    return fake


@pytest.fixture
def http(make_app: Callable[..., Flask], engine: FakeEngine) -> FlaskClient:
    """An HTTP client of an application around the fake service."""
    return make_app().test_client()


def issues(response: Any, status: int) -> list[dict[str, Any]]:
    """The issues of an error answer, after checking that it is one of ours."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    outcome = response.get_json()
    assert problems("operation-outcome", outcome) == ()
    assert all(issue["severity"] in ("error", "fatal") for issue in outcome["issue"])
    assert "Traceback" not in response.text
    assert "cds_service" not in response.text
    found: list[dict[str, Any]] = outcome["issue"]
    return found


@pytest.mark.parametrize("url", [URL, URL + "/", "/cds-services//fake-service"])
def test_hook_call(http: FlaskClient, engine: FakeEngine, url: str) -> None:
    """A call is answered with cards under every spelling of the address, never redirected."""
    response = http.post(url, json=BODY)
    assert response.status_code == 200
    assert response.data == b'{"cards":[]}'
    assert response.headers["Content-Type"] == "application/json"
    (call,) = engine.calls
    assert call["body"] == BODY
    assert call["as_of"] == date(2026, 11, 23)
    assert call["client"].name == "development"
    assert isinstance(call["uuid_key"], bytes)


def test_explanation(http: FlaskClient) -> None:
    """The same body sent to /explain gets the explanation."""
    response = http.post("/explain/fake-service", json=BODY)
    assert (response.status_code, response.get_json()) == (200, {"service": "fake-service"})


def test_explanation_can_be_switched_off(make_app: Callable[..., Flask]) -> None:
    """Where it is not enabled there is nothing at /explain."""
    http = make_app(explain_enabled=False).test_client()
    issues(http.post("/explain/fake-service", json=BODY), 404)


@pytest.mark.parametrize("url", ["/cds-services", "/cds-services/"])
def test_discovery(http: FlaskClient, url: str) -> None:
    """Discovery lists the service once per hook, its first hook last, without empty members."""
    response = http.get(url)
    assert response.status_code == 200
    assert problems("discovery", response.get_json()) == ()
    entries = response.get_json()["services"]
    assert [entry.pop("hook") for entry in entries] == ["order-sign", "order-select"]
    assert entries[0] == entries[1]
    assert entries[0] == {
        "id": "fake-service",
        "title": "Fake",
        "description": "Says nothing.",
        "prefetch": {"patient": "Patient/{{context.patientId}}"},
        "version": "2.0.1",
    }


def test_discovery_without_services(make_app: Callable[..., Flask]) -> None:
    """Without services discovery is an empty list, and readiness says no."""
    http = make_app(services=()).test_client()
    assert http.get("/cds-services").get_json() == {"services": []}
    assert issues(http.get("/readyz"), 503)[0]["code"] == "transient"


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/livez", {"status": "alive"}),
        ("/readyz", {"status": "ready", "services": ["fake-service"]}),
    ],
)
def test_health(http: FlaskClient, url: str, body: dict[str, Any]) -> None:
    """Health answers are small JSON objects."""
    response = http.get(url)
    assert (response.status_code, response.get_json()) == (200, body)


@pytest.mark.parametrize("prefix", ["/cds-services/", "/explain/"])
@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"", 400, "structure"),
        ("application/json", b" \n", 400, "structure"),
        ("application/json", b"{", 400, "structure"),
        ("application/json", b'{"a":1,}', 400, "structure"),
        ("application/json", b"[]", 400, "structure"),
        ("application/json", b"null", 400, "structure"),
        ("application/json", b'"text"', 400, "structure"),
        ("application/json", b"[" * 100_000, 400, "structure"),
        ("application/json", b" " * 5000, 413, "too-long"),
        ("application/json; charset=utf-8", b"{", 400, "structure"),
        ('Application/JSON; charset="UTF-8"', b"{", 400, "structure"),
        ("application/json; charset=latin-1", b"{}", 415, "not-supported"),
        ("application/fhir+json", b"{}", 415, "not-supported"),
        ("text/plain", b"{}", 415, "not-supported"),
        ("application/x-www-form-urlencoded", b"a=b", 415, "not-supported"),
        (None, b"{}", 415, "not-supported"),
        ("text/plain", b" " * 5000, 415, "not-supported"),
    ],
)
def test_bodies(
    make_app: Callable[..., Flask],
    prefix: str,
    content_type: str | None,
    body: bytes,
    status: int,
    code: str,
) -> None:
    """A body that is not one JSON object is refused before any service sees it."""
    limit = 1_000_000 if body.startswith(b"[[") else 4096
    http = make_app(max_body_bytes=limit).test_client()
    response = http.post(prefix + "fake-service", data=body, content_type=content_type)
    assert issues(response, status)[0]["code"] == code


def test_compressed_bodies_are_refused(http: FlaskClient) -> None:
    """What would have to be unpacked is not read."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert issues(http.post(URL, data=b"{}", headers=headers), 415)[0]["code"] == "not-supported"


@pytest.mark.parametrize(("length", "status"), [(4096, 400), (4097, 413), (5000, 413)])
def test_chunked_bodies_are_capped(
    make_app: Callable[..., Flask], length: int, status: int
) -> None:
    """A body without a declared length is capped like any other, and never cut."""
    http = make_app(max_body_bytes=4096).test_client()
    response = http.post(
        URL,
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        input_stream=io.BytesIO(b"{" + b" " * (length - 1)),
        environ_overrides={"wsgi.input_terminated": True},
    )
    code = "too-long" if status == 413 else "structure"
    assert issues(response, status)[0]["code"] == code


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("POST", "/cds-services/other", 404, "not-found"),
        ("POST", "/explain/other", 404, "not-found"),
        ("GET", "/nothing", 404, "not-found"),
        ("POST", "/", 405, "not-supported"),
        ("POST", "/console/other", 404, "not-found"),
        ("GET", "/cds-services/fake-service/feedback", 405, "not-supported"),
        ("GET", "/cds-services//", 404, "not-found"),
        ("GET", URL, 405, "not-supported"),
        ("POST", "/cds-services", 405, "not-supported"),
        ("DELETE", URL, 405, "not-supported"),
        ("TRACE", URL, 405, "not-supported"),
    ],
)
def test_addresses(http: FlaskClient, method: str, url: str, status: int, code: str) -> None:
    """Unknown addresses are 404 before the body is looked at, unknown methods 405 with Allow."""
    response = http.open(url, method=method, data=b"\xff", content_type="text/plain")
    assert issues(response, status)[0]["code"] == code
    assert (response.headers.get("Allow") is not None) == (status == 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a..b"},
        {"Host": f"{'x' * 70}.example.org"},
        {"Host": "(host)"},
        {"Connection": "Upgrade", "Upgrade": "websocket"},
    ],
)
def test_neither_host_nor_upgrade_choose_the_view(
    http: FlaskClient, headers: dict[str, str]
) -> None:
    """An address is found by its path: there is one host, and one protocol."""
    assert http.post(URL, json=BODY, headers=headers).json == ANSWER.response


def test_what_surrounds_a_view_is_called(make_app: Callable[..., Flask]) -> None:
    """Nothing is looked for where nothing was asked for; what was is done."""
    app, called = make_app(), []
    app.before_request(lambda: called.append("before"))
    app.teardown_request(lambda error: called.append("after"))
    assert app.test_client().get("/cds-services").status_code == 200
    assert called == ["before", "after"]


def test_every_problem_of_a_request_is_listed(http: FlaskClient, engine: FakeEngine) -> None:
    """422 names each problem with its path."""
    engine.error = InvalidRequest(
        (Problem("$.context", "is missing"), Problem("$.hook", "must be a string"))
    )
    found = issues(http.post(URL, json={}), 422)
    assert [(i["expression"], i["diagnostics"]) for i in found] == [
        (["$.context"], "is missing"),
        (["$.hook"], "must be a string"),
    ]


def test_another_patients_data(http: FlaskClient, engine: FakeEngine) -> None:
    """Data of another patient is a conflict at its place."""
    engine.error = WrongPatient(("prefetch.conditions.entry[0]",))
    (issue,) = issues(http.post(URL, json=BODY), 422)
    assert issue["code"] == "conflict"
    assert issue["expression"] == ["prefetch.conditions.entry[0]"]


def test_missing_chart(http: FlaskClient, engine: FakeEngine) -> None:
    """412 names each part of the chart that could not be read."""
    engine.error = ChartNotReadable(
        (Unread("Patient", "prefetch key absent"), Unread("Condition", "paged"))
    )
    found = issues(http.post(URL, json=BODY), 412)
    assert [(i["code"], i["diagnostics"]) for i in found] == [
        ("incomplete", "Patient: prefetch key absent"),
        ("incomplete", "Condition: paged"),
    ]


@pytest.mark.parametrize("error", [KeyError("Jane Doe"), RecursionError("Jane Doe"), MemoryError()])
def test_unexpected_errors(http: FlaskClient, engine: FakeEngine, error: Exception) -> None:
    """A fault is a 500 with a number that finds it in the log; no value gets into either."""
    engine.error = error
    with written() as log:
        response = http.post(URL, json=BODY)
    (issue,) = issues(response, 500)
    number = issue["diagnostics"].rsplit(" ", 1)[1]
    assert response.headers["X-Correlation-Id"] == number
    (line,) = [line for line in log.lines if line["event"] == "fault"]
    assert line["correlation_id"] == number
    assert line["exception"] == type(error).__name__
    assert line["place"][-1].endswith(" __call__")
    assert "Jane" not in log.text.getvalue() + issue["diagnostics"]


@pytest.mark.parametrize("url", ["/cds-services", URL, "/livez", "/nowhere"])
def test_headers_of_every_answer(http: FlaskClient, url: str) -> None:
    """Nothing is to be stored or guessed at, errors included."""
    headers = http.get(url).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_one_log_line_per_call(http: FlaskClient, engine: FakeEngine) -> None:
    """A call is one line, in which nothing stands that a client wrote freely."""
    with written() as log:
        http.post(URL, json=BODY)
        http.post(URL, data=json.dumps({"hook": "a\nb"}), content_type="application/json")
        http.post("/cds-services/evil%0aline", json=BODY)
        engine.error = WrongPatient(("x",))
        http.post(URL, json=BODY)
        http.get("/cds-services")
    usual = {
        "level": "info",
        "logger": "cds_service.calls",
        "event": "call",
        "service": "fake-service",
        "hook": "order-select",
        "client": "development",
        "status": 200,
        "cards": 0,
    }
    unknown = {"service": "unknown", "hook": "unknown"}
    assert log.of("cds_service.calls") == [
        usual,
        usual | {"hook": "unknown"},
        usual | unknown | {"status": 404, "reason": "unknown-service"},
        usual | {"status": 422, "reason": "wrong-patient"},
    ]
    assert len({line["correlation_id"] for line in log.lines}) == 4
