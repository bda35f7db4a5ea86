"""Health for orchestrators: is the process alive, and may it be sent requests."""

from __future__ import annotations

from flask import Blueprint, Response

from cds_service.web.bodies import json_response
from cds_service.web.context import context
from cds_service.web.refusals import NotReady

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
def livez() -> Response:
    """Answers as long as the process can answer at all."""
    return json_response({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answers 200 when there is a service to be called."""
    services = context().services
    if not services:
        raise NotReady
    return json_response({"status": "ready", "services": sorted(services)})
