"""Search results in pages, good and bad. The next page's address is opaque to the client."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from fhir_exchange import Exchange, Kind
from fhir_faults import unauthorized

PAGE = 2
Next = Callable[[Exchange, str, int], str]  # (exchange, token, first entry) -> address of a page


def absolute(exchange: Exchange, token: str, start: int) -> str:
    """An address on this server that shows nothing of the search."""
    return f"{exchange.base}?_getpages={token}&_getpagesoffset={start}"


def relative(exchange: Exchange, token: str, start: int) -> str:
    """An address relative to that of the page."""
    return f"{_search_of(token)[0]}?_getpages={token}&_getpagesoffset={start}"


def off_host(exchange: Exchange, token: str, start: int) -> str:
    """An address on another origin."""
    return f"{exchange.elsewhere}/healthy/r4?_getpages={token}&_getpagesoffset={start}"


def other_tenant(exchange: Exchange, token: str, start: int) -> str:
    """An address on the same origin under another tenant's prefix."""
    url = urlsplit(exchange.base)
    return f"{url.scheme}://{url.netloc}/other-tenant/r4?_getpages={token}&_getpagesoffset={start}"


def plain_http(exchange: Exchange, token: str, start: int) -> str:
    """The same host and port over http where the base is https."""
    return absolute(exchange, token, start).replace("https://", "http://", 1)


def loop(exchange: Exchange, token: str, start: int) -> str:
    """The second page, whose next is itself."""
    return absolute(exchange, token, PAGE)


def pages(address: Next, *, size: int = PAGE) -> Kind:
    """Pages of two entries, or as many as given; reads are answered rightly."""

    def answer(exchange: Exchange) -> None:
        request = _request(exchange)
        if request is None:
            exchange.pass_on()
            return
        path, params, token, start = request
        bundle = exchange.bundle(path, params)
        entries = bundle.pop("entry", [])
        count = min(exchange.number(size), int(dict(params).get("_count", 1000)))
        bundle["link"] = [{"relation": "self", "url": f"{exchange.base}/{path}"}]
        if start + count < len(entries) or (address is loop and start):
            following = {"relation": "next", "url": address(exchange, token, start + count)}
            bundle["link"].append(following)
        if shown := entries[start : start + count]:
            bundle["entry"] = shown
        exchange.send_json(bundle)

    return answer


def unauthorized_midway(exchange: Exchange) -> None:
    """The first page, then 401."""
    request = _request(exchange)
    if request and request[3]:
        unauthorized(exchange)
    else:
        pages(absolute)(exchange)


def endless(exchange: Exchange) -> None:
    """1,000 pages, or as many as given, of one entry each; no two addresses or ids are equal."""
    request = _request(exchange)
    if request is None:
        exchange.pass_on()
        return
    path, params, token, start = request
    bundle = exchange.bundle(path, params)
    entries = bundle.pop("entry", [])
    if entries:
        entry = copy.deepcopy(entries[start % len(entries)])
        entry["resource"]["id"] += f"-page-{start}"
        entry["fullUrl"] = f"{exchange.base}/{path}/{entry['resource']['id']}"
        bundle["entry"] = [entry]
    bundle.pop("total", None)
    if start + 1 < exchange.number(1000):
        following = {"relation": "next", "url": absolute(exchange, token, start + 1)}
        bundle["link"] = [following]
    exchange.send_json(bundle)


def _request(exchange: Exchange) -> tuple[str, list[tuple[str, str]], str, int] | None:
    """Search path, parameters, token and first entry; nothing for a read."""
    given = dict(exchange.seen.params)
    if token := given.get("_getpages"):
        path, query = _search_of(token)
        start = int(given["_getpagesoffset"])
        return path, parse_qsl(query, keep_blank_values=True), token, start
    path, query = exchange.seen.search
    if "/" in path:
        return None
    token = base64.urlsafe_b64encode(json.dumps([path, query]).encode()).decode()
    return path, parse_qsl(query, keep_blank_values=True), token, 0


def _search_of(token: str) -> tuple[str, str]:
    path, query = json.loads(base64.urlsafe_b64decode(token))
    return path, query


KINDS: dict[str, Kind] = {
    "pages": pages(absolute),
    "pages-relative": pages(relative),
    "pages-offhost": pages(off_host),
    "pages-other-tenant": pages(other_tenant),
    "other-tenant": pages(absolute),
    "pages-http-downgrade": pages(plain_http),
    "pages-loop": pages(loop),
    "pages-endless": endless,
    "401-mid-paging": unauthorized_midway,
}
