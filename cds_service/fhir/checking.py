"""Checks one raw resource against FHIR R4B; decisions call it for what they are about to use.

fhir.resources has no R4, but R4 and R4B do not differ in the types read here. The models are the
checker only: values are always taken from the raw JSON, since the models alter dates and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from cds_service.fhir.plain import is_plain
from cds_service.fhir.resources import Raw

CHECKED_TYPES = (
    "Patient",
    "Observation",
    "Condition",
    "MedicationStatement",
    "MedicationRequest",
    "DiagnosticReport",
    "Procedure",
    "Medication",
    "ServiceRequest",
)


@cache
def _model(resource_type: str) -> Any:
    module = import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    return getattr(module, resource_type)


def problem(resource: Raw) -> str | None:
    """The first thing that makes a resource invalid FHIR, by place and kind, or None.

    The text names elements and kinds of errors only, never a value of the chart.
    """
    if is_plain(resource):
        return None
    resource_type = resource.get("resourceType")
    if resource_type not in CHECKED_TYPES:
        return "resourceType is not one the service reads"
    try:
        _model(str(resource_type)).model_validate(resource)
    except ValidationError as error:
        return _first(error)
    except KeyError:  # a contained resource of a type that R4B does not know
        return "contained resource of an unknown type"
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "not readable as FHIR R4"
    return _of_another_type(resource)


_DATE_ENDINGS = ("Date", "DateTime", "Instant")
_BOOLEANS = frozenset({"active", "doNotPerform"})
_DATES = frozenset({"authoredOn", "dateAsserted", "end", "issued", "lastUpdated", "start"})


def _of_another_type(value: Any, place: str = "") -> str | None:
    """The first value that the models would alter: a number for a date, a word for a boolean.

    They take a number for seconds since 1970, and `"yes"` or 1 for true; the raw readers do not.
    """
    if isinstance(value, list):
        return next(filter(None, (_of_another_type(item, place) for item in value)), None)
    if not isinstance(value, Mapping):
        return None
    for name, item in value.items():
        is_date = name in _DATES or name.endswith(_DATE_ENDINGS)
        if is_date and isinstance(item, int | float):
            return f"{place}{name}: no text"
        is_boolean = name in _BOOLEANS or name.endswith("Boolean")
        if is_boolean and isinstance(item, str | int | float) and not isinstance(item, bool):
            return f"{place}{name}: no boolean"
        if found := _of_another_type(item, f"{place}{name}."):
            return found
    return None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    steps = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":  # its name is the sender's, and might be anything
        steps[-1] = "(unknown element)"
    place = ".".join(steps) or "resource"
    return f"{place}: {first['type'].replace('_', ' ')}"


def warm_up() -> None:
    """Loads every model and validates once, which costs a third of a second before forking."""
    for resource_type in CHECKED_TYPES:
        _model(resource_type)
        problem({"resourceType": resource_type})
