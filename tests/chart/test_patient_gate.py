"""Nothing of another patient passes; what cannot be told is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart import check_subjects
from cds_service.protocol.errors import WrongPatient
from cds_service.protocol.request import HookRequest

SERVER = "https://ehr.example.org/fhir"
ID = "5f2b6c1e-8f5b-4d0c-9a51-3d1f2a7c9e10"
OTHER = {"reference": "Patient/other"}
MINE = {"reference": f"Patient/{ID}"}


def call(prefetch: Any = None, *, server: str | None = SERVER, **more: Any) -> HookRequest:
    """A request for the patient."""
    return HookRequest(
        hook="order-sign",
        hook_instance="i",
        patient_id=ID,
        user_id="Practitioner/1",
        fhir_server=server,
        prefetch=prefetch or {},
        **more,
    )


def bundle(*resources: Any, **urls: Any) -> dict[str, Any]:
    """A Bundle of resources, or of an entry with a fullUrl."""
    entries: list[Any] = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "entry": entries + list(urls.values())}


def observation(subject: Any) -> dict[str, Any]:
    """An Observation about somebody."""
    return {"resourceType": "Observation", "id": "o", "subject": subject}


def places(request: HookRequest) -> tuple[str, ...]:
    """Where the gate finds another patient."""
    try:
        check_subjects(request)
    except WrongPatient as error:
        return error.places
    return ()


MATCH, WRONG, UNTOLD = "match", "wrong", "subject-not-resolvable"


@pytest.mark.parametrize(
    ("reference", "with_server", "without_server"),
    [
        (f"Patient/{ID}", MATCH, MATCH),
        (f" Patient/{ID} ", MATCH, MATCH),
        (f"Patient/{ID}/_history/3", MATCH, MATCH),
        (f"urn:uuid:{ID}", MATCH, MATCH),
        (f"urn:uuid:{ID.upper()}", MATCH, MATCH),
        (f"{SERVER}/Patient/{ID}", MATCH, MATCH),
        (f"{SERVER}//Patient/{ID}", MATCH, MATCH),
        (f"HTTPS://EHR.example.org/fhir/Patient/{ID}", MATCH, MATCH),
        (f"{SERVER}/Patient/{ID}/_history/1", MATCH, MATCH),
        (f"https://other.example.org/fhir/Patient/{ID}", WRONG, MATCH),
        (f"http://ehr.example.org/fhir/Patient/{ID}", WRONG, MATCH),
        (f"https://ehr.example.org/FHIR/Patient/{ID}", WRONG, MATCH),
        ("Patient/other", WRONG, WRONG),
        ("Patient/other/_history/1", WRONG, WRONG),
        (f"{SERVER}/Patient/other", WRONG, WRONG),
        (f"Patient/{ID}x", WRONG, WRONG),
        (f"Patient/{ID.upper()}", WRONG, WRONG),
        (f"patient/{ID}", UNTOLD, UNTOLD),
        (f"/Patient/{ID}", UNTOLD, UNTOLD),
        (f"ftp://x/Patient/{ID}", UNTOLD, UNTOLD),
        (f"Patient/{ID}/extra", UNTOLD, UNTOLD),
        ("Patient/", UNTOLD, UNTOLD),
        ("Patient?identifier=1", UNTOLD, UNTOLD),
        (f"Patient/{ID}#x", UNTOLD, UNTOLD),
        ("#patient", UNTOLD, UNTOLD),
        ("Group/1", UNTOLD, UNTOLD),
        (f"{SERVER}/Group/1", UNTOLD, UNTOLD),
        ("urn:uuid:00000000-0000-4000-8000-000000000000", UNTOLD, UNTOLD),
        ("urn:oid:1.2.3", UNTOLD, UNTOLD),
        ("https://[bad/Patient/1", UNTOLD, UNTOLD),
        (ID, UNTOLD, UNTOLD),
    ],
)
def test_reference_forms(reference: str, with_server: str, without_server: str) -> None:
    """Every form of reference is this patient, another one, or nothing that can be told."""
    resource = observation({"reference": reference})
    for server, expected in (
        (SERVER, with_server),
        (None, without_server),
        (SERVER + "/", with_server),
    ):
        request = call({"observations": bundle(resource)}, server=server)
        if expected == WRONG:
            assert places(request) == ("$.prefetch.observations.entry[0].resource.subject",)
        else:
            reason = check_subjects(request).unmatched.get(id(resource), MATCH)
            assert reason == expected


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (..., "subject-missing"),
        (None, "subject-missing"),
        ({}, "subject-missing"),
        ("", "subject-missing"),
        ([], "subject-missing"),
        ({"display": "Jane"}, "subject-not-resolvable"),
        ({"identifier": {"value": "1"}}, "subject-not-resolvable"),
        ({"reference": 7}, "subject-not-resolvable"),
        ({"reference": ["Patient/other"]}, "subject-not-resolvable"),
        ("Patient/other", "subject-not-resolvable"),
        (7, "subject-not-resolvable"),
        ([MINE], None),
        ([MINE, {"reference": "#x"}], "subject-not-resolvable"),
    ],
)
def test_subjects_that_cannot_be_told(subject: Any, reason: str | None) -> None:
    """A missing or unresolvable subject is no other patient, but the resource is not used."""
    resource = observation(subject)
    if subject is ...:
        del resource["subject"]
    assert check_subjects(call({"a": resource})).unmatched.get(id(resource)) == reason


@pytest.mark.parametrize(
    ("full_url", "patient_id", "expected"),
    [
        ("urn:uuid:11111111-1111-4111-8111-111111111111", ID, MATCH),
        ("urn:oid:1.2.3", ID, MATCH),
        (f"https://other.example.org/Patient/{ID}", ID, MATCH),
        ("https://other.example.org/p?1", ID, MATCH),
        ("urn:uuid:11111111-1111-4111-8111-111111111111", "other", WRONG),
        ("urn:uuid:11111111-1111-4111-8111-111111111111", None, UNTOLD),
        (f"{SERVER}/Patient/other", ID, WRONG),
        ("Group/1", ID, UNTOLD),
    ],
)
def test_full_urls(full_url: str, patient_id: Any, expected: str) -> None:
    """A reference that equals an entry's fullUrl means the Patient in this entry."""
    resource = observation({"reference": full_url})
    entry = {"fullUrl": full_url, "resource": {"resourceType": "Patient", "id": patient_id}}
    request = call({"a": bundle(resource), "b": bundle(e=entry)})
    if expected == WRONG:
        assert any(place.startswith("$.prefetch.a") for place in places(request))
    else:
        assert check_subjects(request).unmatched.get(id(resource), MATCH) == expected


DRAFT = {"resourceType": "ServiceRequest", "id": "d", "subject": OTHER}


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        (call({"patient": {"resourceType": "Patient", "id": "other"}}), "$.prefetch.patient.id"),
        (call({"p": bundle({"resourceType": "Patient", "id": "other"})}),
         "$.prefetch.p.entry[0].resource.id"),
        (call({"o": observation(OTHER)}), "$.prefetch.o.subject"),
        (call({"o": observation([MINE, OTHER])}), "$.prefetch.o.subject[1]"),
        (call({"e": {"resourceType": "Encounter", "subject": OTHER}}), "$.prefetch.e.subject"),
        (call({"d": {"resourceType": "Device", "patient": OTHER}}), "$.prefetch.d.patient"),
        (call({"c": {"resourceType": "Coverage", "beneficiary": OTHER}}),
         "$.prefetch.c.beneficiary"),
        (call({"t": {"resourceType": "Task", "for": OTHER}}), "$.prefetch.t.for"),
        (call({"o": {**observation(MINE), "contained": [1, observation(OTHER)]}}),
         "$.prefetch.o.contained[1].subject"),
        (call({"b": bundle(bundle(observation(OTHER)))}),
         "$.prefetch.b.entry[0].resource.entry[0].resource.subject"),
        (call({"Jane Doe": observation(OTHER)}), '$.prefetch["(key)"].subject'),
        (call(draft_orders=bundle({}, DRAFT)), "$.context.draftOrders.entry[1].resource.subject"),
        (call(fhir_authorization={"patient": "other"}), "$.fhirAuthorization.patient"),
        (call(fhir_authorization={"patient": "Patient/other"}), "$.fhirAuthorization.patient"),
    ],
)  # fmt: skip
def test_another_patient_anywhere(request_: HookRequest, place: str) -> None:
    """Data of another patient is found wherever it is, and named by place without values."""
    assert places(request_) == (place,)


@pytest.mark.parametrize(
    "request_",
    [
        call(),
        call({"patient": {"resourceType": "Patient", "id": ID}}),
        call({"patient": {"resourceType": "Patient"}}),
        call({"patient": {"resourceType": "Patient", "id": 7}}),
        call({"o": {**observation(MINE), "contained": [{"resourceType": "Patient", "id": "x"}]}}),
        call({"r": {"resourceType": "RelatedPerson", "patient": MINE}}),
        call({"p": {"resourceType": "Patient", "id": ID, "link": [{"other": OTHER}]}}),
        call({"o": {"resourceType": "MedicationOrder", "patient": MINE}}),
        call({"m": {"resourceType": "Medication"}, "x": {"resourceType": "OperationOutcome"}}),
        call(fhir_authorization={"patient": ID}),
        call(fhir_authorization={"patient": f"Patient/{ID}"}),
        call(fhir_authorization={}),
    ],
)
def test_requests_about_the_patient_alone(request_: HookRequest) -> None:
    """These pass, and nothing in them is without a subject that needs one."""
    assert check_subjects(request_).unmatched == {}


def test_all_places_are_listed_up_to_fifty() -> None:
    """One answer names every place, but no endless list."""
    request = call({"o": bundle(*[observation(OTHER) for _ in range(60)])})
    assert len(places(request)) == 50


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["Patient/other", f"Patient/{ID}", "Bundle", "Patient", "#a", "urn:uuid:x"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["resourceType", "entry", "resource", "subject", "patient", "reference", "contained",
             "fullUrl", "id", "issue", "link", "meta"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), JSON)
def test_no_json_makes_the_gate_fail(prefetch: dict[str, Any], patient: Any) -> None:
    """Whatever is sent, the gate finds another patient or none."""
    request = call(prefetch, fhir_authorization={"patient": patient}, draft_orders=prefetch)
    found = places(request)
    assert all(place.startswith("$.") for place in found)
