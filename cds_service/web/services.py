"""CDS Hooks: discovery, and the call of a service."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

from flask import Blueprint, Response, g, request

from cds_service.protocol.service import Service
from cds_service.records import Reasoning
from cds_service.web.bodies import json_response, read_object
from cds_service.web.context import context
from cds_service.web.meters import Call, Meters

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
    here, environ = context(), request.environ
    call = g.call = _Call(here.meters)
    path = f"/cds-services/{service_id}"
    with here.admission, here.caller(environ.get("HTTP_AUTHORIZATION"), path) as caller:
        call.client = caller.client.name
        call.service = here.service(service_id)
        body = read_object(environ, here.settings.max_body_bytes)
        call.hook = body.get("hook")
        answer = here.answer(caller, call.service, body)
    call.cards, call.silence = len(answer.response["cards"]), answer.silence
    call.reasoning = answer.reasoning
    response = json_response(answer.response)
    here.record(caller, answer)
    return response


class _Call:
    """What is told of one hook call; nothing that a client wrote freely gets into it."""

    __slots__ = ("began", "cards", "client", "hook", "meters", "reasoning", "service", "silence")

    def __init__(self, meters: Meters) -> None:
        self.began = monotonic()
        self.meters = meters
        self.client = "unknown"
        self.silence: str | None = None
        self.service: Service | None = None
        self.hook: Any = None
        self.cards = 0
        self.reasoning: Reasoning | None = None

    @property
    def service_id(self) -> str:
        """The service's id, when it is one of ours."""
        return self.service.id if self.service else "unknown"

    @property
    def known_hook(self) -> str:
        """The hook, when the service offers it."""
        offered = self.service.hooks if self.service else ()
        return self.hook if self.hook in offered else "unknown"


@blueprint.after_request
def tell_call(response: Response) -> Response:
    """Count each hook call and write one line for it, whatever came of it."""
    call: _Call | None = g.get("call")
    if call is None:
        return response
    seconds = monotonic() - call.began
    service, hook, status = call.service_id, call.known_hook, response.status_code
    is_refusal = status >= 400
    unread = frozenset(g.get("unread", ()) if is_refusal else ())
    call.meters.count_call(
        Call(service, hook, call.client, status, seconds, call.reasoning, unread)
    )
    if _log.isEnabledFor(logging.INFO):
        fields = {
            "service": service,
            "hook": hook,
            "client": call.client,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "cards": call.cards,
            "silence": call.silence,
            "reason": g.get("reason") if is_refusal else None,
        }
        _log.info("call", extra={"fields": fields})
    return response
