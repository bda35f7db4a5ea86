"""What holds in every profile: no link, order or text that could do harm, and stable uuids."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import advices
import pytest
import service
from advices import CPT
from builders import bundle, condition, observation, patient, request, service_request
from hypothesis import given, settings
from hypothesis import strategies as st
from never_said import forbidden_claims, words_of

from cds_service.engine import answer
from cds_service.fhir.checking import problem
from cds_service.profiles import DIALECTS, PROFILES, response_of
from cds_service.profiles.contract import violations
from cds_service.profiles.stripped import is_stripped
from cds_service.protocol.advice import Advice, Coding, Link, Proposal, ProposalKind
from cds_service.protocol.orders import Order

INSTALLED = dict(PROFILES)  # as imported, before any fixture listens in
NAMES = sorted(INSTALLED)
HOSTILE = (
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "\u202eevil\u2066",
    "two\r\nlines\u2028x",
    "`| a | b |`",
    "\x00\x1b[31m",
    "x" * 3000,
)


def draft(identifier: object = "draft-1", **more: Any) -> dict[str, Any]:
    """A draft order."""
    return {
        "resourceType": "ServiceRequest",
        "id": identifier,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": CPT, "code": "76977"}]},
    } | more


def proposal(kind: ProposalKind, resource: dict[str, Any], **more: Any) -> Proposal:
    """A usually appropriate proposal of the better study."""
    values = {"recommended": True, "rating": "usually-appropriate"} | more
    return advices.proposal(kind, resource, **values)


def advice(*proposals: Proposal, **more: Any) -> Advice:
    """Advice on the first draft, with everything on it."""
    values: dict[str, Any] = {
        "topic": Coding("https://example.org/topic", "Topic1", "Topic"),
        "links": (Link("Read", "https://example.org/a"),),
        "override_reasons": (Coding("https://example.org/reason", "r", "Reason"),),
    }
    return advices.advice(*proposals, **values | more)


def order(resource: dict[str, Any], **more: Any) -> Order:
    """A draft as an order."""
    return Order(f"ServiceRequest/{resource.get('id')}", resource, True, **more)


def respond(profile: str, *advices: Advice, orders: Any = None, **more: Any) -> dict[str, Any]:
    """The response of one profile."""
    values: dict[str, Any] = {
        "client_name": "demo",
        "hook_instance": "i",
        "uuid_key": b"key",
        "orderables": {},
        "orders": (order(draft()),) if orders is None else orders,
        "ruleset": "2026.1.0",
    } | more
    found = INSTALLED[profile](advices, **values)
    return response_of(profile, found, advices, values["orders"])


def actions(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every action of a response, those of the system too."""
    for card in response["cards"]:
        for suggestion in card.get("suggestions", ()):
            yield from suggestion["actions"]
    yield from response.get("extension", {}).get("systemActions", ())


def touched(response: dict[str, Any]) -> set[str]:
    """Names of the orders that would be changed or removed."""
    return {
        action.get("resourceId") or f"ServiceRequest/{action['resource']['id']}"
        for action in actions(response)
        if action["type"] != "create"
    }


STANDARD = "793c148d54f1130e291a15ceb6432cf0309dab12ca4fc5ee2437709b2c8ea5ad"


def test_standard_is_what_it_was() -> None:
    """The bytes of the standard profile, uuids included, as before there were other profiles."""
    several = (
        advice(proposal(ProposalKind.REPLACE, draft()), modifiers=("m",)),
        advice(indicator=None),
        advice(
            proposal(ProposalKind.ADD, {k: v for k, v in draft().items() if k != "id"}),
            proposal(ProposalKind.REMOVE, draft(), recommended=False),
            rating=None,
            summary="x " * 100,
            topic=Coding("https://example.org/topic", "a-b_c", "Topic"),
        ),
        advice(detail="", source_label="", links=(), override_reasons=()),
        advice(detail="", source_label="", links=(), override_reasons=()),
    )
    text = json.dumps(respond("standard", *several))
    assert hashlib.sha256(text.encode()).hexdigest() == STANDARD


IDS = st.sampled_from(["draft-1", "draft-2", "draft-3", "a/b", "", 7, None, "x.y-z" * 30])
KINDS = st.sampled_from(ProposalKind)


@pytest.mark.parametrize("profile", NAMES)
@settings(deadline=None)  # the first call loads the FHIR models
@given(
    there=st.lists(st.tuples(IDS, st.sampled_from([None, "status-revoked"])), max_size=4),
    wanted=st.lists(st.tuples(KINDS, IDS), max_size=4),
)
def test_only_orders_of_this_request_are_touched(profile: str, there: Any, wanted: Any) -> None:
    """Whatever is proposed: nothing but a proposed draft of this request, of a name of its own."""
    orders = tuple(order(draft(name), excluded=excluded) for name, excluded in there)
    proposals = tuple(proposal(kind, draft(name)) for kind, name in wanted)
    names = [f"ServiceRequest/{name}" for name, _ in there]
    allowed = {
        f"ServiceRequest/{name}"
        for name, excluded in there
        if excluded is None and names.count(f"ServiceRequest/{name}") == 1
    }
    response = respond(profile, advice(*proposals), orders=orders)
    assert touched(response) <= allowed
    for action in actions(response):
        assert "id" not in action.get("resource", {}) or action["type"] == "update"


@pytest.mark.parametrize("profile", NAMES)
def test_drafts_are_left_as_they_were(profile: str) -> None:
    """Rendering changes no resource of the request."""
    resource = draft(reasonCode=[], extension=[{"url": "https://example.org", "valueString": "x"}])
    before = json.dumps(resource)
    respond(profile, advice(proposal(ProposalKind.REPLACE, resource)), orders=(order(resource),))
    assert json.dumps(resource) == before


@pytest.mark.parametrize("profile", NAMES)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words(profile: str, text: str) -> None:
    """Labels and summaries are one plain line without anything that hides or turns text."""
    wrong = (
        proposal(ProposalKind.REPLACE, draft(), label=text, description=text),
        proposal(ProposalKind.ADD, {k: v for k, v in draft().items() if k != "id"}, label=text),
    )
    response = respond(
        profile,
        advice(*wrong, summary=text, source_label=text, links=(Link(text, "javascript:x"),)),
    )
    assert violations(profile, response) == ()
    (card,) = response["cards"]
    assert "links" not in card
    shown = [card["summary"], card["source"]["label"]]
    for suggestion in card.get("suggestions", ()):
        shown += [suggestion["label"], *(item["description"] for item in suggestion["actions"])]
    for line in shown:
        assert len(line) <= 230
        assert not re.search(r"[\x00-\x1f\u2028\u202e\u2066]", line)


@pytest.mark.parametrize("profile", NAMES)
@pytest.mark.parametrize("text", HOSTILE[:6], ids=range(6))
def test_hostile_charts(profile: str, text: str) -> None:
    """Text of a chart or an order becomes no HTML, link or image on a card of any profile."""
    code = {"coding": [{"system": CPT, "code": "76977", "display": text}], "text": text}
    body = request(
        [service_request("draft-1", "76977", note=[{"text": text}]) | {"code": code}],
        patient(name=[{"family": text}]),
        [
            observation("o-1", "38267-1", -1.8, "2024-11-10", device={"display": text}),
            condition("c-1", "M81.0", note=[{"text": text}]),
        ],
    )
    client = replace(service.client(), profile=profile)
    found = answer(service.SERVICE, client, body, as_of=date(2026, 11, 23), uuid_key=b"k")
    (card,) = found.response["cards"]
    outside_code = re.sub(r"`[^`\n]*`", "", words_of(card))
    assert not re.search(r"<[A-Za-z/!]|\]\(|javascript:|evil", outside_code)


@pytest.mark.parametrize("profile", NAMES)
def test_uuids(profile: str) -> None:
    """A repeated call repeats them, another client, call or key has others, none is there twice."""

    def uuids(**more: Any) -> list[str]:
        base = advice(proposal(ProposalKind.REPLACE, draft()))
        found = respond(profile, base, replace(base, rule="other"), base, **more)["cards"]
        return [card["uuid"] for card in found] + [
            item["uuid"] for card in found for item in card["suggestions"]
        ]

    first = uuids()
    assert first == uuids()
    others = [uuids(client_name="o"), uuids(hook_instance="j"), uuids(uuid_key=b"o")]
    everything = first + [item for found in others for item in found]
    assert len(set(everything)) == len(everything)


TEXT = st.text(max_size=120)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = ("status", "intent", "subject", "code", "reasonCode", "reasonReference", "requester",
            "encounter", "priority", "extension", "contained", "note", "extra")  # fmt: skip


@pytest.mark.parametrize("profile", NAMES)
@settings(deadline=None)  # the first call loads the FHIR models
@given(
    texts=st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT),
    changes=st.dictionaries(st.sampled_from(ELEMENTS), VALUES),
    kind=KINDS,
    rating=st.sampled_from(["usually-appropriate", "may-be-appropriate", None]),
)
def test_every_response_keeps_the_contract(
    profile: str, texts: Any, changes: Any, kind: ProposalKind, rating: Any
) -> None:
    """Whatever texts and drafts: the contract is kept and resources are valid FHIR."""
    resource = draft(**changes)
    response = respond(
        profile,
        advice(
            proposal(kind, resource, label=texts[0], description=texts[1]),
            summary=texts[2],
            detail=texts[3],
            source_label=texts[4],
            rating=rating,
        ),
        orders=(order(resource),),
    )
    assert violations(profile, response) == ()
    for action in actions(response):
        if "resource" in action:
            sent = {name: item for name, item in action["resource"].items() if item != []}
            assert problem(sent) is None


@pytest.mark.parametrize("profile", NAMES)
def test_own_words_are_allowed_ones(profile: str) -> None:
    """What a profile adds to the words of the service is nothing that cards never say."""
    response = respond(profile, advice(proposal(ProposalKind.REPLACE, draft())))
    said = "\n".join(words_of(card) for card in response["cards"])
    said += "\n".join(action["description"] for action in actions(response))
    assert forbidden_claims(said) == []


def test_every_profile_has_a_dialect() -> None:
    """Each profile says how its FHIR servers are asked: pages are counted, nothing is sorted."""
    assert sorted(DIALECTS) == NAMES
    for dialect in DIALECTS.values():
        assert (dialect.page_size, dict(dialect.parameters)) == (100, {})
        assert dialect.not_offered == frozenset()


WHOLE = request([service_request("draft-1", "76977")])
NO_ORDERS = WHOLE | {"context": {k: v for k, v in WHOLE["context"].items() if k != "draftOrders"}}


@pytest.mark.parametrize(
    ("profile", "body", "stripped"),
    [
        ("epic", NO_ORDERS, True),
        ("epic", NO_ORDERS | {"hook": "order-sign"}, True),
        ("epic", WHOLE, False),
        ("epic", WHOLE | {"context": WHOLE["context"] | {"draftOrders": bundle(())}}, False),
        ("epic", WHOLE | {"context": WHOLE["context"] | {"draftOrders": None}}, False),
        ("epic", NO_ORDERS | {"hook": "patient-view"}, False),
        ("epic", NO_ORDERS | {"hook": ["order-sign"]}, False),
        ("epic", {"hook": "order-sign"}, False),
        ("epic", [], False),
        ("standard", NO_ORDERS, False),
        ("sandbox", NO_ORDERS, False),
    ],
)
def test_stripped_requests(profile: str, body: Any, stripped: bool) -> None:
    """Epic may leave the orders out; elsewhere that is a mistake of the request."""
    assert is_stripped(profile, body) is stripped
