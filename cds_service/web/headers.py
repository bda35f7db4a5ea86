"""Headers that every answer carries."""

from __future__ import annotations

Headers = list[tuple[str, str]]
"""As WSGI has them."""

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


def missing(given: Headers) -> Headers:
    """What an answer with these headers still lacks.

    Answers hold patient data: nobody on the way keeps them or guesses at their type. A page that
    holds none sets what differs itself.
    """
    known = {name.lower(): value for name, value in given}
    is_page = known.get("content-type", "").startswith("text/html")
    return [one for one in (_PAGES if is_page else _HEADERS) if one[0].lower() not in known]
