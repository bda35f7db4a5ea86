"""The real FHIR server of the tests keeps its promises."""

from __future__ import annotations

import time
from urllib.parse import quote, urlsplit

import pytest
from builders import PATIENT_ID
from fhir_asking import all_pages, get
from fhir_charts import charts, small_chart
from fhir_faulty import FaultyServer
from fhir_real import FhirServer, RealServer, real_server

from cds_service.protocol.service import PrefetchItem
from hooks.bone_density.prefetch import prefetch

TYPES = (
    "Observation",
    "Condition",
    "MedicationStatement",
    "MedicationRequest",
    "DiagnosticReport",
    "Procedure",
)
SYNTHEA = [item["id"] for item in charts() if item["resourceType"] == "Patient"][:16]


def ours(server: FhirServer) -> RealServer:
    """Our own real server: of another one the tests do not know what it holds."""
    if not isinstance(server, RealServer):
        pytest.skip("FHIR_TEST_BASE names another server")
    return server


def test_a_read_needs_a_token(fhir_server: FhirServer) -> None:
    """Without a token 401; with one the Patient."""
    server = ours(fhir_server)
    assert get(f"{server.base}/Patient/{SYNTHEA[0]}").status == 401
    reply = get(f"{server.base}/Patient/{SYNTHEA[0]}", server.token())
    assert (reply.status, reply.json["id"]) == (200, SYNTHEA[0])


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        ("patient/Observation.rs patient/Patient.rs", "Observation?patient=example", 200),
        ("patient/Observation.rs patient/Patient.rs", "Patient/example", 200),
        ("patient/Observation.rs patient/Patient.rs", "MedicationRequest?patient=example", 403),
        ("patient/Observation.read", "Observation?patient=example", 200),
        ("patient/*.rs", "Condition?patient=example", 200),
        ("launch openid", "Observation?patient=example", 403),
    ],
)
def test_scopes_are_enforced(fhir_server: FhirServer, scopes: str, path: str, status: int) -> None:
    """A token opens the resource types of its scopes and no others."""
    server = ours(fhir_server)
    assert get(f"{server.base}/{path}", server.token(scopes)).status == status


def test_a_token_ends(fhir_server: FhirServer) -> None:
    """A token works for its lifetime and is answered with 401 afterwards."""
    server = ours(fhir_server)
    token = server.token(lifetime_s=2)
    assert get(f"{server.base}/Patient/example", token).status == 200
    assert get(f"{server.base}/Patient/example", server.token(lifetime_s=-1)).status == 401
    time.sleep(2.1)
    reply = get(f"{server.base}/Patient/example", token)
    assert (reply.status, reply.json["issue"][0]["code"]) == (401, "expired")


def test_a_foreign_token_is_refused(fhir_server: FhirServer) -> None:
    """A token signed with another key is refused."""
    server = ours(fhir_server)
    forged = RealServer(server.base, "another secret, long enough for an HMAC of SHA-256")
    assert get(f"{server.base}/Patient/example", forged.token()).status == 401


def test_token_endpoint(fhir_server: FhirServer) -> None:
    """The SMART Backend Services endpoint gives a token that reads and does not write."""
    server = ours(fhir_server)
    given = server.token_from_endpoint("system/*.rs system/*.cruds")
    assert (given["token_type"], given["scope"]) == ("bearer", "system/*.rs")
    assert get(f"{server.base}/Patient/example", given["access_token"]).status == 200
    assert get(f"{server.base}/Observation", given["access_token"], form="").status == 403


@pytest.mark.parametrize("path", ["/", "/ui", "/api/docs", "/hooks/x", "/ui/static/style.css"])
def test_no_console(fhir_server: FhirServer, path: str) -> None:
    """Only FHIR and its authorisation are served."""
    root = ours(fhir_server).base.removesuffix("/fhir")
    assert get(root + path).status == 404


@pytest.mark.parametrize("resource_type", TYPES)
def test_every_resource_over_pages(fhir_server: FhirServer, resource_type: str) -> None:
    """The pages of every Synthea patient hold all resources of a type, each once."""
    server = ours(fhir_server)
    token = server.token()
    held: dict[str, set[str]] = {identifier: set() for identifier in SYNTHEA}
    for item in charts():
        owner = item.get("subject", {}).get("reference", "").removeprefix("Patient/")
        if item["resourceType"] == resource_type and owner in held:
            held[owner].add(item["id"])
    for identifier, expected in held.items():
        url = f"{server.base}/{resource_type}?patient={identifier}&_count=100"
        found = [name for page in all_pages(url, token) for name in page.ids]
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_small_pages(fhir_server: FhirServer) -> None:
    """Small pages add up to the whole, and each says the same total."""
    server = ours(fhir_server)
    url = f"{server.base}/Observation?patient={SYNTHEA[0]}"
    whole = get(f"{url}&_count=1000", server.token())
    pages = all_pages(f"{url}&_count=10", server.token())
    assert sorted(name for page in pages for name in page.ids) == sorted(whole.ids)
    assert len(pages) == -(-len(whole.ids) // 10)
    assert {page.json["total"] for page in pages} == {len(whole.ids)}


@pytest.mark.parametrize("item", prefetch(), ids=lambda item: item.key)
@pytest.mark.parametrize("patient_id", [SYNTHEA[0], "example", "pat1", "irvine-ronny-lawrence"])
def test_our_queries_are_understood(
    fhir_server: FhirServer, item: PrefetchItem, patient_id: str
) -> None:
    """The queries of our prefetch definition get what was asked for and no complaint."""
    server = ours(fhir_server)
    query = item.query.replace("{{context.patientId}}", patient_id)
    reply = get(f"{server.base}/{query.replace('|', '%7C')}", server.token())
    assert reply.status == 200
    entries = reply.json.get("entry", [{"resource": reply.json}])
    types = {entry["resource"]["resourceType"] for entry in entries}
    assert types <= {item.resource_type, "Bundle"}


def test_codes_select(fhir_server: FhirServer) -> None:
    """A list of codes finds those codes only, by GET and by POST alike."""
    server = ours(fhir_server)
    codes = quote("http://loinc.org|80948-3,http://loinc.org|80946-7", safe="")
    by_get = get(f"{server.base}/Observation?patient=example&code={codes}", server.token())
    expected = ["dxa-femur-l-t-score-bmd", "dxa-hip-l-t-score-bmd"]
    assert sorted(by_get.ids) == expected
    form = f"patient=example&code={codes}"
    by_post = get(f"{server.base}/Observation/_search", server.token(), form=form)
    assert sorted(by_post.ids) == expected


def test_absolute_references_of_the_real_server() -> None:
    """The real server can answer with absolute references too."""
    with real_server(small_chart(), absolute_references=True) as server:
        reply = get(f"{server.base}/Observation/o1", server.token())
        assert reply.json["subject"]["reference"] == f"{server.base}/Patient/{PATIENT_ID}"


@pytest.mark.parametrize("kind", ["healthy", "pages", "pages-relative", "oracle", "absolute-refs"])
def test_links_stay_on_the_proxy(
    fhir_server: FhirServer, faulty_server: FaultyServer, kind: str
) -> None:
    """Nothing in an answer names the server behind; all pages together are complete."""
    server = ours(fhir_server)
    url = f"{faulty_server.base(kind)}/Observation?patient=example"
    pages = [get(url, server.token())]
    while following := pages[-1].next:
        if kind == "pages-relative":
            assert not urlsplit(following).scheme
            following = f"{faulty_server.base(kind)}/{following}"
        pages.append(get(following, server.token()))
    assert sum(len(page.ids) for page in pages) == 6
    for page in pages:
        assert server.base.encode() not in page.body
        assert faulty_server.base(kind).encode() in page.body


def test_tokens_pass_through(fhir_server: FhirServer, faulty_server: FaultyServer) -> None:
    """The real server judges the token, also where the kind looks into the answer."""
    server = ours(fhir_server)
    narrow = server.token("patient/Patient.rs")
    for kind in ("healthy", "pages", "epic", "oracle", "total-too-large", "outcome-entry"):
        url = f"{faulty_server.base(kind)}/Observation?patient=example&code=x"
        assert get(url).status == 401
        assert get(url, narrow).status == 403
        assert get(url, server.token()).status == 200
