"""Does a service still decide as it should? Its own examples are asked now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cds_service.engine.answer import answer
from cds_service.engine.explanation import as_json
from cds_service.protocol.service import Example, Service
from cds_service.registry import Client

_KEY = b"the cards of a heartbeat are shown to nobody"


@dataclass(frozen=True, slots=True)
class Beat:
    """One example that was tried.

    `differs` names what is not as expected: members of the order, `orders` where there is none, or
    the type of an exception. It is empty when all is well.
    """

    example: str
    differs: tuple[str, ...] = ()


def beat(service: Service, example: Example) -> Beat:
    """Answers an example as for a client without settings, without any FHIR server; never raises.

    Nothing of it is recorded, and no switch applies: a rule that is off still has to be right.
    """
    try:
        found = answer(
            service, _client(service), example.request, as_of=example.as_of, uuid_key=_KEY
        )
        orders = found.explanation["orders"]
    except Exception as error:
        return Beat(example.name, (type(error).__name__,))
    if not orders:
        return Beat(example.name, ("orders",))
    return Beat(example.name, _differences(orders[0], example.expected))


def _differences(order: Mapping[str, object], expected: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(
        name
        for name, value in expected.items()
        if name not in order or order[name] != as_json(value)
    )


def _client(service: Service) -> Client:
    return Client(
        name="heartbeat",
        profile="standard",
        mode="live",
        deadline_ms=2000,
        time_zone=ZoneInfo("UTC"),
        fhir_bases=(),
        cors_origins=(),
        settings={service.id: service.read_settings({})},
    )
