"""The report as a page: where it is shown, what may be asked, and what it is protected by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stored
from flask import Flask
from flask.testing import FlaskClient

from cds_service.config import Mode
from cds_service.records.report import page_made_apart
from cds_service.store import Database, DecisionLog, Filters, StoreError
from cds_service.store.migrations import migrate

AT = datetime(2026, 11, 18, 9, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one decision of the client `development`."""
    found = f"sqlite:///{tmp_path / 'report.db'}"
    database = Database.open(found)
    migrate(database)
    decision = replace(stored.CALL, at=AT, service="fake-service", client="development")
    DecisionLog(database).add([decision])
    database.close()
    return found


@pytest.fixture
def http(make_app: Callable[..., Flask], url: str) -> FlaskClient:
    """An application on that database."""
    return make_app(database_url=url).test_client()


def test_page(http: FlaskClient) -> None:
    """The page counts what the days asked for hold, names no patient, and runs no script."""
    response = http.get("/reports?from=2026-11-16&to=2026-11-22&client=development")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert response.headers["Cache-Control"] == "no-store"
    assert "usually-not-appropriate" in response.text
    assert "pseudonym" not in response.text
    assert 'aria-current="page">development</a>' in response.text


def test_other_days(http: FlaskClient) -> None:
    """Other days hold nothing, and the page says so."""
    response = http.get("/reports?from=2025-01-01&to=2025-01-31")
    assert response.status_code == 200
    assert 'class="nothing"' in response.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=yesterday", "'from' must be a day, YYYY-MM-DD"),
        ("to=", "'to' must be a day, YYYY-MM-DD"),
        ("from=20261102", "'from' must be a day, YYYY-MM-DD"),
        ("to=0001-01-01", "'to' must be a day, YYYY-MM-DD"),
        ("to=9999-12-31", "'to' must be a day, YYYY-MM-DD"),
        ("from=2026-11-02&to=2026-11-01", "'to' must not be before 'from'"),
        ("client=nobody", "The registry has no client of this name"),
        ("service=nothing", "There is no service with this id"),
        ("until=2026-11-02", "Unknown parameter; there are client, from, service, to"),
    ],
)
def test_what_cannot_be_meant(http: FlaskClient, query: str, words: str) -> None:
    """A parameter that says nothing that could be meant is refused by name."""
    response: Any = http.get(f"/reports?{query}")
    assert response.status_code == 400
    assert response.get_json()["issue"][0]["diagnostics"] == words


def test_not_on_the_public_listener(make_app: Callable[..., Flask], url: str) -> None:
    """In production there is no such address where clients call."""
    app = make_app(database_url=url, mode=Mode.PRODUCTION)
    assert app.test_client().get("/reports").status_code == 404


def test_store_that_cannot_be_read(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """A database without tables is told as a store that cannot be read now."""
    path = tmp_path / "empty.db"
    response = make_app(database_url=f"sqlite:///{path}").test_client().get("/reports")
    assert response.status_code == 503
    assert "Retry-After" in response.headers


def test_made_apart(url: str, tmp_path: Path) -> None:
    """The other process names what is wrong with the store, and is ended when it takes too long."""
    with pytest.raises(StoreError, match="no tables yet"):
        page_made_apart(f"sqlite:///{tmp_path / 'none.db'}", Filters(), {})
    with pytest.raises(TimeoutError):
        page_made_apart(url, Filters(), {}, limit_s=0.01)
