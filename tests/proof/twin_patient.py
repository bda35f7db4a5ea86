"""An abstract chart, small enough to read in one line, and the hook request that carries it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from builders import (
    CPT,
    ICD10CM,
    KEYS,
    LOINC,
    PATIENT_ID,
    RXNORM,
    SNOMED,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)


@dataclass(frozen=True)
class Result:
    """A T-score, Z-score or BMD in g/cm²; `when` is a date, a month, a year or None."""

    kind: str
    site: str
    value: float
    when: str | None
    status: str = "final"
    device: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """A coded condition; `purpose` says why the generator took the code, the code decides."""

    purpose: str
    code: str
    onset: date | None = None
    recorded: date | None = None
    clinical: str = "active"
    verification: str | None = None


@dataclass(frozen=True)
class Drug:
    """A medication order by RxCUI."""

    rxcui: str
    start: date | None = None
    status: str = "active"
    daily_mg: float | None = None


@dataclass(frozen=True)
class Height:
    """A body height in centimetres."""

    cm: float
    when: date


@dataclass(frozen=True)
class Scan:
    """A report or procedure without a readable result; `code` is a key of SCAN_CODES."""

    kind: str
    code: str
    when: str | None
    status: str = "done"


@dataclass(frozen=True)
class Patient:
    """A chart: who, what was measured, coded, taken and scanned, what was not read, the order.

    `order` is a key of ORDERS. `person` is read, unread, inactive or replaced. `lsc` says that the
    facility's least significant change of Device/A at the lumbar spine is 0.030 g/cm².
    """

    order: str
    sex: str | None = "female"
    birth: str | None = "1958-03-04"
    deceased: bool = False
    results: tuple[Result, ...] = ()
    conditions: tuple[Diagnosis, ...] = ()
    drugs: tuple[Drug, ...] = ()
    heights: tuple[Height, ...] = ()
    scans: tuple[Scan, ...] = ()
    unread: tuple[str, ...] = ()
    person: str = "read"
    lsc: bool = False


ORDERS: dict[str, tuple[str, str, str | None]] = {
    "77080": ("dxa-spine-hip", CPT, None),
    "38267-1": ("dxa-spine-hip", LOINC, None),
    "77085": ("dxa-spine-hip-vfa", CPT, None),
    "38268-9": ("dxa-unspecified", LOINC, None),
    "83311-1": ("dxa-unspecified", LOINC, None),
    "77081 forearm": ("dxa-forearm", CPT, "62413002"),
    "24890-6": ("dxa-forearm", LOINC, None),
    "77081 heel": ("dxa-heel", CPT, "80144004"),
    "38262-2": ("dxa-heel", LOINC, None),
    "77081": ("dxa-peripheral", CPT, None),
    "77086": ("vfa", CPT, None),
    "77089": ("tbs", CPT, None),
    "77078": ("qct", CPT, None),
    "76977": ("qus", CPT, None),
    "100225-2": ("qus", LOINC, None),
    "0554T": ("ct-fea", CPT, None),
    "0743T": ("ct-fea", CPT, None),
    "78350": ("other-densitometry", CPT, None),
    "312681000": ("bone-density-unspecified", SNOMED, None),
    "904431": ("osteoporosis-drug", RXNORM, None),
    "993456": ("osteoporosis-drug", RXNORM, None),
    "198145": ("none", RXNORM, None),
    "72148": ("none", CPT, None),
}
"""What can be ordered: study, code system, body site."""

RESULT_CODES = {
    ("T", "lumbar-spine"): "38267-1",
    ("T", "hip"): "38264-8",
    ("T", "femur"): "38263-0",
    ("T", "forearm"): "38265-5",
    ("T", "heel"): "38266-3",
    ("Z", "lumbar-spine"): "85394-5",
    ("Z", "hip"): "80933-5",
    ("Z", "femur"): "80934-3",
    ("Z", "forearm"): "80932-7",
    ("Z", "heel"): "80942-6",
    ("BMD", "lumbar-spine"): "24966-4",
    ("BMD", "hip"): "38261-4",
    ("BMD", "femur"): "24701-5",
    ("BMD", "forearm"): "24890-6",
    ("BMD", "heel"): "38262-2",
}
UNITS = {"T": "{T-score}", "Z": "{Z-score}", "BMD": "g/cm2"}
SCAN_CODES = {
    "77080": CPT,
    "77085": CPT,
    "38269-7": LOINC,
    "38268-9": LOINC,
    "24966-4": LOINC,
    "312681000": SNOMED,
    "76977": CPT,
}


def describe(chart: Patient) -> str:
    """The chart in one line, defaults left out."""
    parts = [f"{field.name}={_short(getattr(chart, field.name))}" for field in fields(Patient)]
    empty = {"deceased=False", "person=read", "lsc=False"}
    return " ".join(part for part in parts if part not in empty and not part.endswith("=()"))


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + "; ".join(_short(item) for item in value) + ")"
    if isinstance(value, Result | Diagnosis | Drug | Height | Scan):
        shown = [
            str(getattr(value, field.name))
            for field in fields(value)
            if field.name != "purpose" and getattr(value, field.name) != field.default
        ]
        return " ".join(shown)
    return str(value)


def site_settings(chart: Patient) -> dict[str, Any]:
    """The registry block of the service that belongs to the chart."""
    if not chart.lsc:
        return {}
    return {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.030}]}


def to_request(chart: Patient) -> dict[str, Any]:
    """The chart as an order-select request; unread parts have no prefetch key."""
    resources = [_result(item, f"result-{at}") for at, item in enumerate(chart.results, 1)]
    resources += [_height(item, f"height-{at}") for at, item in enumerate(chart.heights, 1)]
    resources += [
        _condition(item, f"condition-{at}") for at, item in enumerate(chart.conditions, 1)
    ]
    resources += [_drug(item, f"drug-{at}") for at, item in enumerate(chart.drugs, 1)]
    resources += [_scan(item, f"scan-{at}") for at, item in enumerate(chart.scans, 1)]
    found = request([_order(chart.order)], _person(chart), resources)
    if chart.person == "unread":
        found["prefetch"]["patient"] = None
    for resource_type in chart.unread:
        del found["prefetch"][KEYS[resource_type]]
    return found


def _person(chart: Patient) -> dict[str, Any]:
    more: dict[str, Any] = {"deceasedBoolean": True} if chart.deceased else {}
    if chart.person == "inactive":
        more["active"] = False
    if chart.person == "replaced":
        more["link"] = [{"other": {"reference": "Patient/pat-2"}, "type": "replaced-by"}]
    return patient(chart.sex, chart.birth, **more)


def _result(item: Result, identifier: str) -> dict[str, Any]:
    more = {"device": {"reference": item.device}} if item.device else {}
    code, unit = RESULT_CODES[item.kind, item.site], UNITS[item.kind]
    status, when = item.status, item.when
    return observation(identifier, code, item.value, when, unit=unit, status=status, **more)


def _height(item: Height, identifier: str) -> dict[str, Any]:
    return observation(identifier, "8302-2", item.cm, item.when.isoformat(), unit="cm")


def _condition(item: Diagnosis, identifier: str) -> dict[str, Any]:
    return condition(
        identifier,
        item.code,
        item.onset.isoformat() if item.onset else None,
        system=SNOMED if item.code.isdigit() else ICD10CM,
        clinical=item.clinical,
        verification=item.verification,
        **({"recordedDate": item.recorded.isoformat()} if item.recorded else {}),
    )


def _drug(item: Drug, identifier: str) -> dict[str, Any]:
    start = item.start.isoformat() if item.start else None
    status, daily = item.status, item.daily_mg
    return medication_request(identifier, item.rxcui, start, status=status, daily_mg=daily)


def _scan(item: Scan, identifier: str) -> dict[str, Any]:
    is_report = item.kind == "report"
    done = "final" if is_report else "completed"
    found: dict[str, Any] = {
        "resourceType": "DiagnosticReport" if is_report else "Procedure",
        "id": identifier,
        "status": done if item.status == "done" else item.status,
        "code": concept(SCAN_CODES[item.code], item.code),
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
    }
    if item.when:
        found["effectiveDateTime" if is_report else "performedDateTime"] = item.when
    return found


def _order(key: str) -> dict[str, Any]:
    _, system, site = ORDERS[key]
    code = key.split()[0]
    if system == RXNORM:
        return medication_request("draft-1", code, None, status="draft")
    more = {"bodySite": [concept(SNOMED, site)]} if site else {}
    return service_request("draft-1", code, system=system, **more)
