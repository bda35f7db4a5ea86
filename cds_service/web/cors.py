"""CORS: which browsers' pages may call the CDS Hooks endpoints."""

from __future__ import annotations

import re

from flask import Flask, Response, request
from flask_cors import CORS

from cds_service.registry import Registry

_PATHS = re.compile(r"/cds-services(?:/.*)?\Z")
ANY_LOOPBACK = re.compile(
    r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?\Z", re.IGNORECASE
)
"""Origins on the developer's own machine, on any port."""


def install(app: Flask, registry: Registry, *, development: bool) -> None:
    """Allow the clients' origins, in development any loopback origin too; errors included.

    A preflight does not say which client it belongs to, so the origins of all clients count.
    Tokens travel in the Authorization header, never in cookies: no credentials.
    """
    origins: list[str | re.Pattern[str]] = [
        re.compile(re.escape(origin) + r"\Z") for origin in registry.cors_origins()
    ]
    if development:
        origins.append(ANY_LOOPBACK)

    @app.after_request
    def vary(response: Response) -> Response:
        if _PATHS.match(request.path):
            response.vary.add("Origin")
        return response

    CORS(
        app,
        resources={_PATHS.pattern: {}},
        origins=origins,
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type"],
        supports_credentials=False,
        always_send=False,  # else answers without an Origin would list all clients' origins
        vary_header=False,
        max_age=600,
    )
