"""The page about the service: complete, sourced, and the place that every card leads to."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import service
from builders import condition, observation, patient, request, service_request
from decision_rows import hook_request, rows
from never_said import forbidden_claims

import hooks.bone_density
from cds_service.engine import answer
from cds_service.profiles.contract import violations
from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.page import anchors
from cds_service.protocol.validation import problems
from cds_service.web.about import about_document
from hooks.bone_density import SERVICE
from hooks.bone_density.about.content import content, load_content
from hooks.bone_density.about.page import INSERTS
from hooks.bone_density.decision.timing import EarlyReason
from hooks.bone_density.knowledge import RULESET, KnowledgeError, knowledge
from hooks.bone_density.words import Modifier, Scenario, Study, Timing

KNOWN = knowledge()
ABOUT = SERVICE.about()
ANCHORS = list(anchors(ABOUT["sections"]))
FOLDER = Path(hooks.bone_density.__file__).parent / "knowledge"
PUBLIC = "https://cds.example.org/x"
PAGE = f"{PUBLIC}/about/{SERVICE.id}"
ACR = "https://acsearch.acr.org/docs/69358/Narrative/"
LOW = observation("low", "38267-1", -1.8, "2024-11-10")
RECENT = observation("recent", "38267-1", -1.8, "2026-03-10")
EARLY = observation("early", "38267-1", -1.8, "2025-06-10")
CAUDA_EQUINA = condition("ce", "G83.4", "2026-11-20")


def cards(body: dict[str, Any], public_url: str | None = PUBLIC) -> list[dict[str, Any]]:
    """The cards of one call to a service that is reached under a public address."""
    found = answer(
        SERVICE,
        service.client(),
        body,
        as_of=date(2026, 11, 23),
        uuid_key=service.KEY,
        public_url=public_url,
    )
    assert violations("standard", found.response) == ()
    return list(found.response["cards"])


def texts(node: object) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def test_follows_the_schema() -> None:
    """The document is what the OpenAPI document says, and the same each time."""
    assert problems("about", about_document(SERVICE, "x")) == ()
    assert json.dumps(SERVICE.about()) == json.dumps(ABOUT)


def test_every_anchor_is_there_once() -> None:
    """No two places have one name, and each link on the page leads to one of them."""
    assert len(ANCHORS) == len(set(ANCHORS))
    targets = {text[1:] for text in texts(ABOUT["sections"]) if re.fullmatch(r"#[a-z0-9-]+", text)}
    assert targets - set(ANCHORS) == set()


@pytest.mark.parametrize(
    "wanted",
    [
        *(f"study-{study}" for study in Study),
        *(f"dose-{study}" for study in Study if study is not Study.OSTEOPOROSIS_DRUG),
        *(f"scenario-{scenario}" for scenario in Scenario),
        *(f"modifier-{modifier}" for modifier in Modifier),
        *(f"timing-{timing}" for timing in Timing if timing is not Timing.NOT_APPLICABLE),
        *(f"early-{reason}" for reason in EarlyReason),
        *(f"rating-{variant}-{study}" for variant, study in KNOWN.ratings),
        *(f"threshold-{key}" for key in KNOWN.thresholds),
        *(f"source-{key}" for key in KNOWN.sources),
        *("overview", "ratings", "dose", "timing", "change", "follow-up-dxa", "never-said"),
        *("same-scanner", "sites", "calcium", "attributes", "history", "guidelines-differ"),
    ],
)
def test_every_word_has_its_place(wanted: str) -> None:
    """Each study, scenario, modifier, band, rating, number and source stands on the page."""
    assert wanted in ANCHORS


def test_nothing_that_can_be_inserted_is_left_out() -> None:
    """Every table that can be made is on the page, once."""
    named = [
        text.insert for chapter in content().chapters for text in chapter.blocks if text.insert
    ]
    assert sorted(named) == sorted(INSERTS)


def test_every_clinical_paragraph_has_a_source() -> None:
    """What says something about medicine says where it comes from; the rest is about the page."""
    without = {
        text.id
        for chapter in content().chapters
        for text in chapter.blocks
        if not text.insert and not text.sources
    }
    assert without == {
        "how-it-is-used",
        "how-to-check",
        "never-said-how",
        "attributes-how",
        "code-lists-how",
        "source-grades",
    }


def test_claims_nothing_forbidden() -> None:
    """The page makes none of the claims that no card makes, but where it names them."""
    (never,) = (item for item in ABOUT["sections"] if item["id"] == "never-said")
    others = [item for item in ABOUT["sections"] if item is not never]
    assert forbidden_claims("\n".join(texts(others))) == []
    assert [item["items"] for item in never["blocks"] if "items" in item] == [ABOUT["neverSaid"]]


def test_dose_of_each_study() -> None:
    """Each study has its band with a source, or it is said that none was found."""
    (table,) = (
        block
        for section in ABOUT["sections"]
        for block in section["blocks"]
        if block["id"] == "doses"
    )
    shown = {row["id"]: row["cells"][1:] for row in table["rows"]}
    assert shown["dose-dxa-spine-hip"][0] == "< 0.1"
    assert shown["dose-qct"][0] == "1-10"
    assert shown["dose-dxa-heel"] == ["none given in the sources read", "–"]
    for dose, source in shown.values():
        assert (source == "–") == (dose == "none given in the sources read")


def test_rulesets_begin_with_the_one_in_use() -> None:
    """The newest entry is the ruleset that cards name."""
    assert ABOUT["rulesets"][0]["version"] == RULESET
    assert all(item["changes"] for item in ABOUT["rulesets"])


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("page.toml", '"gighz-surveillance"', '"hearsay"', "'hearsay' is not in sources.toml"),
        ("doses.toml", '"gighz-surveillance"', '"hearsay"', "'hearsay' is not in sources.toml"),
        ("doses.toml", '"1-10"', '"10-30"', "qct: '10-30', but ratings.toml has '1-10'"),
        ("page.toml", "{pregnancy_days}", "{pregnancy_years}", "'pregnancy_years' is not in"),
        ("rulesets.toml", f'"{RULESET}"', '"2025.1.0"', f"must be {RULESET}"),
    ],
)
def test_content_that_contradicts_is_refused(
    tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    """A source nobody declared, a dose told twice, an unknown number, a forgotten ruleset."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "knowledge"))
    text = (folder / name).read_text("utf-8")
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(KnowledgeError, match=re.escape(told)):
        load_content(folder, KNOWN)


# --- Where cards lead ---


@pytest.mark.parametrize(
    ("code", "chart", "source", "links"),
    [
        ("76977", [LOW], "study-qus", [ACR, f"{PAGE}#study-qus"]),
        ("77086", [LOW], "study-vfa", [ACR, f"{PAGE}#study-vfa"]),
        ("77080", [LOW], "study-dxa-spine-hip", [ACR, f"{PAGE}#follow-up-dxa"]),
        ("77080", [RECENT], "timing-too-soon", [ACR, f"{PAGE}#timing-too-soon"]),
        (
            "77080",
            [EARLY],
            "timing-early-without-reason",
            [ACR, f"{PAGE}#timing-early-without-reason"],
        ),
        ("76977", [RECENT], "study-qus", [ACR, f"{PAGE}#study-qus"]),
        ("77080", [LOW, CAUDA_EQUINA], "scenario-red-flag", [f"{PAGE}#scenario-red-flag"]),
        (
            "77080",
            [LOW, condition("p", "Z33.1", "2026-10-01")],
            "scenario-pregnancy",
            [f"{PAGE}#scenario-pregnancy"],
        ),
    ],
)
def test_where_a_card_leads(
    code: str, chart: list[dict[str, Any]], source: str, links: list[str]
) -> None:
    """The source leads to the paragraph that decided, the link to what may be wanted next."""
    (found,) = cards(request([service_request("d", code)], patient(), chart))
    assert found["source"]["url"] == f"{PAGE}#{source}"
    assert [link["url"] for link in found["links"]] == links


def test_every_place_that_a_card_leads_to_exists() -> None:
    """Whatever row of the decision table: the paragraph is there, and the texts do not change."""
    seen = set()
    for row in rows():
        body = hook_request(row)
        try:
            plain = cards(body, None)
        except ChartNotReadable:
            continue
        for card, before in zip(cards(body), plain, strict=True):
            urls = [card["source"]["url"], *(link["url"] for link in card["links"])]
            assert {url for url in urls if not url.startswith(f"{PAGE}#")} <= {ACR}
            seen |= {url.partition("#")[2] for url in urls if url.startswith(PAGE)}
            for name in ("summary", "detail", "indicator", "overrideReasons", "extension"):
                assert card.get(name) == before.get(name)
    assert seen - set(ANCHORS) == set()
    assert {"study-qus", "follow-up-dxa", "timing-too-soon", "scenario-red-flag"} <= seen


@pytest.mark.parametrize("public_url", [None, "http://cds.example.org"])
def test_without_a_public_https_address(public_url: str | None) -> None:
    """Cards lead to the criteria alone, those of a red flag nowhere."""
    (found,) = cards(request([service_request("d", "76977")], patient(), [LOW]), public_url)
    assert found["source"]["url"] == ACR
    assert [link["url"] for link in found["links"]] == [ACR]
    body = request([service_request("d", "77080")], patient(), [LOW, CAUDA_EQUINA])
    (flagged,) = cards(body, public_url)
    assert "url" not in flagged["source"]
    assert "links" not in flagged
