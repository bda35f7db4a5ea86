"""What a medication's codes and names mean for bone."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

import hooks.bone_density.drugs.table as drugs
from hooks.bone_density.drugs import Conflict, DrugMatch, Purpose, load_drug_table, resolve

RXNORM = drugs.RXNORM
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
THERAPY = Purpose.OSTEOPOROSIS_THERAPY
LOSS = Purpose.BONE_LOSS_DRUG
HORMONE = Purpose.BONE_ACTIVE_MENOPAUSAL_HORMONE
AMBIGUOUS = Purpose.AMBIGUOUS_INDICATION
LOOK_ALIKE = Purpose.LOOK_ALIKE


def one(*codes: tuple[str, str]) -> DrugMatch:
    """The drug that codes alone mean."""
    found = resolve([(system, code, None) for system, code in codes], None)
    assert isinstance(found, DrugMatch)
    return found


def named(text: str) -> DrugMatch:
    """The drug that a text alone means."""
    found = resolve([], text)
    assert isinstance(found, DrugMatch)
    return found


@pytest.mark.parametrize(
    ("system", "code", "ingredient", "purpose"),
    [
        (RXNORM, "904431", "alendronate", THERAPY),
        (RXNORM, "904420", "alendronate", THERAPY),  # SBDC that Synthea emits
        (RXNORM, "2693637", "teriparatide", LOOK_ALIKE),  # Yorvipath, filed under teriparatide
        (RXNORM, "2693643", "teriparatide", LOOK_ALIKE),
        (RXNORM, "1435115", "teriparatide", THERAPY),
        (RXNORM, "993456", "denosumab", THERAPY),  # Prolia
        (RXNORM, "1046402", "denosumab", LOOK_ALIKE),  # Xgeva
        (RXNORM, "2715513", "denosumab", THERAPY),  # a biosimilar at 60 mg/mL
        (RXNORM, "2715393", "denosumab", LOOK_ALIKE),  # Wyost
        (RXNORM, "705875", "zoledronic acid", THERAPY),  # Reclast
        (RXNORM, "351114", "zoledronic acid", LOOK_ALIKE),  # 4 mg, oncology
        (RXNORM, "905024", "risedronate", THERAPY),
        (RXNORM, "905032", "risedronate", AMBIGUOUS),  # 30 mg, Paget
        (RXNORM, "905034", "risedronate", AMBIGUOUS),
        (RXNORM, "1085728", "triamcinolone", LOOK_ALIKE),  # oral paste
        (RXNORM, "198145", "prednisone", LOSS),
        (RXNORM, "763185", "prednisone", AMBIGUOUS),  # dose pack
        (RXNORM, "1743704", "methylprednisolone", AMBIGUOUS),  # injection
        (RXNORM, "313979", "fludrocortisone", LOOK_ALIKE),
        (RXNORM, "19831", "budesonide", AMBIGUOUS),
        (RXNORM, "261204", "salmon calcitonin", THERAPY),
        (RXNORM, "213570", "salmon calcitonin", AMBIGUOUS),
        (RXNORM, "208513", "estrogens, conjugated (USP)", HORMONE),
        (RXNORM, "2556800", "estradiol", LOOK_ALIKE),  # Myfembree
        (RXNORM, "73056", "risedronate", THERAPY),
        (ATC, "M05BX05", "burosumab", LOOK_ALIKE),
        (ATC, "M05BX06", "romosozumab", THERAPY),
        (ATC, "M05BX04", "denosumab", AMBIGUOUS),
        (ATC, "M05BX03", None, THERAPY),  # strontium, not in RxNorm
        (ATC, "H05AA05", "teriparatide", LOOK_ALIKE),  # palopegteriparatide
        (ATC, "G03XC05", "ospemifene", LOOK_ALIKE),
        (SNOMED, "96290008", "alendronate", THERAPY),
        (SNOMED, "446321003", "denosumab", AMBIGUOUS),
        (HCPCS, "J0897", "denosumab", AMBIGUOUS),
        (HCPCS, "J3489", "zoledronic acid", AMBIGUOUS),
        (HCPCS, "J1740", "ibandronate", THERAPY),
        (HCPCS, "J3111", "romosozumab", THERAPY),
    ],
)
def test_a_code_decides_ingredient_and_purpose(
    system: str, code: str, ingredient: str | None, purpose: Purpose
) -> None:
    """An exact code gives its ingredient and its own purpose, not that of its ingredient."""
    match = one((system, code))
    assert (match.ingredient, match.purpose, match.matched) == (ingredient, purpose, code)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (RXNORM, "904422"),  # between two alendronate products
        (RXNORM, "993457"),
        (RXNORM, "46040"),
        (RXNORM, "1347"),
        (RXNORM, " 904431"),
        (ATC, "M05BX"),
        (ATC, "M05B"),
        (ATC, "H02AB16"),
        (HCPCS, "J0890"),
        (HCPCS, "J3105"),
        (HCPCS, "J3487"),
        (HCPCS, "J0630"),
        (SNOMED, "904431"),
        ("http://example.org/ndc", "904431"),
    ],
)
def test_an_unknown_code_means_nothing(system: str, code: str) -> None:
    """A neighbour, a part, a retired or unverified code, or another system is never guessed at."""
    assert resolve([(system, code, None)], None) is None


@pytest.mark.parametrize("codings", [[], [(None, "904431", None)], [(RXNORM, None, None)]])
def test_an_incomplete_coding_means_nothing(
    codings: list[tuple[str | None, str | None, str | None]],
) -> None:
    """Without both system and code, and without a name, there is no drug."""
    assert resolve(codings, None) is None


@pytest.mark.parametrize(
    ("system", "code", "ingredient", "if_documented"),
    [
        (RXNORM, "993449", "denosumab", True),
        (RXNORM, "77655", "zoledronic acid", True),
        (RXNORM, "32915", "teriparatide", True),
        (SNOMED, "395926009", "zoledronic acid", True),
        (HCPCS, "J0897", "denosumab", True),
        (RXNORM, "36118", "salmon calcitonin", False),
        (RXNORM, "6902", "methylprednisolone", False),
        (RXNORM, "42375", "leuprolide", False),
    ],
)
def test_a_bare_ingredient_is_ambiguous(
    system: str, code: str, ingredient: str, if_documented: bool
) -> None:
    """A bare code of a drug with several uses leaves the purpose to the chart and says why."""
    match = one((system, code))
    assert (match.ingredient, match.purpose) == (ingredient, AMBIGUOUS)
    assert match.note == drugs.STRENGTH_OR_ROUTE_NOT_STATED
    assert match.osteoporosis_if_documented is if_documented


def test_bare_ibandronate_leaves_the_route_open() -> None:
    """Ibandronate as an ingredient is a bisphosphonate of unknown route."""
    match = one((RXNORM, "115264"))
    assert (match.purpose, match.drug_class) == (THERAPY, "bisphosphonate")
    assert match.note == drugs.ROUTE_NOT_STATED
    assert one((RXNORM, "904954")).drug_class == "bisphosphonate-iv"


@pytest.mark.parametrize(
    ("code", "strength_mg", "per_mg"),
    [
        ("198145", Decimal("10"), Decimal("1")),
        ("198146", Decimal("2.5"), Decimal("1")),
        ("259966", Decimal("4"), Decimal("1.25")),
        ("197783", Decimal("20"), Decimal("0.25")),
        ("343033", Decimal("0.75"), Decimal("6.67")),
        ("643125", Decimal("15"), Decimal("1")),
        ("312614", None, Decimal("1")),  # oral solution
        ("153098", Decimal("6"), None),  # no sourced equivalence for deflazacort
        ("904431", Decimal("70"), None),
        ("904492", None, None),  # two ingredients
        ("904418", None, None),  # no dose form stated
    ],
)
def test_strength_and_equivalence(
    code: str, strength_mg: Decimal | None, per_mg: Decimal | None
) -> None:
    """Tablets and capsules state milligrams per unit; prednisone equivalence is by ingredient."""
    match = one((RXNORM, code))
    assert match.strength_mg == strength_mg
    assert match.prednisone_equivalent_per_mg == per_mg


def test_anabolic_is_said_of_bone_drugs_only() -> None:
    """Teriparatide for bone is anabolic, the look-alike filed under it is not."""
    assert one((RXNORM, "1435115")).anabolic
    assert one((RXNORM, "2123184")).anabolic
    assert not one((RXNORM, "2693637")).anabolic
    assert not one((ATC, "H05AA05")).anabolic
    assert not one((RXNORM, "904431")).anabolic


@pytest.mark.parametrize(
    ("first", "second", "purpose", "basis"),
    [
        ((RXNORM, "46041"), (RXNORM, "904431"), THERAPY, "product"),
        ((RXNORM, "73056"), (RXNORM, "905032"), AMBIGUOUS, "product"),
        ((RXNORM, "993449"), (RXNORM, "993456"), THERAPY, "product"),
        ((RXNORM, "993449"), (RXNORM, "1046402"), LOOK_ALIKE, "product"),
        ((HCPCS, "J0897"), (RXNORM, "993456"), THERAPY, "product"),
        ((RXNORM, "752884"), (RXNORM, "2371773"), LOOK_ALIKE, "product"),  # brand over generic
        ((ATC, "H02AB07"), (RXNORM, "763185"), AMBIGUOUS, "product"),
        ((ATC, "H05AA05"), (RXNORM, "2693643"), LOOK_ALIKE, "product"),
        ((RXNORM, "32915"), (ATC, "H05AA05"), LOOK_ALIKE, "class-code"),
    ],
)
def test_the_more_specific_code_decides(
    first: tuple[str, str], second: tuple[str, str], purpose: Purpose, basis: str
) -> None:
    """Of two codes for one ingredient the more specific decides, in either order."""
    for pair in ((first, second), (second, first)):
        match = one(*pair)
        assert (match.purpose, match.basis) == (purpose, basis)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((RXNORM, "904431"), (RXNORM, "198145")),  # two ingredients
        ((RXNORM, "904431"), (ATC, "M05BX04")),
        ((RXNORM, "993456"), (RXNORM, "1046402")),  # Prolia and Xgeva
        ((RXNORM, "1435117"), (ATC, "H05AA05")),  # Forteo and palopegteriparatide
        ((ATC, "M05BX03"), (ATC, "M05BA04")),
    ],
)
def test_contradictory_codes_are_a_conflict(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Different ingredients, or opposite purposes of one ingredient, are reported, not counted."""
    for pair in ((first, second), (second, first)):
        found = resolve([(system, code, None) for system, code in pair], None)
        assert isinstance(found, Conflict)
        assert {found.first.matched, found.second.matched} == {first[1], second[1]}


def test_an_unknown_code_beside_a_known_one_does_not_matter() -> None:
    """Codings of systems that the table does not know leave the known coding alone."""
    assert one(("http://hl7.org/fhir/sid/ndc", "00006003144"), (RXNORM, "904431")).purpose is (
        THERAPY
    )


def test_disagreeing_strengths_are_not_averaged() -> None:
    """Two strengths of one drug leave the strength unknown."""
    match = one((RXNORM, "198144"), (RXNORM, "198145"))
    assert (match.purpose, match.strength_mg) == (LOSS, None)
    assert match.note == drugs.STRENGTHS_DISAGREE


@pytest.mark.parametrize(
    ("text", "ingredient", "purpose"),
    [
        ("Alendronate 70 mg weekly", "alendronate", THERAPY),
        ("ALENDRONIC ACID 35 mg tablet", "alendronate", THERAPY),
        ("Fosamax Plus D", "alendronate", THERAPY),
        ("alendronate/cholecalciferol", "alendronate", THERAPY),
        ("Prolia", "denosumab", THERAPY),
        ("denosumab (Prolia) 60 mg/mL", "denosumab", THERAPY),
        ("Ospomyv", "denosumab", THERAPY),
        ("Xgeva", "denosumab", LOOK_ALIKE),
        ("Xbryk (denosumab-dssb)", "denosumab", LOOK_ALIKE),
        ("denosumab-bbdz", "denosumab", AMBIGUOUS),
        ("Reclast infusion", "zoledronic acid", THERAPY),
        ("Zometa (zoledronic acid)", "zoledronic acid", LOOK_ALIKE),
        ("zoledronic acid", "zoledronic acid", AMBIGUOUS),
        ("Yorvipath (teriparatide)", "teriparatide", LOOK_ALIKE),
        ("Forteo", "teriparatide", THERAPY),
        ("teriparatide", "teriparatide", AMBIGUOUS),
        ("Natpara", "parathyroid hormone", LOOK_ALIKE),
        ("burosumab", "burosumab", LOOK_ALIKE),
        ("Actonel 35 mg", "risedronate", THERAPY),
        ("Risedronate sodium 30 MG tablet", "risedronate", AMBIGUOUS),
        ("prednisone 5 mg daily", "prednisone", LOSS),
        ("prednisone 10 mg dose pack", "prednisone", AMBIGUOUS),
        ("prednisolone acetate 1% ophthalmic drops", "prednisolone", AMBIGUOUS),
        ("methylprednisolone 4 mg", "methylprednisolone", AMBIGUOUS),
        ("Medrol 4 mg", "methylprednisolone", LOSS),
        ("Solu-Medrol", "methylprednisolone", AMBIGUOUS),
        ("budesonide inhaler", "budesonide", AMBIGUOUS),
        ("fludrocortisone 0.1 mg", "fludrocortisone", LOOK_ALIKE),
        ("Menostar", "estradiol", HORMONE),
        ("Lupron Depot", "leuprolide", AMBIGUOUS),
        ("conjugated estrogens", "estrogens, conjugated (USP)", AMBIGUOUS),
        ("ethinyl estradiol / norethindrone", None, LOOK_ALIKE),
    ],
)
def test_names_are_the_last_resort(text: str, ingredient: str | None, purpose: Purpose) -> None:
    """Without a known code, whole words name the drug: look-alike, then brand, then stem."""
    match = named(text)
    assert (match.ingredient, match.purpose, match.basis) == (ingredient, purpose, "name")


@pytest.mark.parametrize(
    "text",
    [
        "fluticasone inhaler",
        "palopegteriparatide",
        "xprolia",
        "unalendronate",
        "preprednisolone",
        "calcium carbonate and vitamin D",
        "",
        "   ",
    ],
)
def test_parts_of_words_and_other_drugs_name_nothing(text: str) -> None:
    """A name inside another word, or a drug that the table does not hold, is not matched."""
    assert resolve([], text) is None


def test_methylprednisolone_is_not_prednisolone() -> None:
    """Prednisolone is not found inside methylprednisolone."""
    assert named("methylprednisolone").ingredient == "methylprednisolone"
    assert named("prednisolone").ingredient == "prednisolone"


def test_two_drugs_in_one_text_are_a_conflict() -> None:
    """Two ingredients named without a code contradict."""
    assert isinstance(resolve([], "alendronate or prednisone"), Conflict)
    assert isinstance(resolve([(None, None, "Prolia")], "Fosamax"), Conflict)


def test_a_known_code_silences_names() -> None:
    """Display and text are not read where a code is known."""
    found = resolve([(RXNORM, "904431", "prednisone 5 mg")], "Xgeva")
    assert isinstance(found, DrugMatch)
    assert (found.ingredient, found.basis) == ("alendronate", "product")


def test_a_display_counts_where_its_code_is_unknown() -> None:
    """The display of an unknown code is a name."""
    found = resolve([(RXNORM, "999999999", "Alendronate 35 MG Oral Tablet")], None)
    assert isinstance(found, DrugMatch)
    assert (found.ingredient, found.basis) == ("alendronate", "name")


def _products() -> list[dict[str, str]]:
    path = Path(drugs.__file__).parents[1] / "knowledge" / "drugs" / "products.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", _products(), ids=lambda row: row["rxcui"])
def test_every_product_resolves_to_its_own_row(row: dict[str, str]) -> None:
    """Each shipped product is found by its code with the purpose of its row."""
    match = one((RXNORM, row["rxcui"]))
    assert (match.purpose.value, match.drug_class) == (row["purpose"], row["class"])
    assert match.anabolic is (row["anabolic"] == "true")
    assert match.basis == "product"


def test_the_table_is_read_once() -> None:
    """The table is cached."""
    assert load_drug_table() is load_drug_table()


@pytest.mark.parametrize(
    "text", ["Xgeva, formerly alendronate", "alendronate stopped, now Bilprevda 120 mg"]
)
def test_a_look_alike_brand_wins_over_any_other_name(text: str) -> None:
    """A look-alike brand takes the whole text out of therapy, whatever else it names."""
    found = resolve([], text)
    assert isinstance(found, DrugMatch)
    assert found.purpose is LOOK_ALIKE
