"""The sandbox in profile `sandbox`: its recordings answered so that its imaging view works."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import service

from cds_service.engine import answer
from cds_service.profiles import PROFILES, response_of
from cds_service.profiles.contract import violations

FOLDER = Path(__file__).parents[2] / "fixtures" / "sandbox"
RATING_URL = "http://fhir.org/argonaut/Extension/pama-rating"
ORDERS = ("04", "05", "06", "07", "08", "14", "15", "17", "18")

Responder = Callable[[dict[str, Any]], dict[str, Any]]


def body_of(number: str) -> dict[str, Any]:
    """What the sandbox posted."""
    path = next(FOLDER.glob(f"{number}-*.json"))
    return dict(json.loads(path.read_text("utf-8"))["body"])


@pytest.fixture
def respond(monkeypatch: pytest.MonkeyPatch) -> Responder:
    """The whole response of the real service to one body."""

    def ask(body: dict[str, Any]) -> dict[str, Any]:
        heard: dict[str, Any] = {}
        render = PROFILES["sandbox"]

        def listen(advices: Any, **options: Any) -> list[dict[str, Any]]:
            heard.update(advices=advices, orders=options["orders"])
            return render(advices, **options)

        with monkeypatch.context() as patch:
            patch.setitem(PROFILES, "sandbox", listen)
            client = replace(service.client(), profile="sandbox")
            as_of = date.fromisoformat(service.AS_OF)
            found = answer(service.SERVICE, client, body, as_of=as_of, uuid_key=service.KEY)
        return response_of("sandbox", found.response["cards"], **heard)

    return ask


class ImagingView:
    """What the imaging view of the sandbox (2026-03-31) keeps and does, no more careful than it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = copy.deepcopy(body)
        self.rating: str | None = None
        draft = body["context"]["draftOrders"]["entry"][0]["resource"]
        self.study = draft["code"]["coding"][0]
        self.reasons = [reason["coding"][0] for reason in draft["reasonCode"]]

    def post(self) -> dict[str, Any]:
        """The request for the order as it stands."""
        order = self.body["context"]["draftOrders"]["entry"][0]["resource"]
        order["code"] = {"coding": [self.study], "text": self.study["display"]}
        order["reasonCode"] = [
            {"coding": [reason], "text": reason["display"]} for reason in self.reasons
        ]
        return copy.deepcopy(self.body)

    def receive(self, response: dict[str, Any]) -> None:
        """Shows the first rating of the system actions; without one the old one stays."""
        actions = response.get("extension", {}).get("systemActions", ())
        ratings = [
            coding["code"]
            for action in actions
            if action["type"] == "update"
            for item in action["resource"].get("extension", ())
            if item["url"] == RATING_URL
            for coding in item["valueCodeableConcept"]["coding"]
        ]
        self.rating = ratings[0] if ratings else self.rating

    def take(self, suggestion: dict[str, Any]) -> None:
        """Applies its updates; fails like the view where rating, coding or reasons are missing."""
        for action in suggestion["actions"]:
            if action["type"] == "update":
                resource = action["resource"]
                found = [item for item in resource["extension"] if item["url"] == RATING_URL]
                self.rating = found[0]["valueCodeableConcept"]["coding"][0]["code"]
                self.study = resource["code"]["coding"][0]
                self.reasons = [reason["coding"][0] for reason in resource["reasonCode"]]


@pytest.mark.parametrize("number", ORDERS)
def test_recordings_keep_the_contract(respond: Responder, number: str) -> None:
    """Every order request of the sandbox is answered within what it can use."""
    assert violations("sandbox", respond(body_of(number))) == ()


@pytest.mark.parametrize(
    ("number", "rating"),
    [
        ("04", None),
        ("05", None),
        ("06", None),
        ("07", "appropriate"),
        ("08", "not-appropriate"),
        ("15", None),
    ],
)
def test_rating_shown(respond: Responder, number: str, rating: str | None) -> None:
    """The view shows the rating of the order; nothing where none is published."""
    response = respond(body_of(number))
    assert ("extension" in response) == (rating is not None)
    codes = [
        item["valueCodeableConcept"]["coding"][0]["code"]
        for action in response.get("extension", {}).get("systemActions", ())
        for item in action["resource"]["extension"]
        if item["url"] == RATING_URL
    ]
    assert codes == ([rating] if rating else [])


REASON = {
    "system": "http://snomed.info/sct",
    "code": "64859006",
    "display": "Osteoporosis (disorder)",
}


@pytest.mark.parametrize("reasons", [[], [REASON]], ids=["no reason", "one reason"])
def test_one_click_from_heel_ultrasound_to_dxa(
    respond: Responder, reasons: list[dict[str, str]]
) -> None:
    """Taking the suggestion changes order and rating; the order posted again gets the DXA card."""
    view = ImagingView(body_of("08"))
    view.reasons = reasons
    first = respond(view.post())
    view.receive(first)
    assert view.rating == "not-appropriate"
    (card,) = first["cards"]
    assert card["indicator"] == "warning"
    (suggestion,) = card["suggestions"]

    view.take(suggestion)
    assert (view.study["code"], view.rating, view.reasons) == ("77080", "appropriate", reasons)

    second = respond(view.post())
    view.receive(second)
    assert view.rating == "appropriate"
    (card,) = second["cards"]
    decision = card["extension"]["org.bone-density-cds.decision"]
    assert (card["indicator"], decision["study"]) == ("info", "dxa-spine-hip")
    assert "suggestions" not in card
