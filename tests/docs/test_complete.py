"""Whatever can be set, called or answered is documented, and nothing that does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from documents import ROOT, markdown_files, name, prose, rows

from cds_service.cli import main
from cds_service.cli.sheet import STATUSES
from cds_service.config.settings import NAMES
from hooks.bone_density import SERVICE

README = (ROOT / "README.md").read_text("utf-8")
REGISTRY = (ROOT / "docs" / "registry.md").read_text("utf-8")
PAGES = {name(path): path.read_text("utf-8") for path in markdown_files()}
IMAGES = sorted(path for path in (ROOT / "docs").rglob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def test_every_setting_has_a_row() -> None:
    """Each setting stands in the README's table, with what it means and its default."""
    found = {
        setting: cells[1:]
        for cells in rows(README, r"(`[A-Z_]+`[^|]*)+")
        for setting in re.findall(r"\bCDS_[A-Z_]+\b", cells[0])
    }
    assert sorted(found) == sorted(NAMES)
    assert [setting for setting, cells in found.items() if len(cells) != 2 or not all(cells)] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_setting_is_made_up(page: str) -> None:
    """No page tells of a variable that the service would refuse."""
    # CDS_REQUIRE_ALL is read by the tests, never by the service.
    named = set(re.findall(r"\bCDS_[A-Z_]+[A-Z]\b", PAGES[page])) - {"CDS_REQUIRE_ALL"}
    assert named - set(NAMES) == set()


def test_every_status_has_a_row() -> None:
    """Each status that a call may get is in the README's table, and no other."""
    cells = [first for first, *_ in rows(README, r"\d{3}(, \d{3})*")]
    assert sorted(int(one) for cell in cells for one in cell.split(", ")) == sorted(STATUSES)


def called(command: click.Command, *path: str) -> Iterator[str]:
    """Every command below one, as it is typed."""
    if isinstance(command, click.Group):
        for key, inner in command.commands.items():
            yield from called(inner, *path, key)
    else:
        yield " ".join(path)


@pytest.mark.parametrize("command", list(called(main, "cds-service")))
def test_every_command_is_told(command: str) -> None:
    """Each command, those of groups included, is shown in the README or a page of docs."""
    pages = (text for page, text in PAGES.items() if page.startswith(("README", "docs/")))
    assert any(re.search(rf"{re.escape(command)}\b", text) for text in pages) or (
        f"`{command.removeprefix('cds-service ')}" in README
    )


def registry_names() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every name of the file, by the heading under which it is told, and its schema."""
    text = resources.files("cds_service.registry").joinpath("registry.schema.json").read_text()
    client = json.loads(text)["$defs"]["client"]["properties"]
    yield from ((f"[clients.NAME] {key}", value) for key, value in client.items())
    for block in ("trust", "fhir_search"):
        inner = client[block]["properties"]
        yield from ((f"[clients.NAME.{block}] {key}", value) for key, value in inner.items())
    own = SERVICE.settings_schema["properties"]
    yield from ((f"[clients.NAME.services.{SERVICE.id}] {key}", own[key]) for key in own)


def registry_rows() -> dict[str, tuple[str, ...]]:
    """Rows of the page by heading and name."""
    return {
        f"{heading} {cells[0].strip('`')}": cells[1:]
        for heading, text in re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", REGISTRY, re.M | re.S)
        for cells in rows(text, r"`\w+`")
    }


def test_every_name_of_the_registry_is_told() -> None:
    """The page of the registry has a row for each name of the schemas, and for no other."""
    assert sorted(registry_rows()) == sorted(place for place, _ in registry_names())


@pytest.mark.parametrize(("place", "schema"), list(registry_names()))
def test_row_of_the_registry(place: str, schema: Mapping[str, Any]) -> None:
    """A row names every value, every limit and every name inside."""
    told = " ".join(registry_rows()[place])
    items = schema.get("items", {})
    values = [*schema.get("enum", ()), *items.get("enum", ()), *items.get("required", ())]
    assert [value for value in values if f"`{value}`" not in told] == []
    limits = [schema[key] for key in ("minimum", "maximum") if key in schema]
    assert [limit for limit in limits if limit != 1 and str(limit) not in told] == []


@pytest.mark.parametrize("path", IMAGES, ids=name)
def test_pictures(path: Any) -> None:
    """A drawn picture is small, tells in words what it shows, and loads nothing from elsewhere."""
    assert path.stat().st_size < 15_000
    root = ElementTree.parse(path).getroot()  # noqa: S314 - our own file
    named = root.get("aria-labelledby", "").split()
    texts = {item.get("id"): item.text or "" for item in root if item.tag != f"{SVG}style"}
    assert [texts[one] != "" for one in named] == [True, True]
    assert len(texts[named[1]]) > 100
    assert "prefers-color-scheme:dark" in path.read_text("utf-8").replace(" ", "")
    assert not re.search(r"href=\"(?!#)|url\((?!#)|@import|<script", path.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_images_have_words(page: str) -> None:
    """Every image of a page says what it shows to those who do not see it."""
    assert [
        alt for alt in re.findall(r"!\[([^\]]*)\]\(", prose(PAGES[page])) if len(alt) < 15
    ] == []
