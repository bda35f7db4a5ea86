"""The registry is taken up without a restart; a wrong edit changes nothing and is told."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.live import Live

EHR = "https://ehr.example.org"
GOOD = f'[clients.a]\ncors_origins = ["{EHR}"]\n'


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The file that a hospital edits."""
    path = tmp_path / "clients.toml"
    path.write_text("", "utf-8")
    return path


@pytest.fixture
def app(registry: Path) -> Flask:
    """An application on that file."""
    services = load_services()
    settings = replace(Settings(), clients_path=registry)
    return create_app(settings, lambda: load(registry, services), services)


def live_of(app: Flask) -> Live:
    """What the application knows of the file."""
    found: Live = app.extensions["cds_service"].live
    return found


def edit(path: Path, text: str) -> None:
    """Writes the file as editors do: a new one in the place of the old."""
    beside = path.with_suffix(".new")
    beside.write_text(text, "utf-8")
    os.replace(beside, path)


def eventually(holds: Callable[[], bool], live: Live) -> bool:
    """Whether something comes to hold soon after the next look."""
    live._next_look = 0.0
    end = time.monotonic() + 5
    while time.monotonic() < end:
        _ = live.deployment
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_an_edit_is_taken_up(app: Flask, registry: Path) -> None:
    """A client that is added may call from then on."""

    def is_allowed() -> bool:
        found = app.test_client().get("/cds-services", headers={"Origin": EHR})
        return found.headers.get("Access-Control-Allow-Origin") == EHR

    assert not is_allowed()
    edit(registry, GOOD)
    assert eventually(is_allowed, live_of(app))


def test_a_bad_edit_changes_nothing(
    app: Flask, registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is wrong, or gone, leaves the old registry in use and is told in the log."""
    live = live_of(app)
    edit(registry, GOOD)
    assert eventually(lambda: "a" in live.deployment.registry.clients, live)
    with caplog.at_level(logging.ERROR):
        edit(registry, f'{GOOD}[clients.b]\nprofil = "epic"\n')
        assert eventually(lambda: bool(live.problems), live)
    assert "clients.b.profil: unknown name; did you mean profile?" in caplog.text
    assert "a" in live.deployment.registry.clients
    registry.unlink()
    assert eventually(lambda: "cannot be read" in " ".join(live.problems), live)
    assert "a" in live.deployment.registry.clients
    edit(registry, "[clients.c]\n")
    assert eventually(lambda: "c" in live.deployment.registry.clients, live)
    assert live.problems == ()


def test_an_untouched_file_is_not_read_again(app: Flask) -> None:
    """Looking costs a look: only a change makes the file be read."""
    live = live_of(app)
    before = live.deployment
    live._next_look = 0.0
    assert live.deployment is before
    assert live._next_look > 0
