"""The charts of fixtures/ as plain resources, ready to be loaded into a FHIR server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builders import condition, medication_request, observation, patient

FIXTURES = Path(__file__).parents[2] / "fixtures"

Resource = dict[str, Any]


def charts() -> list[Resource]:
    """Every resource of the Synthea patients and of the published examples."""
    with gzip.open(FIXTURES / "synthea" / "bundles.ndjson.gz", "rt", encoding="utf-8") as lines:
        synthea = [resource for line in lines for resource in plain(json.loads(line))]
    return [*synthea, *examples()]


def small_chart() -> list[Resource]:
    """Patient `builders.PATIENT_ID`: five results, one of them with a category, and two more."""
    results = [
        observation(f"o{number}", "38267-1", -2.0 - number / 10, f"202{number}-01-01")
        for number in range(5)
    ]
    laboratory = {"system": "http://example.org/category", "code": "laboratory"}
    results[0]["category"] = [{"coding": [laboratory]}]
    drug = medication_request("m1", "904431", "2024-01-01")
    return [patient(), *results, condition("c1", "M81.0"), drug]


def plain(bundle: Resource) -> list[Resource]:
    """The resources of a Bundle under their own ids: `urn:uuid:` references become relative."""
    entries = bundle.get("entry", [])
    text = json.dumps([entry["resource"] for entry in entries])
    for entry in entries:
        url, resource = entry.get("fullUrl", ""), entry["resource"]
        if url.startswith("urn:uuid:"):
            text = text.replace(f'"{url}"', f'"{resource["resourceType"]}/{resource["id"]}"')
    return list(json.loads(text))


def examples() -> list[Resource]:
    """The published examples, and a Patient with an id only where one names a Patient not there."""
    files = sorted((FIXTURES / "fhir-examples").glob("*/*.json"))
    found = [_renamed(path) for path in files]
    people = {f"Patient/{item['id']}" for item in found if item["resourceType"] == "Patient"}
    named = {item.get("subject", {}).get("reference") for item in found} - {None}
    absent = sorted(named - people)
    return found + [{"resourceType": "Patient", "id": name.split("/")[1]} for name in absent]


def patients(resources: Iterable[Resource]) -> list[str]:
    """The ids of the Patients among the resources."""
    return [item["id"] for item in resources if item["resourceType"] == "Patient"]


def _renamed(path: Path) -> Resource:
    """One example. Two are called Observation/bmd, and a server can hold only one."""
    text = path.read_text("utf-8")
    found: Resource = json.loads(text)
    if path.parent.name == "hl7-r4-spec":
        found = json.loads(text.replace('"Observation/bmd"', '"Observation/hl7-bmd"'))
        if (found["resourceType"], found["id"]) == ("Observation", "bmd"):
            found["id"] = "hl7-bmd"
    return found
