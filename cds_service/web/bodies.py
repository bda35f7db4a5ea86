"""JSON in and out: the checks every request body passes, and responses without detours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.utils import get_content_length

from cds_service.protocol import compact_json, strict_json
from cds_service.web.refusals import NotJson, NotOneObject

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers

_JSON = "application/json"
_UTF_8 = frozenset({"utf-8", "utf8"})


def read_object(environ: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """The one JSON object of a request (a WSGI environment), in `limit` bytes at most.

    Raises refusals in the order 415, 413, 400.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    if content_type != _JSON and not _is_json(content_type):
        raise NotJson("Content-Type must be application/json in UTF-8")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise NotJson("Content-Encoding must be absent: send the body as it is")
    body = _read_body(environ, limit)
    if not body.strip():
        raise NotOneObject("The body is empty; it must be one JSON object")
    document = strict_json.loads(body)
    if not isinstance(document, dict):
        raise NotOneObject("The body is JSON, but not one object")
    return document


def _is_json(content_type: str) -> bool:
    mimetype, options = parse_options_header(content_type)
    charset = options.get("charset", "utf-8").lower()
    return mimetype.lower() == _JSON and charset in _UTF_8


def _read_body(environ: Mapping[str, Any], limit: int) -> bytes:
    """The whole body, or a refusal as soon as it is known to be past the cap.

    Not through `request.get_data`: of a chunked body past the cap that returns the first part, as
    if it were all, and a cut body could still be JSON.
    """
    declared = get_content_length(
        environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    )
    if declared is not None and declared > limit:
        raise RequestEntityTooLarge
    terminated = environ.get("wsgi.input_terminated", False)
    try:
        # One byte more than allowed tells a body of the very length from a longer one.
        body: bytes = environ["wsgi.input"].read(limit + 1 if terminated else declared or 0)
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
    return _Json(body, status, content_type=_JSON)


class _Json(Response):
    """An answer whose headers are complete as they were set, its length among them."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The headers, not worked out once more."""
        return self.headers
