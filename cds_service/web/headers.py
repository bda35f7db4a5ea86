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
    *_HEADERS,
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
        headers = response.headers
        given = {name.lower() for name, _ in headers}
        for name, value in _PAGES if response.mimetype == "text/html" else _HEADERS:
            if name.lower() not in given:
                headers.add(name, value)
        if response.status_code != 401:  # a refused token gets the same bytes every time
            headers[HEADER] = correlation_id()
        return response
