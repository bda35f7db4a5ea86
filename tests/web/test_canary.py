"""Patient data and tokens get into no log, metric, error body or record, whatever happens."""

from __future__ import annotations

import importlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import condition, medication_request, observation, patient, prefetch
from fhir_calls import body
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory
from flask import Flask
from flask.testing import FlaskClient
from log_lines import Written, written
from tokens import PUBLIC, jwk, jwks, raw, token

from cds_service.config import Auth, Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

CANARY = "canary7f3a"
PATIENT = f"{CANARY}-patient"
HOOK = "/cds-services/bone-density-imaging"
TEXTS = {
    "text": {"status": "generated", "div": f"<div>{CANARY}</div>"},
    "identifier": [{"system": f"urn:{CANARY}", "value": CANARY}],
}


def resources() -> list[dict[str, Any]]:
    """A chart in which every id, name and free text is the canary."""
    note = {"note": [{"text": CANARY}]}
    found = [
        observation(f"{CANARY}-o", "38267-1", -2.7, "2023-05-10", **note),
        observation(f"{CANARY}-odd", "38267-1", None, "2023-05-10", valueString=CANARY, **note),
        condition(f"{CANARY}-c", "M81.0", **note),
        condition(f"{CANARY}-x", CANARY, **note),
        medication_request(f"{CANARY}-m", None, "2024-01-01", text=f"{CANARY} alendronate", **note),
    ]
    for one in found:
        one |= TEXTS
        one.get("code", {})["text"] = CANARY
    return found


def person() -> dict[str, Any]:
    """The patient."""
    return patient(
        name=[{"family": CANARY, "given": [CANARY]}],
        telecom=[{"system": "phone", "value": CANARY}],
        address=[{"line": [CANARY], "postalCode": CANARY}],
        **TEXTS,
    )


def marked(document: Any) -> Any:
    """The same with the canary in place of the ids of patient, user and draft."""
    text = json.dumps(document)
    for plain in ("pat-1", "draft-1", "Practitioner/1"):
        text = text.replace(plain, f"{plain.split('/')[0]}/{CANARY}" if "/" in plain else PATIENT)
    return json.loads(text)


def request(server: str | None = None, *, chart: bool = True, **changes: Any) -> dict[str, Any]:
    """A hook request with the canary everywhere."""
    data = prefetch(person(), resources()) if chart else None
    found = body(server, token=f"{CANARY}-access", prefetch=data)
    draft = found["context"]["draftOrders"]["entry"][0]["resource"]
    draft |= {"note": [{"text": CANARY}], "reasonCode": [{"text": CANARY}], **TEXTS}
    found["context"]["encounterId"] = f"{CANARY}-encounter"
    return {**marked(found), **changes}


@pytest.fixture
def upstream() -> Iterator[FaultyServer]:
    """A FHIR server that holds the canary."""
    held = marked([person(), *resources()])
    with FaultyServer(InMemory(held)) as server:
        yield server


@pytest.fixture
def heard() -> Iterator[list[Written]]:
    """Everything that is logged at DEBUG, in both formats, libraries included."""
    quiet = [logging.getLogger(name) for name in ("urllib3", "alembic")]
    levels = [one.level for one in quiet]
    for one in quiet:
        one.setLevel(logging.DEBUG)
    with written("json") as as_json, written("text") as as_text:
        yield [as_json, as_text]
    for one, level in zip(quiet, levels, strict=True):
        one.setLevel(level)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """The application, without authentication."""
    return build(tmp_path, "[clients.development]\ndeadline_ms = 600\nfhir_bases = []\n")


def build(folder: Path, registry: str, **changes: Any) -> Flask:
    """An application on a registry, its store in a file."""
    path = folder / "clients.toml"
    path.write_text(registry, "utf-8")
    settings = Settings(
        clients_path=path, database_url=f"sqlite:///{folder}/store.db", public_url=PUBLIC, **changes
    )
    prepare_store(settings)
    services = load_services()
    return create_app(settings, lambda: load(path, services), services)


class Watch:
    """Makes calls and keeps what must not hold the canary."""

    def __init__(self, app: Flask, folder: Path, heard: list[Written]) -> None:
        self.app, self.folder, self.heard = app, folder, heard
        self.http: FlaskClient = app.test_client()
        self.statuses: list[int] = []
        self.told: list[str] = []

    def call(self, url: str = HOOK, document: Any = None, **more: Any) -> Any:
        """One call; an error's body and every header are told to somebody."""
        given = {"json": document} if document is not None else {}
        response = self.http.open(url, **{"method": "POST", **given, **more})
        self.statuses.append(response.status_code)
        self.told.append(str(response.headers))
        if response.status_code >= 400:
            self.told.append(response.text)
        return response

    def leaks(self, *secrets: str) -> list[str]:
        """Where the canary, or another secret, has got to; comments of feedback may hold it."""
        context = self.app.extensions["cds_service"]
        context.recorder.flush()
        context.observer.look()
        lines = [line for log in self.heard for line in log.text.getvalue().splitlines()]
        self.told += [*lines, context.meters.told().decode(), *self._stored()]
        for path in ("/readyz", "/metrics", "/nowhere"):
            self.told.append(self.http.get(path).text)
        assert len(lines) > 2
        return [one for one in self.told for secret in (CANARY, *secrets) if secret in one]

    def _stored(self) -> Iterator[str]:
        for path in self.folder.glob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                names = "SELECT name FROM sqlite_master WHERE type = 'table'"
                for (table,) in connection.execute(names).fetchall():
                    if table.startswith("feedback"):
                        continue
                    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                        yield f"{table}: {row}"


@pytest.fixture
def watch(app: Flask, tmp_path: Path, heard: list[Written]) -> Watch:
    """The application, watched."""
    return Watch(app, tmp_path, heard)


def test_calls_of_all_kinds(watch: Watch, upstream: FaultyServer) -> None:
    """Answers with and without a FHIR server, refusals of every kind, feedback."""
    (card,) = watch.call(document=request()).json["cards"]
    for kind in ("healthy", "500", "401", "html-200", "cut-body", "hang", "reset"):
        watch.call(document=request(upstream.base(kind), chart=False))
    watch.call(document=request("https://" + CANARY + ".example.org/r4", chart=False))
    watch.call(document=request(chart=False))
    watch.call(document=request(hook=CANARY))
    watch.call(document=request(**{CANARY: CANARY, "hookInstance": CANARY}))
    watch.call(document=request(context={CANARY: CANARY, "patientId": CANARY}))
    watch.call(document=request() | {"prefetch": {CANARY: {"resourceType": CANARY}}})
    other = request()
    other["prefetch"]["patient"]["id"] = f"{CANARY}-other"
    watch.call(document=other)
    watch.call(data=f'{{"{CANARY}": {CANARY}', content_type="application/json")
    watch.call(data=f'["{CANARY}"]', content_type="application/json")
    watch.call(data=CANARY, content_type=f"text/{CANARY}")
    watch.call(data=CANARY.encode("utf-16"), content_type="application/json")
    watch.call(f"/cds-services/{CANARY}", request())
    watch.call(f"/{CANARY}?{CANARY}={CANARY}", request())
    watch.call(HOOK, method="DELETE", headers={"X-Correlation-Id": CANARY, "Cookie": CANARY})
    watch.call("/explain/bone-density-imaging", request(hook=CANARY))
    item = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
        "overrideReason": {"reason": {"code": "other"}, "userComment": CANARY},
    }
    watch.call(f"{HOOK}/feedback", {"feedback": [item]})
    watch.call(f"{HOOK}/feedback", {"feedback": [item | {"outcome": CANARY, CANARY: CANARY}]})
    assert {200, 400, 404, 405, 412, 415, 422} <= set(watch.statuses)
    assert watch.statuses.count(200) >= 4
    assert 500 not in watch.statuses
    assert watch.leaks() == []


def fail(*arguments: Any, **options: Any) -> Any:
    """Raises what holds the canary, and was caused by something that holds it too."""
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise RuntimeError(f"{CANARY} in {arguments!r}") from error


LAYERS = (
    ("cds_service.web.services:read_object", 500),
    ("cds_service.web.services:Call", 500),
    ("cds_service.web.services:json_response", 500),
    ("cds_service.web.frame:missing", 500),
    ("cds_service.web.cors:Cors.headers", 500),
    ("cds_service.web.context:answer", 500),
    ("cds_service.engine.answer:read_request", 500),
    ("cds_service.engine.answer:check_subjects", 500),
    ("cds_service.engine.answer:gather", 500),
    ("cds_service.engine.answer:response_of", 500),
    ("cds_service.chart.gather:read_scopes", 500),
    ("cds_service.chart.access:strict_json.loads", 500),
    ("cds_service.egress.client:Egress.get", 500),
    ("cds_service.egress.lanes:Lanes.enter", 500),
    ("hooks.bone_density.evaluate:read_facts", 500),
    ("hooks.bone_density.evaluate:advise", 500),
    ("cds_service.records.reasoning:Reasoning.decision", 200),
    ("cds_service.store.decisions:DecisionLog.add", 200),
    ("cds_service.web.meters:Meters.count_call", 500),
)


@pytest.mark.parametrize(("place", "status"), LAYERS, ids=[place for place, _ in LAYERS])
def test_a_fault_in_every_layer(
    watch: Watch, upstream: FaultyServer, monkeypatch: pytest.MonkeyPatch, place: str, status: int
) -> None:
    """Whatever breaks: the caller gets a number, the log type and place, nobody the text."""
    server = upstream.base("healthy")
    with monkeypatch.context() as broken:
        module, _, name = place.partition(":")
        target: Any = importlib.import_module(module)
        for part in name.split(".")[:-1]:
            target = getattr(target, part)
        broken.setattr(target, name.rpartition(".")[2], fail)
        response = watch.call(document=request(server, chart=False))
        assert response.status_code == status
        context = watch.app.extensions["cds_service"]
        assert context.recorder.flush()
    said = "".join(log.text.getvalue() for log in watch.heard)
    assert "RuntimeError" in said
    if status == 500:
        assert response.json["resourceType"] == "OperationOutcome"
        assert "RuntimeError" not in response.text
        assert response.json["issue"][0]["diagnostics"].rsplit(" ", 1)[1] in said
    assert watch.leaks() == []


def test_tokens(tmp_path: Path, heard: list[Written], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a token no part is told, whether it is good, forged, or breaks the verifier."""
    (tmp_path / "keys.json").write_text(json.dumps(jwks(jwk("rsa"))), "utf-8")
    registry = '[clients.demo.trust]\nissuer = "https://ehr.example.org"\njwks_file = "keys.json"\n'
    watch = Watch(build(tmp_path, registry, auth=Auth.REQUIRED), tmp_path, heard)
    good = token(sub=CANARY)
    tokens = [
        good,
        good,
        token(header={"kid": CANARY, "jku": f"https://{CANARY}"}),
        token(iss=f"https://{CANARY}"),
        token(aud=CANARY),
        token(tenant=CANARY, exp=1),
        raw({"alg": CANARY, "kid": CANARY}, {"iss": CANARY}),
        CANARY,
    ]
    for one in tokens:
        watch.call(document=request(), headers={"Authorization": f"Bearer {one}"})
    assert watch.statuses == [200, *[401] * 7]
    monkeypatch.setattr("cds_service.security.verification.check_claims", fail)
    last = token(sub=CANARY)
    watch.call(document=request(), headers={"Authorization": f"Bearer {last}"})
    assert watch.statuses[-1] == 500
    parts = {part for one in (*tokens, last) for part in one.split(".") if len(part) > 20}
    assert watch.leaks(*parts) == []
