"""The way through the sandbox's imaging view, as a browser went it, with verified tokens.

The recordings were made by journey.py; every request is posted again in its order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sandbox_ordering import HEEL_ULTRASOUND, answer
from sandbox_tokens import public_keys, signed
from sandbox_view import seen

from cds_service.config import Auth, Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

FOLDER = Path(__file__).parents[2] / "fixtures" / "sandbox-journey"
RECORDINGS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
NAMES = sorted(RECORDINGS)
ORDERS = [name for name in NAMES if "order-select" in name]
REGISTRY = """
[clients.sandbox]
profile = "sandbox"
cors_origins = ["http://127.0.0.1:8093"]
[clients.sandbox.trust]
issuer = "https://sandbox.cds-hooks.org"
audiences = ["http://127.0.0.1:8091"]
jwks_file = "sandbox.json"
"""


@pytest.fixture
def http(tmp_path: Path) -> Iterator[FlaskClient]:
    """The service in development mode with authentication, the sandbox's key in a file."""
    registry = tmp_path / "clients.toml"
    registry.write_text(REGISTRY, "utf-8")
    (tmp_path / "sandbox.json").write_text(json.dumps(public_keys()), "utf-8")
    settings = replace(
        Settings(),
        auth=Auth.REQUIRED,
        as_of=date(2026, 11, 23),
        clients_path=registry,
        database_url=f"sqlite:///{tmp_path}/store.db",
    )
    prepare_store(settings)
    services = load_services()
    with create_app(settings, lambda: load(registry, services), services).test_client() as client:
        yield client


def send(http: FlaskClient, recording: dict[str, Any], body: Any) -> Any:
    """One recorded request, its token signed anew."""
    headers = dict(recording["headers"])
    if "jwt" in recording:
        headers["Authorization"] = f"Bearer {signed(recording['jwt'], recording['path'])}"
    return http.open(recording["path"], method=recording["method"], headers=headers, json=body)


def uuids(shown: dict[str, Any]) -> list[str]:
    """Those of the cards and of their suggestions, in their order."""
    cards = shown.get("cards", [])
    return [item["uuid"] for card in cards for item in (card, *card["suggestions"])]


def without_uuids(shown: dict[str, Any]) -> dict[str, Any]:
    """An answer without those, which change with every word of a card."""
    text = json.dumps(shown)
    for uuid in uuids(shown):
        text = text.replace(uuid, "-")
    return dict(json.loads(text))


def test_every_step_is_answered_as_it_was(http: FlaskClient) -> None:
    """Same status and same cards; what was made of the cards is joined to them."""
    origin = "http://127.0.0.1:8093"
    now: dict[str, str] = {}  # uuid of the recording → the one given now
    for name in NAMES:
        recording = RECORDINGS[name]
        text = json.dumps(recording.get("body"))
        for before, after in now.items():
            text = text.replace(before, after)
        response = send(http, recording, json.loads(text))
        told = dict(recording["answer"])
        assert response.status_code == told.pop("status"), name
        assert response.headers["Access-Control-Allow-Origin"] == origin, name
        if recording["method"] == "OPTIONS":
            asked = recording["headers"]["access-control-request-headers"].split(",")
            allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
            assert sorted(asked) == sorted(allowed), name
        elif name in ORDERS:
            shown = seen(response.get_json())
            assert without_uuids(shown) == without_uuids(told), name
            now |= dict(zip(uuids(told), uuids(shown), strict=True))
            assert http.application.extensions["cds_service"].recorder.flush()
        elif "feedback" in name:
            assert response.get_json() == {"new": 1, "repeated": 0, "unknownCards": 0}, name


@pytest.mark.parametrize("name", ORDERS)
def test_without_a_right_token_nothing_is_shown(http: FlaskClient, name: str) -> None:
    """A token for another address, as `localhost` for 127.0.0.1, or none: refused, no cards."""
    recording = RECORDINGS[name]
    token = recording["jwt"]
    audience = token["payload"]["aud"].replace("127.0.0.1", "localhost")
    elsewhere = {**token, "payload": {**token["payload"], "aud": audience}}
    without = {key: value for key, value in recording.items() if key != "jwt"}
    for wrong in (without, {**recording, "jwt": elsewhere}):
        response = send(http, wrong, recording["body"])
        assert response.status_code == 401
        assert "cards" not in response.get_json()


@pytest.mark.parametrize("name", [ORDERS[1], "07-feedback-accepted"])
def test_discovery_typed_with_a_slash(http: FlaskClient, name: str) -> None:
    """The sandbox then asks, and names as audience, `/cds-services//…`: answered all the same."""
    recording = RECORDINGS[name]
    path = recording["path"].replace("/cds-services/", "/cds-services//")
    assert send(http, {**recording, "path": path}, recording["body"]).status_code == 200


def draft(name: str) -> dict[str, Any]:
    """The order that a recorded request is about."""
    (entry,) = RECORDINGS[name]["body"]["context"]["draftOrders"]["entry"]
    return dict(entry["resource"])


@pytest.mark.parametrize(("blank", "ordered"), [(ORDERS[0], ORDERS[1]), (ORDERS[4], ORDERS[5])])
def test_how_an_order_reaches_the_view(blank: str, ordered: str) -> None:
    """The test service's suggestion for the blank order is the order that came next."""
    (card,) = answer(RECORDINGS[blank]["body"])["cards"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["resource"]["code"]["coding"] == draft(ordered)["code"]["coding"]
    assert action["resource"]["reasonCode"] == draft(ordered)["reasonCode"]
    assert draft(ordered)["code"]["coding"] == [HEEL_ULTRASOUND]
    assert answer(RECORDINGS[ordered]["body"]) == {"cards": []}


def test_the_view_applied_our_suggestion(http: FlaskClient) -> None:
    """What we suggest for the ultrasound is the order that the view sent next, reasons kept."""
    ultrasound, dxa = ORDERS[1], ORDERS[2]
    response = send(http, RECORDINGS[ultrasound], RECORDINGS[ultrasound]["body"])
    (card,) = seen(response.get_json())["cards"]
    (suggestion,) = card["suggestions"]
    assert card["indicator"] == "warning"
    assert [suggestion["coding"]] == draft(dxa)["code"]["coding"]
    assert suggestion["reasonCode"] == draft(dxa)["reasonCode"]
    (shown,) = RECORDINGS[dxa]["answer"]["cards"]
    assert (shown["indicator"], shown["decision"]["study"]) == ("info", "dxa-spine-hip")


def test_no_token_was_kept() -> None:
    """The recordings hold decoded tokens and no signature."""
    for name, recording in RECORDINGS.items():
        assert set(recording.get("jwt", ())) <= {"header", "payload"}, name
        assert "eyJ" not in json.dumps(recording), name
