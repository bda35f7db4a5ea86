"""The one place that decides status codes: exceptions in, OperationOutcomes out."""

from __future__ import annotations

import logging
import traceback
import uuid
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.chart import Unread
from cds_service.protocol.errors import InvalidRequest, WrongPatient
from cds_service.protocol.outcome import Issue, operation_outcome
from cds_service.protocol.strict_json import NotStrictJson
from cds_service.security import Rejected
from cds_service.store import NotTheirCard, StoreError
from cds_service.web.bodies import json_response
from cds_service.web.refusals import (
    ForeignPage,
    NotJson,
    NotOneObject,
    NotReady,
    Overloaded,
    TooMany,
    UnknownService,
)

_log = logging.getLogger("cds_service.errors")

_HTTP = {
    400: ("structure", "The request could not be read"),
    404: ("not-found", "There is nothing at this address"),
    405: ("not-supported", "This address does not answer this method"),
    413: ("too-long", "The body is longer than the {limit} bytes that are read here"),
}
"""Issue code and words for what routing and the server itself refuse."""

_RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """What a request gets instead of an answer."""

    status: int
    issues: tuple[Issue, ...]
    allow: str | None = None
    authenticate: str | None = None
    retry_after_s: int | None = None
    unread: tuple[Unread, ...] = ()

    @property
    def outcome(self) -> dict[str, Any]:
        """The body."""
        return operation_outcome(self.issues)


_NOT_AUTHENTICATED = Failure(
    401, (Issue("login", "Authentication is required"),), authenticate="Bearer"
)
"""The same for every token that proves nothing: the caller learns nothing of why."""


def failure_of(error: Exception, max_body_bytes: int) -> Failure:
    """Status code and issues of an exception; whatever is not known here is a 500."""
    match error:
        case NotStrictJson():
            return _single(400, "structure", f"The body is not strict JSON: {error}")
        case NotOneObject():
            return _single(400, "structure", str(error))
        case InvalidRequest():
            return Failure(422, tuple(Issue("invalid", p.text, p.path) for p in error.problems))
        case WrongPatient():
            text = "This is data of another patient than the one in context.patientId"
            return Failure(422, tuple(Issue("conflict", text, place) for place in error.places))
        case ChartNotReadable():
            gaps = tuple(Issue("incomplete", f"{gap.data}: {gap.reason}") for gap in error.missing)
            return Failure(412, gaps, unread=error.missing)
        case UnknownService():
            return _single(404, "not-found", str(error))
        case NotTheirCard():
            text = "There is no such card for this client; nothing of the batch was kept"
            places = (f"$.feedback[{position}].card" for position in error.positions)
            return Failure(404, tuple(Issue("not-found", text, place) for place in places))
        case NotJson():
            return _single(415, "not-supported", str(error))
        case ForeignPage():
            return _single(403, "forbidden", str(error))
        case NotReady():
            return _single(503, "transient", str(error))
        case Overloaded():
            issues = (Issue("throttled", str(error)),)
            return Failure(503, issues, retry_after_s=_RETRY_AFTER_S)
        case TooMany():
            issues = (Issue("throttled", str(error)),)
            return Failure(429, issues, retry_after_s=error.retry_after_s)
        case Rejected():
            return _NOT_AUTHENTICATED
        case StoreError():
            text = "What has to be looked up or kept cannot be at the moment; try again later"
            issues = (Issue("transient", text),)
            return Failure(503, issues, retry_after_s=_RETRY_AFTER_S)
        case HTTPException() if error.code is not None and error.code >= 400:
            code, words = _HTTP.get(error.code, ("processing", "The request cannot be served"))
            return _single(error.code, code, words.format(limit=max_body_bytes), _allowed(error))
        case _:
            return _unexpected(error)


def install(app: Flask) -> None:
    """Answer every exception of an application, also those that nobody expected."""

    @app.errorhandler(Exception)
    def answer_error(error: Exception) -> Response:
        failure = failure_of(error, request.max_content_length or 0)
        response = json_response(failure.outcome, failure.status)
        if failure.allow:
            response.headers["Allow"] = failure.allow
        if failure.authenticate:
            response.headers["WWW-Authenticate"] = failure.authenticate
        if failure.retry_after_s:
            response.headers["Retry-After"] = str(failure.retry_after_s)
        return response


def _single(status: int, code: str, text: str, allow: str | None = None) -> Failure:
    return Failure(status, (Issue(code, text),), allow)


def _allowed(error: HTTPException) -> str | None:
    methods = getattr(error, "valid_methods", None)
    return ", ".join(sorted(methods)) if methods else None


def _unexpected(error: Exception) -> Failure:
    """A fault of ours: the client gets a number, the log the place.

    The exception's own text may hold values of the patient, so neither gets it.
    """
    correlation_id = uuid.uuid4()
    stack = "".join(traceback.format_tb(error.__traceback__))
    _log.error("fault %s: %s\n%s", correlation_id, type(error).__name__, stack)
    return _single(500, "exception", f"Internal error; correlation id {correlation_id}")
