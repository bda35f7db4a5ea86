"""JSON in and out: the checks every request body passes, and responses without detours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from cds_service.protocol import compact_json, strict_json
from cds_service.web.refusals import NotJson, NotOneObject

_UTF_8 = frozenset({"utf-8", "utf8"})


def read_object(request: Request) -> dict[str, Any]:
    """The request's one JSON object; raises refusals in the order 415, 413, 400."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in _UTF_8:
        raise NotJson("Content-Type must be application/json in UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotJson("Content-Encoding must be absent: send the body as it is")
    body = _read_body(request)
    if not body.strip():
        raise NotOneObject("The body is empty; it must be one JSON object")
    document = strict_json.loads(body)
    if not isinstance(document, dict):
        raise NotOneObject("The body is JSON, but not one object")
    return document


def _read_body(request: Request) -> bytes:
    """The whole body, or a refusal as soon as it is known to be past the cap.

    Not through `request.get_data`: of a chunked body past the cap that returns the first part, as
    if it were all, and a cut body could still be JSON.
    """
    limit = request.max_content_length or 0
    declared = request.content_length
    if declared is not None and declared > limit:
        raise RequestEntityTooLarge
    terminated = request.environ.get("wsgi.input_terminated", False)
    try:
        # One byte more than allowed tells a body of the very length from a longer one.
        body: bytes = request.environ["wsgi.input"].read(limit + 1 if terminated else declared or 0)
    except (OSError, ValueError):
        raise NotOneObject("The body could not be read to its end") from None
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def encode(document: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return compact_json.dumps(document)


def json_response(document: Mapping[str, Any] | bytes, status: int = 200) -> Response:
    """A JSON answer from a document, or from one that was encoded before."""
    body = document if isinstance(document, bytes) else encode(document)
    return Response(body, status, mimetype="application/json")
