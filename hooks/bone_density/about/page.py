"""The page about this service: its texts in reading order, and tables made from its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cds_service.protocol.page import Block, Cell, Items, Paragraph, Ref, Row, Section, Table
from hooks.bone_density.about.content import Chapter, Text

Data = Mapping[str, Any]
"""What `about()` states besides the page."""

_NOT_GIVEN = "none given in the sources read"


def sections_of(chapters: Iterable[Chapter], data: Data) -> tuple[Section, ...]:
    """Every section, in reading order."""
    return tuple(
        Section(
            chapter.id,
            chapter.title,
            tuple(block for text in chapter.blocks for block in _blocks(text, data)),
        )
        for chapter in chapters
    )


def _blocks(text: Text, data: Data) -> tuple[Block, ...]:
    if text.insert:
        return INSERTS[text.insert](data)
    sources = _refs(data, text.sources)
    if text.items:
        return (Items(text.id, text.items, text.title, sources, text.ordered),)
    return (Paragraph(text.id, text.text, text.title, sources),)


def _refs(data: Data, keys: Iterable[str]) -> tuple[Ref, ...]:
    """Source keys as words that lead to the list of sources."""
    named = {item["key"]: item["short"] for item in data["sources"]}
    return tuple(Ref(named[key], f"#source-{key}") for key in keys)


def _source(data: Data, key: str) -> Ref:
    (found,) = _refs(data, (key,))
    return found


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _paragraph(name: str, title: str) -> Callable[[Data], tuple[Block, ...]]:
    return lambda data: (Paragraph(name, data[name], title),)


def _rules(data: Data) -> tuple[Block, ...]:
    rows = tuple(Row((item["id"], item["meaning"])) for item in data["rules"])
    columns = ("Rule", "Holds when the chart shows")
    return (Table("rules", "Rules, in the order in which they are tried", columns, rows),)


def _ratings(data: Data) -> tuple[Block, ...]:
    """One table for each variant."""
    titles = {
        item["variantId"]: f"{item['variant']} ({item['edition']} edition)"
        for item in data["ratings"]
    }
    columns = ("Study", "Rating", "Dose band (mSv)", "Source")
    return tuple(
        Table(
            f"ratings-{variant}",
            title,
            columns,
            tuple(
                Row(
                    (
                        _capital(item["study"]),
                        item["rating"],
                        Ref(item["doseMSv"], f"#dose-{item['studyId']}"),
                        _source(data, item["source"]),
                    ),
                    item["id"],
                )
                for item in data["ratings"]
                if item["variantId"] == variant
            ),
        )
        for variant, title in titles.items()
    )


def _edition_changes(data: Data) -> tuple[Block, ...]:
    """What was rated otherwise in an earlier edition; never shown on a card as current."""
    now = {(item["variantId"], item["studyId"]): item for item in data["ratings"]}
    rows = []
    for old in data["pastRatings"]:
        new = now.get((old["variant"], old["study"]))
        if new is not None and new["rating"] != old["rating"]:
            rows.append(Row((_capital(new["study"]), old["edition"], old["rating"], new["rating"])))
    columns = ("Study", "Earlier edition", "Rating then", "Rating now")
    return (Table("edition-changes", "Follow-up ratings that changed", columns, tuple(rows)),)


def _doses(data: Data) -> tuple[Block, ...]:
    """Studies with a dose first; of the others it is said that none was found."""
    given = [item for item in data["doses"] if "doseMSv" in item or "note" in item]
    others = [item for item in data["doses"] if item not in given]
    rows = tuple(
        Row(
            (
                _capital(item["study"]),
                "; ".join(item[name] for name in ("doseMSv", "note") if name in item) or _NOT_GIVEN,
                _source(data, item["source"]) if "source" in item else "–",
            ),
            f"dose-{item['studyId']}",
        )
        for item in (*given, *others)
    )
    columns = ("Study", "Effective dose (mSv)", "Source")
    return (Table("doses", "Radiation dose of the studies, adults", columns, rows),)


def _early_reasons(data: Data) -> tuple[Block, ...]:
    rows = tuple(
        Row((item["text"], _source(data, item["source"])), f"early-{item['code']}")
        for item in data["earlyReasons"]
    )
    columns = ("Reason in the chart", "Source")
    return (Table("early-reasons", "What documents an earlier DXA", columns, rows),)


def _guidelines_differ(data: Data) -> tuple[Block, ...]:
    found = data["guidelinesDiffer"]
    sources = _refs(data, found["sources"])
    return (Paragraph("guidelines-differ", found["text"], "Guidelines differ", sources),)


def _thresholds(data: Data) -> tuple[Block, ...]:
    rows = tuple(
        Row(
            (
                item["note"],
                f"{item['value']} {item['unit']}",
                item["since"],
                _source(data, item["source"]),
            ),
            f"threshold-{item['key']}",
        )
        for item in data["thresholds"]
    )
    columns = ("Use", "Value", "Since", "Source")
    return (Table("threshold-table", "Every number the rules compare with", columns, rows),)


def _attributes(data: Data) -> tuple[Block, ...]:
    rows = tuple(Row((item["attribute"], item["value"])) for item in data["sourceAttributes"])
    columns = ("Attribute", "Value")
    return (Table("attribute-table", "The 13 source attributes", columns, rows),)


def _history(data: Data) -> tuple[Block, ...]:
    rows = tuple(
        Row((item["version"], item["since"], " ".join(item["changes"])), f"ruleset-{number}")
        for number, item in enumerate(reversed(data["rulesets"]), 1)
    )[::-1]
    columns = ("Ruleset", "Since", "What changed for a clinician")
    return (Table("rulesets", "Rulesets, newest first", columns, rows),)


def _value_sets(data: Data) -> tuple[Block, ...]:
    rows = tuple(
        Row((item["title"], item["id"], str(item["entries"]))) for item in data["valueSets"]
    )
    columns = ("List", "Name", "Entries")
    return (Table("value-sets", "Code lists by what they recognise", columns, rows),)


def _sources(data: Data) -> tuple[Block, ...]:
    rows = tuple(
        Row(
            (_title(item), item["cite"], item["grade"], item["retrieved"]),
            f"source-{item['key']}",
        )
        for item in data["sources"]
    )
    columns = ("Source", "As it was read", "Grade", "Retrieved")
    return (Table("source-table", "Sources of statements and codes", columns, rows),)


def _title(source: Mapping[str, str]) -> Cell:
    return Ref(source["title"], source["url"]) if "url" in source else source["title"]


INSERTS: Mapping[str, Callable[[Data], tuple[Block, ...]]] = {
    "purpose": _paragraph("purpose", "Purpose"),
    "users": _paragraph("users", "Users"),
    "limits": lambda data: (Items("limits", tuple(data["limits"]), "Limits"),),
    "never-said": lambda data: (Items("never-said-list", tuple(data["neverSaid"])),),
    "vfa-criteria": lambda data: (Items("vfa-criteria", tuple(data["vfaCriteria"])),),
    "rules": _rules,
    "ratings": _ratings,
    "edition-changes": _edition_changes,
    "doses": _doses,
    "early-reasons": _early_reasons,
    "guidelines-differ": _guidelines_differ,
    "thresholds": _thresholds,
    "attributes": _attributes,
    "history": _history,
    "value-sets": _value_sets,
    "sources": _sources,
}
"""What `insert` in page.toml may name."""
