"""The worked patients of fixtures/worked-cases as hook requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builders import (
    CPT,
    SNOMED,
    bundle,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)

FOLDER = Path(__file__).parents[2] / "fixtures" / "worked-cases"
SERVICE_ID = "bone-density-imaging"


def cases() -> list[dict[str, Any]]:
    """The patients as they were written down."""
    return list(json.loads((FOLDER / "cases.json").read_text("utf-8"))["cases"])


def expectations() -> dict[str, dict[str, Any]]:
    """What each case must answer, in the words of the service."""
    return dict(json.loads((FOLDER / "expected.json").read_text("utf-8"))["cases"])


def hook_request(case: dict[str, Any]) -> dict[str, Any]:
    """One worked patient as an order-select request with a complete prefetch."""
    resources = [
        resource
        for position, item in enumerate(case["data"])
        if (resource := _resource(item, f"{item['type'].lower()}-{position + 1}"))
    ]
    person = patient(case["patient"]["sex"], case["patient"]["birthDate"])
    drafts = [
        service_request(
            f"draft-{position + 1}",
            order["cpt"],
            system=CPT,
            **({"doNotPerform": True} if order.get("doNotPerform") else {}),
        )
        for position, order in enumerate(case["order"])
    ]
    selected = [
        f"ServiceRequest/draft-{position + 1}"
        for position, order in enumerate(case["order"])
        if order.get("selected")
    ]
    return request(drafts, person, resources, selected=selected)


def site_settings(case: dict[str, Any]) -> dict[str, Any]:
    """The registry block that a case needs: the facility's LSC."""
    return {
        "lsc": [
            {
                "device": item["device"],
                "site": item["site"].replace("_", "-"),
                "value_g_per_cm2": item["value_g_cm2"],
            }
            for item in case["data"]
            if item["type"] == "FacilityLSC"
        ]
    }


def _resource(item: dict[str, Any], identifier: str) -> dict[str, Any] | None:
    if item["type"] == "Observation":
        more: dict[str, Any] = {}
        if "device" in item:
            more["device"] = {"reference": item["device"]}
        if "bodySite" in item:
            code = item["bodySite"].rsplit(" ", 1)[-1]
            more["bodySite"] = {"coding": [{"system": SNOMED, "code": code}]}
        return observation(
            identifier,
            item["loinc"],
            item["value"],
            item["effective"],
            unit=item["unit"],
            status=item["status"],
            **more,
        )
    if item["type"] == "Condition":
        system = {"system": SNOMED} if "snomed" in item else {}
        return condition(identifier, item.get("icd10") or item["snomed"], item["onset"], **system)
    if item["type"] == "MedicationRequest":
        return medication_request(
            identifier,
            item["rxcui"],
            item["authoredOn"],
            text=item.get("text"),
            status=item["status"],
            daily_mg=item.get("doseMgPerDay"),
        )
    return None


__all__ = ["SERVICE_ID", "bundle", "cases", "expectations", "hook_request", "site_settings"]
