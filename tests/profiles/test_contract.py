"""The contract of each profile: real answers keep it, and whatever breaks it is named by place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import service
import worked_cases
from decision_rows import hook_request, rows

from cds_service.engine import answer
from cds_service.profiles import PROFILES, response_of
from cds_service.profiles.contract import RULES, violations
from cds_service.protocol.advice import ChartNotReadable

NAMES = sorted(PROFILES)
ROWS = {row["case"]: row for row in rows()}
MAPPED = {
    "orderables": [
        {
            "study": study,
            "system": "urn:com.epic.cdshooks.action.code.system.preference-list-item",
            "code": str(number),
            "display": study,
        }
        for number, study in enumerate(
            ("dxa-spine-hip", "dxa-spine-hip-vfa", "dxa-forearm", "mri-lumbar-spine", "labs")
        )
    ]
}

Responder = Callable[..., dict[str, Any]]


@pytest.fixture
def respond(monkeypatch: pytest.MonkeyPatch) -> Responder:
    """The whole response of the real service in a profile; empty where the chart is not read."""

    def ask(profile: str, body: dict[str, Any], block: Any = None) -> dict[str, Any]:
        heard: dict[str, Any] = {}
        render = PROFILES[profile]

        def listen(advices: Any, **options: Any) -> list[dict[str, Any]]:
            heard.update(advices=advices, orders=options["orders"])
            return render(advices, **options)

        with monkeypatch.context() as patch:
            patch.setitem(PROFILES, profile, listen)
            client = replace(service.client(block), profile=profile)
            try:
                found = answer(
                    service.SERVICE,
                    client,
                    body,
                    as_of=date.fromisoformat(service.AS_OF),
                    uuid_key=service.KEY,
                )
            except ChartNotReadable:
                return {"cards": []}
        return response_of(profile, found.response["cards"], **heard)

    return ask


@pytest.mark.parametrize("profile", NAMES)
@pytest.mark.parametrize("block", [{}, MAPPED], ids=["unmapped", "mapped"])
def test_every_row_keeps_the_contract(respond: Responder, profile: str, block: Any) -> None:
    """Each row of the decision table answers within the rules, with and without orderables."""
    broken = {
        case: found
        for case, row in ROWS.items()
        if (found := violations(profile, respond(profile, hook_request(row), block)))
    }
    assert broken == {}


@pytest.mark.parametrize("profile", NAMES)
def test_every_worked_case_keeps_the_contract(respond: Responder, profile: str) -> None:
    """So does each worked patient."""
    broken = {
        case["id"]: found
        for case in worked_cases.cases()
        if (
            found := violations(
                profile,
                respond(profile, worked_cases.hook_request(case), worked_cases.site_settings(case)),
            )
        )
    }
    assert broken == {}


@pytest.mark.parametrize("profile", NAMES)
def test_same_cards_in_other_clothes(respond: Responder, profile: str) -> None:
    """Every profile says the same of the same orders: number, words and decision of the cards."""
    said = ("summary", "indicator", "extension", "links", "overrideReasons", "source")
    for case, row in ROWS.items():
        body = hook_request(row)
        standard, other = (respond(name, body, MAPPED)["cards"] for name in ("standard", profile))
        for one, two in zip(standard, other, strict=True):
            assert [one.get(name) for name in said] == [two.get(name) for name in said], case
            assert two["detail"].startswith(one["detail"]), case


@pytest.mark.parametrize(
    ("case", "steps"),
    [
        (
            "surveillance qus",
            {
                "standard": [("update", "0", True)],
                "epic": [("create", "0", True), ("delete", None, False)],
                "sandbox": [("update", "0", True)],
            },
        ),
        (
            "surveillance tbs",
            {"standard": [("create", "0", False)], "epic": [("create", "0", False)], "sandbox": []},
        ),
        ("surveillance dxa-spine-hip", {"standard": [], "epic": [], "sandbox": []}),
    ],
)
@pytest.mark.parametrize("profile", NAMES)
def test_one_decision_in_each_dialect(
    respond: Responder, profile: str, case: str, steps: dict[str, Any]
) -> None:
    """One proposal becomes what the client can do with it, in the client's own codes."""
    (card,) = respond(profile, hook_request(ROWS[case]), MAPPED)["cards"]
    found = [
        (
            action["type"],
            action["resource"]["code"]["coding"][0]["code"] if "resource" in action else None,
            suggestion["isRecommended"],
        )
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    ]
    assert found == steps[profile]


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Puts a value at a path such as `cards.0.uuid`; `...` takes it away."""
    *steps, last = path.split(".")

    def change(response: dict[str, Any]) -> None:
        place: Any = response
        for step in steps:
            place = place[int(step)] if step.isdigit() else place[step]
        if value is ...:
            del place[last]
        elif last.isdigit():
            place[int(last)] = value
        else:
            place[last] = value

    return change


S = "cards.0.suggestions.0"
A = f"{S}.actions.0"
D = "cards.0.suggestions.1.actions.0"
X = "extension.systemActions.0"
RATING = {"url": "http://fhir.org/argonaut/Extension/pama-rating"}


@pytest.mark.parametrize(
    ("profile", "path", "value", "place"),
    [
        ("standard", "cards", ..., "$.cards"),
        ("standard", "cards.0.summary", "x" * 140, "$.cards[0].summary"),
        ("standard", "cards.0.summary", "two\nlines", "$.cards[0].summary"),
        ("standard", "cards.0.indicator", "hard-stop", "$.cards[0].indicator"),
        ("standard", "cards.0.detail", None, "$.cards[0].detail"),
        ("standard", "cards.0.typo", "x", "$.cards[0].typo"),
        ("standard", "cards.0.links", [], "$.cards[0].links"),
        ("standard", "cards.0.selectionBehavior", "all", "$.cards[0].selectionBehavior"),
        ("standard", f"{S}.label", ..., "$.cards[0].suggestions[0].label"),
        ("standard", f"{A}.type", "CREATE", "$.cards[0].suggestions[0].actions[0].type"),
        ("standard", f"{A}.resource.id", ...,
         "$.cards[0].suggestions[0].actions[0].resource.id"),
        ("standard", f"{A}.resource.status", ["x"],
         "$.cards[0].suggestions[0].actions[0].resource"),
        ("standard", f"{A}.resource.note", [],
         "$.cards[0].suggestions[0].actions[0].resource.note"),
        ("standard", "systemActions", [], "$.systemActions"),
        ("epic", f"{S}.actions", ..., "$.cards[0].suggestions[0].actions"),
        ("epic", f"{A}.type", "update", "$.cards[0].suggestions[0].actions[0].type"),
        ("epic", f"{A}.description", "", "$.cards[0].suggestions[0].actions[0].description"),
        ("epic", f"{A}.description", " ", "$.cards[0].suggestions[0].actions[0].description"),
        ("epic", f"{A}.resource.id", "1", "$.cards[0].suggestions[0].actions[0].resource.id"),
        ("epic", f"{A}.resource.code", {"text": "DXA"},
         "$.cards[0].suggestions[0].actions[0].resource.code.coding[0]"),
        ("epic", f"{D}.resourceId", ..., "$.cards[0].suggestions[1].actions[0].resourceId"),
        ("epic", f"{D}.resourceId", "draft-1", "$.cards[0].suggestions[1].actions[0].resourceId"),
        ("epic", "cards.0.selectionBehavior", "at-most-one", "$.cards[0].selectionBehavior"),
        ("epic", "cards.0.uuid", ..., "$.cards[0].uuid"),
        ("epic", f"{S}.uuid", ..., "$.cards[0].suggestions[0].uuid"),
        ("epic", "cards.0.source.topic.code", "bone-density", "$.cards[0].source.topic.code"),
        ("epic", "cards.0.source.topic.code", "x" * 101, "$.cards[0].source.topic.code"),
        ("epic", "cards.0.source.topic.code", "é", "$.cards[0].source.topic.code"),
        ("epic", "cards.0.overrideReasons.0.code", ..., "$.cards[0].overrideReasons[0].code"),
        ("epic", "cards.0.overrideReasons.0.display", ...,
         "$.cards[0].overrideReasons[0].display"),
        ("epic", "cards.0.overrideReasons.1.code", "proceed-as-ordered",
         "$.cards[0].overrideReasons[1].code"),
        ("epic", "cards.0.links.0.type", "smart", "$.cards[0].links[0].type"),
        ("epic", "cards.0.extension", {"com.epic.cdshooks.card.detail.content-type": "text/html"},
         '$.cards[0].extension["com.epic.cdshooks.card.detail.content-type"]'),
        ("epic", "systemActions", [{}], "$.systemActions"),
        ("epic", "extension", {"systemActions": [{"type": "update"}]},
         "$.extension.systemActions"),
        ("sandbox", f"{S}.actions", ..., "$.cards[0].suggestions[0].actions"),
        ("sandbox", f"{A}.type", "create", "$.cards[0].suggestions[0].actions[0].type"),
        ("sandbox", f"{A}.description", "Replace",
         "$.cards[0].suggestions[0].actions[0].description"),
        ("sandbox", f"{A}.resource.extension", ...,
         "$.cards[0].suggestions[0].actions[0].resource.extension"),
        ("sandbox", f"{A}.resource.extension", [RATING],
         "$.cards[0].suggestions[0].actions[0].resource.extension[0].valueCodeableConcept.coding"),
        ("sandbox", f"{A}.resource.code.coding", [{"display": "x"}],
         "$.cards[0].suggestions[0].actions[0].resource.code.coding[0]"),
        ("sandbox", f"{A}.resource.reasonCode", ...,
         "$.cards[0].suggestions[0].actions[0].resource.reasonCode"),
        ("sandbox", f"{A}.resource.reasonCode", [{"text": "x"}],
         "$.cards[0].suggestions[0].actions[0].resource.reasonCode[0].coding"),
        ("sandbox", "cards.0.uuid", ..., "$.cards[0].uuid"),
        ("sandbox", "cards.0.detail", "A rating.", "$.cards[0].detail"),
        ("sandbox", "extension.systemActions", [], "$.extension.systemActions"),
        ("sandbox", "systemActions", [{}], "$.systemActions"),
        ("sandbox", "cards.0.extension", {"systemActions": [{}]}, "$.cards[0].systemActions"),
        ("sandbox", f"{X}.type", "create", "$.extension.systemActions[0].type"),
        ("sandbox", f"{X}.resource.id", ..., "$.extension.systemActions[0].resource.id"),
        ("sandbox", f"{X}.resource.extension", ...,
         "$.extension.systemActions[0].resource.extension"),
        ("sandbox", f"{X}.description", "Rate", "$.extension.systemActions[0].description"),
    ],
)  # fmt: skip
def test_what_breaks_it_is_named(
    respond: Responder, profile: str, path: str, value: Any, place: str
) -> None:
    """Every rule finds its breach, at its place, and says nothing of the answer's own values."""
    response = copy.deepcopy(respond(profile, hook_request(ROWS["surveillance qus"])))
    assert violations(profile, response) == ()
    _set(path, value)(response)
    found = violations(profile, response)
    assert place in {text.split(": ", 1)[0] for text in found}
    assert "draft-1" not in "".join(found)


def test_two_of_one_name(respond: Responder) -> None:
    """A uuid that is there twice, two actions in one suggestion, two recommendations."""
    response = respond("standard", hook_request(ROWS["surveillance qus"]))
    (card,) = response["cards"]
    twice = copy.deepcopy(card)
    both = {"cards": [card, twice]}
    assert [text for text in violations("standard", both) if "more than once" in text] == [
        "$.cards[0].suggestions[0].uuid: is there more than once",
        "$.cards[0].uuid: is there more than once",
        "$.cards[1].suggestions[0].uuid: is there more than once",
        "$.cards[1].uuid: is there more than once",
    ]
    twice["suggestions"][0]["actions"] *= 2
    assert any("exactly one action" in text for text in violations("epic", {"cards": [twice]}))
    two = twice | {"suggestions": [*twice["suggestions"], *card["suggestions"]]}
    assert any(text.startswith("$.cards[0]") for text in violations("standard", {"cards": [two]}))


@pytest.mark.parametrize("profile", NAMES)
@pytest.mark.parametrize(
    "response",
    [
        {},
        {"cards": {}},
        {"cards": [None, 7, []]},
        {"cards": [{"suggestions": [7, {"actions": [7, {"resource": 7}]}], "source": []}]},
        {"cards": [{"overrideReasons": {}, "links": [7], "extension": []}], "extension": []},
        {"cards": [], "extension": {"systemActions": {}}},
    ],
)
def test_any_json_may_be_checked(profile: str, response: dict[str, Any]) -> None:
    """An answer of any shape is judged, never a reason to fail."""
    assert violations(profile, response) != ()


def test_silence_keeps_every_contract() -> None:
    """No card is always right, and every profile has a contract."""
    assert sorted(RULES) == NAMES
    assert {violations(profile, {"cards": []}) for profile in NAMES} == {()}
