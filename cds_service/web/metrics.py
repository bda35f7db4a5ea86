"""Metrics for Prometheus: only where administrators are."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.web.admin import require_admin
from cds_service.web.context import context

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """The numbers of all workers together; there is no such address on the public listener."""
    require_admin()
    return Response(context().meters.told(), content_type=CONTENT_TYPE_LATEST)
