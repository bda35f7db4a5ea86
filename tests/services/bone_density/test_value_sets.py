"""The shipped knowledge data: value sets, sources and their schemas."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import hooks.bone_density

KNOWLEDGE = Path(hooks.bone_density.__file__).parent / "knowledge"
FILES = sorted((KNOWLEDGE / "valuesets").glob("*.json"))
SETS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}
SOURCES: dict[str, dict[str, Any]] = tomllib.loads((KNOWLEDGE / "sources.toml").read_text())
SCHEMAS = {path.name: json.loads(path.read_text()) for path in KNOWLEDGE.glob("schemas/*.json")}
CSVS = sorted((KNOWLEDGE / "drugs").glob("*.csv"))

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"

STUDIES = {
    "study-dxa-spine-hip",
    "study-dxa-spine-hip-vfa",
    "study-dxa-unspecified",
    "study-bone-density-unspecified",
    "study-vfa",
    "study-dxa-peripheral",
    "study-dxa-forearm",
    "study-dxa-heel",
    "study-qct",
    "study-qus",
    "study-tbs",
    "study-ct-fea",
    "study-other-densitometry",
}
RESULTS = {"t-score", "z-score", "areal-bmd", "body-height", "body-site"}
CONDITIONS = {
    "osteoporosis",
    "low-bone-mass",
    "vertebral-fracture",
    "spine-unreliable",
    "hip-prosthesis",
    "primary-hyperparathyroidism",
    "fragility-fracture",
    "glucocorticoid-long-term-use",
    "bisphosphonate-long-term-use",
    "postmenopausal",
    "perimenopausal",
    "premenopausal",
    "pregnancy",
    "height-loss",
    "back-pain",
    "cord-or-cauda-equina",
    "neurological-deficit",
    "radicular-symptom",
    "thigh-pain",
    "secondary-cause",
    "active-malignancy",
    "hypoparathyroidism",
    "screening-encounter",
    "look-alike",
}
# Wrong, invalid, or never verified: none of these may be shipped in a value set.
REJECTED = [
    "85339-0",
    "440100004",
    "76599001",
    "161475005",
    "440029008",
    "77084",
    "M05BX05",
    "440083004",
    "440050006",
    "440100002",
    "391057001",
    "391060008",
    "0749T",
    "0750T",
    "G0130",
    "72148",
    "72100",
    "72070",
    "2000-8",
    "1989-3",
]
ELSEWHERE = [  # codes that a wrong reader would put there
    ("low-bone-mass", "M85.9"),
    ("low-bone-mass", "276703007"),
    ("osteoporosis", "240159007"),
    ("osteoporosis", "1515008"),
    ("vertebral-fracture", "M84.48XA"),
    ("glucocorticoid-long-term-use", "Z79.51"),
    ("active-malignancy", "Z85.3"),
    ("active-malignancy", "Z85.46"),
    ("neurological-deficit", "G83.4"),
    ("cord-or-cauda-equina", "R33.9"),
    ("radicular-symptom", "R53.1"),
    ("study-dxa-unspecified", "312681000"),
    ("study-dxa-forearm", "77081"),
    ("study-dxa-heel", "77081"),
    ("postmenopausal", "N95.1"),
]


def concepts(value_set: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """System, code (or root of a subtree), attributes and display of every entry."""
    for include in value_set["compose"]["include"]:
        for item in include.get("concept", []):
            yield include["system"], item["code"], attributes(item), item["display"]
        for rule in include.get("filter", []):
            yield include["system"], rule["value"], attributes(include), ""


def attributes(element: dict[str, Any]) -> dict[str, str]:
    """Extension values by the last part of their url."""
    return {item["url"].rsplit("/", 1)[-1]: item["valueCode"] for item in element["extension"]}


def mod10_is_valid(code: str) -> bool:
    """Whether the check digit of a LOINC code is right (Luhn)."""
    digits, _, check = code.partition("-")
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value // 10 + value % 10
    return check == str(-total % 10)


def verhoeff_is_valid(code: str) -> bool:
    """Whether the check digit of a SNOMED CT identifier is right (Verhoeff)."""

    def multiply(a: int, b: int) -> int:  # in the dihedral group D5
        if a < 5:
            return (a + b) % 5 if b < 5 else (a + b) % 5 + 5
        return (a - b) % 5 + 5 if b < 5 else (a - b) % 5

    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    checksum = 0
    for position, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(position % 8):
            value = permutation[value]
        checksum = multiply(checksum, value)
    return checksum == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_value_set_follows_its_schema(path: Path) -> None:
    """Every value set is valid, is named after its file and says its focus and its limits."""
    value_set = SETS[path.stem]
    errors = Draft202012Validator(SCHEMAS["valueset.schema.json"]).iter_errors(value_set)
    assert [error.message for error in errors] == []
    assert value_set["id"] == path.stem
    assert value_set["url"].endswith(f"/{path.stem}")
    assert value_set["name"].casefold() == path.stem.replace("-", "")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_a_schema(name: str) -> None:
    """Each schema is itself valid against draft 2020-12."""
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_every_purpose_has_its_value_set() -> None:
    """The set of value sets is the set of purposes, no more and no fewer."""
    assert set(SETS) == STUDIES | RESULTS | CONDITIONS


def test_sources_follow_their_schema() -> None:
    """Every source states title, kind, grade, date of retrieval and licence."""
    plain = json.loads(json.dumps(SOURCES, default=str))
    errors = Draft202012Validator(SCHEMAS["sources.schema.json"]).iter_errors(plain)
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_code_stands_twice_in_a_set(name: str) -> None:
    """A code is listed once in a set, and not again below a subtree of the same set."""
    entries = [(system, code) for system, code, _, _ in concepts(SETS[name])]
    assert len(entries) == len(set(entries))
    roots = [code for system, code, _, display in concepts(SETS[name]) if not display]
    listed = [code for system, code, _, display in concepts(SETS[name]) if display]
    below = [code for code in listed if any(code.startswith(root) for root in roots)]
    assert [code for code in below if code[0].isalpha()] == []


def test_no_code_means_two_studies() -> None:
    """A code orders one study only."""
    seen: dict[tuple[str, str], str] = {}
    for name in sorted(STUDIES):
        for system, code, _, _ in concepts(SETS[name]):
            assert seen.setdefault((system, code), name) == name


@pytest.mark.parametrize("name", sorted(SETS))
def test_check_digits_hold(name: str) -> None:
    """LOINC (mod 10) and SNOMED CT (Verhoeff) identifiers carry a right check digit."""
    for system, code, _, _ in concepts(SETS[name]):
        if system == LOINC:
            assert mod10_is_valid(code), code
        if system == SNOMED:
            assert verhoeff_is_valid(code), code


@pytest.mark.parametrize(
    ("code", "valid"),
    [("24966-4", True), ("24966-5", False), ("64859006", True), ("440100004", False)],
)
def test_check_digit_functions_can_fail(code: str, valid: bool) -> None:
    """The check digit functions of this test tell right from wrong."""
    assert (mod10_is_valid(code) if "-" in code else verhoeff_is_valid(code)) is valid


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_concept_has_a_known_source(name: str) -> None:
    """Every concept and subtree names a source of sources.toml."""
    for _, code, attrs, _ in concepts(SETS[name]):
        assert attrs["source"] in SOURCES, code


@pytest.mark.parametrize("name", sorted(SETS))
def test_rejected_codes_are_absent(name: str) -> None:
    """Codes that are wrong, invalid or unverified appear in no value set."""
    assert {code for _, code, _, _ in concepts(SETS[name])}.isdisjoint(REJECTED)


@pytest.mark.parametrize(("name", "code"), ELSEWHERE)
def test_tempting_codes_are_absent(name: str, code: str) -> None:
    """A code that only resembles the purpose of a set is not in it."""
    for _, entry, _, display in concepts(SETS[name]):
        assert entry != code
        if not display:
            assert not code.startswith(entry)


@pytest.mark.parametrize("name", ["t-score", "z-score", "areal-bmd", "body-site"])
def test_results_and_body_sites_state_their_site(name: str) -> None:
    """Every result code and body structure carries a site."""
    assert all("site" in attrs for _, _, attrs, _ in concepts(SETS[name]))


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("t-score", "38267-1", {"site": "lumbar-spine"}),
        ("t-score", "104938-6", {"site": "spine"}),
        ("t-score", "38265-5", {"site": "forearm"}),
        ("t-score", "80947-5", {"site": "femur", "side": "right"}),
        ("t-score", "85388-7", {"site": "humerus", "side": "right"}),
        ("t-score", "85389-5", {"site": "humerus", "side": "left"}),
        ("z-score", "80936-8", {"site": "forearm", "side": "left"}),
        ("areal-bmd", "46278-8", {"site": "hip", "side": "left"}),
        ("areal-bmd", "46383-6", {"site": "unspecified"}),
        ("body-site", "29627003", {"site": "femoral-neck"}),
        ("hip-prosthesis", "Z96.643", {"side": "both"}),
        ("hip-prosthesis", "430688009", {"side": "left"}),
        ("vertebral-fracture", "M48.55", {"region": "unspecified"}),
        ("vertebral-fracture", "S32.0", {"region": "lumbar"}),
        ("vertebral-fracture", "203451004", {"region": "thoracic"}),
        ("vertebral-fracture", "S32.9XXA", {"region": "unspecified"}),
    ],
)
def test_attributes_of_a_code(name: str, code: str, expected: dict[str, str]) -> None:
    """Site, side and region of a code are those that its display states."""
    found = [attrs for _, entry, attrs, _ in concepts(SETS[name]) if entry == code]
    assert [{k: v for k, v in attrs.items() if k != "source"} for attrs in found] == [expected]


@pytest.mark.parametrize("name", ["t-score", "z-score", "areal-bmd"])
def test_side_agrees_with_the_display(name: str) -> None:
    """A result whose display says left or right has that side, and no other result has one."""
    for _, code, attrs, display in concepts(SETS[name]):
        stated = next((side for side in ("left", "right") if f"- {side} [" in display), None)
        assert attrs.get("side") == stated, code


@pytest.mark.parametrize("name", sorted(SETS))
def test_copyright_notice_stands_where_a_code_system_needs_it(name: str) -> None:
    """Value sets with LOINC, SNOMED CT or CPT codes carry the notice of their owner."""
    systems = {system for system, _, _, _ in concepts(SETS[name])}
    notice = SETS[name].get("copyright", "")
    for system, owner in ((LOINC, "Regenstrief"), (SNOMED, "SNOMED"), (CPT, "American Medical")):
        assert (owner in notice) is (system in systems)


@pytest.mark.parametrize("path", CSVS, ids=lambda path: path.stem)
def test_drug_rows_are_unique_and_sourced(path: Path) -> None:
    """No row of a drug table stands twice, and every source key exists."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert rows
    keys = {
        "ingredients": ("rxcui",),
        "products": ("rxcui",),
        "codes": ("system", "code"),
        "names": ("name",),
    }[path.stem]
    found = [tuple(row[key].casefold() for key in keys) for row in rows]
    assert len(found) == len(set(found))
    assert {row["source"] for row in rows if "source" in row} <= set(SOURCES)


def test_a_rxcui_is_either_a_product_or_an_ingredient() -> None:
    """No RxCUI stands for a product and for an ingredient."""
    ingredients, products = (
        {
            row["rxcui"]
            for row in csv.DictReader((KNOWLEDGE / "drugs" / name).read_text().split("\n"))
        }
        for name in ("ingredients.csv", "products.csv")
    )
    assert ingredients.isdisjoint(products)


@pytest.mark.parametrize(
    "key",
    [
        "acr-2022-follow-up",
        "acr-2022-vfa",
        "acr-2022-younger-follow-up",
        "acr-2016",
        "gighz-surveillance",
        "iscd-2023-adult",
        "medicare-42-cfr-410-31",
        "aace-2020",
        "acp-2017",
        "endocrine-society-2019",
        "nof-treated-interval",
        "acr-rheum-2022-giop",
        "bmj-best-practice",
        "project-choice",
    ],
)
def test_clinical_source_is_declared(key: str) -> None:
    """Every source of a clinical statement has a table, and ACR 2022 is graded secondary."""
    assert SOURCES[key]["grade"] in ("primary", "secondary")
    if key.startswith("acr-20"):
        assert SOURCES[key]["grade"] == "secondary"
