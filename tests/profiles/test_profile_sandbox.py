"""The profile for the public sandbox: what its imaging view is sent, and the test rating."""

from __future__ import annotations

from typing import Any

import advices
import pytest
from advices import CPT

from cds_service.profiles import EXTENSIONS, PROFILES, response_of
from cds_service.profiles.contract import violations
from cds_service.profiles.sandbox import RATING_SYSTEM, RATING_URL, extension, render
from cds_service.protocol.advice import Advice, Proposal, ProposalKind
from cds_service.protocol.orders import Order

INSTALLED = dict(PROFILES)
SUBJECT = {"reference": "Patient/p1"}
DRAFT: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "example-request-id",
    "status": "draft",
    "intent": "plan",
    "code": {"coding": [{"system": CPT, "code": "76977"}], "text": "Heel"},
    "subject": SUBJECT,
    "reasonCode": [],
}
REASON = {"coding": [{"system": "http://snomed.info/sct", "code": "64859006"}], "text": "x"}
OTHER = {"url": "https://example.org/e", "valueString": "heel"}


def rated(code: str) -> dict[str, Any]:
    """The extension that the sandbox reads."""
    return {
        "url": RATING_URL,
        "valueCodeableConcept": {"coding": [{"system": RATING_SYSTEM, "code": code}]},
    }


def proposal(**more: Any) -> Proposal:
    """A usually appropriate proposal of the better study."""
    kind = more.pop("kind", ProposalKind.REPLACE)
    values = {"resource": DRAFT, "recommended": True, "rating": "usually-appropriate"} | more
    return advices.proposal(kind, **values)


def advice(*proposals: Proposal, **more: Any) -> Advice:
    """Advice on the draft."""
    return advices.advice(*proposals, **{"order": "ServiceRequest/example-request-id"} | more)


def order(resource: dict[str, Any] = DRAFT, **more: Any) -> Order:
    """A draft as an order."""
    return Order(f"ServiceRequest/{resource.get('id')}", resource, True, **more)


def respond(*advices: Advice, orders: Any = None) -> dict[str, Any]:
    """The response, checked against what the sandbox needs."""
    drafts = (order(),) if orders is None else orders
    found = render(
        advices,
        client_name="demo",
        hook_instance="i",
        uuid_key=b"key",
        orderables={},
        orders=drafts,
        ruleset="2026.1.0",
    )
    response = response_of("sandbox", found, advices, drafts)
    assert violations("sandbox", response) == ()
    return response


@pytest.mark.parametrize(
    ("rating", "shown"),
    [
        ("usually-appropriate", "appropriate"),
        ("usually-not-appropriate", "not-appropriate"),
        ("may-be-appropriate", None),
        (None, None),
        ("anything-else", None),
    ],
)
def test_rating_of_the_judged_order(rating: str | None, shown: str | None) -> None:
    """Two ratings have a code; without one the response has no extension at all."""
    response = respond(advice(rating=rating))
    if shown is None:
        assert sorted(response) == ["cards"]
        return
    (action,) = response["extension"]["systemActions"]
    assert action == {
        "type": "update",
        "description": f"Show that the order is rated {shown} (test rating, not PAMA)",
        "resource": DRAFT | {"extension": [rated(shown)]},
    }


@pytest.mark.parametrize(
    ("changes", "reasons", "extensions"),
    [
        ({}, [], []),
        ({"reasonCode": [REASON]}, [REASON], []),
        ({"extension": [OTHER]}, [], [OTHER]),
        ({"extension": [OTHER, rated("appropriate")]}, [], [OTHER]),
        (
            {"extension": [
                {"url": f"{RATING_URL}-consult-id", "valueUri": "urn:uuid:1"},
                {"url": f"{RATING_URL}-qcdsm-consulted", "valueString": "x"},
                {"url": f"{RATING_URL}-auc-applied", "valueUri": "urn:x"},
            ]},
            [], [],
        ),
    ],
)  # fmt: skip
def test_an_order_changes_by_its_rating_only(changes: Any, reasons: Any, extensions: Any) -> None:
    """An earlier rating is replaced, everything else stays as it was sent."""
    draft = DRAFT | changes
    (action,) = respond(advice(), orders=(order(draft),))["extension"]["systemActions"]
    assert action["resource"] == DRAFT | {
        "reasonCode": reasons,
        "extension": [*extensions, rated("not-appropriate")],
    }


def test_only_orders_that_can_be_told_apart_are_rated() -> None:
    """Each rated order once; none that is excluded, twice there, invalid or not in the request."""
    second = DRAFT | {"id": "second"}
    two = (advice(), advice(order="ServiceRequest/second", rating="usually-appropriate"), advice())
    found = extension(two, (order(), order(second)))
    assert [item["resource"]["id"] for item in found["systemActions"]] == [DRAFT["id"], "second"]
    for orders in (
        (),
        (order(), order()),
        (order(excluded="status-revoked"),),
        (order(DRAFT | {"status": None}),),
    ):
        assert extension((advice(),), orders) == {}


def test_silence_shows_no_rating() -> None:
    """What a site has silenced or switched off shows nothing at all."""
    assert respond(advice(rating="usually-appropriate", indicator=None)) == {"cards": []}


def test_whole_suggestion() -> None:
    """The update has what the imaging view takes from it: rating, first coding, reasons."""
    (card,) = respond(advice(proposal()))["cards"]
    (suggestion,) = card["suggestions"]
    assert card["selectionBehavior"] == "at-most-one"
    assert card["detail"].endswith("\n\nAny rating this client shows is a test rating, not PAMA.")
    assert suggestion == {
        "uuid": suggestion["uuid"],
        "label": "Take the better one",
        "isRecommended": True,
        "actions": [
            {
                "type": "update",
                "description": "Takes the better one (test rating, not PAMA)",
                "resource": DRAFT
                | {
                    "code": {
                        "coding": [{"system": CPT, "code": "77080", "display": "Better study"}]
                    },
                    "extension": [rated("appropriate")],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, 1),
        ({"recommended": False}, 1),
        ({"rating": "may-be-appropriate"}, 0),
        ({"rating": None}, 0),
        ({"kind": ProposalKind.ADD}, 0),
        ({"kind": ProposalKind.REMOVE}, 0),
        ({"codes": ()}, 0),
        ({"resource": DRAFT | {"id": "other"}}, 0),
        ({"label": "", "description": ""}, 1),
    ],
)
def test_what_is_offered(changes: dict[str, Any], offered: int) -> None:
    """Only a replacement with a known rating: the view fails on one without, and skips others."""
    (card,) = respond(advice(proposal(**changes)))["cards"]
    assert len(card.get("suggestions", ())) == offered


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [
        ([], []),
        ([REASON, REASON], [REASON, REASON]),
        (None, []),
        ([{}], []),
        ([{"text": "only text"}], None),
        ([REASON, {"coding": []}], [REASON]),
    ],
)
def test_reasons(reasons: Any, kept: Any) -> None:
    """Reasons stay as sent, the empty list too; where the view could not read one, no offer."""
    draft = DRAFT | {"reasonCode": reasons}
    (card,) = respond(advice(proposal(resource=draft)), orders=(order(draft),))["cards"]
    found = [item["actions"][0]["resource"]["reasonCode"] for item in card.get("suggestions", ())]
    assert found == ([] if kept is None else [kept])


def test_profiles_by_name() -> None:
    """The profile and its extension are found under the name that the registry knows."""
    assert INSTALLED["sandbox"] is render
    assert EXTENSIONS.items() == {"sandbox": extension}.items()
