"""CORS: which browsers' pages may call the CDS Hooks endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.registry import Registry
from cds_service.web.headers import Headers

_PATH = "/cds-services"
_METHODS = "GET, POST, OPTIONS"
_HEADERS = ("authorization", "content-type")
_MAX_AGE_S = "600"
ANY_LOOPBACK = re.compile(
    r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?\Z", re.IGNORECASE
)
"""Origins on the developer's own machine, on any port."""


@dataclass(frozen=True, slots=True)
class Cors:
    """Allows the clients' origins, in development any loopback origin too; errors included.

    A preflight does not say which client it belongs to, so the origins of all clients count.
    Tokens travel in the Authorization header, never in cookies: no credentials.
    """

    registry: Callable[[], Registry]
    development: bool

    def headers(self, environ: Mapping[str, Any]) -> Headers:
        """What the answer to a request (a WSGI environment) says to the browser."""
        path = "/" + environ.get("PATH_INFO", "").lstrip("/")
        if path != _PATH and not path.startswith(f"{_PATH}/"):
            return []
        found = [("Vary", "Origin")]
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and self._is_allowed(origin):
            found.append(("Access-Control-Allow-Origin", origin))
            if environ["REQUEST_METHOD"] == "OPTIONS":
                found += _preflight(environ)
        return found

    def _is_allowed(self, origin: str) -> bool:
        if origin in self.registry().cors_origins():
            return True
        return self.development and ANY_LOOPBACK.match(origin) is not None


def _preflight(environ: Mapping[str, Any]) -> Headers:
    """What a page may send, where the browser asks for it."""
    if "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
        return []
    asked = re.split(r"[,\s]+", environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "").lower())
    found = [
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Max-Age", _MAX_AGE_S),
    ]
    allowed = sorted({name for name in asked if name in _HEADERS})
    return [*found, ("Access-Control-Allow-Headers", ", ".join(allowed))] if allowed else found
