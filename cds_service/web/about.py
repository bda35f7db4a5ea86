"""The page about each decision service: public, and without a word of any patient.

A service states what it knows as data (`about()`); its `sections` are drawn here as they come. A
service that states none has a page all the same, made of its description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from flask import Blueprint, Response, abort, render_template, request

from cds_service.protocol.page import Items, Paragraph, Section, as_data
from cds_service.protocol.service import Service
from cds_service.web.bodies import encode
from cds_service.web.refusals import UnknownService

FORMATS = {"html": "text/html", "json": "application/json"}
"""What `?format=` may ask for; without it the Accept header decides, HTML where it does not."""

_FILES = {"about.css": "text/css", "about.svg": "image/svg+xml"}
"""What the page is drawn with: its style and its icon."""
_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'",
    ),
    # Kept, and asked after each time: nobody reads a rating that has been withdrawn.
    ("Cache-Control", "public, no-cache"),
)


@dataclass(frozen=True, slots=True)
class _Body:
    """Bytes that stay the same as long as the process lives."""

    content: bytes
    mimetype: str

    def response(self) -> Response:
        """The answer to the present request: 304 where the reader has it already."""
        response = Response(self.content, mimetype=self.mimetype)
        response.headers.extend(_HEADERS)
        response.set_etag(hashlib.sha256(self.content).hexdigest()[:32])
        response.make_conditional(request)
        return response


def about_blueprint(services: Mapping[str, Service], knowledge: Mapping[str, str]) -> Blueprint:
    """The pages of these services; `knowledge` names by service what each decides with.

    Nothing is drawn before somebody asks for it, and nothing is drawn twice.
    """
    blueprint = Blueprint("about", __name__, template_folder="templates")

    @cache
    def body(service_id: str, form: str) -> _Body:
        document = about_document(services[service_id], knowledge[service_id])
        if form == "json":
            return _Body(encode(document), FORMATS[form])
        return _Body(render_template("about.html", about=document).encode(), FORMATS[form])

    @cache
    def file(name: str) -> _Body:
        folder = resources.files(__package__).joinpath("static")
        return _Body(folder.joinpath(name).read_bytes(), _FILES[name])

    # No second spelling with a slash at its end: the address of the style is relative to this one.
    @blueprint.get("/about/<service_id>", strict_slashes=True)
    def show(service_id: str) -> Response:
        form = _form()
        if service_id not in services:
            raise UnknownService
        response = body(service_id, form).response()
        response.vary.add("Accept")
        response.content_language.add("en")
        return response

    def show_file(name: str) -> Response:
        return file(name).response()

    for name in _FILES:
        blueprint.add_url_rule(f"/static/{name}", "static", show_file, defaults={"name": name})
    return blueprint


def about_document(service: Service, knowledge: str) -> dict[str, Any]:
    """What a service states of itself, with its name and the sections of its page."""
    stated = dict(service.about())
    named = {"service": service.id, "title": service.title, "ruleset": service.ruleset}
    return {**named, "knowledge": knowledge, "sections": _described(service), **stated}


def _described(service: Service) -> list[dict[str, Any]]:
    """The page of a service that states none."""
    texts = {"Purpose": service.description, "Needs": service.usage_requirements}
    blocks = tuple(
        Paragraph(title.lower(), text, title=title) for title, text in texts.items() if text
    )
    hooks = Items("hooks", service.hooks, title="Hooks")
    return [as_data(Section("overview", "What it is", (*blocks, hooks)))]


def _form() -> str:
    asked = request.args.get("format")
    if asked is not None:
        return asked if asked in FORMATS else abort(400)
    best = request.accept_mimetypes.best_match(list(FORMATS.values()), FORMATS["html"])
    return next(form for form, mimetype in FORMATS.items() if mimetype == best)
