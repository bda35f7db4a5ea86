"""One id for each request: in every line of the log about it, and in the answer."""

from __future__ import annotations

from flask import Flask

from cds_service.logs import correlation
from cds_service.protocol.identifiers import random_name

HEADER = "X-Correlation-Id"


def install(app: Flask) -> None:
    """Give each request its id; one that the caller sends is not taken, it would get into logs."""

    @app.before_request
    def begin() -> None:
        correlation.set(random_name())

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        correlation.set(None)


def correlation_id() -> str:
    """The id of the present request."""
    return correlation.get() or ""
