"""A disk that is full: feedback is refused, orders go on, and all is well when there is space."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from flask.testing import FlaskClient

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.context import Context
from cds_service.web.deploy import prepare_store

SERVICE = "/cds-services/bone-density-imaging"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
SIZE = "12m"


class Disk(Protocol):
    """A place for the database that can be filled up."""

    folder: Path

    def fill(self) -> None:
        """Leaves no space for another page."""

    def free(self) -> None:
        """Gives the space back."""


class SmallDisk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Writes until nothing fits any more."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        assert os.statvfs(self.folder).f_bavail == 0

    def free(self) -> None:
        """Removes what was written."""
        self._ballast.unlink()


class Limit:
    """Where nothing can be mounted: no file of this process may grow beyond what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        """Files end where the log ends now; where there is none, it gets no page."""
        log = self.folder / "store.db-wal"
        limit = max(4096, log.stat().st_size if log.exists() else 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self._before[1]))

    def free(self) -> None:
        """As it was."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small file system where it can be mounted, else a limit of this process."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "cds-test", str(tmp_path)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    if not is_mounted:
        limit = Limit(tmp_path)
        yield limit
        limit.free()
        return
    try:
        yield SmallDisk(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def http(disk: Disk) -> Iterator[FlaskClient]:
    """The application with its database on that disk."""
    settings = replace(
        Settings(as_of=date(2026, 11, 23)), database_url=f"sqlite:///{disk.folder}/store.db"
    )
    prepare_store(settings)
    services = load_services()
    app = create_app(settings, lambda: load(None, services), services)
    yield app.test_client()
    here(app.test_client()).feedback._database.close()


def here(http: FlaskClient) -> Context:
    """The state behind an application."""
    found: Context = http.application.extensions["cds_service"]
    return found


def _batch(name: str, size: int) -> dict[str, Any]:
    item = {"outcome": "overridden", "outcomeTimestamp": "2026-11-23T04:15:14Z"}
    return {"feedback": [{**item, "card": f"{name}-{number}"} for number in range(size)]}


def _post(http: FlaskClient, name: str, size: int) -> int:
    return http.post(f"{SERVICE}/feedback", json=_batch(name, size)).status_code


def _call(http: FlaskClient, instance: str) -> str:
    """A hook call that has to get its card; the card's uuid."""
    request = body(None, prefetch=CHART) | {"hookInstance": str(uuid5(NAMESPACE_URL, instance))}
    answer = http.post(SERVICE, json=request)
    assert answer.status_code == 200
    (card,) = answer.json["cards"]
    return str(card["uuid"])


def _kept(disk: Disk, query: str) -> list[Any]:
    with closing(sqlite3.connect(disk.folder / "store.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute(query)]


def test_full_and_free_again(http: FlaskClient, disk: Disk) -> None:
    """Feedback is refused while the disk is full, each call gets its card, nothing is lost.

    When there is space again, feedback is kept and the decisions of the meantime are written,
    without a restart.
    """
    shown = [_call(http, f"before-{number}") for number in range(3)]
    assert here(http).recorder.flush()
    assert _post(http, "before", 3) == 200
    disk.fill()
    refused = []
    for number in range(12):
        refused.append(_post(http, f"full-{number}", 1 if number % 2 else 60))
        shown.append(_call(http, f"full-{number}"))
    assert refused == [503] * len(refused)
    assert not here(http).recorder.flush(0.5)
    assert here(http).recorder.trouble in (
        "no space left for the database",
        "database file cannot be read or written",
    )
    kept = _kept(disk, "SELECT card FROM feedback ORDER BY id")
    assert sorted(kept) == ["before-0", "before-1", "before-2"]
    disk.free()
    assert _post(http, "full-0", 60) == 200
    assert here(http).recorder.flush(10)
    assert (here(http).recorder.trouble, here(http).recorder.dropped) == (None, 0)
    assert len(_kept(disk, "SELECT card FROM feedback WHERE card LIKE 'full-%'")) == 60
    assert set(shown) == set(_kept(disk, "SELECT card FROM judgement WHERE card IS NOT NULL"))


def test_the_last_space(http: FlaskClient, disk: Disk) -> None:
    """Batches of all sizes while space comes and goes: each is whole and acknowledged, or absent.

    A small commit may fit into space that the log already has; then it is honestly on disk.
    """
    acknowledged: dict[str, int] = {}
    statuses: list[int] = []
    for number in range(40):
        if number % 10 == 5:
            disk.fill()
        if number % 10 == 0 and number:
            disk.free()
            here(http).feedback._database.close()  # as a worker that was replaced
        name, size = f"b{number}", (500, 7, 120, 1)[number % 4]
        statuses.append(_post(http, name, size))
        if statuses[-1] == 200:
            acknowledged[name] = size
    kept: dict[str, int] = {}
    for card in _kept(disk, "SELECT card FROM feedback"):
        name = card.partition("-")[0]
        kept[name] = kept.get(name, 0) + 1
    assert kept == acknowledged
    assert set(statuses) == {200, 503}
    assert [statuses[number] for number in (0, 10, 20, 30)] == [200] * 4
    disk.free()
    assert _post(http, "after", 500) == 200


def test_a_worker_that_starts_on_a_full_disk(http: FlaskClient, disk: Disk) -> None:
    """New connections cannot make their files: the same refusals, and no decision is dropped."""
    _call(http, "before")
    assert here(http).recorder.flush()
    here(http).feedback._database.close()
    disk.fill()
    card = _call(http, "full")
    assert _post(http, "full", 1) == 503
    time.sleep(0.3)
    assert here(http).recorder.dropped == 0
    disk.free()
    assert here(http).recorder.flush(10)
    assert card in _kept(disk, "SELECT card FROM judgement")
    assert _post(http, "full", 1) == 200
