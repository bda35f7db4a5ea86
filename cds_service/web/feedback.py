"""CDS Hooks: what clinicians made of the cards."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from cds_service.protocol.feedback import read_feedback
from cds_service.web.bodies import json_response, read_object
from cds_service.web.context import context

MAX_BYTES = 256 * 1024

blueprint = Blueprint("feedback", __name__)
_log = logging.getLogger("cds_service.feedback")


@blueprint.post("/cds-services/<service_id>/feedback")
@blueprint.post("/cds-services//<service_id>/feedback")
def take_feedback(service_id: str) -> Response:
    """A batch of outcomes; 200 means that all of it is on disk, anything else that nothing is.

    A batch may be sent again as often as one likes: what is known already is not kept twice.
    """
    here, environ = context(), request.environ
    paths = (f"/cds-services/{service_id}/feedback", f"/cds-services/{service_id}")
    with here.admission, here.caller(environ.get("HTTP_AUTHORIZATION"), *paths) as caller:
        service, client = here.service(service_id), caller.client.name
        limit = request.max_content_length = min(MAX_BYTES, here.settings.max_body_bytes)
        batch = read_feedback(read_object(environ, limit))
        kept = here.feedback.add(batch, client=client, service=service.id, now=datetime.now(UTC))
    here.meters.take_feedback(service.id, client, batch, kept)
    fields = {
        "service": service.id,
        "client": client,
        "new": kept.new,
        "repeated": kept.repeated,
        "unknown_cards": kept.unknown,
    }
    _log.info("feedback", extra={"fields": fields})
    return json_response({"new": kept.new, "repeated": kept.repeated, "unknownCards": kept.unknown})
