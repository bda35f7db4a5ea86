"""The JSON Schemas of the protocol, compiled once, and their errors in words without values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from cds_service.protocol.errors import Problem

__all__ = ["MAX_PROBLEMS", "Problem", "has_schema", "problems"]

MAX_PROBLEMS = 50
_LOOKED_AT = 1000
_FORMATS = ("date", "date-time", "uri", "uuid")
_ID = "https://bone-density-cds.org/schemas/{}.json"
_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def problems(schema: str, instance: object) -> tuple[Problem, ...]:
    """Everything that is wrong with a document by one of the schemas, in order of place.

    At most MAX_PROBLEMS are listed. The texts hold names and words of the schema; of the document
    they hold no value.
    """
    errors = islice(_validator(schema).iter_errors(instance), _LOOKED_AT)
    found = {problem for error in errors for problem in _problems(error)}
    return tuple(sorted(found)[:MAX_PROBLEMS])


@cache
def has_schema(schema: str) -> bool:
    """Whether there is a schema of this name."""
    return _ID.format(schema) in _registry()


@cache
def _registry() -> Registry[Any]:
    folder = resources.files("cds_service.protocol").joinpath("schemas")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    contents = [json.loads(file.read_text("utf-8")) for file in files]
    return Registry().with_resources(
        (item["$id"], Resource.from_contents(item)) for item in contents
    )


@cache
def _validator(schema: str) -> Draft202012Validator:
    missing = set(_FORMATS) - set(FormatChecker.checkers)
    if missing:  # jsonschema would silently let everything pass
        raise RuntimeError(f"no checker is installed for formats: {', '.join(sorted(missing))}")
    registry = _registry()
    contents = registry.contents(_ID.format(schema))
    if schema.startswith("request-"):  # the only ones on the way of every call
        contents = _flat(contents, schema)
    Draft202012Validator.check_schema(contents)
    return Draft202012Validator(contents, registry=registry, format_checker=FormatChecker(_FORMATS))


def _flat(node: Any, schema: str) -> Any:
    """A schema with what it refers to written in its place.

    Following a reference costs jsonschema more than all keywords of a small envelope.
    """
    if isinstance(node, list):
        return [_flat(item, schema) for item in node]
    if not isinstance(node, dict):
        return node
    own = {name: _flat(item, schema) for name, item in node.items() if name not in _WRITTEN_OUT}
    if "$ref" not in node:
        return own
    resolver = _registry().resolver(_ID.format(schema))
    return _merged(_flat(resolver.lookup(node["$ref"]).contents, schema), own)


_WRITTEN_OUT = frozenset({"$ref", "$defs"})


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Both of two schemas at once, as `$ref` beside other keywords means it."""
    both = dict(shared)
    for name, item in own.items():
        if name == "required":
            both[name] = [*dict.fromkeys((*shared.get(name, ()), *item))]
        elif isinstance(item, dict) and isinstance(shared.get(name), dict):
            both[name] = _merged(shared[name], item)
        else:
            both[name] = item
    return both


def _problems(error: ValidationError) -> Iterator[Problem]:
    path = json_path(error.absolute_path)
    instance: Any = error.instance
    value: Any = error.validator_value
    match error.validator:
        case "required":
            for name in value:
                if name not in instance:
                    yield Problem(path + _step(name), f"missing property {name}")
        case "dependentRequired":
            for name, needed in value.items():
                for other in needed:
                    if name in instance and other not in instance:
                        text = f"missing property {other}, which {name} needs"
                        yield Problem(path + _step(other), text)
        case "additionalProperties" if value is False:
            known: Any = error.schema
            for name in instance.keys() - known.get("properties", {}).keys():
                yield Problem(path + _step(name), "unknown property")
        case _:
            yield Problem(path, _words(error))


def _words(error: ValidationError) -> str:
    value: Any = error.validator_value
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    match error.validator:
        case "type":
            kinds = [value] if isinstance(value, str) else list(value)
            return "must be " + " or ".join(_TYPES[kind] for kind in kinds)
        case "const":
            return f"must be {json.dumps(value)}"
        case "enum":
            return "must be one of " + ", ".join(json.dumps(item) for item in value)
        case "minLength" | "minItems" | "minProperties" if value == 1:
            return "must not be empty"
        case "maxLength":
            return f"must have at most {value} characters"
        case "pattern" | "not":
            return str(schema.get("description", "does not have the required form"))
        case "format":
            return f"must be a {value}"
        case keyword:
            return f"does not satisfy {keyword}"


def json_path(steps: Iterable[str | int]) -> str:
    """A JSON path from the root, like `$.context.selections[0]`."""
    return "$" + "".join(_step(step) for step in steps)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _NAME.fullmatch(step) else f"[{json.dumps(step)}]"
