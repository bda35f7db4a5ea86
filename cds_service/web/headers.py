"""Headers that every response carries."""

from __future__ import annotations

from flask import Flask, Response

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


def install(app: Flask) -> None:
    """Answers hold patient data: nobody on the way keeps them or guesses at their type.

    A page that holds none sets what differs itself.
    """

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in _HEADERS:
            response.headers.setdefault(name, value)
        return response
