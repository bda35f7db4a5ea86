"""The explanation of an answer: which facts, which rule, which source."""

from __future__ import annotations

from flask import Blueprint, Response, request

from cds_service.web.bodies import json_response, read_object
from cds_service.web.context import context

blueprint = Blueprint("explain", __name__)


@blueprint.post("/explain/<service_id>")
def explain(service_id: str) -> Response:
    """The explanation of what the hook would answer to the same body, or the hook's own error."""
    here, environ = context(), request.environ
    paths = (f"/explain/{service_id}", f"/cds-services/{service_id}")
    with here.admission, here.caller(environ.get("HTTP_AUTHORIZATION"), *paths) as caller:
        service = here.service(service_id)
        answer = here.answer(caller, service, read_object(environ, here.settings.max_body_bytes))
    return json_response(answer.explanation)
