"""What is read from the FHIR server, what is not, and what is made of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from builders import (
    KEYS,
    RXNORM,
    bundle,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    prefetch,
)
from fhir_calls import TOKEN, Caller, body
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory

from cds_service.chart.pages import Pages
from cds_service.egress import Base
from cds_service.protocol.errors import WrongPatient

CENTRAL = observation("low", "38267-1", -2.7, "2023-05-10")
CHART = [
    patient(),
    CENTRAL,
    condition("c1", "M81.0"),
    medication_request("m1", "904431", "2023-06-01"),
]


@pytest.fixture
def server() -> Any:
    """A server with one small chart."""
    with FaultyServer(InMemory(CHART)) as running:
        yield running


def with_server(resources: list[dict[str, Any]]) -> FaultyServer:
    """A server with other resources."""
    return FaultyServer(InMemory(resources))


def asked(running: FaultyServer, kind: str = "healthy", argument: str | None = None) -> list[str]:
    """The resource types that were asked for, sorted."""
    return sorted(seen.resource_type for seen in running.seen(kind, argument))


TYPES = sorted({"Patient", *KEYS})


def test_everything_missing_is_read(server: FaultyServer) -> None:
    """Without prefetch every published query is asked once, with the token of the request."""
    found = Caller().call(body(server.base("healthy")))
    assert asked(server) == TYPES
    assert found.order["scenario"] == "surveillance"
    assert (found.order["timing"], found.reasons) == ("on-time", {})
    for seen in server.seen("healthy"):
        assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
        assert seen.method == "GET"
    queries = {seen.resource_type: seen.query for seen in server.seen("healthy")}
    assert queries["Condition"] == "patient=pat-1&_count=100"
    assert queries["Observation"].startswith("patient=pat-1&code=http://loinc.org%7C")


def test_only_what_is_missing_is_read(server: FaultyServer) -> None:
    """Keys that came are not read again, whatever is in them."""
    given = {
        "patient": patient(),
        "observations": bundle([CENTRAL]),
        "conditions": None,
        "reports": {"resourceType": "OperationOutcome", "issue": []},
        "renamed": bundle([medication_request("m1", "904431", "2023-06-01")]),
    }
    found = Caller().call(body(server.base("healthy"), prefetch=given))
    assert asked(server) == ["MedicationStatement", "Procedure"]
    assert found.reasons == {"DiagnosticReport": "OperationOutcome: no code"}


def test_complete_prefetch_reads_nothing(server: FaultyServer) -> None:
    """A complete prefetch, or an order that is not ours, sends nothing to anyone."""
    Caller().call(body(server.base("healthy"), prefetch=prefetch(patient(), CHART[1:])))
    Caller().call(body(server.base("healthy"), code="80053"))
    assert server.seen("healthy") == []


@pytest.mark.parametrize(
    ("scopes", "types"),
    [
        ("patient/*.read", TYPES),
        ("user/*.rs", TYPES),
        ("system/*.cruds", TYPES),
        ("patient/*.*", TYPES),
        ("patient/Patient.r patient/Observation.s", ["Observation", "Patient"]),
        ("patient/Patient.s patient/Observation.r", []),
        ("patient/*.write", []),
        ("patient/*.cud", []),
        ("launch openid fhirUser", []),
        ("", []),
        ("patient/Patient.rs patient/observation.rs patient/Condition", ["Patient"]),
    ],
)
def test_scopes(server: FaultyServer, scopes: str, types: list[str]) -> None:
    """Nothing is asked that is not granted, in both grammars; what is not granted is named."""
    given = {"renamed": bundle([CENTRAL, condition("c1", "M81.0")])} if "Obs" in scopes else {}
    found = Caller().call(body(server.base("healthy"), scopes=scopes, prefetch=given))
    assert asked(server) == [one for one in types if not given or one == "Patient"]
    assert "prefetch key absent, scope not granted" in found.reasons.values() or types == TYPES


def test_restricted_scope(server: FaultyServer) -> None:
    """A scope for some resources only leaves the part incomplete, and says so."""
    scopes = "patient/*.r patient/*.s?category=laboratory"
    found = Caller().call(body(server.base("healthy"), scopes=scopes))
    assert found.reasons["Observation"] == "scope granted for some resources only"
    assert "No prior DXA" not in str(found.cards)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token_type": "MAC"}, "the access token is no bearer token"),
        ({"expires_in": 0}, "the access token has expired"),
        ({"expires_in": -5}, "the access token has expired"),
    ],
)
def test_unusable_token(server: FaultyServer, change: dict[str, Any], reason: str) -> None:
    """A token that is none, or that has expired, is not sent anywhere."""
    request = body(server.base("healthy"))
    request["fhirAuthorization"] |= change
    found = Caller().call(request)
    assert server.seen("healthy") == []
    assert found.reasons["Patient"] == f"prefetch key absent, {reason}"


@pytest.mark.parametrize("has_server", [True, False])
def test_no_access(server: FaultyServer, has_server: bool) -> None:
    """Without a token, or without a server too, nothing is asked."""
    base = server.base("healthy") if has_server else None
    found = Caller().call(body(base, token=None))
    assert server.seen("healthy") == []
    assert found.reasons["Patient"] == "prefetch key absent, no FHIR access"


def test_server_that_is_not_allowed(server: FaultyServer) -> None:
    """A server beside those of the client's entry is not asked."""
    caller = Caller(fhir_bases=(server.base("epic"),))
    found = caller.call(body(server.base("healthy")))
    assert server.seen("healthy") == []
    assert re.fullmatch("prefetch key absent, .*", found.reasons["Patient"])
    assert caller.call(body(server.base("epic"))).order["scenario"] == "surveillance"


@pytest.mark.parametrize(
    "patient_id", ["..", ".", "a?b", "a&code=x", "a#b", "a b", "é", "a%2Fb", "a\\b"]
)
def test_strange_ids(server: FaultyServer, patient_id: str) -> None:
    """An id is a value, never a path or a parameter, whatever is in it."""
    Caller().call(body(server.base("healthy"), patient_id))
    for seen in server.seen("healthy"):
        assert seen.path.count("/") <= 1
        assert "code=x" not in seen.query.split("&")
        assert seen.path.split("/")[0] in TYPES


# --- Pages ---


def test_pages_of_a_prefetched_bundle(server: FaultyServer) -> None:
    """The further pages of a Bundle that came in part are read from where it says."""
    base = server.base("healthy")
    url = f"{base}/Observation?patient=pat-1&code=38267-1"
    first = {**bundle([observation("old", "38267-1", -2.0, "2020-05-10")]), "total": 2}
    first["link"] = [{"relation": "next", "url": url}]
    given = prefetch(patient(), CHART[2:]) | {"observations": first}
    found = Caller().call(body(base, prefetch=given))
    assert [seen.query for seen in server.seen("healthy")] == ["patient=pat-1&code=38267-1"]
    assert found.reasons == {}
    assert "2023-05-10" in found.cards[0]["detail"]
    assert "2020-05-10" in found.cards[0]["detail"]


@pytest.mark.parametrize("url", ["http://[", "http://[x]/Observation", 7, "", "//[/x"])
def test_next_page_at_no_address(server: FaultyServer, url: object) -> None:
    """A link that is no address is not followed, and what it leads to is open."""
    first = {**bundle([CENTRAL]), "link": [{"relation": "next", "url": url}]}
    given = prefetch(patient(), CHART[2:]) | {"observations": first}
    found = Caller().call(body(server.base("healthy"), prefetch=given))
    assert found.reasons == {"Observation": "paged, next page is elsewhere"}
    assert server.seen("healthy") == []


@pytest.mark.parametrize(
    ("links", "address"),
    [
        (None, None),
        ([], None),
        ([{"relation": "self", "url": "?page=1"}], None),
        ([{"relation": "next", "url": "?page=2"}], "https://fhir.example/r4/Observation?page=2"),
        ({"relation": "next", "url": "?page=2"}, None),
        (["?page=2"], None),
    ],
)
def test_links_of_a_page(links: object, address: str | None) -> None:
    """Links that cannot be read may hold the next page: then the search was not read to its end."""
    base, url = Base.parse("https://fhir.example/r4"), "https://fhir.example/r4/Observation"
    assert base is not None
    pages = Pages()
    pages.add({"resourceType": "Bundle", "link": links}, url)
    assert pages.next_address(base, url) == address
    is_damaged = isinstance(links, dict) or links == ["?page=2"]
    assert pages.stopped == ("next page is elsewhere" if is_damaged else None)


def test_further_pages_by_a_restricted_scope(server: FaultyServer) -> None:
    """Pages read by a scope for some resources only do not make a result whole."""
    base = server.base("healthy")
    first = {**bundle([]), "link": [{"relation": "next", "url": f"{base}/Observation?patient=x"}]}
    given = prefetch(patient(), CHART[2:]) | {"observations": first}
    scopes = "patient/*.r patient/*.s?category=laboratory"
    found = Caller().call(body(base, prefetch=given, scopes=scopes))
    assert found.reasons["Observation"] == "scope granted for some resources only"


@pytest.mark.parametrize(
    ("kind", "argument", "requests", "reason"),
    [
        ("pages", "1", 2, None),
        ("pages-loop", "1", 2, "FHIR server: pages go round in a circle"),
        ("pages-endless", None, 5, "FHIR server: more than 5 pages"),
        ("pages-offhost", "1", 1, "FHIR server: next page is elsewhere"),
        ("pages-other-tenant", "1", 1, "FHIR server: next page is elsewhere"),
        ("401-mid-paging", "1", 2, "FHIR server: answered 401"),
        ("total-too-large", None, 1, "total says"),
    ],
)
def test_pages(kind: str, argument: str | None, requests: int, reason: str | None) -> None:
    """Pages are followed on the same server only, five at most, and never in a circle."""
    more = observation("older", "38267-1", -2.5, "2021-05-10")
    with with_server([*CHART, more]) as running:
        base = running.base(kind, argument, only="Observation")
        found = Caller().call(body(base))
        observations = [
            seen
            for seen in running.seen(kind, argument, only="Observation")
            if seen.resource_type not in set(TYPES) - {"Observation"}
        ]
        assert running.seen_elsewhere() == []
    assert len(observations) == requests
    stated = found.reasons.get("Observation")
    assert stated is None if reason is None else str(stated).startswith(reason)
    assert found.order["scenario"] == "surveillance"
    assert (found.order["timing"] == "on-time") == (reason is None)


# --- References ---

MEDICATION = {"resourceType": "Medication", "id": "drug", "code": concept(RXNORM, "904431")}


def referring(reference: str, **more: Any) -> dict[str, Any]:
    """An order of a drug that stands in another resource."""
    found = medication_request("m1", None, "2023-06-01", **more)
    del found["medicationCodeableConcept"]
    return found | {"medicationReference": {"reference": reference}}


@pytest.mark.parametrize(
    ("reference", "is_read"),
    [
        ("Medication/drug", True),
        ("Medication/drug/_history/2", True),
        ("{base}/Medication/drug", True),
        ("https://elsewhere.example.org/r4/Medication/drug", False),
        ("urn:uuid:0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10", False),
        ("Substance/drug", False),
        ("Medication/../Patient", False),
        ("#drug", False),
    ],
)
@pytest.mark.parametrize("is_prefetched", [True, False])
def test_references(reference: str, is_read: bool, is_prefetched: bool) -> None:
    """A drug that stands in another resource is read on the same server, and nowhere else."""
    with with_server([*CHART[:3], MEDICATION]) as running:
        base = running.base("healthy")
        request = referring(reference.replace("{base}", base))
        given: dict[str, Any] = {}
        if is_prefetched:
            given = prefetch(patient(), [*CHART[1:3], request])
        else:
            running.upstream = InMemory([*CHART[:3], MEDICATION, request])
        found = Caller().call(body(base, prefetch=given))
        reads = [seen.path for seen in running.seen("healthy") if "Medication/" in seen.path]
        assert reads == (["Medication/drug"] if is_read else [])
        assert running.seen_elsewhere() == []
    assert ("alendronate" in found.cards[0]["detail"]) == is_read
    if not is_read:
        assert "medication not readable" in str(found.explanation)


def test_references_are_read_once_and_not_without_end() -> None:
    """Twenty referenced resources at most, each once; the others are named."""
    drugs = [MEDICATION | {"id": f"drug-{number}"} for number in range(30)]
    requests = [
        referring(f"Medication/drug-{number % 30}") | {"id": f"m{number}"} for number in range(60)
    ]
    with with_server([*CHART[:3], *drugs, *requests]) as running:
        found = Caller().call(body(running.base("healthy")))
        reads = [seen.path for seen in running.seen("healthy") if "Medication/" in seen.path]
    assert (len(reads), len(set(reads))) == (20, 20)
    assert "medication not readable" in str(found.explanation)


# --- Copies, and whose data it is ---


@pytest.mark.parametrize(
    ("given", "read", "value"),
    [
        ({}, {}, -2.2),
        ({"meta": {"versionId": "2"}}, {"meta": {"versionId": "1"}}, -2.2),
        ({"meta": {"versionId": "1"}}, {"meta": {"versionId": "2"}}, -3.1),
        (
            {"meta": {"lastUpdated": "2024-01-01T00:00:00+02:00"}},
            {"meta": {"lastUpdated": "2023-12-31T23:00:00Z"}},
            -3.1,
        ),
    ],
)
def test_two_copies(given: dict[str, Any], read: dict[str, Any], value: float) -> None:
    """Of two copies the newer counts, of equal ones that of the request."""
    mine = observation("low", "38267-1", -2.2, "2023-05-10") | given
    theirs = observation("low", "38267-1", -3.1, "2023-05-10") | read
    with with_server([patient(), theirs, CHART[2]]) as running:
        request = body(running.base("healthy"), prefetch={"mine": {**mine}})
        found = Caller().call(request)
    assert f"T-score {value}" in found.cards[0]["detail"]
    assert found.cards[0]["detail"].count("T-score -") == 1


def test_another_patient(server: FaultyServer) -> None:
    """A server that answers with another patient's data ends the call, as such a request does."""
    with pytest.raises(WrongPatient) as error:
        Caller().call(body(server.base("other-patient")))
    assert all(place.startswith("fhirServer") for place in error.value.places)


# --- Dialects as data ---


def test_search_parameters_of_a_client() -> None:
    """A server that demands a category gets the one of the client's entry; a page size too."""
    imaging = [concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging")]
    search = {
        "page_size": 0,
        "parameters": {"Observation": {"category": "imaging"}},
        "not_offered": ["MedicationStatement"],
    }
    with with_server([patient(), CENTRAL | {"category": imaging}, CHART[2]]) as running:
        base = running.base("category-required")
        plain = Caller().call(body(base))
        assert plain.reasons["Observation"] == "prefetch key absent, FHIR server: answered 400"
        running.forget()
        found = Caller(fhir_search=search).call(body(base))
        queries = {seen.resource_type: seen.query for seen in running.seen("category-required")}
    assert queries["Observation"].endswith("&category=imaging")
    assert "MedicationStatement" not in queries
    assert queries["Condition"] == "patient=pat-1"
    assert found.reasons == {
        "MedicationStatement": "prefetch key absent, not offered by this FHIR server"
    }
    assert found.order["scenario"] == "surveillance"
