"""Codings: one name for each code system, one spelling for each code, nothing malformed."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir.codings import (
    ATC,
    CPT,
    HCPCS,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    UCUM,
    CodedValue,
    canonical_system,
    codings,
    concepts,
    is_readable,
)


@pytest.mark.parametrize(
    ("system", "canonical"),
    [
        ("http://loinc.org", LOINC),
        ("https://LOINC.org/", LOINC),
        (" http://loinc.org ", LOINC),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("http://snomed.info/sct", SNOMED),
        ("HTTPS://SNOMED.INFO/SCT/", SNOMED),
        ("URN:OID:2.16.840.1.113883.6.96", SNOMED),
        ("http://snomed.info/sct/900000000000207008/version/20240101", SNOMED),
        ("http://hl7.org/fhir/sid/icd-10-cm", ICD10CM),
        ("urn:oid:2.16.840.1.113883.6.90", ICD10CM),
        ("http://hl7.org/fhir/sid/icd-10", ICD10CM),
        ("http://terminology.hl7.org/CodeSystem/icd10cm", ICD10CM),
        ("http://terminology.hl7.org/CodeSystem/icd-10-cm", ICD10CM),
        ("http://www.ama-assn.org/go/cpt", CPT),
        ("https://www.ama-assn.org/go/cpt", CPT),
        ("urn:oid:2.16.840.1.113883.6.12", CPT),
        ("http://terminology.hl7.org/CodeSystem/CPT", CPT),
        ("http://www.cms.gov/medicare/coding/hcpcsreleasecodesets", HCPCS),
        ("urn:oid:2.16.840.1.113883.6.285", HCPCS),
        ("urn:oid:2.16.840.1.113883.6.14", HCPCS),
        ("http://terminology.hl7.org/CodeSystem/HCPCS", HCPCS),
        ("https://www.nlm.nih.gov/research/umls/rxnorm/", RXNORM),
        ("urn:oid:2.16.840.1.113883.6.88", RXNORM),
        ("http://www.whocc.no/atc", ATC),
        ("urn:oid:2.16.840.1.113883.6.73", ATC),
        ("http://unitsofmeasure.org", UCUM),
        ("urn:oid:2.16.840.1.113883.6.8", UCUM),
        ("http://hl7.org/fhir/sid/icd-9-cm", "http://hl7.org/fhir/sid/icd-9-cm"),
        ("http://snomed.info/xsct", "http://snomed.info/xsct"),
        ("http://snomed.info/sctx", "http://snomed.info/sctx"),
        ("loinc", "loinc"),
        ("LOINC.org/", "LOINC.org/"),
        (" urn:House ", "urn:House"),
        ("", ""),
    ],
)
def test_canonical_system(system: str, canonical: str) -> None:
    """The spellings of one code system are one; others stay as they are."""
    assert canonical_system(system) == canonical


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"system": LOINC, "code": " 38267-1 "}], [(LOINC, "38267-1", None)]),
        (
            [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "38267-1"}],
            [(LOINC, "38267-1", None)],
        ),
        ([{"system": LOINC, "code": "1", "display": "x"}], [(LOINC, "1", "x")]),
        ([{"system": SNOMED, "code": ":1=2"}, {"system": SNOMED, "code": "|a|"}], []),
        ([{"system": LOINC, "code": "1", "display": 5}], [(LOINC, "1", None)]),
        (
            [{"system": LOINC, "code": "2"}, {"system": SNOMED, "code": "1"}],
            [(LOINC, "2", None), (SNOMED, "1", None)],
        ),
        ([{"code": "1"}, {"system": 5, "code": "2"}], [(None, "1", None), (None, "2", None)]),
        ([{"system": SNOMED, "code": "71341001:272741003=7771000"}], [(SNOMED, "71341001", None)]),
        ([{"system": SNOMED, "code": "71341001 |femur|:1=2"}], [(SNOMED, "71341001", None)]),
        ([{"system": LOINC, "code": "1:2"}], [(LOINC, "1:2", None)]),
        ([{"system": LOINC, "code": "1|2"}], [(LOINC, "1|2", None)]),
        ([{"system": ICD10CM, "code": "m8108xa"}], [(ICD10CM, "M81.08XA", None)]),
        ([{"system": ICD10CM, "code": "M81"}], [(ICD10CM, "M81", None)]),
        ([{"system": ICD10CM, "code": "m81.0"}], [(ICD10CM, "M81.0", None)]),
        ([{"system": ICD10CM, "code": "M810"}], [(ICD10CM, "M81.0", None)]),
        ([{"system": CPT, "code": "0554t"}], [(CPT, "0554t", None)]),
        ([{"system": CPT, "code": "77080"}], [(CPT, "77080", None)]),
        (["x", {}, {"code": ""}, {"code": " "}, {"code": 5}, {"code": "1"}], [(None, "1", None)]),
        ([], []),
        ("x", []),
        ({"system": LOINC, "code": "1"}, []),
        (None, []),
    ],
)
def test_codings(listed: object, expected: list[tuple[str | None, str, str | None]]) -> None:
    """Every coding with a code is read, in the order given; the malformed are passed over."""
    assert codings({"coding": listed}) == tuple(CodedValue(*item) for item in expected)


@pytest.mark.parametrize("concept", ["x", None, 5, [], {}, {"text": "x"}, [{"coding": []}]])
def test_no_concept(concept: object) -> None:
    """What is no CodeableConcept, or has only a text, has no codings."""
    assert codings(concept) == ()


ONE: dict[str, Any] = {"coding": [{"system": LOINC, "code": "1"}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(ONE, [ONE]), ([ONE, ONE], [ONE, ONE]), ([], []), (None, []), ("x", ["x"]), ({}, [{}])],
)
def test_concepts(value: object, expected: list[object]) -> None:
    """One concept or several are a list."""
    assert concepts(value) == expected


def test_system_longer_than_any() -> None:
    """A system of a megabyte is none, and is not remembered."""
    before = canonical_system.cache_info().currsize
    coding = {"system": f"http://loinc.org{'/' * 1_000_000}", "code": "1"}
    assert codings({"coding": [coding]}) == (CodedValue(None, "1"),)
    assert canonical_system.cache_info().currsize == before


@pytest.mark.parametrize(
    ("concept", "expected"),
    [
        ({"coding": [{"system": "x", "code": "1"}, {"code": "2"}]}, True),
        ({"coding": []}, False),
        ({"text": "x"}, True),
        ({}, False),
        ({"coding": [{"system": "x"}]}, False),
        ({"coding": [{"system": 1, "code": "1"}]}, False),
        ({"coding": [{"code": 1}]}, False),
        ({"coding": ["x"], "text": "x"}, False),
        ({"coding": {}}, False),
        ({"coding": "x"}, False),
        (None, False),
        ([], False),
    ],
)
def test_is_readable(concept: object, expected: bool) -> None:
    """Whether a concept surely hides no code: without a code or with a damaged one it may."""
    assert is_readable(concept) is expected
