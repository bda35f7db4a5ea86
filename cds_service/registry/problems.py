"""What is wrong with the registry, in words that name the place and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a table",
    "string": "a string",
}


class RegistryError(Exception):
    """The registry cannot be used; `problems` holds one sentence for each place."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def schema_problems(schema: Mapping[str, Any], instance: object, place: str) -> list[str]:
    """Every breach of a schema as `place.path: what must be; remedy`."""
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = sorted(validator.iter_errors(instance), key=lambda error: error.json_path)
    return [text for error in errors for text in _sentences(error, place)]


def _sentences(error: ValidationError, place: str) -> Iterator[str]:
    where = place + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path
    )
    if error.validator == "additionalProperties" and error.validator_value is False:
        yield from _unknown_names(error, where)
    elif error.validator == "required":
        required: Any = error.validator_value
        # jsonschema reports one error per missing name and says which in its message only
        name = next(name for name in required if error.message.startswith(repr(name)))
        yield f"{where}.{name}: is missing; add it"
    else:
        yield f"{where}: {_words(error)}"


def _unknown_names(error: ValidationError, where: str) -> Iterator[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = list(schema.get("properties", ()))
    for name in sorted(set(instance) - set(known)):
        yield f"{where}.{name}: unknown name; {nearest(name, known)}"


def _words(error: ValidationError) -> str:
    value: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "type":
            kinds = [value] if isinstance(value, str) else list(value)
            kind = " or ".join(_TYPES.get(name, name) for name in kinds)
            quotes = "; put it in quotes" if kinds == ["string"] else ""
            return f"must be {kind}{quotes}"
        case "enum":
            return "must be one of " + ", ".join(map(str, value))
        case "minimum":
            return f"must be at least {value}"
        case "exclusiveMinimum":
            return f"must be more than {value}"
        case "maximum":
            return f"must be at most {value}"
        case "minLength":
            return "must not be empty" if value == 1 else f"must have {value} characters or more"
        case "minItems":
            return f"must have {value} entries or more"
        case "uniqueItems":
            return "holds the same entry twice; remove one"
        case "propertyNames" | "pattern":
            return str(schema.get("description", f"must match {value}"))
        case _:
            return error.message


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant, out of the known names."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "known are " + (", ".join(names) or "none")
