"""Value sets: listed codes, everything below a root, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir.codings import ICD10CM, LOINC, SNOMED, CodedValue
from cds_service.fhir.valuesets import is_in_subtree, read_value_set

VALUE_SET: dict[str, Any] = {
    "id": "x",
    "title": "X",
    "compose": {
        "include": [
            {
                "system": "urn:oid:2.16.840.1.113883.6.96",
                "concept": [
                    {
                        "code": "1",
                        "display": "one",
                        "extension": [
                            {"url": "https://x.example/site", "valueCode": "hip"},
                            {"url": "side", "valueCode": "left"},
                        ],
                    },
                    {"code": "2"},
                ],
            },
            {
                "system": ICD10CM,
                "filter": [
                    {"property": "concept", "op": "is-a", "value": "M80"},
                    {"property": "concept", "op": "is-a", "value": "M81.0"},
                ],
                "extension": [{"url": "source", "valueCode": "here"}],
            },
        ]
    },
}


def including(*includes: dict[str, Any]) -> dict[str, Any]:
    """The value set with other contents."""
    return {**VALUE_SET, "compose": {"include": list(includes)}}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([CodedValue(SNOMED, "1")], "1"),
        ([CodedValue(SNOMED, "3"), CodedValue(SNOMED, "2")], "2"),
        ([CodedValue(SNOMED, "2"), CodedValue(SNOMED, "1")], "2"),
        ([CodedValue(ICD10CM, "M80.0"), CodedValue(SNOMED, "1")], "M80"),
        ([CodedValue(LOINC, "1")], None),
        ([CodedValue(LOINC, "x", "one")], None),
        ([CodedValue(None, "1")], None),
        ([CodedValue(None, "1"), CodedValue(SNOMED, "2")], "2"),
        ([CodedValue(ICD10CM, "M80")], "M80"),
        ([CodedValue(ICD10CM, "M80.08XA")], "M80"),
        ([CodedValue(ICD10CM, "M801")], None),
        ([CodedValue(ICD10CM, "M81.08")], "M81.0"),
        ([CodedValue(ICD10CM, "M81")], None),
        ([CodedValue(SNOMED, "M80")], None),
        ([], None),
    ],
)
def test_find(found: list[CodedValue], code: str | None) -> None:
    """A value set holds its listed codes and everything below its roots, system and all."""
    concept = read_value_set(VALUE_SET).find(found)
    assert (concept.code if concept else None) == code


def test_entries() -> None:
    """Entries keep display, attributes and whether they are the root of a subtree."""
    found = read_value_set(VALUE_SET)
    assert (found.id, found.title) == ("x", "X")
    assert [
        (item.system, item.code, item.display, dict(item.attributes), item.is_subtree)
        for item in found.concepts()
    ] == [
        (SNOMED, "1", "one", {"site": "hip", "side": "left"}, False),
        (SNOMED, "2", None, {}, False),
        (ICD10CM, "M80", None, {"source": "here"}, True),
        (ICD10CM, "M81.0", None, {"source": "here"}, True),
    ]


@pytest.mark.parametrize(
    ("includes", "codes"),
    [
        ([], []),
        ([{"system": LOINC, "concept": []}], []),
        (
            [
                {"system": LOINC, "concept": [{"code": "1"}]},
                {"system": SNOMED, "concept": [{"code": "1"}]},
            ],
            [(LOINC, "1"), (SNOMED, "1")],
        ),
        (
            [
                {"system": LOINC, "concept": [{"code": "1"}]},
                {"system": "https://loinc.org/", "concept": [{"code": "1"}, {"code": "2"}]},
            ],
            [(LOINC, "1"), (LOINC, "2")],
        ),
        (
            [
                {
                    "system": ICD10CM,
                    "concept": [{"code": "Z13.820"}],
                    "filter": [{"property": "concept", "op": "is-a", "value": "M80"}],
                }
            ],
            [(ICD10CM, "Z13.820"), (ICD10CM, "M80")],
        ),
    ],
)
def test_includes(includes: list[dict[str, Any]], codes: list[tuple[str, str]]) -> None:
    """Several includes are joined, each under the canonical name of its system."""
    found = read_value_set(including(*includes))
    assert [(item.system, item.code) for item in found.concepts()] == codes


def test_what_is_not_understood_is_refused() -> None:
    """Exclusions, and codes of no system, are refused instead of being passed over."""
    with pytest.raises(ValueError, match=r"^x: an include without system is not supported$"):
        read_value_set(including({"concept": [{"code": "1"}]}))
    excluding = including({"system": ICD10CM, "concept": [{"code": "M80"}]})
    excluding["compose"]["exclude"] = [{"system": ICD10CM}]
    with pytest.raises(ValueError, match=r"^x: compose.exclude is not supported$"):
        read_value_set(excluding)


@pytest.mark.parametrize("op", ["descendent-of", "=", "is-not-a", None])
def test_other_filters_are_refused(op: str | None) -> None:
    """A filter that is not understood is refused, named by value set and operation."""
    rule = {"property": "concept", "op": op, "value": "M80"}
    with pytest.raises(ValueError, match=rf"^x: filter {op!r} is not supported$"):
        read_value_set(including({"system": ICD10CM, "filter": [rule]}))


@pytest.mark.parametrize(
    ("code", "root", "is_below"),
    [
        ("M80", "M80", True),
        ("M80.0", "M80", True),
        ("M801", "M80", False),
        ("M8", "M80", False),
        ("M81.0", "M81.0", True),
        ("M81.08XA", "M81.0", True),
        ("M81.1", "M81.0", False),
        ("M81", "M81.0", False),
        ("C50.911", "C", True),
        ("C50", "C", True),
        ("D50", "C", False),
    ],
)
def test_is_in_subtree(code: str, root: str, is_below: bool) -> None:
    """A code lies below a root by its characters; a category of three ends before the dot."""
    assert is_in_subtree(code, root) == is_below
