"""Knowledge as data: every number has its source, every place is the only one to touch."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from decision_rows import hook_request, rows
from service import explain, only_order

import hooks.bone_density
from cds_service.fhir.codings import CPT, CodedValue
from hooks.bone_density import SERVICE
from hooks.bone_density.advice.labels import SETS
from hooks.bone_density.facts.conditions import READ_SETS
from hooks.bone_density.knowledge import KnowledgeError, Rating, knowledge, load
from hooks.bone_density.words import Study

PACKAGE = Path(hooks.bone_density.__file__).parent
KNOWN = knowledge()


def _sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _named_sources(text: str) -> list[str]:
    """Keys after `Source:` up to the first bracket or the end of the sentence, line by line."""
    keys = []
    for line in re.findall(r"Source:\s*(.+)", text):
        keys += re.findall(r"\b[a-z]+(?:-[a-z0-9]+)+\b", re.sub(r"\(.*?\)?", "", line))
    return keys


def test_every_source_in_a_docstring_exists() -> None:
    """A `Source:` line names keys of sources.toml."""
    missing = [
        (path.name, key)
        for path in _sources()
        for key in _named_sources(path.read_text("utf-8"))
        if key not in KNOWN.sources
    ]
    assert missing == []


def test_every_reason_has_a_source() -> None:
    """Each reason given for any row of the decision table cites a source that exists."""
    for row in rows():
        order = only_order(explain(hook_request(row)))
        assert {item["source"] for item in order["reasons"]} <= set(KNOWN.sources)
        assert order["ratingSource"] is None or order["ratingSource"] in KNOWN.sources


def test_every_set_of_conditions_has_words() -> None:
    """A condition that the rules read can be named on a card."""
    assert set(SETS) == READ_SETS


def test_every_threshold_is_used() -> None:
    """No number stands in the table that no rule reads."""
    code = "\n".join(path.read_text("utf-8") for path in _sources())
    used = set(re.findall(r'"([a-z0-9_]+)"', code))
    assert set(KNOWN.thresholds) - used == set()


@pytest.mark.parametrize("rating", KNOWN.ratings.values(), ids=lambda item: item.study)
def test_ratings_speak_the_words_of_the_service(rating: Rating) -> None:
    """Studies, variants and categories of the rating table are those of the rules."""
    assert rating.study in {study.value for study in Study}
    assert rating.variant in KNOWN.variants
    assert rating.rating in ("usually-appropriate", "may-be-appropriate", "usually-not-appropriate")


def test_the_superseded_edition_is_never_current() -> None:
    """The 2016 ratings can be read and are not used: three of six modalities differ."""
    past = {item.study: item.rating for item in KNOWN.past_ratings if item.edition == "2016"}
    now = {study: KNOWN.ratings["follow-up", study].rating for study in past}
    assert {study for study in past if now[study] != past[study]} == {"qct", "vfa", "tbs"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the knowledge folder to change."""
    return Path(shutil.copytree(PACKAGE / "knowledge", tmp_path / "knowledge"))


def test_adding_a_code_touches_one_place(folder: Path) -> None:
    """A code added to one value set is known from then on, and only by that set."""
    path = folder / "valuesets" / "study-qus.json"
    value_set = json.loads(path.read_text("utf-8"))
    concepts = value_set["compose"]["include"][0]["concept"]
    concepts.append({**concepts[0], "code": "99999", "display": "New study"})
    value_set["compose"]["include"][0]["system"] = CPT
    path.write_text(json.dumps(value_set), "utf-8")
    assert set(load(folder).memberships([CodedValue(CPT, "99999")])) == {"study-qus"}
    assert KNOWN.memberships([CodedValue(CPT, "99999")]) == {}


def test_adding_a_rating_touches_one_place(folder: Path) -> None:
    """A rating added to the table is the rating from then on."""
    path = folder / "ratings.toml"
    entry = '\n[[ratings]]\nedition = "2022"\nvariant = "follow-up"\nstudy = "ct-fea"\n'
    entry += 'rating = "may-be-appropriate"\ndose_msv = "1-10"\nsource = "acr-2022-follow-up"\n'
    path.write_text(path.read_text("utf-8") + entry, "utf-8")
    found = load(folder).rating("follow-up", "ct-fea")
    assert found is not None
    assert found.rating == "may-be-appropriate"
    assert KNOWN.rating("follow-up", "ct-fea") is None


def test_a_newer_threshold_takes_over_and_the_older_stays(folder: Path) -> None:
    """A threshold with a later date is used; the older entry remains for the reader."""
    path = folder / "thresholds.toml"
    entry = '\n[[thresholds]]\nkey = "minimum_interval_months"\nvalue = "10"\nunit = "months"\n'
    entry += 'since = 2027-01-01\nsource = "project-choice"\nnote = "A later choice."\n'
    path.write_text(path.read_text("utf-8") + entry, "utf-8")
    newer = load(folder).thresholds["minimum_interval_months"]
    assert (newer.value, newer.since) == (Decimal(10), date(2027, 1, 1))
    assert path.read_text("utf-8").count('key = "minimum_interval_months"') == 2


def test_unknown_source_is_refused(folder: Path) -> None:
    """A number whose source is not in the list of sources does not load."""
    path = folder / "thresholds.toml"
    path.write_text(path.read_text("utf-8").replace('"acr-2016"', '"hearsay"', 1), "utf-8")
    with pytest.raises(KnowledgeError, match="hearsay"):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('study = "qct"', 'study = "qcd"', "follow-up, qcd: 'qcd' is none of dxa-spine-hip,"),
        ('rating = "may-be', 'rating = "maybe', "'maybe-appropriate' is none of usually-"),
        ('variant = "follow-up"', 'variant = "followup"', "variant 'followup' is not in"),
        ('study = "tbs"', 'study = "qct"', "follow-up, qct: twice in edition 2022"),
    ],
)
def test_a_rating_that_contradicts_is_refused(folder: Path, old: str, new: str, named: str) -> None:
    """A rating in other words than those of the tables, or there twice, does not load."""
    path = folder / "ratings.toml"
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(KnowledgeError, match=named):
        load(folder)


def test_about_is_complete() -> None:
    """The printed knowledge has every rule, 13 source attributes, and no empty value."""
    about = SERVICE.about()
    assert len(about["sourceAttributes"]) == 13
    assert all(item["value"] for item in about["sourceAttributes"])
    assert [item["meaning"] for item in about["rules"] if not item["meaning"]] == []
    assert {item["key"] for item in about["thresholds"]} == set(KNOWN.thresholds)
    page = SERVICE.about_markdown()
    assert all(item["note"] in page for item in about["thresholds"])
    assert json.loads(json.dumps(about)) == about
