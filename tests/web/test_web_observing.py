"""What operations see: metrics, readiness with reasons, the administration listener."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from fhir_charts import small_chart
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory
from flask import Flask
from log_lines import written
from prometheus_client.parser import text_string_to_metric_families
from tokens import ISSUER, PUBLIC, Revoked, jwk, jwks

from cds_service.config import Mode, Settings
from cds_service.egress import Busy, Lanes
from cds_service.egress.lanes import CIRCUIT_OPEN, FEWEST_CALLS, PAUSE_S, PROBES
from cds_service.engine import load_services
from cds_service.engine.heartbeat import beat
from cds_service.protocol.advice import Advice, Assessment, Selection
from cds_service.protocol.service import Example, Service
from cds_service.records import Reasoning
from cds_service.registry import load
from cds_service.security import FetchedKeys, KeysUnusable, Trusted, Verifier, read_keys, read_trust
from cds_service.security.fetch import Fetched
from cds_service.store import Database, ReplayStore, Scope, ScopeKind, State, SwitchLog
from cds_service.store.migrations import migrate
from cds_service.web import create_app
from cds_service.web.context import Context
from cds_service.web.meters import AT_MOST_VALUES, Call, Meters
from cds_service.web.observer import STALE_KEYS_S, Observer

HOOK = "/cds-services/bone-density-imaging"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store with all tables."""
    opened = Database.open(f"sqlite:///{tmp_path}/store.db")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def app(tmp_path: Path, database: Database) -> Flask:
    """The application with the installed services and a store of its own."""
    services = load_services()
    registry = tmp_path / "clients.toml"
    registry.write_text("[clients.development]\n", "utf-8")
    settings = Settings(
        as_of=date(2026, 11, 23),
        clients_path=registry,
        database_url=f"sqlite:///{tmp_path}/store.db",
    )
    return create_app(settings, lambda: load(registry, services), services)


def here(app: Flask) -> Context:
    """What the views of an application share."""
    found: Context = app.extensions["cds_service"]
    return found


def numbers(meters: Meters) -> dict[str, dict[tuple[str, ...], float]]:
    """All samples by name and by the values of their labels, in the order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(meters.told().decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_calls_are_counted(app: Flask) -> None:
    """By service, hook, client and status; with cards, silences and data that were not read."""
    http = app.test_client()
    for _ in range(2):
        assert http.post(HOOK, json=body(None, prefetch=CHART)).status_code == 200
    unread = {
        key: value for key, value in CHART.items() if key not in ("observations", "conditions")
    }
    assert http.post(HOOK, json=body(None, prefetch=unread)).status_code == 412
    assert http.post(HOOK, json={"hook": "order-select"}).status_code == 422
    assert http.post(HOOK, json=body(None, prefetch=CHART, code="71046")).json == {"cards": []}
    found = numbers(here(app).meters)
    service = "bone-density-imaging"
    assert found["cds_calls_total"] == {
        ("development", "order-select", service, "200"): 3.0,
        ("development", "order-select", service, "412"): 1.0,
        ("development", "order-select", service, "422"): 1.0,
    }
    assert found["cds_cards_total"] == {("warning", "usually-not-appropriate", service, "qus"): 2.0}
    assert found["cds_silences_total"] == {("code-not-recognised", service): 1.0}
    assert found["cds_refusals_total"] == {
        ("development", "chart-not-readable", "412"): 1.0,
        ("development", "invalid-request", "422"): 1.0,
    }
    assert {"Observation", "Condition"} <= {data for data, _ in found["cds_unread_total"]}
    assert found["cds_call_seconds_count"] == {("development", service): 5.0}


def test_feedback_is_counted(app: Flask) -> None:
    """By outcome, and by what became of it."""
    http = app.test_client()
    (card,) = http.post(HOOK, json=body(None, prefetch=CHART)).json["cards"]
    assert here(app).recorder.flush()
    item = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
        "overrideReason": {"userComment": "canary"},
    }
    other = item | {"card": "0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10"}
    for batch in ([item, other], [item]):
        assert http.post(f"{HOOK}/feedback", json={"feedback": batch}).status_code == 200
    found = numbers(here(app).meters)
    labels = ("development", "overridden", "bone-density-imaging")
    assert found["cds_feedback_items_total"] == {labels: 3.0}
    assert found["cds_feedback_kept_total"] == {
        ("new",): 1.0,
        ("repeated",): 1.0,
        ("unknown-card",): 1.0,
    }


def odd(study: str) -> Reasoning:
    """The reasoning of a service that calls things as it likes."""
    advice = Advice(order="o", study=study, scenario="s", timing="t", rule="r", indicator="info")
    return Reasoning(
        service="s",
        hook="h",
        ruleset="r",
        client="c",
        mode="live",
        patient_id="p",
        advices=(advice,),
        shown=(advice,),
        declined=("a b\n",),
        unread=frozenset({"x" * 500}),
    )


def test_labels_stay_few() -> None:
    """Whatever a service calls things, a label has a bounded number of plain values."""
    meters = Meters()
    for number in range(AT_MOST_VALUES + 50):
        meters.count_call(Call("s", "h", "c", 200, 0.01, odd(f"study-{number}")))
    found = numbers(meters)
    assert len(found["cds_cards_total"]) == AT_MOST_VALUES + 1
    assert found["cds_cards_total"]["info", "none", "s", "other"] == 50
    assert found["cds_silences_total"] == {("other", "s"): AT_MOST_VALUES + 50}
    assert found["cds_unread_total"] == {("other", "s"): AT_MOST_VALUES + 50}


class Accepted:
    """A connection as gunicorn hands it over, accepted at a port."""

    def __init__(self, name: Any) -> None:
        self.getsockname = lambda: name


@pytest.mark.parametrize(
    ("environ", "admin"),
    [
        ({"SERVER_PORT": "9000", "gunicorn.socket": Accepted(("127.0.0.1", 9000))}, True),
        ({"SERVER_PORT": "9000", "gunicorn.socket": Accepted(("::1", 9000, 0, 0))}, True),
        ({"SERVER_PORT": "8000", "gunicorn.socket": Accepted(("127.0.0.1", 8000))}, False),
        # a Unix socket: gunicorn makes SERVER_PORT of the Host header
        ({"SERVER_PORT": "9000", "gunicorn.socket": Accepted("/run/cds.sock")}, False),
        ({"SERVER_PORT": "9000", "gunicorn.socket": Accepted(("127.0.0.1", 8000))}, False),
        ({"SERVER_PORT": "9000"}, False),
        ({"HTTP_HOST": "127.0.0.1:9000", "HTTP_X_FORWARDED_PORT": "9000"}, False),
    ],
)
def test_who_is_at_the_administration_listener(
    make_app: Callable[..., Flask], environ: dict[str, Any], admin: bool
) -> None:
    """Metrics are there and nowhere else; hooks are elsewhere; no header makes a difference."""
    app = make_app()
    context = here(app)
    settings = replace(context.settings, mode=Mode.PRODUCTION, admin_port=9000)
    replace(context, settings=settings).install(app)
    from cds_service.web import admin as module

    module.install(app, 9000)
    http = app.test_client()

    def status(path: str) -> int:
        return http.get(path, environ_overrides=environ).status_code

    assert status("/metrics") == (200 if admin else 404)
    assert status("/cds-services") == (404 if admin else 200)
    assert status("/openapi.json") == (404 if admin else 200)
    assert status("/livez") == status("/readyz") == 200
    ready = http.get("/readyz", environ_overrides=environ).json
    assert ("services" in ready) == admin


def test_a_port_that_is_closed_meanwhile(make_app: Callable[..., Flask]) -> None:
    """A connection that is gone is nobody's."""
    app = make_app()
    context = here(app)
    settings = replace(context.settings, mode=Mode.PRODUCTION, admin_port=9000)
    replace(context, settings=settings).install(app)
    with closing(socket.socket()) as gone:
        gone.close()
        environ: Any = {"SERVER_PORT": "9000", "gunicorn.socket": gone}
        assert app.test_client().get("/metrics", environ_overrides=environ).status_code == 404


def ready(app: Flask) -> tuple[str, set[str]]:
    """The status word and the reasons, after a look at everything."""
    observer = here(app).observer
    observer.check_store()
    observer.look()
    document: Any = app.test_client().get("/readyz").json
    return document["status"], {one["reason"] for one in document.get("reasons", ())}


def test_readiness_has_reasons(app: Flask, tmp_path: Path, database: Database) -> None:
    """What is not in order degrades, is named and measured, and goes away again; hooks go on."""
    context, http = here(app), app.test_client()
    assert ready(app) == ("ready", set())
    context.live._next_look = float("inf")  # reloading is what the test does itself
    registry = tmp_path / "clients.toml"
    registry.write_text("[clients.development]\nprofil = 1\n", "utf-8")
    context.live.reload()
    assert ready(app) == ("degraded", {"registry-refused"})
    (told,) = http.get("/readyz").json["reasons"]
    assert (
        told["details"]
        == "clients.toml: clients.development.profil: unknown name; did you mean profile?"
    )
    registry.write_text("[clients.development]\n", "utf-8")
    context.live.reload()
    assert ready(app) == ("ready", set())
    database.close()
    context.observer._databases["tables"].close()
    path = tmp_path / "store.db"
    for one in tmp_path.glob("store.db*"):
        one.rename(one.with_name(f"away-{one.name}"))
    assert ready(app) == ("degraded", {"store-tables"})
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    assert ready(app) == ("degraded", {"store-tables"})
    assert http.post(HOOK, json=body(None, prefetch=CHART)).status_code == 200
    found = numbers(context.meters)
    assert found["cds_degraded"] == {("registry-refused",): 0.0, ("store-tables",): 1.0}
    assert found["cds_store_trouble"][("tables",)] == 1.0
    assert found["cds_registry_reloads_total"] == {("ok",): 1.0, ("refused",): 1.0}
    path.unlink()


def test_lost_decisions_degrade(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while; what waits and why is told too."""
    recorder = here(app).recorder
    recorder.dropped, recorder.trouble = 3, "database is read-only"
    assert ready(app) == ("degraded", {"decisions-lost", "recorder"})
    recorder.trouble = None
    monkeypatch.setattr("cds_service.web.observer.DROPPED_FOR_S", 0.0)
    assert ready(app) == ("ready", set())
    assert numbers(here(app).meters)["cds_records_dropped_total"] == {(): 3.0}


def test_switches_are_measured(app: Flask, database: Database) -> None:
    """What is switched off is 1 by its scope, and 0 when it is on again."""
    log, context = SwitchLog(database), here(app)
    scope = Scope(ScopeKind.CLIENT, client="development")
    labels = ("development", "client", "", "")
    for state, value in ((State.OFF, 1.0), (State.ON, 0.0)):
        log.set(scope, state, who="me", why="test", now=datetime.now(UTC))
        context.switches.look()
        context.observer.look()
        assert numbers(context.meters)["cds_switch_off"] == {labels: value}


def _toy(expected: dict[str, Any], *, fails: bool = False) -> Service:
    """A service that finds every order appropriate, with one example."""
    draft = {
        "resourceType": "ServiceRequest",
        "id": "d",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/observed-1"},
        "code": {"text": "a study"},
    }
    request = {
        "hook": "order-sign",
        "hookInstance": "0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "observed-1",
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": "observed-1"}},
    }

    def evaluate(selection: Selection, chart: Any, settings: Any, as_of: date) -> Assessment:
        if fails:
            raise KeyError("canary")
        rating = "usually-appropriate" if as_of.year == 2026 else None
        advices = tuple(
            Advice(
                order=order.reference,
                study="toy",
                scenario="any",
                timing="not-applicable",
                rating=rating,
                modifiers=("one",),
                silence="quiet",
                rule="r",
            )
            for order, _ in selection.orders
        )
        return Assessment(advices)

    return Service(
        id="toy",
        title="Toy",
        description="",
        usage_requirements="",
        hooks=("order-sign",),
        ruleset="1",
        prefetch=(),
        settings_schema={},
        read_settings=dict,
        select=lambda orders, settings: Selection(tuple((one, "toy") for one in orders)),
        evaluate=evaluate,
        orderables=lambda settings: {},
        warm_up=lambda: None,
        warnings=lambda settings: (),
        examples=lambda: (Example("case", "Case", request, date(2026, 11, 23), expected),),
    )


@pytest.mark.parametrize(
    ("expected", "fails", "differs"),
    [
        ({"study": "toy", "modifiers": ("one",), "rating": "usually-appropriate"}, False, ()),
        ({"study": "other", "rating": None}, False, ("study", "rating")),
        ({"no-such-member": None}, False, ("no-such-member",)),
        ({}, True, ("KeyError",)),
    ],
)
def test_heartbeat(
    make_app: Callable[..., Flask], expected: dict[str, Any], fails: bool, differs: tuple[str, ...]
) -> None:
    """An example is as expected, or readiness, metrics and log name what differs; once."""
    service = _toy(expected, fails=fails)
    assert beat(service, service.examples()[0]).differs == differs
    app = make_app(services=(service,))
    observer, meters = here(app).observer, here(app).meters
    with written() as log:
        observer.beat()
        observer.beat()
    said = log.of("cds_service.observer")
    assert [line["reason"] for line in said] == ([",".join(differs)] if differs else [])
    assert "canary" not in log.text.getvalue()
    reasons = {one.reason for one in observer.findings()}
    assert reasons == ({"heartbeat"} if differs else set())
    found = numbers(meters)
    assert found["cds_heartbeat_failing"] == {("toy",): float(bool(differs))}
    assert found["cds_heartbeat_examples_total"][("failed", "toy")] == 2.0 * bool(differs)
    assert found["cds_heartbeat_timestamp_seconds"][("toy",)] > 0
    assert "cds_calls_total" not in found  # nobody called


def test_the_observer_survives(make_app: Callable[..., Flask]) -> None:
    """A look that fails is told by type and place, and the next one is made."""
    observer: Observer = here(make_app()).observer

    def fail() -> None:
        raise ValueError("canary")

    with written() as log:
        observer._safely(fail)
    (line,) = log.lines
    assert line["exception"] == "ValueError"
    assert line["place"][-1].endswith(" fail")
    assert "canary" not in log.text.getvalue()


def test_every_metric_is_documented() -> None:
    """`docs/metrics.md` has each metric with its type and labels, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(cds_\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    documented = {
        (name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert documented == {
        (
            f"{metric._name}_total" if metric._type == "counter" else metric._name,
            metric._type,
            tuple(metric._labelnames),
        )
        for metric in defined()
    }


def defined() -> list[Any]:
    """Every metric that a process has."""
    return list(Meters().registry._collector_to_names)


def test_public_answers_tell_one_word(make_app: Callable[..., Flask]) -> None:
    """In production the public listener says ready or degraded, and no more."""
    app = make_app()
    context = here(app)
    replace(context, settings=replace(context.settings, mode=Mode.PRODUCTION)).install(app)
    context.recorder.trouble = "database is read-only"
    response = app.test_client().get("/readyz")
    assert (response.status_code, json.loads(response.data)) == (200, {"status": "degraded"})


@pytest.mark.parametrize(
    ("kind", "outcomes"),
    [
        ("healthy", {"ok"}),
        ("500", {"answered-5xx"}),
        ("401", {"answered-4xx"}),
        ("reset", {"no-answer"}),
    ],
)
def test_reads_are_counted(app: Flask, kind: str, outcomes: set[str]) -> None:
    """Each request to a FHIR server by client and outcome."""
    with FaultyServer(InMemory(small_chart())) as server:
        app.test_client().post(HOOK, json=body(server.base(kind)))
    found = numbers(here(app).meters)["cds_fhir_reads_total"]
    assert {outcome for _, outcome in found} == outcomes
    assert {client for client, _ in found} == {"development"}
    assert sum(found.values()) >= 7


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Busy(CIRCUIT_OPEN), "left-alone"),
        (Busy("too many calls to this server are under way"), "too-many-calls"),
        (None, "not-allowed"),
    ],
)
def test_reads_that_are_not_made(
    app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception | None, outcome: str
) -> None:
    """What is not even tried is counted too, once for a call."""

    def enter(self: Lanes, key: str) -> None:
        assert error is not None
        raise error

    monkeypatch.setattr(Lanes, "enter", enter)
    server = "http://127.0.0.1:1/r4" if error else "https://fhir.example.org/r4"
    app.test_client().post(HOOK, json=body(server))
    found = numbers(here(app).meters)["cds_fhir_reads_total"]
    assert found == {("development", outcome): 1.0}


def test_open_circuits() -> None:
    """A server that fails is counted as left alone until it does its part again."""
    now = [0.0]
    lanes = Lanes(max_calls=4, slots=8, clock=lambda: now[0])
    for _ in range(FEWEST_CALLS):
        with lanes.enter("a") as permit:
            permit.report(False)
    assert lanes.open_circuits == 1
    for _ in range(PROBES):
        now[0] += PAUSE_S + 1
        with lanes.enter("a"):
            pass
    assert lanes.open_circuits == 0


class Shared:
    """Nothing is shared."""

    def may_fetch(self, issuer: str, now: float, at_least_s: float) -> bool:
        """Always our turn."""
        return True

    def keep(self, issuer: str, document: bytes, now: float, fresh_until: float) -> None:
        """Forgotten at once."""

    def kept(self, issuer: str, since: float) -> None:
        """Nothing."""


def test_keys_that_grow_old(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched while nobody calls; their age is measured, and told when fetching fails."""
    context = here(app)
    now, works = [1_000_000.0], [False]

    def fetch() -> Fetched:
        if not works[0]:
            raise KeysUnusable("could not be fetched: answered 503")
        return Fetched(b"", read_keys(jwks(jwk("rsa")), published=True), 600.0)

    keys = FetchedKeys("https://ehr.example.org/keys", fetch, Shared(), clock=lambda: now[0])
    trust = read_trust(
        {"issuer": ISSUER, "jwks_url": "https://ehr.example.org/keys", "audiences": [PUBLIC]}, None
    )
    assert trust is not None
    used = ReplayStore(Database.open("sqlite:////nowhere/none.db"))
    verifier = Verifier({ISSUER: (Trusted("demo", trust, keys),)}, used, Revoked())
    context.live._deployment = replace(context.live.deployment, verifier=verifier)

    def at_once() -> None:
        keys._refreshing.acquire()
        keys._refresh_and_release()

    monkeypatch.setattr(keys, "_refresh_in_background", at_once)

    def ready_after(seconds: float) -> tuple[str, set[str]]:
        now[0] += seconds
        return ready(app)

    assert ready_after(0) == ("degraded", {"keys"})
    works[0] = True
    assert ready_after(120) == ("ready", set())
    works[0] = False
    assert ready_after(700) == ("ready", set())
    assert ready_after(STALE_KEYS_S) == ("degraded", {"keys"})
    told = app.test_client().get("/readyz").json["reasons"][0]["details"]
    assert told == "clients.demo: 2.2 hours old: could not be fetched: answered 503"
    assert numbers(context.meters)["cds_keys_age_seconds"] == {("demo",): STALE_KEYS_S + 700}


def test_examples_that_cannot_be_had(make_app: Callable[..., Flask]) -> None:
    """A service whose examples break is a service that fails its heartbeat."""

    def fail() -> tuple[Example, ...]:
        raise ValueError("canary")

    observer = here(make_app(services=(replace(_toy({}), examples=fail),))).observer
    observer.beat()
    (found,) = observer.findings()
    assert (found.reason, found.words) == ("heartbeat", "toy: example (all): ValueError")
