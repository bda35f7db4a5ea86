"""The dialects of particular EHRs refuse and answer as described."""

from __future__ import annotations

import pytest
from builders import PATIENT_ID, observation, patient
from fhir_asking import SEARCH, Reply, all_pages, ask, get
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory


def _issue(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["issue"][0]["code"]


def test_epic(broken: FaultyServer) -> None:
    """Epic: code or category for results, known parameters only, an outcome for nothing found."""
    assert _issue(ask(broken, "epic")) == (400, "required")
    assert _issue(ask(broken, "epic", f"{SEARCH}&code=x&_sort=date")) == (400, "not-supported")
    found = ask(broken, "epic", f"{SEARCH}&code=38267-1&_include=Observation:subject")
    assert found.ids == ["o0", "o1", "o2", "o3", "o4"]
    nothing = ask(broken, "epic", "Condition?patient=nobody")
    (entry,) = nothing.json["entry"]
    assert (nothing.status, nothing.json["total"]) == (200, 0)
    assert (entry["search"]["mode"], entry["resource"]["resourceType"]) == (
        "outcome",
        "OperationOutcome",
    )
    assert ask(broken, "epic", f"Patient/{PATIENT_ID}").status == 200


def test_oracle() -> None:
    """Oracle Health: pages of 10, at most of 100; few parameters."""
    results = [observation(f"o{number}", "38267-1", -2.0, "2024-01-01") for number in range(230)]
    with FaultyServer(InMemory([patient(), *results])) as server:
        sizes = {
            "": [10] * 23,
            "&_count=50": [50, 50, 50, 50, 30],
            "&_count=1000": [100, 100, 30],
        }
        for more, expected in sizes.items():
            pages = all_pages(f"{server.base('oracle')}/{SEARCH}{more}")
            assert [len(page.ids) for page in pages] == expected
            assert len({name for page in pages for name in page.ids}) == 230
        for refused in ("_sort=date", "_include=Observation:subject"):
            assert ask(server, "oracle", f"{SEARCH}&{refused}").status == 400
        report = f"DiagnosticReport?patient={PATIENT_ID}"
        assert ask(server, "oracle", f"{report}&code=x").status == 200
        assert ask(server, "oracle", f"{report}&status=final").status == 400


def test_no_post(broken: FaultyServer) -> None:
    """A search by POST is refused, the same by GET is not."""
    reply = ask(broken, "no-post", "Observation/_search", form=f"patient={PATIENT_ID}")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")
    assert ask(broken, "no-post").status == 200


def test_category_required(broken: FaultyServer) -> None:
    """Results by category only, and only of the categories asked for and known."""
    assert _issue(ask(broken, "category-required", f"{SEARCH}&code=38267-1")) == (400, "required")
    assert ask(broken, "category-required", f"{SEARCH}&category=laboratory").ids == ["o0"]
    assert ask(broken, "category-required", f"Condition?patient={PATIENT_ID}").ids == ["c1"]
    soarian = broken.base("category-required", "laboratory,vital-signs")
    assert get(f"{soarian}/{SEARCH}&category=laboratory").status == 200
    assert get(f"{soarian}/{SEARCH}&category=imaging,laboratory").status == 400


def test_absolute_references(broken: FaultyServer) -> None:
    """References are absolute on the server's own base."""
    first = ask(broken, "absolute-refs").json["entry"][0]["resource"]
    assert first["subject"]["reference"] == f"{broken.base('absolute-refs')}/Patient/{PATIENT_ID}"


@pytest.mark.parametrize(("argument", "status"), [(None, 404), ("400", 400)])
def test_no_medication_statement(broken: FaultyServer, argument: str | None, status: int) -> None:
    """MedicationStatement is a type that the server does not know."""
    base = broken.base("no-medicationstatement", argument)
    reply = get(f"{base}/MedicationStatement?patient={PATIENT_ID}")
    assert _issue(reply) == (status, "not-supported")
    assert get(f"{base}/{SEARCH}").status == 200
