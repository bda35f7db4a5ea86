"""What surrounds each request: its number, and the headers that every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cds_service.logs import correlation, fault
from cds_service.protocol.identifiers import random_name
from cds_service.web.bodies import encode
from cds_service.web.cors import Cors
from cds_service.web.errors import internal_error
from cds_service.web.headers import Headers, missing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NUMBER = "X-Correlation-Id"
_PLAIN = [("Content-Type", "application/json"), *missing([])]
_log = logging.getLogger("cds_service.errors")


class Frame:
    """An application, framed: what it answers, errors of any kind included, gets its headers.

    A number that the caller sends is not taken: it would get into logs. Where the headers
    themselves cannot be made, the answer is an error that does without those of CORS.
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
                framed.append((_NUMBER, number))
            return start_response(status, framed, *error)  # type: ignore[arg-type]

        try:
            return self._application(environ, start)
        except Exception as error:  # after the views, whose faults are answered within
            _log.error("fault", extra={"fields": fault(error)})
            body = encode(internal_error(number))
            length = ("Content-Length", str(len(body)))
            start_response("500 INTERNAL SERVER ERROR", [*_PLAIN, length, (_NUMBER, number)])
            return [body]
        finally:
            correlation.set(None)
