"""The one place that decides status codes: exceptions in, OperationOutcomes out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from cds_service.logs import correlation, fault
from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.chart import Unread
from cds_service.protocol.errors import InvalidRequest, WrongPatient
from cds_service.protocol.outcome import Issue, operation_outcome
from cds_service.protocol.strict_json import NotStrictJson
from cds_service.security import Rejected
from cds_service.store import NotTheirCard, StoreError
from cds_service.web.bodies import json_response
from cds_service.web.context import context
from cds_service.web.refusals import (
    BadQuery,
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

_REASONS = {400: "not-readable", 404: "no-such-address", 405: "wrong-method", 413: "too-long"}
_RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """What a request gets instead of an answer; `reason` is the code by which it is counted."""

    status: int
    reason: str
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
    401, "not-authenticated", (Issue("login", "Authentication is required"),), authenticate="Bearer"
)
"""The same for every token that proves nothing: the caller learns nothing of why."""


def failure_of(error: Exception, max_body_bytes: int) -> Failure:
    """Status code and issues of an exception; whatever is not known here is a 500."""
    match error:
        case NotStrictJson():
            return _single(
                400, "not-strict-json", "structure", f"The body is not strict JSON: {error}"
            )
        case NotOneObject():
            return _single(400, "not-one-object", "structure", str(error))
        case InvalidRequest():
            return Failure(
                422,
                "invalid-request",
                tuple(Issue("invalid", p.text, p.path) for p in error.problems),
            )
        case WrongPatient():
            text = "This is data of another patient than the one in context.patientId"
            return Failure(
                422,
                "wrong-patient",
                tuple(Issue("conflict", text, place) for place in error.places),
            )
        case ChartNotReadable():
            gaps = tuple(Issue("incomplete", f"{gap.data}: {gap.reason}") for gap in error.missing)
            return Failure(412, "chart-not-readable", gaps, unread=error.missing)
        case UnknownService():
            return _single(404, "unknown-service", "not-found", str(error))
        case NotTheirCard():
            text = "There is no such card for this client; nothing of the batch was kept"
            places = (f"$.feedback[{position}].card" for position in error.positions)
            return Failure(
                404,
                "not-their-card",
                tuple(Issue("not-found", text, place) for place in places),
            )
        case NotJson():
            return _single(415, "not-json", "not-supported", str(error))
        case ForeignPage():
            return _single(403, "foreign-page", "forbidden", str(error))
        case BadQuery():
            return _single(400, "bad-query", "invalid", str(error))
        case NotReady():
            return _single(503, "no-service", "transient", str(error))
        case Overloaded():
            issues = (Issue("throttled", str(error)),)
            return Failure(503, "overloaded", issues, retry_after_s=_RETRY_AFTER_S)
        case TooMany():
            issues = (Issue("throttled", str(error)),)
            return Failure(429, "too-many-calls", issues, retry_after_s=error.retry_after_s)
        case Rejected():
            return _NOT_AUTHENTICATED
        case StoreError():
            text = "What has to be looked up or kept cannot be at the moment; try again later"
            issues = (Issue("transient", text),)
            return Failure(503, "store", issues, retry_after_s=_RETRY_AFTER_S)
        case HTTPException() if error.code is not None and error.code >= 400:
            code, words = _HTTP.get(error.code, ("processing", "The request cannot be served"))
            told = words.format(limit=max_body_bytes)
            return _single(
                error.code, _REASONS.get(error.code, "http"), code, told, _allowed(error)
            )
        case _:
            return _single(500, "fault", "exception", "Internal error")


def install(app: Flask) -> None:
    """Answer every exception of an application, also those that nobody expected."""

    @app.errorhandler(Exception)
    def answer_error(error: Exception) -> Response:
        failure = failure_of(error, request.max_content_length or 0)
        g.reason, g.unread = failure.reason, tuple(gap.data for gap in failure.unread)
        if failure.status != 401:  # those are counted where it is known why
            context().meters.refuse(g.get("client"), failure.status, failure.reason)
        if failure.status >= 500:
            failure = _numbered(failure, correlation.get() or "")
        if failure.status == 500:
            # The exception's own text may hold values of the patient: type and place are told.
            _log.error("fault", extra={"fields": fault(_innermost(error))})
        response = json_response(failure.outcome, failure.status)
        if failure.allow:
            response.headers["Allow"] = failure.allow
        if failure.authenticate:
            response.headers["WWW-Authenticate"] = failure.authenticate
        if failure.retry_after_s:
            response.headers["Retry-After"] = str(failure.retry_after_s)
        return response


def internal_error(identifier: str) -> dict[str, Any]:
    """The body that answers a fault of this program, with the number to search the log by."""
    return _numbered(failure_of(Exception(), 0), identifier).outcome


def _innermost(error: Exception) -> BaseException:
    """What Flask has wrapped into an error of its own, when that is what happened."""
    return getattr(error, "original_exception", None) or error


def _numbered(failure: Failure, identifier: str) -> Failure:
    """The same with the number by which the log is searched."""
    issues = (
        replace(one, text=f"{one.text}; correlation id {identifier}") for one in failure.issues
    )
    return replace(failure, issues=tuple(issues))


def _single(status: int, reason: str, code: str, text: str, allow: str | None = None) -> Failure:
    return Failure(status, reason, (Issue(code, text),), allow)


def _allowed(error: HTTPException) -> str | None:
    methods = getattr(error, "valid_methods", None)
    return ", ".join(sorted(methods)) if methods else None
