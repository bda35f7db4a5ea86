"""CORS: which browsers' pages may call the CDS Hooks endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask, Response, request

from cds_service.registry import Registry

_PATHS = re.compile(r"/cds-services(?:/.*)?\Z")
_METHODS = "GET, POST, OPTIONS"
_HEADERS = ("authorization", "content-type")
_MAX_AGE_S = "600"
ANY_LOOPBACK = re.compile(
    r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?\Z", re.IGNORECASE
)
"""Origins on the developer's own machine, on any port."""


def install(app: Flask, registry: Callable[[], Registry], *, development: bool) -> None:
    """Allow the clients' origins, in development any loopback origin too; errors included.

    A preflight does not say which client it belongs to, so the origins of all clients count.
    Tokens travel in the Authorization header, never in cookies: no credentials.
    """

    @app.after_request
    def allow(response: Response) -> Response:
        if not _PATHS.match(request.path):
            return response
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is None or not _is_allowed(origin, registry(), development):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Max-Age"] = _MAX_AGE_S
            asked = request.headers.get("Access-Control-Request-Headers", "")
            allowed = [name for name in re.split(r"[,\s]+", asked.lower()) if name in _HEADERS]
            if allowed:
                response.headers["Access-Control-Allow-Headers"] = ", ".join(sorted(set(allowed)))
        return response


def _is_allowed(origin: str, registry: Registry, development: bool) -> bool:
    return origin in registry.cors_origins() or bool(development and ANY_LOOPBACK.match(origin))
