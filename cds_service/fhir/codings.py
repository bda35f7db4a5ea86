"""Codings of a CodeableConcept, with the many spellings of a code system made one."""

from __future__ import annotations

from functools import lru_cache

from cds_service.values import dataclass

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"

_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "http://hl7.org/fhir/sid/icd-10": ICD10CM,
    "http://terminology.hl7.org/codesystem/icd10cm": ICD10CM,
    "http://terminology.hl7.org/codesystem/icd-10-cm": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.12": CPT,
    "http://terminology.hl7.org/codesystem/cpt": CPT,
    "urn:oid:2.16.840.1.113883.6.285": HCPCS,
    "urn:oid:2.16.840.1.113883.6.14": HCPCS,
    "http://terminology.hl7.org/codesystem/hcpcs": HCPCS,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
}
_CANONICAL = {
    value.casefold(): value for value in (LOINC, SNOMED, ICD10CM, CPT, HCPCS, RXNORM, ATC, UCUM)
}


_LONGEST_SYSTEM = 1000
"""Characters; what is longer is no code system, and must not be kept in a cache."""


@lru_cache(maxsize=256)
def canonical_system(system: str) -> str:
    """The canonical URI of a code system: OIDs, case, http/https and a trailing slash are one."""
    key = system.strip().rstrip("/").casefold()
    if key.startswith("https://"):
        key = "http://" + key[8:]
    if f"{key}/".startswith("http://snomed.info/sct/"):  # editions: …/sct/731000124108/version/…
        return SNOMED
    return _CANONICAL.get(key) or _ALIASES.get(key) or system.strip()


@dataclass(frozen=True, slots=True)
class CodedValue:
    """One coding as received, its system in canonical form."""

    system: str | None
    code: str
    display: str | None = None


def codings(concept: object) -> tuple[CodedValue, ...]:
    """Every coding of a CodeableConcept that has a code; anything malformed is passed over.

    A post-coordinated SNOMED CT expression counts for its focus concept (before the colon).
    """
    listed = concept.get("coding") if isinstance(concept, dict) else None
    if not isinstance(listed, list):
        return ()
    found = []
    for item in listed:
        code = item.get("code") if isinstance(item, dict) else None
        if not isinstance(code, str):
            continue
        system, display = item.get("system"), item.get("display")
        canonical = None
        if isinstance(system, str) and len(system) <= _LONGEST_SYSTEM:
            canonical = canonical_system(system)
        bare = code.strip()
        if canonical in _FORMS:
            bare = _FORMS[canonical](bare)
        if bare:
            shown = display if isinstance(display, str) else None
            found.append(CodedValue(canonical, bare, shown))
    return tuple(found)


def is_readable(concept: object) -> bool:
    """Whether every coding of a CodeableConcept can be read; one with words alone has none."""
    listed = concept.get("coding") if isinstance(concept, dict) else None
    if listed is None:
        return isinstance(concept, dict) and isinstance(concept.get("text"), str)
    if not isinstance(listed, list) or not listed:
        return False
    return all(
        isinstance(item, dict)
        and isinstance(item.get("code"), str)
        and isinstance(item.get("system", ""), str)
        for item in listed
    )


def _focus(expression: str) -> str:
    """The focus concept of a SNOMED CT expression, without its term."""
    return expression.partition(":")[0].partition("|")[0].strip()


def _dotted(code: str) -> str:
    """An ICD-10-CM code in capitals, with its dot."""
    code = code.upper()
    if len(code) > 3 and "." not in code:  # M8108XA: billing systems leave the dot out
        return f"{code[:3]}.{code[3:]}"
    return code


_FORMS = {SNOMED: _focus, ICD10CM: _dotted}
"""The form in which codes of a system are looked up, where that is not the one they come in."""


def concepts(value: object) -> list[object]:
    """A CodeableConcept or a list of them, always as a list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
