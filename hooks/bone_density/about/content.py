"""What only the page needs, as data: its texts in reading order, doses, and past rulesets."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cds_service.protocol.values import dataclass
from hooks.bone_density.knowledge import RULESET, Knowledge, KnowledgeError, knowledge


@dataclass(frozen=True, slots=True)
class Dose:
    """Effective dose of one study for an adult, as the band in mSv that a source gives.

    `dose_msv` is None where no source that was read gives one; `label` names what is no study of
    this service.
    """

    study: str
    source: str
    dose_msv: str | None = None
    label: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One ruleset, since when it counts, and what changed for a clinician."""

    version: str
    since: date
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """One block of the page: words with their source keys, or the name of a table to insert."""

    id: str = ""
    title: str = ""
    text: str = ""
    items: tuple[str, ...] = ()
    ordered: bool = False
    sources: tuple[str, ...] = ()
    insert: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One section of the page as it is written down."""

    id: str
    title: str
    blocks: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that stands in page.toml, doses.toml and rulesets.toml."""

    chapters: tuple[Chapter, ...]
    doses: tuple[Dose, ...]
    rulesets: tuple[Ruleset, ...]


@cache
def content() -> Content:
    """The shipped content, read once per process."""
    return load_content(files("hooks.bone_density.knowledge"), knowledge())


def load_content(root: Traversable, known: Knowledge) -> Content:
    """The content of one folder; KnowledgeError when it contradicts what the rules know."""
    found = Content(
        chapters=tuple(_chapters(_toml(root, "page.toml"), known)),
        doses=tuple(Dose(**item) for item in _toml(root, "doses.toml")["doses"]),
        rulesets=tuple(
            Ruleset(item["version"], item["since"], tuple(item["changes"]))
            for item in _toml(root, "rulesets.toml")["rulesets"]
        ),
    )
    _check_sources(found, known)
    _check_doses(found, known)
    if found.rulesets[0].version != RULESET:
        raise KnowledgeError(f"rulesets.toml: the newest entry must be {RULESET}, which is in use")
    return found


def _toml(root: Traversable, name: str) -> dict[str, Any]:
    return tomllib.loads((root / name).read_text("utf-8"))


def _chapters(page: Mapping[str, Any], known: Knowledge) -> Iterator[Chapter]:
    numbers = {key: str(item.value) for key, item in known.thresholds.items()}
    for section in page["sections"]:
        blocks = tuple(_text(block, numbers) for block in section["blocks"])
        yield Chapter(section["id"], section["title"], blocks)


def _text(block: Mapping[str, Any], numbers: Mapping[str, str]) -> Text:
    """A block with its numbers filled in from the thresholds, the only place they stand."""
    try:
        return Text(
            id=block.get("id", ""),
            title=block.get("title", "").format_map(numbers),
            text=block.get("text", "").format_map(numbers),
            items=tuple(item.format_map(numbers) for item in block.get("items", ())),
            ordered=block.get("ordered", False),
            sources=tuple(block.get("sources", ())),
            insert=block.get("insert", ""),
        )
    except KeyError as error:
        raise KnowledgeError(
            f"page.toml: {block.get('id')}: {error} is not in thresholds.toml"
        ) from None


def _check_sources(found: Content, known: Knowledge) -> None:
    used = {
        key: f"page.toml: {block.id}"
        for chapter in found.chapters
        for block in chapter.blocks
        for key in block.sources
    }
    used |= {item.source: f"doses.toml: {item.study}" for item in found.doses}
    for source, place in used.items():
        if source not in known.sources:
            raise KnowledgeError(f"{place}: source {source!r} is not in sources.toml")


def _check_doses(found: Content, known: Knowledge) -> None:
    """A rated study has one dose, whichever table is read."""
    doses = {item.study: item.dose_msv for item in found.doses}
    for item in (*known.ratings.values(), *known.past_ratings):
        if doses.get(item.study) != item.dose_msv:
            raise KnowledgeError(
                f"doses.toml: {item.study}: {doses.get(item.study)!r}, but ratings.toml has "
                f"{item.dose_msv!r} in {item.variant}"
            )
