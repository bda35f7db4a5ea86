"""The rows of the decision table as hook requests; the notation is explained in its README."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from builders import (
    CPT,
    ICD10CM,
    KEYS,
    LOINC,
    PATIENT_ID,
    SNOMED,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)

TABLE = Path(__file__).parents[2] / "fixtures" / "decision-table" / "rows.csv"
AS_OF = "2026-11-23"
SYSTEMS = {"loinc": LOINC, "snomed": SNOMED, "cpt": CPT, "icd": ICD10CM}
RESULTS = {
    ("T", "lumbar-spine"): "38267-1",
    ("T", "hip"): "38264-8",
    ("T", "femur"): "38263-0",
    ("T", "forearm"): "38265-5",
    ("T", "heel"): "38266-3",
    ("Z", "lumbar-spine"): "85394-5",
    ("Z", "hip"): "80933-5",
    ("BMD", "lumbar-spine"): "24966-4",
    ("BMD", "hip"): "38261-4",
}
DRUGS = {
    "alendronate": "904431",
    "risedronate": "905024",
    "prednisone": "198145",
    "anastrozole": "84857",
    "teriparatide": "1435117",
    "denosumab": "993456",
    "leuprolide": "825334",
}
BODY_SITES = {"forearm": "62413002", "heel": "80144004"}


def rows() -> list[dict[str, str]]:
    """The table, one dictionary per row."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hook_request(row: dict[str, str]) -> dict[str, Any]:
    """One row as an order-select request; parts named under `unread` have no prefetch key."""
    resources: list[dict[str, Any]] = []
    for position, text in enumerate(_items(row["results"])):
        resources.append(_result(text, f"result-{position + 1}"))
    for position, text in enumerate(_items(row["conditions"])):
        resources.append(_condition(text, f"condition-{position + 1}"))
    for position, text in enumerate(_items(row["drugs"])):
        resources.append(_drug(text, f"drug-{position + 1}"))
    for position, text in enumerate(_items(row["scans"])):
        resources.append(_scan(text, f"scan-{position + 1}"))
    born, _, deceased = row["born"].partition(" ")
    person = patient(
        row["sex"] or None, born or None, **({"deceasedBoolean": True} if deceased else {})
    )
    found = request([_order(row["order"])], person, resources)
    for resource_type in _items(row["unread"]):
        del found["prefetch"][KEYS[resource_type]]
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(";") if item.strip()]


def _coded(text: str, default: str) -> tuple[str, str]:
    prefix, colon, code = text.partition(":")
    return (SYSTEMS[prefix], code) if colon else (default, text)


def _result(text: str, identifier: str) -> dict[str, Any]:
    kind, site, value, when, *more = text.split()
    options = dict(item.split("=", 1) for item in more)
    unit = {"T": "{T-score}", "Z": "{Z-score}", "BMD": "g/cm2"}[kind]
    extra = {"device": {"reference": options["device"]}} if "device" in options else {}
    return observation(
        identifier,
        RESULTS[kind, site],
        float(value),
        when,
        unit=unit,
        status=options.get("status", "final"),
        **extra,
    )


def _condition(text: str, identifier: str) -> dict[str, Any]:
    coded, *more = text.split()
    system, code = _coded(coded, ICD10CM)
    flags = {item for item in more if item.isalpha()}
    onset = next((item for item in more if not item.isalpha()), None)
    verification = next(iter(flags & {"provisional", "refuted"}), None)
    return condition(
        identifier,
        code,
        onset,
        system=system,
        clinical="resolved" if "resolved" in flags else "active",
        verification=verification,
    )


def _drug(text: str, identifier: str) -> dict[str, Any]:
    name, start, *more = text.split()
    dose = [item for item in more if item.endswith("mg/d")]
    status = next((item for item in more if item.isalpha()), "active")
    daily = float(dose[0].removesuffix("mg/d")) if dose else None
    return medication_request(identifier, DRUGS[name], start, daily_mg=daily, status=status)


def _scan(text: str, identifier: str) -> dict[str, Any]:
    kind, coded, when = text.split()
    system, code = _coded(coded, LOINC)
    subject = {"reference": f"Patient/{PATIENT_ID}"}
    if kind == "report":
        return {
            "resourceType": "DiagnosticReport",
            "id": identifier,
            "status": "final",
            "code": concept(system, code),
            "subject": subject,
            "effectiveDateTime": when,
        }
    return {
        "resourceType": "Procedure",
        "id": identifier,
        "status": "completed",
        "code": concept(system, code),
        "subject": subject,
        "performedDateTime": when,
    }


def _order(text: str) -> dict[str, Any]:
    if text.startswith("drug:"):
        return medication_request("draft-1", DRUGS[text[5:]], None, status="draft")
    coded, *site = text.split()
    system, code = _coded(coded, CPT)
    more = {"bodySite": [concept(SNOMED, BODY_SITES[site[0]])]} if site else {}
    return service_request("draft-1", code, system=system, **more)
