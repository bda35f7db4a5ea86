"""Headers that every response carries."""

from __future__ import annotations

from flask import Flask, Response

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
    """Answers hold patient data: nobody on the way keeps them or guesses at their type."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in (*_HEADERS, *(_PAGES if response.mimetype == "text/html" else ())):
            response.headers[name] = value
        return response
