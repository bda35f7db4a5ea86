"""The OpenAPI document: a skeleton of routes, filled with the protocol's own JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata, resources
from typing import Any

from flask import Blueprint, Response

from cds_service.config import Settings
from cds_service.protocol.service import Service
from cds_service.web.bodies import json_response
from cds_service.web.context import context

blueprint = Blueprint("openapi", __name__)
_COMPONENTS = "#/components/schemas/"


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The description of this very process: its services, its address, its switches."""
    return json_response(context().openapi)


def openapi_document(settings: Settings, services: Mapping[str, Service]) -> dict[str, Any]:
    """A self-contained OpenAPI 3.1 document."""
    text = resources.files(__package__).joinpath("openapi.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    document["info"]["version"] = metadata.version("bone-density-cds")
    document["servers"] = [{"url": settings.public_url or "/"}]
    if services:
        service_id = document["components"]["parameters"]["ServiceId"]
        service_id["schema"]["enum"] = sorted(services)
    if not settings.explain_enabled:
        del document["paths"]["/explain/{id}"]
    if not settings.is_development:  # there it is not on the listener that this describes
        del document["paths"]["/metrics"], document["paths"]["/reports"]
    if not settings.console_enabled:
        del document["paths"]["/"], document["paths"]["/console/{id}"]
    document["components"]["schemas"] |= component_schemas()
    return document


def component_schemas() -> dict[str, Any]:
    """The protocol's schemas by component name, their references turned to each other."""
    folder = resources.files("cds_service.protocol").joinpath("schemas")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    schemas = {file.name: json.loads(file.read_text("utf-8")) for file in files}
    bases = {name: _component(name) for name in schemas}
    bases |= {schema["$id"]: _component(n) for n, schema in schemas.items() if "$id" in schema}
    return {
        _component(name): _rewritten(schema, _component(name), bases)
        for name, schema in schemas.items()
    }


def _component(file_name: str) -> str:
    """`request-order-select.schema.json` is the component `RequestOrderSelect`."""
    return "".join(word.capitalize() for word in file_name.split(".")[0].split("-"))


def _rewritten(node: Any, component: str, bases: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_rewritten(item, component, bases) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _reference(value, component, bases)
        if name == "$ref" and isinstance(value, str)
        else _rewritten(value, component, bases)
        for name, value in node.items()
        if not (name in ("$id", "$schema") and isinstance(value, str))
    }


def _reference(target: str, component: str, bases: Mapping[str, str]) -> str:
    base, _, fragment = target.partition("#")
    return _COMPONENTS + (bases[base] if base else component) + fragment
