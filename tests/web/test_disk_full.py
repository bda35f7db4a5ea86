"""A disk that is full: feedback is refused, orders go on, and all is well when there is space."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from flask.testing import FlaskClient
from small_disk import Disk, small_disk
from tokens import PUBLIC, jwk, jwks, token
from werkzeug.test import TestResponse

from cds_service.config import Auth, Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.store import Database, ReplayStore, StoreError
from cds_service.web import create_app
from cds_service.web.context import Context
from cds_service.web.deploy import prepare_store
from cds_service.web.observer import USED_TOKENS

SERVICE = "/cds-services/bone-density-imaging"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
FULL = ("no space left for the database", "database file cannot be read or written")
"""The words for it; the second of a limit of the process."""
REGISTRY = """
[clients.demo.trust]
issuer = "https://ehr.example.org"
jwks_file = "keys.json"
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk that can be filled up."""
    with small_disk(tmp_path) as disk:
        yield disk


def _serve(folder: Path, **changes: Any) -> Iterator[FlaskClient]:
    settings = replace(
        Settings(as_of=date(2026, 11, 23), database_url=f"sqlite:///{folder}/store.db"), **changes
    )
    prepare_store(settings)
    services = load_services()
    app = create_app(settings, lambda: load(settings.clients_path, services), services)
    yield app.test_client()
    here(app.test_client()).feedback._database.close()


@pytest.fixture
def http(disk: Disk) -> Iterator[FlaskClient]:
    """The application with its database on that disk."""
    yield from _serve(disk.folder)


@pytest.fixture
def verified(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The same, where each caller must prove who it is; looked after as a worker is."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "clients.toml").write_text(REGISTRY, "utf-8")
    (folder / "keys.json").write_text(json.dumps(jwks(jwk("rsa"))), "utf-8")
    registry = folder / "clients.toml"
    for http in _serve(disk.folder, auth=Auth.REQUIRED, clients_path=registry, public_url=PUBLIC):
        _check(http)
        yield http
        for used in _databases_of_tokens(http):
            used.close()


def here(http: FlaskClient) -> Context:
    """The state behind an application."""
    found: Context = http.application.extensions["cds_service"]
    return found


def _databases_of_tokens(http: FlaskClient) -> list[Database]:
    verifier = here(http).live.deployment.verifier
    assert verifier is not None
    assert isinstance(verifier.replay, ReplayStore)
    return [verifier.replay._database, here(http).observer._databases[USED_TOKENS]]


def _check(http: FlaskClient) -> dict[str, str]:
    """What the worker's own look at its databases finds, by reason."""
    here(http).observer.check_store()
    return {one.reason: one.words for one in here(http).observer.findings()}


def _batch(name: str, size: int) -> dict[str, Any]:
    item = {"outcome": "overridden", "outcomeTimestamp": "2026-11-23T04:15:14Z"}
    return {"feedback": [{**item, "card": f"{name}-{number}"} for number in range(size)]}


def _bearer(text: str | None = None, url: str = SERVICE) -> dict[str, str]:
    return {"Authorization": f"Bearer {text or token(aud=f'{PUBLIC}{url}')}"}


def _post(http: FlaskClient, name: str, size: int) -> int:
    url = f"{SERVICE}/feedback"
    return http.post(url, json=_batch(name, size), headers=_bearer(url=url)).status_code


def _hook(http: FlaskClient, instance: str, text: str | None = None) -> TestResponse:
    request = body(None, prefetch=CHART) | {"hookInstance": str(uuid5(NAMESPACE_URL, instance))}
    return http.post(SERVICE, json=request, headers=_bearer(text))


def _call(http: FlaskClient, instance: str) -> str:
    """A hook call that has to get its card; the card's uuid."""
    answer = _hook(http, instance)
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
    assert here(http).recorder.trouble in FULL
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


def test_verified_callers(verified: FlaskClient, disk: Disk) -> None:
    """A full disk costs verified callers no card, and gives nobody a second use of a token.

    Feedback is refused while it lasts. When there is space again all is well without a restart.
    """
    known = [token() for _ in range(3)]
    shown = [_hook(verified, "before", text).json["cards"][0]["uuid"] for text in known]
    assert _post(verified, "before", 3) == 200
    assert here(verified).recorder.flush()
    disk.fill()
    for number in range(40):
        known.append(token())
        answer = _hook(verified, f"full-{number}", known[-1])
        assert answer.status_code == 200
        shown += [card["uuid"] for card in answer.json["cards"]]
        assert _post(verified, f"full-{number}", 1 if number % 2 else 60) == 503
    assert "store-used-tokens" not in _check(verified)
    for used in _databases_of_tokens(verified)[:1]:
        used.close()  # as a worker that was replaced
    assert [_hook(verified, "again", text).status_code for text in known] == [401] * 43
    assert not here(verified).recorder.flush(0.5)
    disk.free()
    assert [_hook(verified, "again", text).status_code for text in known] == [401] * 43
    assert _post(verified, "full-0", 60) == 200
    shown.append(_call(verified, "after"))
    assert here(verified).recorder.flush(10)
    assert len(shown) == 44
    assert set(shown) == set(_kept(disk, "SELECT card FROM judgement WHERE card IS NOT NULL"))
    assert _check(verified) == {}


def _claim_until_refused(store: ReplayStore) -> int:
    """How many claims were kept till fifty in a row were not: the last bits of space vary."""
    claimed = refused = 0
    now = int(time.time())
    while refused < 50:
        try:
            assert store.claim(os.urandom(32), now + 300, now)
        except StoreError:
            refused += 1
        else:
            claimed, refused = claimed + 1, 0
    return claimed


def test_when_the_room_is_used_up(
    monkeypatch: pytest.MonkeyPatch, disk: Disk, request: pytest.FixtureRequest
) -> None:
    """Then no token is accepted, the state of the worker says why, and space alone mends it."""
    monkeypatch.setattr("cds_service.store.database.ROOM_BYTES", 1 << 20)
    verified: FlaskClient = request.getfixturevalue("verified")
    first = token()
    assert _hook(verified, "first", first).status_code == 200
    assert _check(verified) == {}
    disk.fill()
    assert _claim_until_refused(ReplayStore(_databases_of_tokens(verified)[0])) > 5000
    answer = _hook(verified, "full")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert _hook(verified, "first", first).status_code == 401
    assert _check(verified)["store-used-tokens"] in FULL
    disk.free()
    _call(verified, "after")
    assert here(verified).recorder.flush(10)
    assert _check(verified) == {}
