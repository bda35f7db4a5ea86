"""What is read a column at a time gives the same as what is read resource by resource."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from cds_service.chart import newest, patient_gate, prefetch_value
from cds_service.chart.patient_gate import check_subjects
from cds_service.protocol.errors import WrongPatient
from cds_service.protocol.request import HookRequest

ODD = st.sampled_from([None, "", "text", 1, True, [], ["x"], {}, {"reference": 3}])
ID = st.sampled_from(["a", "b", "c", "d"])
REFERENCE = st.sampled_from(
    ["Patient/p", "Patient/p/_history/2", "Patient/other", "urn:uuid:p", "#p", "Device/1"]
)
SUBJECT = st.fixed_dictionaries({"reference": REFERENCE})
TYPE = st.sampled_from(["Observation", "Condition"])


def mostly(ordinary: Any, odd: Any = ODD) -> Any:
    """Ordinary values, and now and then something else."""
    return st.integers(0, 9).flatmap(lambda n: odd if n == 0 else ordinary)


@st.composite
def resources(draw: Any, odd: bool = True) -> dict[str, Any]:
    """A resource that may lack or twist what every reader asks of it."""
    maybe = mostly if odd else (lambda ordinary: ordinary)
    made = {
        "resourceType": draw(
            mostly(TYPE, ODD | st.sampled_from(["Bundle", "OperationOutcome", "Patient"]))
            if odd
            else TYPE
        ),
        "id": draw(maybe(ID)),
        "subject": draw(maybe(SUBJECT)),
        "meta": {"versionId": draw(ID)},
    }
    if odd:
        for name in draw(mostly(st.just([]), st.lists(st.sampled_from(["id", "subject", "meta"])))):
            made.pop(name, None)
        if draw(st.integers(0, 19)) == 0:
            made["patient"] = draw(SUBJECT)
    return made


@st.composite
def entries(draw: Any) -> list[Any]:
    """Entries of a search result; half of the lists hold nothing odd."""
    odd = draw(st.booleans())
    search = draw(st.sampled_from([None, {"mode": "match"}]))
    made: list[Any] = []
    for resource in draw(st.lists(resources(odd), max_size=5)):
        entry: dict[str, Any] = {"resource": resource, "fullUrl": draw(ID | ODD)}
        if search is not None:
            entry["search"] = search
        if odd and draw(st.integers(0, 9)) == 0:
            entry["search"] = draw(ODD | st.just({"mode": "include"}))
        made.append(draw(ODD) if odd and draw(st.integers(0, 19)) == 0 else entry)
    return made


@given(entries(), st.sampled_from([{}, {"total": 9}, {"link": [{"relation": "next"}]}]))
def test_bundles(found: list[Any], said: dict[str, Any]) -> None:
    """An ordinary Bundle has the state, the resources and the places of any other Bundle."""
    bundle = {"resourceType": "Bundle", "entry": found, **said}
    quick = prefetch_value._read_ordinary(bundle, found)
    slow = prefetch_value._read_any(bundle, found)
    event(f"ordinary: {quick is not None}")
    if quick is None:
        return
    for name in ("state", "reason", "resources", "types", "broken", "received"):
        assert getattr(quick, name) == getattr(slow, name), name
    assert not quick.is_odd
    assert slow.is_odd == (not found)


@given(st.lists(resources(), max_size=4), st.lists(resources(), max_size=4))
def test_newest(first: list[Any], second: list[Any]) -> None:
    """Of copies the newest stays, whether they come together or one after the other."""
    quick: dict[Any, Any] = {}
    slow: dict[Any, Any] = {}
    for found in (first, second):
        newest.keep_all(quick, found)
        for one in found:
            newest.keep_newest(slow, newest.identity(one), one)
    assert list(quick.items()) == list(slow.items())
    assert all(quick[key] is slow[key] for key in slow)


def gate(request: HookRequest) -> object:
    """What the gate makes of a request: the places of another patient, or what it leaves out."""
    try:
        return check_subjects(request).unmatched
    except WrongPatient as error:
        return error.places


@given(entries())
def test_gate(found: list[Any]) -> None:
    """Nobody else's resource passes for being one of many."""
    request = HookRequest(
        hook="order-sign",
        hook_instance="i",
        patient_id="p",
        user_id="Practitioner/1",
        fhir_server=None,
        prefetch={"observations": {"resourceType": "Bundle", "entry": found}},
    )
    at_once = gate(request)
    plainly, patient_gate._are_plainly_about = patient_gate._are_plainly_about, lambda *_: False
    try:
        one_by_one = gate(request)
    finally:
        patient_gate._are_plainly_about = plainly
    event(f"wrong: {isinstance(at_once, tuple)}, left out: {bool(at_once)}")
    assert at_once == one_by_one
