"""What a call has to be answered, from the engine in this process, and what refutes an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from benchmarks.charts import CHARTS, KEYS, Chart, draft, prefetched, resources, searchset
from cds_service.engine import answer, load_services
from cds_service.registry import DEVELOPMENT, load

AS_OF = "2026-11-23"
SERVICE = "bone-density-imaging"
EXTENSION = "org.bone-density-cds.decision"
_SAME = "@PATIENT@"
_KEPT_BASE = "http://127.0.0.1:1/soak/r4"
_OPEN_SCENARIO, _OPEN_TIMING = "insufficient-data", "unknown"
_OPEN_STATUS = ("conditional", "insufficient-data")
_GRAVITY = {None: 0, "info": 1, "warning": 2, "critical": 3}


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer says of the order; of silence without an explanation nothing is known."""

    has_card: bool
    study: str | None = None
    scenario: str | None = None
    modifiers: frozenset[str] = frozenset()
    rating: str | None = None
    rating_status: str | None = None
    timing: str | None = None
    indicator: str | None = None
    offers: frozenset[str] = frozenset()
    text: str = ""


def request(
    chart: Chart,
    patient: str,
    instance: str,
    base: str | None = None,
    keys: tuple[str, ...] = (),
    token: str | None = None,
) -> dict[str, Any]:
    """An order-select call; with a token the rest of the chart may be read from `base`."""
    call: dict[str, Any] = {
        "hook": "order-select",
        "hookInstance": instance,
        "context": {
            "userId": "Practitioner/1",
            "patientId": patient,
            "selections": ["ServiceRequest/draft-1"],
            "draftOrders": draft(chart, patient),
        },
        "prefetch": prefetched(chart, patient, base or _KEPT_BASE, keys),
    }
    if base is not None:
        call["fhirServer"] = base
    if token is not None:
        call["fhirAuthorization"] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": SERVICE,
        }
    return call


def expectations() -> dict[str, tuple[Claim, dict[str, Any]]]:
    """By chart what the engine says of the complete data: the claim, and the cards without uuids.

    What others refer to comes along here, as the service would have read it.
    """
    services = load_services()
    client = load(None, services).clients[DEVELOPMENT]
    found = {}
    for chart in CHARTS:
        body = request(chart, _SAME.strip("@"), "00000000-0000-4000-8000-000000000000")
        body["prefetch"] = complete(chart, _SAME.strip("@"))
        said = answer(
            services[SERVICE],
            client,
            body,
            as_of=date.fromisoformat(AS_OF),
            uuid_key=b"expected",
        )
        claim = of_explanation(said.explanation)
        found[chart.name] = (claim, comparable(said.response, _SAME.strip("@")))
    return found


def complete(chart: Chart, patient: str) -> dict[str, Any]:
    """The whole chart as prefetch, with what others refer to."""
    whole = prefetched(chart, patient, _KEPT_BASE, tuple(KEYS))
    more = resources(chart, patient)["Medication"]
    return whole | ({"referenced": searchset(_KEPT_BASE, more)} if more else {})


def comparable(response: dict[str, Any], patient: str) -> dict[str, Any]:
    """Cards without their uuids and with one name for every patient."""
    copy = json.loads(json.dumps(response).replace(patient, _SAME))
    for card in copy["cards"]:
        card.pop("uuid", None)
        for suggestion in card.get("suggestions", ()):
            suggestion.pop("uuid", None)
    return dict(copy)


def of_response(response: dict[str, Any]) -> Claim:
    """The claim that the one card of an answer makes."""
    if not response["cards"]:
        return Claim(has_card=False)
    card = response["cards"][0]
    decision = card["extension"][EXTENSION]
    return Claim(
        True,
        decision["study"],
        decision["scenario"],
        frozenset(decision.get("modifiers", ())),
        decision.get("rating"),
        decision.get("ratingStatus"),
        decision.get("timing"),
        card["indicator"],
        _offers(card),
        f"{card['summary']}\n{card.get('detail', '')}",
    )


def of_explanation(explanation: dict[str, Any]) -> Claim:
    """The claim of an explanation, which says more than its cards."""
    (order,) = explanation["orders"]
    cards = explanation["response"]["cards"]
    return Claim(
        bool(cards),
        order["study"],
        order["scenario"],
        frozenset(order["modifiers"]),
        order["rating"],
        order["ratingStatus"],
        order["timing"],
        order["indicator"],
        _offers(cards[0]) if cards else frozenset(),
        f"{cards[0]['summary']}\n{cards[0].get('detail', '')}" if cards else "",
    )


def _offers(card: dict[str, Any]) -> frozenset[str]:
    return frozenset(item["label"] for item in card.get("suggestions", ()))


def refutations(said: Claim, true: Claim) -> list[str]:
    """What of an answer the complete chart refutes; open words ("unknown") are never wrong."""
    if not said.has_card and said.scenario is None:
        return ["silent where there is something to say"] if true.has_card else []
    found = []
    if true.has_card and not said.has_card:
        found.append("silent where there is something to say")
    if said.study != true.study:
        found.append(f"study {said.study}, truly {true.study}")
    if said.scenario not in (true.scenario, _OPEN_SCENARIO):
        found.append(f"scenario {said.scenario}, truly {true.scenario}")
    if said.rating is not None and said.rating != true.rating:
        found.append(f"rating {said.rating}, truly {true.rating}")
    if said.rating_status not in (true.rating_status, *_OPEN_STATUS):
        found.append(f"rating status {said.rating_status}, truly {true.rating_status}")
    if said.timing not in (true.timing, _OPEN_TIMING):
        found.append(f"timing {said.timing}, truly {true.timing}")
    if said.modifiers - true.modifiers:
        found.append(f"modifiers {sorted(said.modifiers - true.modifiers)}")
    if _GRAVITY[said.indicator] > max(_GRAVITY[true.indicator], 1):
        found.append(f"indicator {said.indicator}, truly {true.indicator}")
    if said.offers - true.offers:
        found.append(f"offers {sorted(said.offers - true.offers)}")
    return found
