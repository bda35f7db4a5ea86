"""What all tests share: a clean environment, no skips where everything must run, applications."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from leaks import Leaks
from never_said import forbidden_claims, is_bone_card, words_of

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.profiles import PROFILES, Render
from cds_service.protocol.advice import Assessment, Selection
from cds_service.protocol.service import PrefetchItem, Service
from cds_service.registry import load
from cds_service.web import create_app

# The shell's settings must not leak into tests. Workers of pytest-xdist inherit the second name.
if os.environ.pop("CDS_REQUIRE_ALL", ""):
    os.environ["TEST_REQUIRE_ALL"] = "1"
for _name in [name for name in os.environ if name.startswith("CDS_") or name == "PORT"]:
    del os.environ[_name]
# Nor must tests write into the developer's own database: there is none in this folder.
os.environ["XDG_STATE_HOME"] = f"{tempfile.gettempdir()}/cds-service-tests-{os.getpid()}"

AS_OF = date(2026, 11, 23)

# The same examples every time where a change is judged; new ones on every developer's machine.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.load_profile("local")
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the recorded answers anew; read the difference before committing."""
    parser.addoption("--update-golden", action="store_true", help="write recorded answers anew")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, where this machine is meant to run everything."""
    expected = hasattr(report, "wasxfail")
    if os.environ.get("TEST_REQUIRE_ALL") and report.outcome == "skipped" and not expected:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped although everything must run here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at every test's outcome."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at every file's outcome: importorskip skips a whole one."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def no_card_says_what_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does: every card of the bone service it produced is searched afterwards."""
    said: list[str] = []

    def listening(render: Render) -> Render:
        def listen(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
            cards = render(*arguments, **options)
            said.extend(words_of(card) for card in cards if is_bone_card(card))
            return cards

        return listen

    for name, render in list(PROFILES.items()):
        monkeypatch.setitem(PROFILES, name, listening(render))
    yield
    assert {claim for text in said for claim in forbidden_claims(text)} == set()


_leaks = Leaks()


@pytest.fixture(autouse=True)
def leaks() -> Iterator[Leaks]:
    """Whatever a test does: what it put into an application is searched for where others read."""
    _leaks.begin()
    with _leaks.listening():
        yield _leaks
    assert _leaks.found() == []


@pytest.fixture
def settings() -> Settings:
    """Development settings with a fixed clinical date."""
    return Settings(as_of=AS_OF)


@pytest.fixture
def fake_service() -> Service:
    """A service that takes no order and has one setting."""
    return Service(
        id="fake-service",
        title="Fake",
        description="Says nothing.",
        usage_requirements="",
        hooks=("order-select", "order-sign"),
        ruleset="2026.1.0",
        prefetch=(PrefetchItem("patient", "Patient/{{context.patientId}}", "Patient"),),
        settings_schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "quiet": {"type": "boolean"},
                "codes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["system", "code"],
                        "properties": {"system": {"type": "string"}, "code": {"type": "string"}},
                    },
                },
            },
        },
        read_settings=_read_settings,
        select=lambda orders, settings: Selection(drafts=orders),
        evaluate=lambda selection, chart, settings, as_of: Assessment(advices=()),
        orderables=lambda settings: {},
        warm_up=lambda: None,
        warnings=lambda settings: ("quiet is on",) if settings.get("quiet") else (),
    )


def _read_settings(block: Any) -> dict[str, Any]:
    codes = [item["code"] for item in block.get("codes", ())]
    if len(codes) != len(set(codes)):
        raise ValueError("codes: a code is there twice; remove one")
    return dict(block)


@pytest.fixture
def make_app(settings: Settings, fake_service: Service) -> Callable[..., Flask]:
    """An application around the fake service, with changed settings or services."""

    def make(services: tuple[Service, ...] = (fake_service,), **changes: Any) -> Flask:
        changed = replace(settings, **changes)
        by_id = {service.id: service for service in services}
        return create_app(changed, lambda: load(changed.clients_path, by_id), by_id)

    return make


@pytest.fixture(scope="session")
def app() -> Flask:
    """The application with the installed services, in development mode."""
    services = load_services()
    return create_app(Settings(as_of=AS_OF), lambda: load(None, services), services)


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """An HTTP client of the application with the installed services."""
    with app.test_client() as client:
        yield client
