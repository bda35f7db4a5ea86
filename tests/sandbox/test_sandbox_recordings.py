"""What the public CDS Hooks sandbox sent in a browser, posted to the service as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

FOLDER = Path(__file__).parents[2] / "fixtures" / "sandbox"
SERVICE_ID = "bone-density-imaging"
ORIGIN = "http://127.0.0.1:8093"


def _recordings() -> list[Path]:
    # Feedback (10 to 12) needs a store: tests/web/test_web_feedback.py.
    return [path for path in sorted(FOLDER.glob("*.json")) if path.name[:2] not in FEEDBACK]


FEEDBACK = frozenset({"10", "11", "12"})
STATUS = {"13": 422, "16": 422}
CARDS = {"05": 1, "06": 1, "07": 1, "08": 1}


def _send(client: FlaskClient, recording: dict[str, Any]) -> Any:
    path = re.sub(r"(\{service-id\}|stub-\w+)", SERVICE_ID, recording["path"])
    return client.open(
        path, method=recording["method"], headers=recording["headers"], json=recording.get("body")
    )


@pytest.mark.parametrize("path", _recordings(), ids=lambda path: path.stem)
def test_recording(client: FlaskClient, path: Path) -> None:
    """Each recording gets its status, CORS headers for the browser, and its number of cards."""
    recording = json.loads(path.read_text("utf-8"))
    response = _send(client, recording)
    number = path.name[:2]
    if recording["method"] == "OPTIONS":
        assert 200 <= response.status_code < 300
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        asked = recording["headers"]["Access-Control-Request-Headers"].split(",")
        assert all(name in allowed for name in asked)
    else:
        assert response.status_code == STATUS.get(number, 200)
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    if recording["method"] == "POST" and response.status_code == 200:
        assert len(response.json["cards"]) == CARDS.get(number, 0)


@pytest.mark.parametrize(
    ("number", "study", "status", "rating"),
    [
        ("05", "other-densitometry", "no-published-rating", None),
        ("07", "dxa-spine-hip", "rated", "usually-appropriate"),
        ("08", "qus", "rated", "usually-not-appropriate"),
    ],
)
def test_judged_as_surveillance(
    client: FlaskClient, number: str, study: str, status: str, rating: str | None
) -> None:
    """The imaging orders of the sandbox are judged in the surveillance scenario."""
    path = next(FOLDER.glob(f"{number}-*.json"))
    response = _send(client, json.loads(path.read_text("utf-8")))
    decision = response.json["cards"][0]["extension"]["org.bone-density-cds.decision"]
    assert decision["scenario"] == "surveillance"
    assert decision["study"] == study
    assert decision["ratingStatus"] == status
    assert decision.get("rating") == rating


def test_discovery_leaves_the_sandbox_order_select(client: FlaskClient) -> None:
    """The sandbox keeps services by address, the last entry of each: its imaging view calls ours.

    That view fires order-select. Kept for order-sign the service would never be asked.
    """
    entries = client.get("/cds-services").get_json()["services"]
    kept = {entry["id"]: entry["hook"] for entry in entries}
    assert kept[SERVICE_ID] == "order-select"
    assert {entry["hook"] for entry in entries} == {"order-select", "order-sign"}
