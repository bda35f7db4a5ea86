"""The README is true: its request, its card, its settings, its endpoints, its registry file."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.config.settings import NAMES
from cds_service.engine import load_services
from cds_service.registry import load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN = "<!-- card: begin (written by tests/docs/test_readme.py --update-golden) -->"
END = "<!-- card: end -->"


def _text() -> str:
    return README.read_text("utf-8")


def _code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _text(), re.DOTALL | re.MULTILINE)


def _shown(card: dict[str, Any]) -> str:
    """A card as an EHR would show it, as a quotation."""
    lines = [f"**{card['summary']}** ({card['indicator']})", "", *card["detail"].split("\n"), ""]
    lines += [f"[{suggestion['label']}]" for suggestion in card["suggestions"]]
    lines += ["", f"*{card['source']['label']}*"]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def test_card(client: FlaskClient, pytestconfig: pytest.Config) -> None:
    """The request of the README gets exactly the card that the README shows."""
    request = json.loads((ROOT / "fixtures" / "requests" / "qus.json").read_text("utf-8"))
    (card,) = client.post("/cds-services/bone-density-imaging", json=request).json["cards"]
    assert card["indicator"] == "warning"
    text = _text()
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if pytestconfig.getoption("--update-golden"):
        README.write_text(f"{before}{BEGIN}\n\n{_shown(card)}\n\n{END}{after}", "utf-8")
    # The clinical date is fixed in the tests; with it the months since the last DXA.
    assert shown.strip() == _shown(card)


def test_curl_command_names_what_exists() -> None:
    """The curl command posts a file that exists to an endpoint that is served."""
    command = next(block for block in _code_blocks("sh") if "curl" in block)
    (path,) = re.findall(r"--data @(\S+)", command)
    assert (ROOT / path).is_file()
    assert "/cds-services/bone-density-imaging" in command
    assert "Content-Type: application/json" in command


def test_commands_are_make_targets() -> None:
    """Every make command of the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", _text())) - {"nothing"}
    assert named - targets == set()
    assert {"run", "test"} <= named


def test_every_setting_is_documented() -> None:
    """Each setting stands in the README, and none that does not exist."""
    named = set(re.findall(r"\bCDS_[A-Z_]+\b", _text()))
    assert named == set(NAMES)


def test_every_endpoint_is_documented(app: Flask) -> None:
    """Each route of the application stands in the table of endpoints."""
    rules = {
        rule.rule.replace("<service_id>", "bone-density-imaging")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[2] != "static"
    }
    documented = set(re.findall(r"`(?:GET|POST) (/[^`]*)`", _text()))
    assert {rule for rule in rules if "//" not in rule} == documented


def test_registry_example_is_valid(tmp_path: Path) -> None:
    """The registry file of the README loads without an error."""
    (example,) = _code_blocks("toml")
    path = tmp_path / "clients.toml"
    path.write_text(example, "utf-8")
    registry = load(path, load_services())
    block = tomllib.loads(example)["clients"]["demo"]["services"]["bone-density-imaging"]
    settings = registry.clients["demo"].settings["bone-density-imaging"]
    assert len(settings.local_codes) == len(block["local_codes"])
    assert settings.orderables["dxa-spine-hip"].code == "DXA-SH"


def test_command_line_is_documented() -> None:
    """Each command stands in the README."""
    from cds_service.cli import main

    assert [
        name
        for name in main.commands
        if f"`{name}" not in _text() and f"cds-service {name}" not in _text()
    ] == []
