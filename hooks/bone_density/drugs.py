"""Which drug a medication record means for bone: therapy, bone loss, a look-alike, or unclear.

The most specific code decides: a branded product before a product before an ingredient before a
class code. Names are read only when no code is known. Codes are compared whole, never by their
numeric neighbours. Whether a record counts at all (status, intent, dates) and what the chart
documents is for the caller to judge.

Source: rxnorm-extract, omop, atc-snapshot, snomed-substance-map, ecqm-value-sets.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

STRENGTH_OR_ROUTE_NOT_STATED = "strength-or-route-not-stated"
ROUTE_NOT_STATED = "route-not-stated"
STRENGTHS_DISAGREE = "strengths-disagree"
NOT_LONG_TERM_SYSTEMIC = "local-or-episodic-form"
STRENGTH_FOR_ANOTHER_INDICATION = "strength-for-another-indication"

# Bare codes and names of these count as osteoporosis therapy only if the chart says so.
_CHART_DECIDES = frozenset({"denosumab", "zoledronic acid", "teriparatide"})
_BRANDED = frozenset({"SBD", "SBDC", "BPCK"})
# Words of a name that take a steroid or an estrogen out of long-term systemic use.
_LOCAL_OR_EPISODIC = re.compile(
    r"\b(?:cream|drops|ear|enema|epidural|eye|foam|gel|inhalation|inhaled|inhaler|injectable"
    r"|injection|intraarticular|intra-articular|intradermal|intralesional|intramuscular|intranasal"
    r"|intravenous|lotion|nasal|ointment|ophthalmic|otic|pack|dosepak|dosepack|paste|rectal|ring"
    r"|shampoo|spray|suppository|topical|vaginal)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_STRENGTH = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*mg\b(?!\s*/)", re.IGNORECASE)


class Purpose(StrEnum):
    """What a drug is to bone, as far as its code or name tells."""

    OSTEOPOROSIS_THERAPY = "osteoporosis-therapy"
    BONE_ACTIVE_MENOPAUSAL_HORMONE = "bone-active-menopausal-hormone"
    BONE_LOSS_DRUG = "bone-loss-drug"
    AMBIGUOUS_INDICATION = "ambiguous-indication"
    LOOK_ALIKE = "look-alike"


Basis: TypeAlias = Literal["product", "ingredient", "class-code", "name"]


@dataclass(frozen=True, slots=True)
class DrugMatch:
    """One drug as resolved, with what it was resolved from.

    `strength_mg` is milligrams per tablet or capsule, None for any other form or when codes
    disagree. `osteoporosis_if_documented`: a bare denosumab, zoledronic acid or teriparatide,
    which is osteoporosis therapy only where osteoporosis or osteopenia is documented and neither
    active cancer nor hypoparathyroidism is; its purpose here stays ambiguous.
    """

    ingredient: str | None
    purpose: Purpose
    drug_class: str
    anabolic: bool
    strength_mg: Decimal | None
    prednisone_equivalent_per_mg: Decimal | None
    basis: Basis
    matched: str
    note: str | None
    osteoporosis_if_documented: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two codings or names of one record that cannot both be right: report, do not count."""

    first: DrugMatch
    second: DrugMatch


class _Rank(IntEnum):
    """How much an entry says, the most first."""

    BRANDED_PRODUCT = 0
    PRODUCT = 1
    INGREDIENT = 2
    CLASS_CODE = 3
    LOOK_ALIKE_NAME = 4
    BRAND_NAME = 5
    STEM = 6
    BARE = 7  # says which drug, not what for


@dataclass(frozen=True, slots=True)
class _Entry:
    match: DrugMatch
    rank: _Rank
    identity: str  # ingredient, or the name of a code whose ingredient is not in the table


@dataclass(frozen=True, slots=True)
class _Ingredient:
    name: str
    purpose: Purpose
    drug_class: str
    anabolic: bool
    ambiguous: bool
    prednisone_equivalent_per_mg: Decimal | None


@dataclass(frozen=True, slots=True)
class DrugTable:
    """The drug knowledge, indexed for one dictionary lookup per coding or run of words."""

    codes: Mapping[tuple[str, str], _Entry]
    brands: Mapping[tuple[str, ...], _Entry]
    stems: Mapping[tuple[str, ...], _Entry]
    longest_name: int
    other_indication_strengths: frozenset[tuple[str | None, Decimal | None]]


_NAME_RANKS = {
    "look-alike-brand": _Rank.LOOK_ALIKE_NAME,
    "brand": _Rank.BRAND_NAME,
    "stem": _Rank.STEM,
}


@cache
def load_drug_table() -> DrugTable:
    """The drug table, read once."""
    ingredients = {row["rxcui"]: _ingredient(row) for row in _rows("ingredients.csv")}
    products = {(RXNORM, row["rxcui"]): _product(row, ingredients) for row in _rows("products.csv")}
    purposes: dict[tuple[str | None, Decimal | None], set[Purpose]] = {}
    for product in products.values():
        key = product.match.ingredient, product.match.strength_mg
        purposes.setdefault(key, set()).add(product.match.purpose)
    names = _rows("names.csv")
    brands = {
        _words(row["name"]): _named_entry(row, ingredients)
        for row in names
        if row["kind"] != "stem"
    }
    stems = {
        _words(row["name"]): _named_entry(row, ingredients)
        for row in names
        if row["kind"] == "stem"
    }
    return DrugTable(
        codes={
            **{(RXNORM, rxcui): _bare_ingredient(rxcui, ingredients) for rxcui in ingredients},
            **{
                (row["system"], row["code"]): _class_code(row, ingredients)
                for row in _rows("codes.csv")
            },
            **products,
        },
        brands=brands,
        stems=stems,
        longest_name=max(map(len, [*brands, *stems])),
        other_indication_strengths=frozenset(
            key
            for key, seen in purposes.items()
            if key[1] is not None and seen == {Purpose.AMBIGUOUS_INDICATION}
        ),
    )


def resolve(
    codings: Sequence[tuple[str | None, str | None, str | None]], text: str | None
) -> DrugMatch | Conflict | None:
    """The drug that codings (canonical system, code, display) and text mean.

    None: not a drug of the table, so no clinical claim. Names in displays and text are read only
    when no code is known; a look-alike brand then wins over any other name.
    """
    table = load_drug_table()
    found = [
        table.codes[system, code]
        for system, code, _ in codings
        if system and code and (system, code) in table.codes
    ]
    if found:
        return _agreed(found)
    texts = [display for _, _, display in codings if display]
    return _from_names(table, [*texts, text] if text else texts)


def _agreed(found: Sequence[_Entry]) -> DrugMatch | Conflict:
    """The most specific of several entries, or the pair that contradicts."""
    best = min(found, key=lambda entry: entry.rank)
    for other in found:
        differs = other.match.purpose is not best.match.purpose
        look_alike = other.match.purpose is Purpose.LOOK_ALIKE
        if other.identity != best.identity or (
            differs and other.rank is not _Rank.BARE and (look_alike or other.rank is best.rank)
        ):
            return Conflict(best.match, other.match)
    strengths = {entry.match.strength_mg for entry in found} - {None}
    if len(strengths) > 1:
        return replace(best.match, strength_mg=None, note=STRENGTHS_DISAGREE)
    return best.match


def _from_names(table: DrugTable, texts: Sequence[str]) -> DrugMatch | Conflict | None:
    """The drug that texts name: a look-alike brand first, then a brand, then a stem."""
    found = [entry for text in texts for entry in _named(table, _words(text))]
    if not found:
        return None
    best = min(found, key=lambda entry: entry.rank)
    if best.rank is _Rank.LOOK_ALIKE_NAME:
        return best.match
    for other in found:
        if other.identity != best.identity:
            return Conflict(best.match, other.match)
    return _with_form(best.match, table, texts)


def _named(table: DrugTable, words: tuple[str, ...]) -> Iterator[_Entry]:
    """Entries named in a text, the longest name first at each word; no word is used twice."""
    start = 0
    while start < len(words):
        for stop in range(min(len(words), start + table.longest_name), start, -1):
            entry = _name_entry(table, words[start:stop])
            if entry is not None:
                yield entry
                start = stop
                break
        else:
            start += 1


def _name_entry(table: DrugTable, words: tuple[str, ...]) -> _Entry | None:
    """The entry for exactly these words; a stem may be the beginning of the last word."""
    if words in table.brands:
        return table.brands[words]
    last = words[-1]
    for length in range(len(last), 0, -1):
        entry = table.stems.get((*words[:-1], last[:length]))
        if entry is not None:
            return entry
    return None


def _with_form(match: DrugMatch, table: DrugTable, texts: Sequence[str]) -> DrugMatch:
    """A name that counts, taken back where the same text says another form or strength."""
    if match.purpose is Purpose.AMBIGUOUS_INDICATION:
        return match
    steroid_or_estrogen = match.drug_class.startswith(("systemic-glucocorticoid", "estrogen"))
    if steroid_or_estrogen and any(_LOCAL_OR_EPISODIC.search(text) for text in texts):
        return replace(match, purpose=Purpose.AMBIGUOUS_INDICATION, note=NOT_LONG_TERM_SYSTEMIC)
    stated = (Decimal(amount) for text in texts for amount in _STRENGTH.findall(text))
    if any((match.ingredient, amount) in table.other_indication_strengths for amount in stated):
        return replace(
            match, purpose=Purpose.AMBIGUOUS_INDICATION, note=STRENGTH_FOR_ANOTHER_INDICATION
        )
    return match


def _entry(
    item: _Ingredient | None,
    purpose: Purpose,
    drug_class: str,
    basis: Basis,
    matched: str,
    rank: _Rank,
    name: str = "",
) -> _Entry:
    bare = (
        item is not None
        and basis != "product"
        and item.ambiguous
        and purpose is Purpose.AMBIGUOUS_INDICATION
        and drug_class == item.drug_class
    )
    note = STRENGTH_OR_ROUTE_NOT_STATED if bare else None
    if drug_class == "bisphosphonate":  # the one class that leaves oral or intravenous open
        note = ROUTE_NOT_STATED
    counts = item is not None and purpose is not Purpose.LOOK_ALIKE
    match = DrugMatch(
        ingredient=item.name if item else None,
        purpose=purpose,
        drug_class=drug_class,
        anabolic=item.anabolic if item and counts else False,
        strength_mg=None,
        prednisone_equivalent_per_mg=(
            item.prednisone_equivalent_per_mg if item and counts else None
        ),
        basis=basis,
        matched=matched,
        note=note,
        osteoporosis_if_documented=bare and item is not None and item.name in _CHART_DECIDES,
    )
    return _Entry(match, _Rank.BARE if bare else rank, item.name if item else name)


def _bare_ingredient(rxcui: str, ingredients: Mapping[str, _Ingredient]) -> _Entry:
    item = ingredients[rxcui]
    purpose = Purpose.AMBIGUOUS_INDICATION if item.ambiguous else item.purpose
    return _entry(item, purpose, item.drug_class, "ingredient", rxcui, _Rank.INGREDIENT)


def _product(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> _Entry:
    rank = _Rank.BRANDED_PRODUCT if row["tty"] in _BRANDED else _Rank.PRODUCT
    item, purpose = ingredients[row["ingredient_rxcui"]], Purpose(row["purpose"])
    entry = _entry(item, purpose, row["class"], "product", row["rxcui"], rank)
    strength = Decimal(row["strength_mg"]) if row["strength_mg"] else None
    anabolic = row["anabolic"] == "true"
    return replace(entry, match=replace(entry.match, strength_mg=strength, anabolic=anabolic))


def _class_code(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> _Entry:
    item, purpose = ingredients.get(row["ingredient_rxcui"]), Purpose(row["purpose"])
    code, rank = row["code"], _Rank.CLASS_CODE
    return _entry(item, purpose, row["class"], "class-code", code, rank, row["name"])


def _named_entry(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> _Entry:
    item, purpose = ingredients.get(row["ingredient_rxcui"]), Purpose(row["purpose"])
    name, rank = row["name"], _NAME_RANKS[row["kind"]]
    return _entry(item, purpose, row["class"], "name", name, rank, name)


def _ingredient(row: Mapping[str, str]) -> _Ingredient:
    equivalent = row["prednisone_equivalent_per_mg"]
    return _Ingredient(
        name=row["name"],
        purpose=Purpose(row["purpose"]),
        drug_class=row["class"],
        anabolic=row["anabolic"] == "true",
        ambiguous=row["ambiguous"] == "true",
        prednisone_equivalent_per_mg=Decimal(equivalent) if equivalent else None,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _rows(name: str) -> list[dict[str, str]]:
    table = files("hooks.bone_density") / "knowledge" / "drugs" / name
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
