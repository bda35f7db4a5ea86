"""The runbook is true: its settings, commands, files, addresses and alerts exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask

from cds_service.cli import main
from cds_service.config import NAMES

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "operations.md", ROOT / "deploy" / "kubernetes" / "README.md")
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"


def _commands(text: str) -> list[list[str]]:
    """The words after each `cds-service` that is written as code."""
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    found = []
    for part in code:
        for words in re.findall(r"(?<![\w/.-])cds-service(?:-run)? ([a-z][^\n|;&]*)", part):
            found.append(re.findall(r"(?<!\S)(--?[a-z-]+|[\w.…/-]+)", words))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_settings_exist(page: Path) -> None:
    """Each CDS_* name is a setting."""
    named = set(re.findall(r"\bCDS_[A-Z_]*[A-Z]\b", page.read_text("utf-8")))
    assert named - {*NAMES} == set()


def test_commands_exist() -> None:
    """Each command is one of the program, with its subcommand and its options."""
    commands = [one for one in _commands(PAGES[0].read_text("utf-8")) if one[0] != "cds-service"]
    assert len(commands) > 20
    wrong = []
    for words in commands:
        if words[0] in ("exec", "rollout"):
            continue
        command: click.Command | None = main
        for word in words:
            if isinstance(command, click.Group):
                command = command.commands.get(word)
        if command is None or isinstance(command, click.Group):
            wrong.append(words)
            continue
        options = {name for parameter in command.params for name in parameter.opts}
        if {word for word in words if word.startswith("--")} - options:
            wrong.append(words)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_files_exist(page: Path) -> None:
    """Each file of the project that a page names is there, and each link leads somewhere."""
    text = page.read_text("utf-8")
    named = re.findall(r"\b((?:deploy|docs)/[\w./*-]+\w)", text)
    assert [name for name in named if not list(ROOT.glob(name)) and name not in _LATER] == []
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    assert set(missing) == set()


def test_addresses_exist(app: Flask) -> None:
    """Each path that is asked for is served."""
    text = PAGES[0].read_text("utf-8")
    named = set(re.findall(r"127\.0\.0\.1:8000(/[\w/-]+)|`GET (/[\w/-]+)`", text))
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {path for pair in named for path in pair if path} - rules == set()


def test_make_targets_exist() -> None:
    """Each make command is a target."""
    text = PAGES[0].read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) - targets == set()


def test_alerts_exist() -> None:
    """Each alert is in the file of alert rules, once that is there."""
    named = set(re.findall(r"`(Cds[A-Z]\w+)`", PAGES[0].read_text("utf-8")))
    known = set(re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8"))) if ALERTS.exists() else None
    assert len(named) >= 8
    assert known is None or named <= known


def test_every_failure_has_its_row() -> None:
    """Each failure says what clinicians see, where to look and what to do."""
    text = PAGES[0].read_text("utf-8").partition("## When something fails")[2]
    rows = re.findall(r"^\| \*\*(.+?)\*\*.*\|$", text, re.MULTILINE)
    for words in ("FHIR", "Store", "Disk", "Key server", "Overload", "registry", "worker", "Clock"):
        assert [row for row in rows if words in row], words
    for line in text.splitlines():
        if line.startswith("| **"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 6
            assert all(cells), line


_LATER = ("deploy/prometheus/alerts.yml",) if not ALERTS.exists() else ()
