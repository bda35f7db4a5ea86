"""The report as a page: only where administrators are, and made beside the server's work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from cds_service.records.report import CONTENT_SECURITY_POLICY, Link, labels_of, page_made_apart
from cds_service.store import Filters
from cds_service.web.admin import require_admin
from cds_service.web.context import context
from cds_service.web.refusals import BadQuery, Overloaded

blueprint = Blueprint("reports", __name__)

_USUAL_WEEKS = 4
_WEEKS = (_USUAL_WEEKS, 13, 52)
_PARAMETERS = {"client", "service", "from", "to"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR, _LAST_YEAR = 1900, 9000  # days before and after them are still days
_one_at_a_time = Lock()


@blueprint.get("/reports")
def show() -> Response:
    """The report of the last four weeks, or of `from` to `to` (UTC days), for whom it is asked."""
    require_admin()
    here = context()
    if not request.args.keys() <= _PARAMETERS:
        raise BadQuery(f"Unknown parameter; there are {', '.join(sorted(_PARAMETERS))}")
    today = datetime.now(UTC).date()
    last = _day("to") or today
    first = _day("from") or last - timedelta(weeks=_USUAL_WEEKS)
    if last < first:
        raise BadQuery("'to' must not be before 'from'")
    filters = Filters(
        client=request.args.get("client") or None,
        service=request.args.get("service") or None,
        since=datetime.combine(first, time.min, UTC),
        until=datetime.combine(last + timedelta(days=1), time.min, UTC),
    )
    clients = sorted(here.live.deployment.registry.clients)
    if filters.client not in (None, *clients):
        raise BadQuery("The registry has no client of this name")
    if filters.service not in (None, *here.services):
        raise BadQuery("There is no service with this id")
    if not _one_at_a_time.acquire(blocking=False):
        raise Overloaded
    try:
        made = page_made_apart(
            here.settings.database_url,
            filters,
            labels_of(here.services.values()),
            _links(filters, clients, first, last, today),
        )
    except TimeoutError:
        raise Overloaded from None
    finally:
        _one_at_a_time.release()
    response = Response(made, mimetype="text/html")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def _day(name: str) -> date | None:
    given = request.args.get(name)
    if given is None:
        return None
    try:
        found = date.fromisoformat(given) if _DAY.fullmatch(given) else None
    except ValueError:
        found = None
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise BadQuery(f"{name!r} must be a day, YYYY-MM-DD")
    return found


def _links(
    filters: Filters, clients: list[str], first: date, last: date, today: date
) -> Iterator[Link]:
    """From this report to those of other clients and other times."""
    for client in (None, *clients):
        address = _address(client, filters.service, first, last)
        yield Link("Clients", client or "all clients", address, client == filters.client)
    for weeks in _WEEKS:
        begin = today - timedelta(weeks=weeks)
        address = _address(filters.client, filters.service, begin, today)
        yield Link("Times", f"{weeks} weeks", address, (first, last) == (begin, today))


def _address(client: str | None, service: str | None, first: date, last: date) -> str:
    asked = {"client": client, "service": service, "from": first, "to": last}
    return "reports?" + urlencode({name: value for name, value in asked.items() if value})
