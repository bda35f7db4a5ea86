"""The console's page and the address it asks: what is shown, to whom, and what is kept of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tokens import PUBLIC, jwk, jwks, token

from cds_service.config import Auth, Mode, Settings
from cds_service.engine import load_services
from cds_service.protocol.service import Example
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store
from hooks.bone_density import SERVICE

ASK = "/console/bone-density-imaging"
EXAMPLES = SERVICE.examples()
QUS = EXAMPLES[0]
REGISTRY = """
[clients.elsewhere]
profile = "epic"
[clients.elsewhere.trust]
issuer = "https://ehr.example.org"
jwks_file = "keys.json"
"""


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., FlaskClient]:
    """An application with a second client, its store in a file."""

    def start(**settings: Any) -> FlaskClient:
        clients = tmp_path / "clients.toml"
        clients.write_text(REGISTRY, "utf-8")
        (tmp_path / "keys.json").write_text(json.dumps(jwks(jwk("rsa"))), "utf-8")
        chosen = replace(
            Settings(as_of=date(2026, 11, 23)),
            clients_path=clients,
            database_url=f"sqlite:///{tmp_path}/store.db",
            **settings,
        )
        prepare_store(chosen)
        services = load_services()
        return create_app(chosen, lambda: load(clients, services), services).test_client()

    return start


def written(http: FlaskClient) -> int:
    """How many calls have been recorded."""
    context = http.application.extensions["cds_service"]
    assert context.recorder.flush()
    return int(context.recorder.written)


def test_page(client: FlaskClient) -> None:
    """The page lists every example, and names what it loads from this server alone."""
    page = client.get("/")
    assert page.mimetype == "text/html"
    for example in EXAMPLES:
        assert f'value="{example.name}"' in page.text
        assert example.title in unescape(page.text)
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert all(address.startswith("/") for address in loaded)
    for address in {address for address in loaded if "static" in address}:
        with client.get(address) as found:
            assert found.status_code == 200
    assert client.get("/?service=other").status_code == 404


def test_policy_of_the_page(client: FlaskClient) -> None:
    """A strict policy, and a page that needs nothing it forbids: no inline script or style."""
    page = client.get("/")
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    answers = [client.post(ASK, json={"example": one.name}).json["html"] for one in EXAMPLES]
    for html in (page.text, *answers):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
        assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples(client: FlaskClient, example: Example) -> None:
    """Each example's cards, decision, deciding rule and every fact stand in its answer."""
    answer = client.post(ASK, json={"example": example.name}).json
    assert answer["status"] == 200
    assert answer["asOf"] == example.as_of.isoformat()
    assert len(answer["cards"]) == (example.expected["indicator"] is not None)
    html = unescape(answer["html"])
    for card in answer["cards"]:
        assert card["summary"] in html
        assert all(reason["display"] in html for reason in card["overrideReasons"])
    (decided,) = re.findall(r'<li class="decided"><strong>([^<]*)', html)
    assert decided == example.expected["rule"]
    assert "Age in years" in html
    # All Markdown of the cards has become HTML.
    text = re.sub(r"<pre.*?</pre>", "", html, flags=re.DOTALL)
    assert not re.search(r"\*\*|`|\|", text)
    sent = json.loads(answer["request"])
    assert {**sent, "hookInstance": ""} == {**example.request, "hookInstance": ""}


def test_every_try_is_a_call_of_its_own(client: FlaskClient) -> None:
    """Two tries have different hook instances, so feedback on one is not about the other."""
    first, second = (client.post(ASK, json={"example": QUS.name}).json for _ in range(2))
    assert first["cards"][0]["uuid"] != second["cards"][0]["uuid"]


def test_text_of_a_chart_stays_text(client: FlaskClient) -> None:
    """Markup in an order, a device or an id is shown, never obeyed."""
    evil = '<img src=x onerror="alert(1)">'
    document = json.loads(json.dumps(QUS.request))
    draft = document["context"]["draftOrders"]["entry"][0]["resource"]
    draft["code"]["text"] = evil
    draft["code"]["coding"][0]["display"] = evil
    for entry in document["prefetch"]["observations"]["entry"]:
        entry["resource"]["device"] = {"reference": evil}
        entry["resource"]["id"] += "<b>"
    html = client.post(ASK, json={"document": json.dumps(document)}).json["html"]
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img src=x" in html


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        ("", 400, "Nothing was pasted"),
        ("{", 400, "not strict JSON"),
        ("[]", 400, "not one object"),
        ('{"a": 1, "a": 2}', 400, "duplicate"),
        ("{}", 422, "$.context"),
        ("{}", 422, "$.hookInstance"),
        ('{"hook": "order-select", "context": {}}', 422, "selections"),
        ('{"hook": "patient-view", "context": {}}', 422, "$.hook"),
        ('{"hook": 7}', 422, "$.hook"),
        ('{"resourceType": "Bundle"}', 422, "exactly one Patient"),
        ('{"resourceType": "Bundle", "entry": {"resource": 1}}', 422, "exactly one Patient"),
    ],
)
def test_bad_input(client: FlaskClient, document: str, status: int, words: str) -> None:
    """What the hook would refuse is shown with its status, its place and what is wrong."""
    answer = client.post(ASK, json={"document": document})
    assert answer.status_code == 200
    assert answer.json["status"] == status
    assert f"would answer {status}" in answer.json["html"]
    assert words in unescape(answer.json["html"])
    assert answer.json["cards"] == []


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("observations", 412, "Observation"), ("patient", 412, "Patient")],
)
def test_chart_that_does_not_suffice(
    client: FlaskClient, name: str, status: int, words: str
) -> None:
    """A chart that the hook refuses is told with what is missing."""
    document = json.loads(json.dumps(QUS.request))
    del document["prefetch"][name], document["prefetch"]["conditions"]
    answer = client.post(ASK, json={"document": json.dumps(document)}).json
    assert answer["status"] == status
    assert words in answer["html"]


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"example": "nobody"},
        {"example": QUS.name, "document": "{}"},
        {"document": 1},
        {"document": "{}", "asOf": "soon"},
        {"document": "{}", "asOf": "0001-01-01"},
        {"document": "{}", "client": "nobody"},
        {"document": "{}", "other": True},
    ],
)
def test_calls_that_the_page_never_makes(client: FlaskClient, call: dict[str, Any]) -> None:
    """They are refused as such, not shown as an answer of the hook."""
    assert client.post(ASK, json=call).status_code == 422


def bundle(*types: str) -> str:
    """A patient's Bundle with the example's resources of some types."""
    prefetch = QUS.request["prefetch"]
    entries = [{"fullUrl": "urn:uuid:somewhere", "resource": prefetch["patient"]}]
    for key, value in prefetch.items():
        if key in types:
            entries += value["entry"]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


@pytest.mark.parametrize(
    ("is_whole", "unread"),
    [(True, []), (False, ["MedicationStatement", "DiagnosticReport", "Procedure"])],
)
def test_bundle(client: FlaskClient, is_whole: bool, unread: list[str]) -> None:
    """A Bundle becomes a request; what is not in it is unread, unless it is the whole chart."""
    call = {
        "document": bundle("observations", "conditions", "medicationRequests"),
        "order": "0",
        "wholeChart": is_whole,
    }
    answer = client.post(ASK, json=call).json
    sent = json.loads(answer["request"])
    assert sent["context"]["selections"] == ["ServiceRequest/console-draft"]
    explained = client.post("/explain/bone-density-imaging", json=sent).json
    assert sorted(gap["data"] for gap in explained["unread"]) == sorted(unread)
    assert explained["orders"][0]["study"] == "qus"
    assert answer["cards"][0]["indicator"] == "warning"


@pytest.mark.parametrize("order", [None, "99", ""])
def test_bundle_without_an_order(client: FlaskClient, order: str | None) -> None:
    """A Bundle has no order of its own: one must be chosen."""
    call = {"document": bundle()} | ({"order": order} if order is not None else {})
    answer = client.post(ASK, json=call).json
    assert "Choose the order" in answer["html"]


def test_two_patients_in_a_bundle(client: FlaskClient) -> None:
    """A chart of two patients is nobody's."""
    document = json.loads(bundle("observations"))
    document["entry"].append({"resource": {"resourceType": "Patient", "id": "second"}})
    answer = client.post(ASK, json={"document": json.dumps(document), "order": "0"}).json
    assert "exactly one Patient" in answer["html"]


def test_hooks(client: FlaskClient) -> None:
    """order-sign knows no selections; back at order-select every draft is selected."""
    document = json.dumps(QUS.request)
    signed = client.post(ASK, json={"document": document, "hook": "order-sign"}).json
    assert "selections" not in json.loads(signed["request"])["context"]
    selected = client.post(ASK, json={"document": signed["request"], "hook": "order-select"}).json
    assert json.loads(selected["request"])["context"]["selections"] == ["ServiceRequest/draft-1"]
    assert signed["cards"][0]["summary"] == selected["cards"][0]["summary"]


def test_clinical_date(client: FlaskClient) -> None:
    """The chosen date decides the timing; without one it is the service's."""
    document = json.dumps(EXAMPLES[1].request)
    early = client.post(ASK, json={"document": document, "asOf": "2025-02-01"}).json
    assert "too-soon" in early["html"]
    assert client.post(ASK, json={"document": document}).json["asOf"] == "2026-11-23"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": PUBLIC}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_others(
    serve: Callable[..., FlaskClient], headers: dict[str, str], status: int
) -> None:
    """Only the console's own page gets an answer; no other may read one."""
    http = serve(public_url=PUBLIC)
    answer = http.post(ASK, json={"example": QUS.name}, headers=headers)
    assert answer.status_code == status
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_what_is_recorded(serve: Callable[..., FlaskClient]) -> None:
    """Tries of the caller itself are calls; a look through another client's eyes is not."""
    http = serve()
    mine = http.post(ASK, json={"example": QUS.name}).json
    assert written(http) == 1
    assert 'class="override"' in mine["html"]
    theirs = http.post(ASK, json={"example": QUS.name, "client": "elsewhere"}).json
    assert written(http) == 1
    assert len(theirs["cards"][0]["suggestions"]) == 2
    assert 'class="override"' not in theirs["html"]
    assert "not recorded" in theirs["html"]


def test_with_authentication(serve: Callable[..., FlaskClient]) -> None:
    """The page asks for a token and names no client; the token chooses it."""
    http = serve(auth=Auth.REQUIRED, public_url=PUBLIC)
    page = http.get("/").text
    assert 'id="token"' in page
    assert "elsewhere" not in page
    call = {"example": QUS.name, "client": "development"}
    assert http.post(ASK, json=call).status_code == 401
    headers = {"Authorization": f"Bearer {token()}"}
    answer = http.post(ASK, json=call, headers=headers)
    assert len(answer.json["cards"][0]["suggestions"]) == 2  # in the dialect of `elsewhere`
    assert written(http) == 1


def test_production_keeps_no_tries(serve: Callable[..., FlaskClient]) -> None:
    """Switched on in production the console needs a token, records nothing, takes no feedback."""
    public = {"mode": Mode.PRODUCTION, "auth": Auth.REQUIRED, "public_url": PUBLIC}
    http = serve(**public, as_of=None, secret_key=b"k" * 32)
    headers = {"Authorization": f"Bearer {token()}"}
    answer = http.post(ASK, json={"example": QUS.name}, headers=headers)
    assert answer.json["status"] == 200
    assert 'class="override"' not in answer.json["html"]
    assert written(http) == 0


def test_switched_off(serve: Callable[..., FlaskClient]) -> None:
    """Without the switch there is no console at all."""
    http = serve(console_enabled=False)
    assert http.get("/").status_code == 404
    assert http.post(ASK, json={"example": QUS.name}).status_code == 404
    assert "/console/{id}" not in http.get("/openapi.json").json["paths"]


@pytest.mark.parametrize(
    ("environment", "enabled"),
    [({}, True), ({"CDS_CONSOLE": "off"}, False), ({"CDS_CONSOLE": "on"}, True)],
)
def test_setting(environment: dict[str, str], enabled: bool) -> None:
    """On in development unless it is switched off."""
    assert Settings.from_environment(environment).console_enabled is enabled


def test_setting_in_production(tmp_path: Path) -> None:
    """Off in production unless it is switched on."""
    clients = tmp_path / "clients.toml"
    clients.write_text("", "utf-8")
    production = {"CDS_MODE": "production", "CDS_CLIENTS": str(clients), "CDS_SECRET_KEY": "k" * 32}
    assert not Settings.from_environment(production).console_enabled
    assert Settings.from_environment({**production, "CDS_CONSOLE": "on"}).console_enabled


def test_service_without_examples(make_app: Callable[..., Any]) -> None:
    """A service that brings neither examples nor a history is shown all the same."""
    http = make_app().test_client()
    assert "brings no examples" in http.get("/").text
    document = json.dumps(QUS.request)
    answer = http.post("/console/fake-service", json={"document": document}).json
    assert answer["status"] == 200
    assert "No card." in answer["html"]
    assert "svg" not in answer["html"]
