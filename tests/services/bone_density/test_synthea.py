"""Every Synthea patient with a QUS order: the answers as a table that a reader can check."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from builders import KEYS, service_request
from flask.testing import FlaskClient
from service import explain, only_order

FOLDER = Path(__file__).parents[3] / "fixtures" / "synthea"
ANSWERS = FOLDER / "answers.csv"
AS_OF = "2021-07-01"
COLUMNS = ("patient", "scenario", "rating", "status", "timing", "modifiers", "indicator")


def bundles() -> list[dict[str, Any]]:
    """The transaction Bundles, one per patient."""
    with gzip.open(FOLDER / "bundles.ndjson.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def qus_request(bundle: dict[str, Any]) -> dict[str, Any]:
    """A patient's whole record as prefetch, sorted by type, with a QUS order on the way."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for entry in bundle["entry"]:
        kept = {"fullUrl": entry["fullUrl"], "resource": entry["resource"]}
        by_type.setdefault(entry["resource"]["resourceType"], []).append(kept)
    person = by_type["Patient"][0]["resource"]
    draft = service_request("draft-1", "76977")
    draft["subject"] = {"reference": f"Patient/{person['id']}"}
    prefetch: dict[str, Any] = {"patient": person}
    for resource_type, key in KEYS.items():
        entries = by_type.get(resource_type, [])
        prefetch[key] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
        if entries:
            prefetch[key]["entry"] = entries
    return {
        "hook": "order-select",
        "hookInstance": "0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10",
        "context": {
            "userId": "Practitioner/1",
            "patientId": person["id"],
            "selections": ["ServiceRequest/draft-1"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
        "prefetch": prefetch,
    }


def _row(bundle: dict[str, Any]) -> dict[str, str]:
    explanation = explain(qus_request(bundle), as_of=AS_OF)
    order = only_order(explanation)
    patient = next(
        entry["resource"]["id"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    )
    return {
        "patient": patient,
        "scenario": order["scenario"],
        "rating": order["rating"] or "",
        "status": order["ratingStatus"],
        "timing": order["timing"],
        "modifiers": "; ".join(order["modifiers"]),
        "indicator": order["indicator"] or "",
    }


def test_answers(pytestconfig: pytest.Config) -> None:
    """The answers are those of the table, whose column `why` says it in words."""
    found = [_row(bundle) for bundle in bundles()]
    with ANSWERS.open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    if pytestconfig.getoption("--update-golden"):
        why = {row["patient"]: row["why"] for row in known}
        with ANSWERS.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*COLUMNS, "why"], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "why": why.get(row["patient"], "")} for row in found)
    assert [{name: row[name] for name in COLUMNS} for row in known] == found
    assert all(row["why"] for row in known)


def test_over_http(client: FlaskClient) -> None:
    """Each of them gets an answer over HTTP, never an error of ours."""
    for bundle in bundles():
        response = client.post("/cds-services/bone-density-imaging", json=qus_request(bundle))
        assert response.status_code == 200
