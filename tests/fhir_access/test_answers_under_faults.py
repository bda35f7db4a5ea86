"""Whatever the FHIR server does: the answer is in time, and what was not read is not absent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from builders import LOINC, concept, condition, medication_request, observation, patient
from fhir_asking import get
from fhir_calls import Caller, Outcome, body
from fhir_exchange import Exchange
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory

from cds_service.protocol.errors import WrongPatient

DEADLINE_MS = 700
LATE_S = 0.1
CHART = [
    patient(),
    observation("low", "38267-1", -2.7, "2023-05-10"),
    condition("c1", "M81.0"),
    medication_request("m1", "904431", "2023-06-01"),
    {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": concept(LOINC, "38268-9"),
        "subject": {"reference": "Patient/pat-1"},
        "effectiveDateTime": "2023-05-10",
    },
]
FAULTS = (
    # F-01 connecting, F-02 dripping, F-03 stopping
    "no-accept", "hang", "disconnect", "reset", "drip-headers", "drip-body",
    "stop-after-headers", "cut-json", "cut-body", "cut-chunked", "cut-unframed",
    # F-05 to F-08 statuses
    "429", "500", "502", "503", "504", "401", "403", "404",
    # F-09 no FHIR JSON
    "html-200", "xml", "bom", "wrong-content-type", "no-content-type", "not-json", "not-utf8",
    "nan", "array", "null", "empty", "duplicate-key", "deep-nesting",
    # F-10 outcomes, F-11 and F-12 pages, F-14 size
    "outcome-instead-of-bundle", "outcome-entry", "total-too-large", "pages-endless",
    "pages-loop", "pages-offhost", "pages-other-tenant", "401-mid-paging", "huge-string",
    "gzip-bomb", "huge-entries", "301", "302", "307", "308",
)  # fmt: skip
SEARCHED = ("Observation", "Condition", "MedicationStatement", "MedicationRequest",
            "DiagnosticReport", "Procedure")  # fmt: skip
HARMLESS_ALONE = {"huge-string", "huge-entries", "pages-loop", "pages-offhost",
                  "pages-other-tenant", "401-mid-paging", "no-content-type"}  # fmt: skip
"""Faults that the chart above is too small to show, or that add to a search and hide nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    """The chart behind every fault."""
    with FaultyServer(InMemory(CHART)) as running:
        # The largest answers are made once, not in the time of the first call that meets them.
        for kind in ("gzip-bomb", "huge-string", "huge-entries"):
            for resource_type in ("Patient", *SEARCHED):
                get(f"{running.base(kind)}/{resource_type}?patient=pat-1")
        yield running


def deadline_for(kind: str) -> int:
    """The usual deadline where the fault is work for the processor, a short one otherwise."""
    return 2000 if kind.startswith(("huge", "gzip")) else DEADLINE_MS


def timed(found: Outcome, deadline_ms: int = DEADLINE_MS) -> Outcome:
    """The same, when it came in time."""
    assert found.seconds <= deadline_ms / 1000 + LATE_S, found.seconds
    return found


def assert_claims_nothing(found: Outcome) -> None:
    """What was not read is named, and nothing is said to be absent."""
    assert found.reasons
    if found.explanation is None:
        return
    text = str(found.cards)
    assert not re.search("[Nn]o prior DXA was found", text)
    assert found.order["scenario"] != "initial-testing"
    assert found.order["timing"] != "early-without-reason"
    assert "**Could not be checked**" in text


@pytest.mark.parametrize("kind", FAULTS)
def test_every_read_fails(server: FaultyServer, kind: str) -> None:
    """A server that does this to every read: 412 in time, or a card that names what is missing."""
    if kind not in server.kinds and kind not in ("no-accept", "disconnect"):
        pytest.fail(f"no such fault: {kind}")
    deadline_ms = deadline_for(kind)
    found = timed(Caller(deadline_ms=deadline_ms).call(body(server.base(kind))), deadline_ms)
    if found.explanation is not None and kind in HARMLESS_ALONE:
        return
    assert_claims_nothing(found)
    assert server.seen_elsewhere() == []


ONE_TYPE = [kind for kind in FAULTS if kind not in ("no-accept", "disconnect")]


@pytest.mark.parametrize("only", ["Observation", "Condition", "DiagnosticReport"])
@pytest.mark.parametrize("kind", ONE_TYPE)
def test_one_read_fails(server: FaultyServer, kind: str, only: str) -> None:
    """A server that does this to one type: the rest of the chart is used, the gap is named."""
    request = body(server.base(kind, only=only))
    deadline_ms = deadline_for(kind)
    found = timed(Caller(deadline_ms=deadline_ms).call(request), deadline_ms)
    assert set(found.reasons) <= {only}
    if not found.reasons and kind in HARMLESS_ALONE:
        return
    assert_claims_nothing(found)


@pytest.mark.parametrize(
    ("kind", "most"),
    [("500", 2), ("502", 2), ("503", 2), ("504", 2), ("reset", 2), ("401", 1), ("403", 1),
     ("404", 1), ("429", 1), ("html-200", 1), ("302", 1), ("bom", 1)],
)  # fmt: skip
def test_tries(server: FaultyServer, kind: str, most: int) -> None:
    """One more try after trouble of the server's own, none after a refusal."""
    server.forget()
    timed(Caller(deadline_ms=2000).call(body(server.base(kind))), 2000)
    counts = Counter(seen.path + seen.query for seen in server.seen(kind))
    assert set(counts.values()) == {most}


def late_failure(exchange: Exchange) -> None:
    """503 after most of the time has gone."""
    if not exchange.wait(0.45):
        exchange.refuse(503, "transient", "too late")


def test_no_second_try_late() -> None:
    """No second try where less than two fifths of the time are left."""
    with FaultyServer(InMemory(CHART), extra={"late": late_failure}) as running:
        timed(Caller(deadline_ms=DEADLINE_MS).call(body(running.base("late"))))
        counts = Counter(seen.path + seen.query for seen in running.seen("late"))
    assert set(counts.values()) == {1}


def test_flaky_server_is_read(server: FaultyServer) -> None:
    """A server that fails once for each read is read all the same."""
    server.forget()
    found = timed(Caller(deadline_ms=2000).call(body(server.base("flaky"))), 2000)
    assert (found.reasons, found.order["scenario"]) == ({}, "surveillance")


def busy_for_an_hour(exchange: Exchange) -> None:
    """503 with a Retry-After that no caller can wait for."""
    exchange.refuse(503, "transient", "come back later", {"Retry-After": "3600"})


def test_retry_after_is_not_waited_for() -> None:
    """Retry-After beyond the deadline ends the reading at once."""
    with FaultyServer(InMemory(CHART), extra={"hour": busy_for_an_hour}) as running:
        found = Caller(deadline_ms=5000).call(body(running.base("hour")))
        counts = Counter(seen.path + seen.query for seen in running.seen("hour"))
    assert found.seconds < 2
    assert set(counts.values()) == {1}


def test_slow_server_is_awaited(server: FaultyServer) -> None:
    """A server that takes 100 ms for each read costs little more: reads run side by side."""
    found = Caller(deadline_ms=2000).call(body(server.base("slow", "100")))
    assert (found.reasons, found.order["scenario"]) == ({}, "surveillance")
    assert found.seconds < 0.6


def test_another_patients_data_ends_the_call(server: FaultyServer) -> None:
    """No answer is built on a server that mixes patients up."""
    with pytest.raises(WrongPatient):
        Caller().call(body(server.base("other-patient", only="Condition")))


def test_a_hanging_server_is_left_alone(server: FaultyServer) -> None:
    """After ten failures the server is not asked for a while; calls to others go on."""
    caller = Caller(deadline_ms=300)
    base, healthy = server.base("hang"), server.base("healthy")
    for _ in range(12):
        timed(caller.call(body(base)), 300)
    found = [caller.call(body(base)) for _ in range(3)]
    assert min(one.seconds for one in found) < 0.1  # the machine of the test may be busy once
    assert found[0].reasons["Patient"] == "prefetch key absent, this server has been failing"
    assert caller.call(body(healthy)).reasons == {}
