"""CDS Hooks: discovery, and the call of a service."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

from flask import Blueprint, Response, g, request

from cds_service.protocol.service import Service
from cds_service.web.bodies import json_response, read_object
from cds_service.web.context import context

blueprint = Blueprint("services", __name__)
_log = logging.getLogger("cds_service.calls")


@blueprint.get("/cds-services")
def list_services() -> Response:
    """Discovery: every service once per hook."""
    return json_response(context().discovery)


# The doubled slash is what a client makes that was configured with the trailing one.
@blueprint.post("/cds-services/<service_id>")
@blueprint.post("/cds-services//<service_id>")
def call_service(service_id: str) -> Response:
    """One hook call, answered with cards."""
    call = g.call = _Call()
    here = context()
    path = f"/cds-services/{service_id}"
    with here.call(request.headers.get("Authorization"), path) as caller:
        call.client = caller.client.name
        call.service = here.service(service_id)
        body = read_object(request)
        call.hook = body.get("hook")
        answer = here.answer(caller, call.service, body)
    call.cards, call.silence = len(answer.response["cards"]), answer.silence
    response = json_response(answer.response)
    here.record(caller, answer)
    return response


class _Call:
    """What the log says of one hook call; nothing that a client wrote freely gets into it."""

    __slots__ = ("began", "cards", "client", "hook", "service", "silence")

    def __init__(self) -> None:
        self.began = monotonic()
        self.client = "unknown"
        self.silence: str | None = None
        self.service: Service | None = None
        self.hook: Any = None
        self.cards = 0

    def line(self, status: int) -> str:
        service = self.service.id if self.service else "unknown"
        offered = self.service.hooks if self.service else ()
        hook = self.hook if self.hook in offered else "unknown"
        reason = f" silence={self.silence}" if self.silence else ""
        milliseconds = (monotonic() - self.began) * 1000
        return (
            f"call service={service} hook={hook} client={self.client} status={status} "
            f"ms={milliseconds:.1f} cards={self.cards}{reason}"
        )


@blueprint.after_request
def log_call(response: Response) -> Response:
    """Write one line for each hook call, whatever came of it."""
    call: _Call | None = g.get("call")
    if call is not None and _log.isEnabledFor(logging.INFO):
        _log.info("%s", call.line(response.status_code))
    return response
