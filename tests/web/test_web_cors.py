"""Which browsers' pages may call the CDS Hooks endpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.config import Mode

URL = "/cds-services/fake-service"
EHR = "https://ehr.example.org"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """A file of two clients with an origin each."""
    path = tmp_path / "clients.toml"
    path.write_text(
        f'[clients.a]\ncors_origins = ["{EHR}"]\n'
        '[clients.b]\ncors_origins = ["https://b.example.org:8443"]\n'
    )
    return path


@pytest.fixture
def http(make_app: Callable[..., Flask], clients: Path) -> FlaskClient:
    """An application in development mode."""
    return make_app(clients_path=clients).test_client()


@pytest.mark.parametrize(
    ("origin", "development", "production"),
    [
        (EHR, True, True),
        ("https://b.example.org:8443", True, True),
        ("https://b.example.org", False, False),
        ("https://ehr.example.org.evil.example", False, False),
        ("https://ehrxexample.org", False, False),
        ("http://ehr.example.org", False, False),
        ("null", False, False),
        ("http://localhost", True, False),
        ("http://localhost:8080", True, False),
        ("https://127.0.0.1:3000", True, False),
        ("http://127.8.9.10:1", True, False),
        ("http://[::1]:8080", True, False),
        ("http://localhost.evil.example", False, False),
        ("http://127.0.0.1.evil.example", False, False),
        ("http://localhost:80@evil.example", False, False),
        ("http://evil.example/localhost", False, False),
        ("file://localhost", False, False),
    ],
)
def test_origins(
    make_app: Callable[..., Flask], clients: Path, origin: str, development: bool, production: bool
) -> None:
    """Configured origins are allowed exactly as written; loopback ones in development only."""
    for mode, allowed in ((Mode.DEVELOPMENT, development), (Mode.PRODUCTION, production)):
        http = make_app(clients_path=clients, mode=mode).test_client()
        headers = http.get("/cds-services", headers={"Origin": origin}).headers
        assert headers.get(ALLOWED) == (origin if allowed else None)
        assert headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("url", "method", "asked"),
    [
        ("/cds-services", "GET", "authorization"),
        (URL, "POST", "authorization,content-type"),
        (URL + "/", "POST", "content-type"),
        ("/cds-services//fake-service", "POST", "authorization,content-type"),
    ],
)
def test_preflight(http: FlaskClient, url: str, method: str, asked: str) -> None:
    """A preflight succeeds without a token and allows what the sandbox asks for."""
    response = http.options(
        url,
        headers={
            "Origin": EHR,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": asked,
        },
    )
    assert response.status_code == 200
    assert response.headers[ALLOWED] == EHR
    assert method in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
    assert set(allowed) == set(asked.split(","))
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_preflight_does_not_allow_other_headers(http: FlaskClient) -> None:
    """Only Authorization and Content-Type may be sent."""
    headers = {
        "Origin": EHR,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-other",
    }
    response = http.options(URL, headers=headers)
    assert response.headers["Access-Control-Allow-Headers"] == "content-type"


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("POST", URL, 415),
        ("GET", URL, 405),
        ("POST", "/cds-services/other", 404),
        ("GET", "/cds-services/a/b/c", 404),
    ],
)
def test_errors_carry_the_headers_too(
    http: FlaskClient, method: str, url: str, status: int
) -> None:
    """Without them a browser would hide the status of an error."""
    response = http.open(url, method=method, headers={"Origin": EHR})
    assert response.status_code == status
    assert response.headers.getlist(ALLOWED) == [EHR]


def test_faults_carry_the_headers_too(http: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an unexpected fault can be seen by the page that called."""
    monkeypatch.setattr("cds_service.web.context.answer", lambda *a, **k: 1 / 0)
    response = http.post(URL, json={}, headers={"Origin": EHR})
    assert response.status_code == 500
    assert response.headers.getlist(ALLOWED) == [EHR]


@pytest.mark.parametrize(
    "url", ["/livez", "/openapi.json", "/explain/fake-service", "/cds-servicesx"]
)
def test_nothing_else_is_shared(http: FlaskClient, url: str) -> None:
    """Only the CDS Hooks endpoints are for browsers' pages of other origins."""
    assert ALLOWED not in http.get(url, headers={"Origin": EHR}).headers


def test_origins_are_not_published(http: FlaskClient) -> None:
    """An answer to a request without an origin names none."""
    assert ALLOWED not in http.get("/cds-services").headers
