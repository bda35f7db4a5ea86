"""Numbers, ratings, codes and sources as data, loaded and checked once.

Each rule reads its numbers here by name; each number carries its date, unit and source.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cds_service.fhir.codings import CodedValue
from cds_service.fhir.valuesets import Concept, ValueSet, read_value_set
from cds_service.protocol.values import dataclass
from hooks.bone_density.words import RatingWord, Study

RULESET = "2026.1.0"
SCAN_SETS = ("study-dxa-unspecified", "study-bone-density-unspecified")
"""Codes under which a panel or report of a scan may come as an Observation without a value."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number the rules compare with."""

    key: str
    value: Decimal
    unit: str
    since: date
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class Rating:
    """One published rating of one study in one variant of one edition."""

    edition: str
    variant: str
    study: str
    rating: RatingWord
    dose_msv: str
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement comes from, and how near to the original it was read.

    `cite` is the form for cards, `short` the one for links to it; both say through whom a text was
    read.
    """

    key: str
    title: str
    cite: str
    short: str
    grade: str
    url: str | None
    retrieved: str


class KnowledgeError(ValueError):
    """The shipped knowledge contradicts itself; the message names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything the rules know, with indexes that cost one dictionary lookup per code.

    `number` holds the value of every threshold, `whole` the same as an int: that is read where
    days, months or years are counted.
    """

    value_sets: Mapping[str, ValueSet]
    thresholds: Mapping[str, Threshold]
    number: Mapping[str, Decimal]
    whole: Mapping[str, int]
    ratings: Mapping[tuple[str, str], Rating]
    past_ratings: tuple[Rating, ...]
    variants: Mapping[str, Mapping[str, str]]
    edition: str
    sources: Mapping[str, Source]
    observation_codes: frozenset[str]
    height_codes: frozenset[str]
    _look_up: Callable[[str, str], Mapping[str, Concept]]

    def rating(self, variant: str, study: str) -> Rating | None:
        """The published rating of a study in a variant of the current edition, if there is one."""
        return self.ratings.get((variant, study))

    def memberships(self, codings: Iterable[CodedValue]) -> Mapping[str, Concept]:
        """The value sets that contain one of the codings, each with the matching entry."""
        found: Mapping[str, Concept] = {}
        for coding in codings:
            if coding.system is not None:
                more = self._look_up(coding.system, coding.code)
                found = {**more, **found} if found else more
        return found


_SUBTREE_SYSTEM = "http://hl7.org/fhir/sid/icd-10-cm"


@cache
def knowledge() -> Knowledge:
    """The shipped knowledge, read once per process."""
    return load(files(__name__))


def load(root: Traversable) -> Knowledge:
    """The knowledge of one folder; KnowledgeError when it contradicts itself."""
    value_sets = {}
    for entry in sorted((root / "valuesets").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".json"):
            value_set = read_value_set(json.loads(entry.read_text("utf-8")))
            value_sets[value_set.id] = value_set
    sources = {
        key: Source(
            key=key,
            title=item["title"],
            cite=item.get("cite", item["title"]),
            short=item.get("short", item.get("cite", item["title"])),
            grade=item["grade"],
            url=item.get("url"),
            retrieved=str(item["retrieved"]),
        )
        for key, item in _toml(root, "sources.toml").items()
    }
    ratings_file = _toml(root, "ratings.toml")
    ratings = [_rating(item) for item in ratings_file["ratings"]]
    current = [item for item in ratings if item.edition == ratings_file["current"]]
    thresholds = _thresholds(_toml(root, "thresholds.toml")["thresholds"])
    found = Knowledge(
        value_sets=value_sets,
        thresholds=thresholds,
        number={key: item.value for key, item in thresholds.items()},
        whole={key: int(item.value) for key, item in thresholds.items()},
        ratings={(item.variant, item.study): item for item in current},
        past_ratings=tuple(item for item in ratings if item not in current),
        variants=ratings_file["variants"],
        edition=ratings_file["current"],
        sources=sources,
        observation_codes=frozenset(
            concept.code
            for set_id in ("t-score", "z-score", "areal-bmd", "body-height", *SCAN_SETS)
            for concept in value_sets[set_id].concepts()
        ),
        height_codes=frozenset(item.code for item in value_sets["body-height"].concepts()),
        _look_up=_look_up(*_indexes(value_sets.values())),
    )
    _check_ratings(found, ratings)
    _check_sources(found)
    return found


def _toml(root: Traversable, name: str) -> dict[str, Any]:
    return tomllib.loads((root / name).read_text("utf-8"))


def _rating(item: dict[str, Any]) -> Rating:
    """One published rating, in the words of the service."""
    for word, known in ((item["study"], Study), (item["rating"], RatingWord)):
        if word not in set(known):
            place = f"ratings.toml: {item['variant']}, {item['study']}"
            raise KnowledgeError(f"{place}: {word!r} is none of {', '.join(known)}")
    return Rating(**{**item, "rating": RatingWord(item["rating"])})


def _thresholds(items: list[dict[str, Any]]) -> dict[str, Threshold]:
    """The newest entry of each key; older entries stay in the file for the reader."""
    newest: dict[str, Threshold] = {}
    for item in items:
        threshold = Threshold(**{**item, "value": Decimal(item["value"])})
        known = newest.get(threshold.key)
        if known is None or known.since < threshold.since:
            newest[threshold.key] = threshold
    return newest


_Index = dict[tuple[str, str], tuple[tuple[str, Concept], ...]]


def _indexes(value_sets: Iterable[ValueSet]) -> tuple[_Index, _Index]:
    listed: _Index = {}
    subtrees: _Index = {}
    for value_set in value_sets:
        for concept in value_set.concepts():
            target = subtrees if concept.is_subtree else listed
            key = (concept.system, concept.code)
            target[key] = (*target.get(key, ()), (value_set.id, concept))
    return listed, subtrees


def _look_up(listed: _Index, subtrees: _Index) -> Callable[[str, str], Mapping[str, Concept]]:
    """Code → value sets, remembered: charts repeat a few hundred codes for ever."""

    longest = max(len(code) for _, code in (*listed, *subtrees))

    @lru_cache(maxsize=8192)
    def remembered(system: str, code: str) -> Mapping[str, Concept]:
        found = dict(listed.get((system, code), ()))
        if system == _SUBTREE_SYSTEM:
            for length in range(1, len(code) + 1):
                root = subtrees.get((system, code[:length]))
                if root and (length != 3 or code[3:4] in ("", ".")):
                    for set_id, concept in root:
                        found.setdefault(set_id, concept)
        return found

    def look_up(system: str, code: str) -> Mapping[str, Concept]:
        # One character more than the longest code tells it from all of them; a code of a megabyte
        # must be neither walked through nor remembered.
        return remembered(system, code if len(code) <= longest else code[: longest + 1])

    return look_up


def _check_ratings(found: Knowledge, ratings: Iterable[Rating]) -> None:
    """Each study once per edition and variant, and no variant that the table does not name."""
    seen: set[tuple[str, str, str]] = set()
    for item in ratings:
        place = f"ratings.toml: {item.variant}, {item.study}"
        if item.variant not in found.variants:
            raise KnowledgeError(f"{place}: variant {item.variant!r} is not in [variants]")
        key = (item.edition, item.variant, item.study)
        if key in seen:
            raise KnowledgeError(f"{place}: twice in edition {item.edition}")
        seen.add(key)


def _check_sources(found: Knowledge) -> None:
    used = {item.source: f"thresholds.toml: {item.key}" for item in found.thresholds.values()}
    used |= {
        item.source: f"ratings.toml: {item.variant}, {item.study}"
        for item in (*found.ratings.values(), *found.past_ratings)
    }
    used |= {
        concept.attributes["source"]: f"{value_set.id}: {concept.code}"
        for value_set in found.value_sets.values()
        for concept in value_set.concepts()
    }
    used |= {item["source"]: f"ratings.toml: {key}" for key, item in found.variants.items()}
    for source, place in used.items():
        if source not in found.sources:
            raise KnowledgeError(f"{place}: source {source!r} is not in sources.toml")
