"""Headers that every response carries."""

from __future__ import annotations

from flask import Flask, Response

from cds_service.web.correlation import HEADER, correlation_id

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)

_PAGES = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
"""Pages run their own scripts only, ask nobody else, and are shown inside nobody else's."""


def install(app: Flask) -> None:
    """Answers hold patient data: nobody on the way keeps them or guesses at their type.

    A page that holds none sets what differs itself.
    """

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in (*_HEADERS, *(_PAGES if response.mimetype == "text/html" else ())):
            response.headers.setdefault(name, value)
        if response.status_code != 401:  # a refused token gets the same bytes every time
            response.headers[HEADER] = correlation_id()
        return response
