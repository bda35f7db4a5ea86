"""What surrounds each request: its number, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cds_service.logs import correlation
from cds_service.protocol.identifiers import random_name
from cds_service.web.cors import Cors
from cds_service.web.headers import Headers, missing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Correlation-Id"


class Frame:
    """An application, framed: what it answers, errors of any kind included, gets its headers.

    A number that the caller sends is not taken: it would get into logs.
    """

    def __init__(self, application: WSGIApplication, cors: Cors) -> None:
        self._application = application
        self._cors = cors

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        number = random_name()
        correlation.set(number)

        def start(status: str, headers: Headers, *error: object) -> Callable[[bytes], object]:
            framed = [*headers, *missing(headers), *self._cors.headers(environ)]
            if not status.startswith("401"):  # a refused token gets the same bytes every time
                framed.append((HEADER, number))
            return start_response(status, framed, *error)  # type: ignore[arg-type]

        try:
            return self._application(environ, start)
        finally:
            correlation.set(None)
