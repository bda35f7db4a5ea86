"""The drug table: products, ingredients, class codes and names, indexed for one lookup each."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

from cds_service.protocol.values import dataclass

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

STRENGTH_OR_ROUTE_NOT_STATED = "strength-or-route-not-stated"
ROUTE_NOT_STATED = "route-not-stated"
STRENGTHS_DISAGREE = "strengths-disagree"
NOT_LONG_TERM_SYSTEMIC = "local-or-episodic-form"
STRENGTH_FOR_ANOTHER_INDICATION = "strength-for-another-indication"

# Bare codes and names of these count as osteoporosis therapy only if the chart says so.
_CHART_DECIDES = frozenset({"denosumab", "zoledronic acid", "teriparatide"})
_BRANDED = frozenset({"SBD", "SBDC", "BPCK"})
_WORD = re.compile(r"[^\W_]+")


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
    disagree. `name` is what a card calls it: the ingredient, else the name beside the code.
    `osteoporosis_if_documented`: a bare denosumab, zoledronic acid or teriparatide,
    which is osteoporosis therapy only where osteoporosis or osteopenia is documented and neither
    active cancer nor hypoparathyroidism is; its purpose here stays ambiguous.
    """

    ingredient: str | None
    name: str
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


class Rank(IntEnum):
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
class Entry:
    """One line of an index: what it means, and how much it says."""

    match: DrugMatch
    rank: Rank
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

    codes: Mapping[tuple[str, str], Entry]
    brands: Mapping[tuple[str, ...], Entry]
    stems: Mapping[tuple[str, ...], Entry]
    longest_name: int
    longest_stem: int
    """Characters of the longest last word of a stem: no beginning beyond it can be one."""
    other_indication_strengths: frozenset[tuple[str | None, Decimal | None]]


_NAME_RANKS = {
    "look-alike-brand": Rank.LOOK_ALIKE_NAME,
    "brand": Rank.BRAND_NAME,
    "stem": Rank.STEM,
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
        words_of(row["name"]): _named_entry(row, ingredients)
        for row in names
        if row["kind"] != "stem"
    }
    stems = {
        words_of(row["name"]): _named_entry(row, ingredients)
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
        longest_stem=max(len(words[-1]) for words in stems),
        other_indication_strengths=frozenset(
            key
            for key, seen in purposes.items()
            if key[1] is not None and seen == {Purpose.AMBIGUOUS_INDICATION}
        ),
    )


def _entry(
    item: _Ingredient | None,
    purpose: Purpose,
    drug_class: str,
    basis: Basis,
    matched: str,
    rank: Rank,
    name: str = "",
) -> Entry:
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
        name=item.name if item else name,
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
    return Entry(match, Rank.BARE if bare else rank, item.name if item else name)


def _bare_ingredient(rxcui: str, ingredients: Mapping[str, _Ingredient]) -> Entry:
    item = ingredients[rxcui]
    purpose = Purpose.AMBIGUOUS_INDICATION if item.ambiguous else item.purpose
    return _entry(item, purpose, item.drug_class, "ingredient", rxcui, Rank.INGREDIENT)


def _product(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> Entry:
    rank = Rank.BRANDED_PRODUCT if row["tty"] in _BRANDED else Rank.PRODUCT
    item, purpose = ingredients[row["ingredient_rxcui"]], Purpose(row["purpose"])
    entry = _entry(item, purpose, row["class"], "product", row["rxcui"], rank)
    strength = Decimal(row["strength_mg"]) if row["strength_mg"] else None
    anabolic = row["anabolic"] == "true"
    return replace(entry, match=replace(entry.match, strength_mg=strength, anabolic=anabolic))


def _class_code(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> Entry:
    item, purpose = ingredients.get(row["ingredient_rxcui"]), Purpose(row["purpose"])
    code, rank = row["code"], Rank.CLASS_CODE
    return _entry(item, purpose, row["class"], "class-code", code, rank, row["name"])


def _named_entry(row: Mapping[str, str], ingredients: Mapping[str, _Ingredient]) -> Entry:
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


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or text, without case and punctuation."""
    return tuple(_WORD.findall(text.casefold()))


def _rows(name: str) -> list[dict[str, str]]:
    table = files("hooks.bone_density") / "knowledge" / "drugs" / name
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
