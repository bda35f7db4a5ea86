"""The analyst's sheet: complete, true, and the same page every time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from cds_service.chart.scopes import Grant, read_scopes
from cds_service.cli import commands as cli
from cds_service.cli.sheet import STATUSES, scopes
from cds_service.protocol.advice import Coding, Link
from cds_service.protocol.service import PrefetchItem, Service
from cds_service.registry import load
from cds_service.security import read_trust
from hooks.bone_density import SERVICE
from hooks.bone_density.advice import LINKS, OVERRIDE_REASONS, TOPIC

ROOT = Path(__file__).parents[2]
SHEETS = ROOT / "fixtures" / "sheets"
PRODUCTION = {
    "CDS_MODE": "production",
    "CDS_CLIENTS": str(SHEETS / "hospital.toml"),
    "CDS_SECRET_KEY": "k" * 32,
    "CDS_PUBLIC_URL": "https://cds.example.org",
}
Run = Callable[..., Result]


def _coding(coding: Coding) -> dict[str, Any]:
    return {"system": coding.system, "code": coding.code, "display": coding.display}


def _link(link: Link) -> dict[str, str]:
    return {"label": link.label, "url": link.url}


STATED = {
    "topics": [_coding(TOPIC)],
    "overrideReasons": [_coding(reason) for reason in OVERRIDE_REASONS],
    "links": [_link(link) for link in LINKS.values()],
}
"""What a service states about its cards under these names of `about()`."""


def run(*arguments: str, **environment: str) -> Result:
    """`cds-service services` with arguments."""
    return CliRunner().invoke(cli.main, ("services", *arguments), env=environment)


@pytest.fixture
def stating(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed service states the codes and links of its cards."""
    service = replace(SERVICE, about=lambda: {**SERVICE.about(), **STATED})
    monkeypatch.setattr(cli, "load_services", lambda: {service.id: service})


@pytest.mark.usefixtures("stating")
@pytest.mark.parametrize(("name", "environment"), [("development", {}), ("hospital", PRODUCTION)])
def test_page(name: str, environment: dict[str, str], pytestconfig: pytest.Config) -> None:
    """The page of the built-in client, and that of a hospital's registry."""
    result = run("--sheet", **environment)
    assert result.exit_code == 0, result.output
    path = SHEETS / f"{name}.md"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(result.stdout, "utf-8")
    assert result.stdout == path.read_text("utf-8")


@pytest.mark.usefixtures("stating")
def test_page_and_data_say_the_same() -> None:
    """Every query, scope, code, address and command of the data stands on the page."""
    page = run("--sheet", **PRODUCTION).stdout
    found = json.loads(run("--sheet", "--json", **PRODUCTION).stdout)
    (service,) = found["services"]
    queries = re.findall(r"^```text\n(.*)\n```$", page, re.MULTILINE)
    assert queries == [item.query for item in SERVICE.prefetch]
    assert [item["key"] for item in service["prefetch"]] == [i.key for i in SERVICE.prefetch]
    wanted = [f"`{item['key']}`" for item in service["prefetch"]]
    wanted += [f"`{item[name]}`" for item in service["scopes"] for name in ("smart1", "smart2")]
    wanted += [
        f"`{item['code']}`" for name in ("topics", "overrideReasons") for item in service[name]
    ]
    wanted += [f"`{item['url']}`" for item in service["links"] + service["endpoints"]]
    wanted += [f"`{item['url']}`" for client in found["clients"] for item in client["egress"]]
    wanted += [test["command"] for test in found["tests"]]
    assert [text for text in wanted if text not in page] == []


def test_scopes_suffice() -> None:
    """With the scopes of the sheet, and in either grammar, everything that is read may be read."""
    wanted = {(item.resource_type, "?" in item.query) for item in SERVICE.prefetch}
    wanted |= {(kind, False) for item in SERVICE.prefetch for _, kind in item.references}
    for grammar in ("smart1", "smart2"):
        granted = read_scopes(" ".join(row[grammar] for row in scopes(SERVICE)))
        for kind, is_search in wanted:
            ask = granted.search if is_search else granted.read
            assert ask(kind) is Grant.WHOLE, (grammar, kind)
    assert {row["resourceType"] for row in scopes(SERVICE)} == {kind for kind, _ in wanted}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([PrefetchItem("p", "Patient/{{context.patientId}}", "Patient")], ["Patient.r"]),
        ([PrefetchItem("c", "Condition?patient=x", "Condition")], ["Condition.rs"]),
        (
            [
                PrefetchItem("r", "Report?p=x", "Report", (("result", "Observation"),)),
                PrefetchItem("o", "Observation?p=x", "Observation"),
            ],
            ["Report.rs", "Observation.rs"],
        ),
        (
            [PrefetchItem("m", "Request?p=x", "Request", (("medication", "Medication"),))],
            ["Request.rs", "Medication.r"],
        ),
        ([], []),
    ],
)
def test_scopes_follow_from_the_prefetch(
    fake_service: Service, items: list[PrefetchItem], expected: list[str]
) -> None:
    """A type is asked for once, and searching only where something is searched."""
    found = scopes(replace(fake_service, prefetch=tuple(items)))
    assert [row["smart2"] for row in found] == [f"patient/{text}" for text in expected]


@pytest.mark.usefixtures("stating")
@pytest.mark.parametrize(
    ("arguments", "environment", "clients"),
    [
        ((), {}, ["development"]),
        ((), PRODUCTION, ["ward", "outpatients"]),
        (("--client", "ward"), PRODUCTION, ["ward"]),
        (("--client", "development"), PRODUCTION, ["development"]),
    ],
)
def test_clients(
    arguments: tuple[str, ...], environment: dict[str, str], clients: list[str]
) -> None:
    """One client by its name, otherwise all of the file, otherwise the built-in one."""
    found = json.loads(run("--sheet", "--json", *arguments, **environment).stdout)
    assert [client["name"] for client in found["clients"]] == clients


@pytest.mark.usefixtures("stating")
def test_what_a_firewall_lets_out() -> None:
    """FHIR servers and the address of the keys, with host and port; no file is an address."""
    found = json.loads(run("--sheet", "--json", **PRODUCTION).stdout)
    by_name = {client["name"]: client for client in found["clients"]}
    assert [(item["host"], item["port"]) for item in by_name["ward"]["egress"]] == [
        ("fhir.example.org", 443),
        ("fhir.example.org", 8443),
        ("keys.example.org", 443),
    ]
    assert by_name["outpatients"]["egress"] == []


@pytest.mark.usefixtures("stating")
def test_audiences_are_those_that_are_accepted() -> None:
    """Each aud of the sheet is accepted at the address it is for."""
    registry = load(SHEETS / "hospital.toml", {SERVICE.id: SERVICE})
    found = json.loads(run("--sheet", "--json", **PRODUCTION).stdout)
    for client in found["clients"]:
        trust = read_trust(registry.clients[client["name"]].trust, found["address"])
        assert trust is not None
        assert client["token"]["audiences"]
        for audience in client["token"]["audiences"]:
            assert trust.accepts_audience(audience, (f"/cds-services/{SERVICE.id}",))


def test_every_status_is_explained(client: FlaskClient) -> None:
    """Whatever a call may be answered with has a meaning on the sheet."""
    listed = {
        int(status)
        for path in client.get("/openapi.json").json["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for status in operation["responses"]
        if status != "304"  # what browsers keep is their own business
    }
    source = (ROOT / "cds_service" / "web" / "errors.py").read_text("utf-8")
    raised = {int(text) for text in re.findall(r"\b[45]\d\d\b(?= *[,:)])", source)}
    assert (listed | raised) - STATUSES.keys() == set()


@pytest.mark.usefixtures("stating")
def test_codes_of_a_card(client: FlaskClient) -> None:
    """Topic, override reasons and links of a real card stand on the sheet."""
    request = json.loads((ROOT / "fixtures" / "requests" / "qus.json").read_text("utf-8"))
    (card,) = client.post(f"/cds-services/{SERVICE.id}", json=request).json["cards"]
    (service,) = json.loads(run("--sheet", "--json").stdout)["services"]
    assert card["source"]["topic"] in service["topics"]
    assert card["overrideReasons"] == service["overrideReasons"]
    urls = {link["url"] for link in service["links"]}
    assert {link["url"] for link in card["links"]} | {card["source"]["url"]} <= urls


def test_the_service_states_what_its_cards_carry() -> None:
    """`about()` has the topic, the override reasons and the links of the cards."""
    assert {name: SERVICE.about().get(name) for name in STATED} == STATED


def test_a_service_that_states_nothing(
    monkeypatch: pytest.MonkeyPatch, fake_service: Service
) -> None:
    """What a service does not state is said so, not left out; what is empty is `none`."""
    monkeypatch.setattr(cli, "load_services", lambda: {fake_service.id: fake_service})
    assert run("--sheet").stdout.count("Not stated by this service.") == 3
    silent = replace(fake_service, about=lambda: {name: [] for name in STATED})
    monkeypatch.setattr(cli, "load_services", lambda: {silent.id: silent})
    assert run("--sheet").stdout.count("\nNone.\n") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sheet", "--client", "nobody"), "no client nobody; known: development"),
        (("--client", "development"), "--client: goes with --sheet"),
        (("--sheet", "--knowledge"), "take one of them"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], words: str) -> None:
    """Options that do not go together, and clients that are not there, are named."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
