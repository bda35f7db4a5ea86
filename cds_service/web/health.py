"""Health for orchestrators: is the process alive, and may it be sent requests."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from cds_service.web.admin import is_admin
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
    """Answers 200 when there is a service to be called, also when not all is in order.

    What is not in order is told to administrators only; others learn the one word.
    """
    here = context()
    if not here.services:
        raise NotReady
    findings = here.observer.findings()
    document: dict[str, Any] = {"status": "degraded" if findings else "ready"}
    if is_admin():
        document["services"] = sorted(here.services)
        if findings:
            document["reasons"] = [{"reason": one.reason, "details": one.words} for one in findings]
    return json_response(document)
