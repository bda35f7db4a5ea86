"""Feedback over HTTP, and what is recorded of the calls before it."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from click.testing import CliRunner
from fhir_calls import body
from flask.testing import FlaskClient

from cds_service.cli import main
from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.context import Context
from cds_service.web.deploy import prepare_store
from cds_service.web.feedback import MAX_BYTES

SERVICE = "/cds-services/bone-density-imaging"
PATH = f"{SERVICE}/feedback"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
SANDBOX = Path(__file__).parents[2] / "fixtures/sandbox"
AT = "2026-11-23T04:15:14.484Z"
EPIC = "com.epic.cdshooks.feedback.overrideReason"


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., FlaskClient]:
    """An application without authentication, its store in a file."""

    def start(*, prepared: bool = True, **settings: Any) -> FlaskClient:
        chosen = replace(
            Settings(as_of=date(2026, 11, 23)),
            database_url=f"sqlite:///{tmp_path}/state/store.db",
            **settings,
        )
        if prepared:
            prepare_store(chosen)
        services = load_services()
        return create_app(chosen, lambda: load(None, services), services).test_client()

    return start


def here(http: FlaskClient) -> Context:
    """The state behind an application."""
    found: Context = http.application.extensions["cds_service"]
    return found


def card_of(http: FlaskClient, **changes: Any) -> Any:
    """A card that was shown, and written down."""
    (card,) = http.post(SERVICE, json=body(None, prefetch=CHART, **changes)).json["cards"]
    assert here(http).recorder.flush()
    return card


def overridden(card: str, **members: Any) -> dict[str, Any]:
    """The feedback of one card that was not followed."""
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": AT, **members}


def test_what_became_of_a_card(serve: Callable[..., FlaskClient]) -> None:
    """Accepted, overridden, repeated: each outcome once; the card's record shows them."""
    http = serve()
    card = card_of(http)
    accepted = {
        **overridden(card["uuid"].upper()),
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
    }
    reason = {"reason": {"code": "no", "system": "urn:x"}, "userComment": "canary-comment"}
    batch = {"feedback": [accepted, overridden(card["uuid"], overrideReason=reason)]}
    first, again = http.post(PATH, json=batch), http.post(f"{PATH}/", json=batch)
    assert (first.status_code, first.json) == (200, {"new": 2, "repeated": 0, "unknownCards": 0})
    assert (again.status_code, again.json) == (200, {"new": 0, "repeated": 2, "unknownCards": 0})
    run = CliRunner().invoke(
        main,
        ["explain", "--card", card["uuid"]],
        env={"CDS_DATABASE_URL": here(http).settings.database_url},
    )
    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert sorted(one["outcome"] for one in told["feedback"]) == ["accepted", "overridden"]
    (order,) = told["orders"]
    assert (order["study"], order["rating"]) == ("qus", "usually-not-appropriate")
    assert order["card"] == card["uuid"]
    assert order["suggestions"] == [one["uuid"] for one in card["suggestions"]]
    assert order["reasons"]
    assert (told["client"], told["mode"], told["shown"]) == ("development", "live", 1)
    assert len(told["knowledge"]) == 16
    assert 0 < told["latencyMs"] < 10_000
    assert "canary-comment" not in run.output


def test_batch_of_epic(serve: Callable[..., FlaskClient]) -> None:
    """Reasons in the plural, one of them built by the EHR, in one batch."""
    http = serve()
    cards = [card_of(http, patient_id="pat-1")["uuid"], "123456"]
    coded = {"reason": {"code": "contraindicated", "system": "urn:x", "display": "bad"}}
    built = {"extension": {f"{EPIC}.reasonCategory": "45", f"{EPIC}.reasonTitle": "Other"}}
    batch = [
        overridden(cards[0], overrideReasons={**coded, "userComment": "text"}),
        overridden(cards[1], overrideReasons=built),
    ]
    found = http.post(PATH, json={"feedback": batch})
    assert (found.status_code, found.json["new"], found.json["unknownCards"]) == (200, 2, 1)
    (one,) = here(http).feedback.of_card("123456")
    assert [(r.system, r.code, r.words) for r in one.feedback.reasons] == [(EPIC, "45", "Other")]


@pytest.mark.parametrize("path", sorted(SANDBOX.glob("1[012]-*.json")), ids=lambda path: path.stem)
def test_recordings(serve: Callable[..., FlaskClient], path: Path) -> None:
    """What the public sandbox sent is taken, with the headers that its browser asks for."""
    recording = json.loads(path.read_text("utf-8"))
    sent = re.sub(r"\{service-id\}", "bone-density-imaging", recording["path"])
    found = serve().post(sent, headers=recording["headers"], json=recording["body"])
    assert (found.status_code, found.json["new"], found.json["unknownCards"]) == (200, 1, 1)
    assert found.headers["Access-Control-Allow-Origin"] == recording["headers"]["Origin"]


def test_one_bad_item(serve: Callable[..., FlaskClient]) -> None:
    """Every problem has its path, and nothing of the batch is kept."""
    http = serve()
    bad = {"card": 1, "outcome": "ignored"}
    found = http.post(PATH, json={"feedback": [overridden("c"), bad, overridden("d")]})
    assert found.status_code == 422
    assert [issue["expression"] for issue in found.json["issue"]] == [
        ["$.feedback[1].card"],
        ["$.feedback[1].outcome"],
        ["$.feedback[1].outcomeTimestamp"],
    ]
    assert here(http).feedback.of_card("c") == ()


def test_a_card_of_another_client(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """It is not there for this client, nor is anything of its batch kept, nor the other's read."""
    http = serve()
    card = card_of(http)["uuid"]
    with sqlite3.connect(tmp_path / "state/store.db") as connection:
        connection.execute("UPDATE decision SET client = 'other'")
    connection.close()
    found = http.post(PATH, json={"feedback": [overridden("mine"), overridden(card)]})
    assert found.status_code == 404
    assert [issue["expression"] for issue in found.json["issue"]] == [["$.feedback[1].card"]]
    assert here(http).feedback.of_card("mine") == here(http).feedback.of_card(card) == ()


def test_feedback_before_its_card(serve: Callable[..., FlaskClient]) -> None:
    """A card in another worker's queue is unknown, and is found when it is written."""
    http, other = serve(), serve()
    (card,) = http.post(SERVICE, json=body(None, prefetch=CHART)).json["cards"]
    found = other.post(PATH, json={"feedback": [overridden(card["uuid"])]})
    assert (found.status_code, found.json["unknownCards"]) == (200, 1)
    assert here(other).feedback.count_unknown() == 1
    assert here(http).recorder.flush()
    assert here(other).feedback.count_unknown() == 0


@pytest.mark.parametrize("how", ["never made", "destroyed", "locked"])
def test_store_that_is_down(serve: Callable[..., FlaskClient], tmp_path: Path, how: str) -> None:
    """Feedback gets 503 and is to be sent again; the hook goes on as if nothing were."""
    http = serve(prepared=how != "never made")
    path = tmp_path / "state/store.db"
    holder = None
    if how == "destroyed":
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(b"this is no database" * 1000)
    if how == "locked":
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
    found = http.post(PATH, json={"feedback": [overridden("c")]})
    assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
    assert "kept" in found.json["issue"][0]["diagnostics"]
    began = time.perf_counter()
    answered = http.post(SERVICE, json=body(None, prefetch=CHART))
    assert (answered.status_code, len(answered.json["cards"])) == (200, 1)
    assert time.perf_counter() - began < 0.4  # the store's own patience is half a second
    if holder is not None:
        holder.close()
        assert here(http).recorder.flush(10)
        assert http.post(PATH, json={"feedback": [overridden("c")]}).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_cap(serve: Callable[..., FlaskClient], chunked: bool) -> None:
    """256 kB, however they are sent; the hook's own cap stays as it is."""
    http = serve()
    item = overridden("c", extension={"x": "x" * MAX_BYTES})
    data = json.dumps({"feedback": [item]}).encode()
    request: dict[str, Any] = {"data": data}
    if chunked:
        request = {"input_stream": io.BytesIO(data), "environ_base": {"wsgi.input_terminated": 1}}
        request["headers"] = {"Transfer-Encoding": "chunked"}
    found = http.post(PATH, content_type="application/json", **request)
    assert found.status_code == 413
    assert str(MAX_BYTES) in found.json["issue"][0]["diagnostics"]
    long = body(None, prefetch={**CHART, "other": {"resourceType": "Basic", "x": "x" * MAX_BYTES}})
    assert http.post(SERVICE, json=long).status_code == 200


def test_nothing_of_the_patient_is_recorded(
    serve: Callable[..., FlaskClient], tmp_path: Path
) -> None:
    """No value, date, id or text of request and chart is anywhere in the database's files."""
    http = serve()
    chart = json.dumps(CHART).replace("pat-1", "canary-patient").replace('"low"', '"canary-obs"')
    chart = chart.replace("-2.7", "-2.713579").replace("2023-05-10", "2023-05-13")
    sent = json.dumps(body(None, "canary-patient", prefetch=json.loads(chart)))
    sent = sent.replace("draft-1", "canary-order").replace("Practitioner/1", "Practitioner/canary")
    (card,) = http.post(SERVICE, data=sent, content_type="application/json").json["cards"]
    unread = body(None, "canary-patient", prefetch={"patient": json.loads(chart)["patient"]})
    http.post(SERVICE, json=unread)
    assert here(http).recorder.flush()
    files = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert card["uuid"].encode() in files
    for secret in ("canary", "2.713579", "2023-05-13", "2023", card["summary"], "38267-1", "M81"):
        assert secret.encode() not in files, secret
    assert here(http).recorder.dropped == 0


def test_what_is_recorded_of_other_calls(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """Calls without an order of ours are counted by reason; refused ones are no decisions."""
    http = serve()
    http.post(SERVICE, json=body(None, prefetch=CHART, code="99213"))
    http.post(SERVICE, json={})
    http.post("/explain/bone-density-imaging", json=body(None, prefetch=CHART))
    assert here(http).recorder.flush()
    with sqlite3.connect(tmp_path / "state/store.db") as connection:
        rows = connection.execute("SELECT declined, latency_ms > 0 FROM decision").fetchall()
        judged = connection.execute("SELECT count(*) FROM judgement").fetchone()
    connection.close()
    assert rows == [('{"code-not-recognised":1}', 1)]
    assert judged == (0,)


def test_pruning(serve: Callable[..., FlaskClient]) -> None:
    """`db prune` deletes what is older, and says how much."""
    http = serve()
    card = card_of(http)["uuid"]
    http.post(PATH, json={"feedback": [overridden(card)]})
    environment = {"CDS_DATABASE_URL": here(http).settings.database_url}
    run = CliRunner().invoke(main, ["db", "prune", "--days", "1"], env=environment)
    assert (run.exit_code, "deleted 0 decisions, 0 feedback" in run.output) == (0, True)
    run = CliRunner().invoke(main, ["db", "prune", "--days", "0"], env=environment)
    assert run.exit_code == 2
    run = CliRunner().invoke(main, ["explain", "--card", "unknown"], env=environment)
    assert (run.exit_code, "no card with this uuid" in run.output) == (1, True)
    run = CliRunner().invoke(main, ["explain"], env=environment)
    assert run.exit_code == 2
