"""Recognises the plain, everyday shape of a resource, which is valid FHIR without further checks.

The FHIR models cost 0.1 to 0.2 ms for each resource, most of a hook call. Almost every resource
that a decision uses holds a few elements in their ordinary form; those are told here in a
fiftieth of the time, by the engine that the models themselves run on. What is not recognised is
not refused: the models decide it. A test holds this module to accepting nothing that the models
do not accept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import (
    CoreSchema,
    bool_schema,
    float_schema,
    list_schema,
    literal_schema,
    str_schema,
    tagged_union_schema,
    typed_dict_field,
    typed_dict_schema,
)

_DAY = (  # 29 February is left to the models: they know the leap years
    r"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = (
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
)
_VISIBLE = r"[^\p{Other}\p{Separator}]+"


def _text(pattern: str) -> CoreSchema:
    """Text that matches as a whole, in the regular expressions of Rust."""
    return str_schema(pattern=rf"\A(?:{pattern})\z", strict=True)


_token = _text("[!-~]+")  # a code or an address: no blanks
_id = _text(r"[A-Za-z0-9\-.]{1,64}")
_string = _text(f"{_VISIBLE}(?: +{_VISIBLE})*")  # one line without blanks around it
_date = _text(_DAY)
_instant = _text(_DAY + _TIME)
_date_time = _text(f"{_DAY}(?:{_TIME})?")
_boolean = bool_schema(strict=True)
_number = float_schema(strict=True, allow_inf_nan=False)
_comparator = literal_schema(["<", "<=", ">=", ">"])


def _list_of(item: CoreSchema) -> CoreSchema:
    return list_schema(item, min_length=1, strict=True, fail_fast=True)


def _object(elements: Mapping[str, CoreSchema], *required: str) -> CoreSchema:
    """An object with the required elements, all of whose elements are known and plain."""
    fields = {
        name: typed_dict_field(element, required=name in required)
        for name, element in elements.items()
    }
    return typed_dict_schema(fields, extra_behavior="forbid", strict=True)


_CODING = _object({"system": _token, "version": _token, "code": _token, "display": _string}, "code")
_CONCEPT = _object({"coding": _list_of(_CODING), "text": _string})
_REFERENCE = _object({"reference": _token, "type": _token, "display": _string})
_QUANTITY = _object(
    {
        "value": _number,
        "comparator": _comparator,
        "unit": _string,
        "system": _token,
        "code": _token,
    },
    "value",
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

_COMMON: dict[str, CoreSchema] = {
    "resourceType": _token,
    "id": _id,
    "meta": _META,
    "status": _token,
}
_ABOUT: dict[str, CoreSchema] = {**_COMMON, "subject": _REFERENCE, "encounter": _REFERENCE}

_SHAPES: dict[str, CoreSchema] = {
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
            **{name: element for name, element in _ABOUT.items() if name != "status"},
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


is_plain: Callable[[Mapping[str, object]], bool] = SchemaValidator(
    tagged_union_schema(_SHAPES, "resourceType")
).isinstance_python
"""Whether a resource is certainly valid; False only means that it has to be checked."""
