"""Recognises the plain, everyday shape of a resource, which is valid FHIR without further checks.

The FHIR models cost 0.1 to 0.2 ms for each resource, most of a hook call. Almost every resource
that a decision uses holds a few elements in their ordinary form; those are told here in a
hundredth of the time. What is not recognised is not refused: the models decide it. A test holds
this module to accepting nothing that the models do not accept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from operator import call
from typing import Any

Check = Callable[[Any], object]
"""True for a plain value. What is no text at all may raise TypeError instead.

Checks are put together from parts written in C where that is possible: there are many.
"""

_token: Check = re.compile(r"[!-~]+").fullmatch  # a code or an address: no blanks
_id: Check = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_INSTANT = re.compile(
    r"[12]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d)"
)
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})


def _string(value: object) -> bool:
    """One line of visible characters without blanks around it."""
    return type(value) is str and value.isprintable() and value != "" and value == value.strip()


def _boolean(value: object) -> bool:
    return type(value) is bool


def _number(value: object) -> bool:
    return type(value) is float or type(value) is int


def _date(value: object) -> bool:
    if type(value) is not str or len(value) != 10:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _instant(value: object) -> bool:
    if type(value) is not str or not _INSTANT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _date_time(value: object) -> bool:
    return _date(value) or _instant(value)


def _comparator(value: object) -> bool:
    return value in _COMPARATORS if type(value) is str else False


def _list_of(check: Check) -> Check:
    def checked(value: object) -> bool:
        return type(value) is list and bool(value) and all(map(check, value))

    return checked


def _object(elements: Mapping[str, Check], *required: str) -> Check:
    """An object with the required elements, all of whose elements are known and plain."""
    needed, known, check_of = frozenset(required), elements.keys(), elements.__getitem__

    def checked(value: object) -> bool:
        if type(value) is not dict or not value or not needed <= value.keys() <= known:
            return False
        return all(map(call, map(check_of, value), value.values()))

    return checked


_CODING = _object({"system": _token, "version": _token, "code": _token, "display": _string})
_CONCEPT = _object({"coding": _list_of(_CODING), "text": _string})
_REFERENCE = _object({"reference": _token, "type": _token, "display": _string})
_QUANTITY = _object(
    {
        "value": _number,
        "comparator": _comparator,
        "unit": _string,
        "system": _token,
        "code": _token,
    }
)
_META = _object(
    {
        "versionId": _id,
        "lastUpdated": _instant,
        "source": _token,
        "profile": _list_of(_token),
        "security": _list_of(_CODING),
        "tag": _list_of(_CODING),
    }
)
_CONCEPTS, _REFERENCES = _list_of(_CONCEPT), _list_of(_REFERENCE)

_COMMON: dict[str, Check] = {"resourceType": _token, "id": _id, "meta": _META, "status": _token}
_ABOUT: dict[str, Check] = {**_COMMON, "subject": _REFERENCE, "encounter": _REFERENCE}

_SHAPES: dict[str, Check] = {
    "Patient": _object(
        {
            "resourceType": _token,
            "id": _id,
            "meta": _META,
            "active": _boolean,
            "gender": _token,
            "birthDate": _date,
            "deceasedBoolean": _boolean,
        }
    ),
    "Observation": _object(
        {
            **_ABOUT,
            "category": _CONCEPTS,
            "code": _CONCEPT,
            "effectiveDateTime": _date_time,
            "issued": _instant,
            "performer": _REFERENCES,
            "valueQuantity": _QUANTITY,
            "bodySite": _CONCEPT,
            "device": _REFERENCE,
        },
        "status",
        "code",
    ),
    "Condition": _object(
        {
            **{name: check for name, check in _ABOUT.items() if name != "status"},
            "clinicalStatus": _CONCEPT,
            "verificationStatus": _CONCEPT,
            "category": _CONCEPTS,
            "code": _CONCEPT,
            "onsetDateTime": _date_time,
            "abatementDateTime": _date_time,
            "recordedDate": _date_time,
        },
        "subject",
    ),
    "MedicationRequest": _object(
        {
            **_ABOUT,
            "intent": _token,
            "category": _CONCEPTS,
            "medicationCodeableConcept": _CONCEPT,
            "authoredOn": _date_time,
            "requester": _REFERENCE,
        },
        "status",
        "intent",
        "medicationCodeableConcept",
        "subject",
    ),
    "MedicationStatement": _object(
        {
            "resourceType": _token,
            "id": _id,
            "meta": _META,
            "status": _token,
            "subject": _REFERENCE,
            "medicationCodeableConcept": _CONCEPT,
            "effectiveDateTime": _date_time,
        },
        "status",
        "medicationCodeableConcept",
        "subject",
    ),
    "ServiceRequest": _object(
        {
            **_ABOUT,
            "intent": _token,
            "priority": _token,
            "category": _CONCEPTS,
            "code": _CONCEPT,
            "authoredOn": _date_time,
            "requester": _REFERENCE,
            "reasonCode": _CONCEPTS,
        },
        "status",
        "intent",
        "subject",
    ),
    "DiagnosticReport": _object(
        {
            **_ABOUT,
            "category": _CONCEPTS,
            "code": _CONCEPT,
            "effectiveDateTime": _date_time,
            "issued": _instant,
            "result": _REFERENCES,
        },
        "status",
        "code",
    ),
    "Procedure": _object(
        {**_ABOUT, "code": _CONCEPT, "performedDateTime": _date_time},
        "status",
        "subject",
    ),
}


def is_plain(resource: Mapping[str, object]) -> bool:
    """Whether a resource is certainly valid; False only means that it has to be checked."""
    check = _SHAPES.get(str(resource.get("resourceType")))
    try:
        return check is not None and bool(check(resource))
    except TypeError:
        return False
