"""Cards of the standard profile: what stands on them, and what suggestions may touch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import advices
import pytest
from advices import CPT, advice
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.fhir.checking import problem
from cds_service.profiles import PROFILES
from cds_service.profiles.json_clean import NullNeeded, without_empties
from cds_service.profiles.standard import EXTENSION, render, shortened
from cds_service.protocol.advice import Advice, Coding, Link, Proposal, ProposalKind
from cds_service.protocol.orders import Order
from cds_service.protocol.validation import problems

INSTALLED = dict(PROFILES)  # as imported, before any fixture listens in
SUBJECT = {"reference": "Patient/p1"}
DRAFT: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "draft-1",
    "status": "draft",
    "intent": "order",
    "subject": SUBJECT,
    "code": {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.12", "code": "76977"}]},
}


def proposal(kind: ProposalKind = ProposalKind.REPLACE, **more: Any) -> Proposal:
    """A proposal of the better study."""
    resource = {k: v for k, v in DRAFT.items() if k not in ("id", "code")}
    values = {"resource": resource if kind is ProposalKind.ADD else DRAFT} | more
    return advices.proposal(kind, **values)


def order(resource: dict[str, Any] = DRAFT, **more: Any) -> Order:
    """A draft as an order."""
    return Order(f"ServiceRequest/{resource.get('id')}", resource, True, **more)


def cards(*advices: Advice, orders: Any = None, orderables: Any = None, **more: Any) -> Any:
    """The cards, checked against the response schema."""
    values: dict[str, Any] = {
        "client_name": "demo",
        "hook_instance": "i",
        "uuid_key": b"key",
        "orderables": orderables or {},
        "orders": (order(),) if orders is None else orders,
        "ruleset": "2026.1.0",
    }
    found = render(advices, **values | more)
    assert problems("response", {"cards": found}) == ()
    return found


def actions(*proposals: Proposal, **more: Any) -> list[Any]:
    """The actions of all suggestions of one card."""
    (card,) = cards(advice(*proposals), **more)
    return [action for item in card.get("suggestions", ()) for action in item["actions"]]


def test_whole_card() -> None:
    """A card has everything the advice says, and nothing else."""
    (card,) = cards(
        advice(
            proposal(recommended=True),
            modifiers=("m",),
            topic=Coding("https://example.org", "t", "Topic"),
            links=(Link("Read", "https://example.org/a"), Link("Bad", "javascript:x")),
            override_reasons=(Coding("https://example.org", "r", "Reason"), Coding("x", "y")),
        )
    )
    suggestion = card["suggestions"][0]
    assert card == {
        "uuid": card["uuid"],
        "summary": "Take another one.",
        "detail": "**Why**: because.",
        "indicator": "warning",
        "source": {
            "label": "Guideline",
            "url": "https://example.org/guideline",
            "topic": {"system": "https://example.org", "code": "t", "display": "Topic"},
        },
        "suggestions": [
            {
                "uuid": suggestion["uuid"],
                "label": "Take the better one",
                "isRecommended": True,
                "actions": suggestion["actions"],
            }
        ],
        "selectionBehavior": "at-most-one",
        "overrideReasons": [{"system": "https://example.org", "code": "r", "display": "Reason"}],
        "links": [{"label": "Read", "url": "https://example.org/a", "type": "absolute"}],
        "extension": {
            EXTENSION: {
                "order": "ServiceRequest/draft-1",
                "study": "worse",
                "scenario": "surveillance",
                "modifiers": ["m"],
                "rating": "usually-not-appropriate",
                "ratingStatus": "rated",
                "timing": "on-time",
                "ruleset": "2026.1.0",
            }
        },
    }


def test_smallest_card() -> None:
    """What the advice does not say is left out: no null, nothing empty."""
    (card,) = cards(
        advice(summary="", detail=" ", source_label="", source_url="http://x", rating=None)
    )
    assert sorted(card) == ["extension", "indicator", "source", "summary", "uuid"]
    assert card["source"] == {"label": "Clinical decision support"}
    assert not {"rating", "modifiers"} & card["extension"][EXTENSION].keys()


def test_silence_is_no_card() -> None:
    """Advice without an indicator gives no card; the others keep their order."""
    found = cards(advice(summary="a"), advice(indicator=None), advice(summary="b"))
    assert [card["summary"] for card in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ("Short.", "Short."),
        (" two\n lines\u202e ", "two lines"),
        ("x" * 139, "x" * 139),
        ("x" * 140, "x" * 138 + "…"),
        ("word " * 40, "word " * 26 + "word…"),
        ("a" * 130 + ", " + "b" * 20, "a" * 130 + "…"),
    ],
)
def test_summaries(summary: str, shown: str) -> None:
    """A summary is one plain line of at most 139 characters, cut at a word."""
    assert shortened(summary) == shown
    assert len(shown) <= 139


KEPT: dict[str, Any] = {
    "status": "draft",
    "intent": "plan",
    "subject": SUBJECT | {"display": "Jane"},
    "encounter": {"reference": "Encounter/1"},
    "requester": {"reference": "Practitioner/1"},
    "priority": "urgent",
    "reasonCode": [{"text": "follow-up"}],
    "reasonReference": [{"reference": "Condition/1"}],
    "authoredOn": "2026-11-23",
    "_priority": {"extension": [{"url": "https://example.org/x", "valueString": "y"}]},
    "note": [{"text": "left hip replaced"}],
    "contained": [{"resourceType": "Condition", "id": "c", "subject": SUBJECT}],
}
DROPPED: dict[str, Any] = {
    "text": {"status": "generated", "div": "<div>heel</div>"},
    "bodySite": [{"text": "heel"}],
    "orderDetail": [{"text": "x"}],
    "instantiatesCanonical": ["http://example.org/a"],
    "_instantiatesCanonical": [{"id": "x"}],
    "instantiatesUri": ["http://example.org/a"],
    "quantityQuantity": {"value": 1},
    "extension": [{"url": "https://example.org/e", "valueString": "heel"}],
}


def test_replacement_keeps_the_order() -> None:
    """An update is the client's draft with another code, without what belonged to the old one."""
    draft = DRAFT | KEPT | DROPPED
    before = copy.deepcopy(draft)
    (action,) = actions(proposal(resource=draft), orders=(order(draft),))
    assert action == {
        "type": "update",
        "description": "Takes the better one",
        "resource": {
            "resourceType": "ServiceRequest",
            "id": "draft-1",
            "code": {"coding": [{"system": CPT, "code": "77080", "display": "Better study"}]},
        }
        | KEPT,
    }
    assert draft == before


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"reasonCode": []}, None),
        ({"reasonCode": [{}]}, None),
        ({"reasonCode": [{"text": "", "coding": [{"code": "a", "system": None}]}]},
         [{"coding": [{"code": "a"}]}]),
        ({"reasonCode": None}, None),
    ],
)  # fmt: skip
def test_empty_values_are_stripped(changes: dict[str, Any], shown: Any) -> None:
    """A response holds neither null nor empty values, so a draft's are left out."""
    draft = DRAFT | changes
    (action,) = actions(proposal(), orders=(order(draft),))
    assert action["resource"].get("reasonCode") == shown


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"a": None, "b": "", "c": [], "d": {}, "e": [None, {"f": []}]}, None),
        ({"a": 0, "b": False, "c": ["x", ""]}, {"a": 0, "b": False, "c": ["x"]}),
        ({"given": ["a"], "_given": [{"id": "x"}]}, {"given": ["a"], "_given": [{"id": "x"}]}),
        ({"given": [None, "a"]}, {"given": ["a"]}),
        ({"given": [None, "a"], "_given": [{"id": "x"}, None]}, NullNeeded),
        ({"x": [{"given": ["a"], "_given": [None]}]}, NullNeeded),
    ],
)
def test_cleaning(value: Any, clean: Any) -> None:
    """Stripping never pairs a value with another one's extension."""
    if clean is NullNeeded:
        with pytest.raises(NullNeeded):
            without_empties(value)
    else:
        assert without_empties(value) == clean


OWN = Coding("urn:local", "OWN", "Ours")
LOCAL = DRAFT | {"code": {"coding": [{"system": "urn:local", "code": "X"}]}}


@pytest.mark.parametrize(
    ("draft", "orderables", "code"),
    [
        (DRAFT, {}, "77080"),
        (DRAFT, {"better": OWN}, "OWN"),
        (DRAFT, {"better": {"system": "urn:local", "code": "OWN", "display": "Ours"}}, "OWN"),
        (DRAFT, {"other": OWN}, "77080"),
        (LOCAL, {}, None),
        (LOCAL, {"better": OWN}, "OWN"),
        (DRAFT | {"code": {"text": "x"}}, {}, None),
        (DRAFT | {"code": 7}, {}, None),
    ],
)
@pytest.mark.parametrize("kind", [ProposalKind.REPLACE, ProposalKind.ADD])
def test_codes(kind: ProposalKind, draft: Any, orderables: Any, code: str | None) -> None:
    """The client's own code comes first, then one of the draft's code system, else no offer."""
    found = actions(proposal(kind), orders=(order(draft),), orderables=orderables)
    assert [a["resource"]["code"]["coding"][0]["code"] for a in found] == ([code] if code else [])


def test_addition_and_removal() -> None:
    """An added order is a new resource without id, a removed one is named only."""
    new = proposal(ProposalKind.ADD)
    fresh, gone = actions(
        replace(new, resource={**new.resource, "id": "draft-1"}), proposal(ProposalKind.REMOVE)
    )
    assert fresh["type"] == "create"
    assert "id" not in fresh["resource"]
    assert gone == {
        "type": "delete",
        "description": "Takes the better one",
        "resourceId": "ServiceRequest/draft-1",
    }


OTHER = DRAFT | {"id": "other"}


@pytest.mark.parametrize("kind", [ProposalKind.REPLACE, ProposalKind.REMOVE])
@pytest.mark.parametrize(
    ("resource", "orders"),
    [
        (OTHER, (order(),)),
        ({k: v for k, v in DRAFT.items() if k != "id"}, (order(),)),
        (DRAFT | {"id": 7}, (order(DRAFT | {"id": 7}),)),
        (DRAFT | {"id": "a/b"}, (order(DRAFT | {"id": "a/b"}),)),
        (DRAFT, ()),
        (DRAFT, (order(excluded="subject-missing"),)),
        (DRAFT, (order(), order())),
    ],
)
def test_suggestions_touch_only_this_requests_drafts(
    kind: ProposalKind, resource: Any, orders: tuple[Order, ...]
) -> None:
    """No action for a draft that is not there, is excluded, has no id or shares its id."""
    assert actions(proposal(kind, resource=resource), orders=orders) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"intent": ["order"]},
        {"subject": None},
        {"unknownElement": 1},
        {"modifierExtension": [{"url": "https://example.org/not"}]},
        {"note": [{"text": "a", "_text": 7}]},
        {"contained": [{"resourceType": "Nonsense"}]},
    ],
)
def test_invalid_resources_are_not_offered(changes: dict[str, Any]) -> None:
    """A draft that gives no valid resource keeps its card, without the suggestion."""
    draft = DRAFT | changes
    assert actions(proposal(resource=draft), orders=(order(draft),)) == []


def test_one_recommendation() -> None:
    """At most one suggestion of a card is recommended: at most one can be taken."""
    (card,) = cards(
        advice(
            proposal(ProposalKind.ADD),
            proposal(recommended=True),
            proposal(ProposalKind.ADD, recommended=True),
        )
    )
    assert [item["isRecommended"] for item in card["suggestions"]] == [False, True, False]


def test_uuids() -> None:
    """A repeated call repeats the uuids; whatever differs changes them; none is there twice."""

    def uuids(*advices: Advice, **more: Any) -> list[str]:
        found = cards(*advices, **more)
        return [card["uuid"] for card in found] + [
            item["uuid"] for card in found for item in card.get("suggestions", ())
        ]

    base = advice(proposal(), proposal(ProposalKind.ADD))
    first = uuids(base, base)
    assert first == uuids(base, base)
    others = [
        uuids(base, client_name="other"),
        uuids(base, hook_instance="j"),
        uuids(base, uuid_key=b"other"),
        uuids(replace(base, rule="other")),
        uuids(replace(base, order="ServiceRequest/2")),
        uuids(replace(base, detail="other")),
        uuids(base, ruleset="other"),
    ]
    everything = first + [item for found in others for item in found]
    assert len(set(everything)) == len(everything)


TEXT = st.text(max_size=200)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # the first call loads the FHIR models
@given(
    texts=st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT),
    draft=st.dictionaries(st.sampled_from([*DRAFT, *KEPT, *DROPPED, "extra"]), VALUES),
    kind=st.sampled_from(ProposalKind),
)
def test_every_card_is_valid(texts: Any, draft: Any, kind: ProposalKind) -> None:
    """Whatever texts and drafts, cards satisfy the schema and their resources are valid FHIR."""
    resource = DRAFT | draft
    (card,) = cards(
        advice(
            proposal(kind, label=texts[0], description=texts[1], resource=resource),
            summary=texts[2],
            detail=texts[3],
            source_label=texts[4],
            links=(Link(texts[0], "https://example.org"),),
        ),
        orders=(order(resource),),
    )
    for suggestion in card.get("suggestions", ()):
        for action in suggestion["actions"]:
            assert "resource" not in action or problem(action["resource"]) is None


def test_profiles_by_name() -> None:
    """The profile is found under the name that the registry knows."""
    assert INSTALLED["standard"] is render
