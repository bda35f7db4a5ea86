"""The guides are true: registry blocks load, commands exist, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from documents import ROOT, broken_link, fences, links, markdown_files, name

from cds_service.cli import main
from cds_service.engine import load_services
from cds_service.engine.deployment import refuse_unsafe
from cds_service.registry import load

PAGES = {name(path): path for path in markdown_files()}
LOCAL_CODES = ROOT / "docs" / "local-codes.md"
REQUEST = ROOT / "fixtures" / "requests" / "local-codes.json"
GUIDES = ("connect-generic", "connect-epic", "connect-oracle-health", "go-live", "local-codes")


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fence of a language with the page it is on."""
    return [
        (page, fence.text)
        for page, path in PAGES.items()
        for fence in fences(path.read_text("utf-8"))
        if fence.language == language
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    """Every relative link of a page leads to a file, and its anchor to a heading."""
    path = PAGES[page]
    targets = links(path.read_text("utf-8"))
    assert [problem for target in targets if (problem := broken_link(path, target))] == []


@pytest.mark.parametrize(
    ("target", "is_good"),
    [
        ("docs/go-live.md", True),
        ("docs/go-live.md#roll-back", True),
        ("docs/go-live.md#roll-forward", False),
        ("docs/nowhere.md", False),
        ("/docs/go-live.md", False),
        ("#licences-and-notices", True),
        ("https://example.org/nowhere", True),
        ("../outside.md", False),
    ],
)
def test_what_a_broken_link_is(target: str, is_good: bool) -> None:
    """Files, anchors and what leaves the project are told apart."""
    assert (broken_link(ROOT / "README.md", target) is None) is is_good


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("toml")}))
def test_registry_blocks(page: str, tmp_path: Path) -> None:
    """What a page shows as a registry is read as one, with clients of their own names."""
    services = load_services()
    for number, text in enumerate(text for where, text in blocks("toml") if where == page):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, "utf-8")
        named = set(tomllib.loads(text)["clients"])
        registry = load(path, services)
        assert named <= set(registry.clients)
        if page.startswith("docs/connect-"):
            refuse_unsafe(registry)  # raises what production would not start with


def test_every_guide_shows_a_registry() -> None:
    """Each guide to the registry has a block that can be copied."""
    shown = {page for page, _ in blocks("toml")}
    assert [guide for guide in GUIDES if f"docs/{guide}.md" not in shown] == []


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell block as words, variables set before them left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        is_file = False
        for word in [*_words(line), ";"]:
            if word and set(word) <= set("<>"):
                is_file = True  # where output goes, or input comes from
            elif is_file:
                is_file = False
            elif word and set(word) <= set(";&|"):
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"[A-Za-z_]\w*=.*", word):
                words.append(word)


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # part of a quotation that goes over several lines
        return line.split()


def wrong(words: list[str]) -> str | None:
    """Why a command cannot be run as it stands; None for right ones and for other programs."""
    program = words[0].rpartition("/")[2]
    if program == "make":
        makefile = (ROOT / "Makefile").read_text("utf-8")
        targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
        named = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        return next((f"make {word}" for word in named if word not in targets), None)
    return wrong_call(words) if program == "cds-service" else None


def wrong_call(words: list[str]) -> str | None:
    """What is unknown in a call of the command line: a command, or an option."""
    command: click.Command = main
    for word in words[1:]:
        if word.startswith("-"):
            option = word.partition("=")[0]
            known = {name for item in command.params for name in item.opts}
            if option not in known | {"--help", "-h", "--version"}:
                return f"{' '.join(words)}: no option {option}"
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return f"{' '.join(words)}: no command {word}"
            command = command.commands[word]
    return None


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("sh")}))
def test_commands(page: str) -> None:
    """Blocks of commands name only targets, commands and options that there are."""
    texts = [text for where, text in blocks("sh") if where == page]
    found = [problem for text in texts for one in commands(text) if (problem := wrong(one))]
    assert found == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_a_line(page: str) -> None:
    """So do commands in the middle of a sentence."""
    text = PAGES[page].read_text("utf-8")
    said = re.findall(r"`((?:cds-service|make) [^`\n]+)`", text)
    plain = [re.sub(r"[\[\]…]|NAME|\.\.\.", " ", one) for one in said]
    assert [problem for one in plain for words in commands(one) if (problem := wrong(words))] == []


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        ("make run PORT=8001", True),
        ("make coffee", False),
        ("make bench > figures.txt", True),
        ("make run && make coffee", False),
        ("CDS_CLIENTS=x.toml cds-service check --client a --requests b/", True),
        ("cds-service brew", False),
        ("cds-service client brew", False),
        ("cds-service check --brew", False),
        ("curl -s x | cds-service explain - --brew", False),
        (".venv/bin/cds-service explain a.json --as-of 2026-11-23", True),
        ("brew coffee", True),
    ],
)
def test_what_a_wrong_command_is(line: str, is_good: bool) -> None:
    """Unknown targets, commands and options are found, also after a pipe."""
    assert (not any(wrong(words) for words in commands(line))) is is_good


def shown(kind: str) -> str:
    """What the guide shows after one of its markers."""
    text = LOCAL_CODES.read_text("utf-8").split(f"<!-- example: {kind} -->")[1].lstrip()
    if text.startswith("```json\n"):
        return text.removeprefix("```json\n").split("```")[0]
    return text.split("\n\n")[0].removeprefix("> ")


def explained(environment: dict[str, str], *more: str) -> dict[str, Any]:
    """What the command of the guide prints."""
    arguments = ["explain", str(REQUEST), "--as-of", "2026-11-23", *more]
    run = CliRunner().invoke(main, arguments, env=environment)
    assert run.exit_code == 0, run.output
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_worked_example_of_local_codes(tmp_path: Path) -> None:
    """The request of the guide gets, with and without the mapping, what the guide shows."""
    (example,) = (text for page, text in blocks("toml") if page == name(LOCAL_CODES))
    path = tmp_path / "clients.toml"
    path.write_text(example, "utf-8")
    check = CliRunner().invoke(main, ["check", "--clients", str(path)])
    assert check.exit_code == 0
    (told,) = (text for page, text in blocks("text") if page == name(LOCAL_CODES))
    assert [line for line in told.splitlines() if line not in check.output.splitlines()] == []
    mapped = explained({"CDS_CLIENTS": str(path)}, "--client", "demo")
    for kind, found in (("without", explained({})), ("with", mapped)):
        expected = json.loads(shown(kind))
        assert {key: found["orders"][0][key] for key in expected} == expected
    assert shown("reason") in [reason["text"] for reason in mapped["orders"][0]["reasons"]]
    (card,) = mapped["response"]["cards"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["resource"]["code"]["coding"][0]["code"] == "DXA-SH"
