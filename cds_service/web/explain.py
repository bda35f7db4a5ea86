"""The explanation of an answer: which facts, which rule, which source."""

from __future__ import annotations

from time import monotonic

from flask import Blueprint, Response, request

from cds_service.web.bodies import json_response, read_object
from cds_service.web.context import context

blueprint = Blueprint("explain", __name__)


@blueprint.post("/explain/<service_id>")
def explain(service_id: str) -> Response:
    """The explanation of what the hook would answer to the same body, or the hook's own error."""
    began = monotonic()
    here = context()
    service = here.service(service_id)
    with here.admission.call():
        answer = here.answer(service, read_object(request), began)
    return json_response(answer.explanation)
