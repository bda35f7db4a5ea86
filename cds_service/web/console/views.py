"""The page of the console, and the one address that it asks."""

from __future__ import annotations

import json
import uuid
from datetime import date
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, render_template, request

from cds_service.config import Auth
from cds_service.engine import answer
from cds_service.engine.explanation import as_json
from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.service import Example, Service
from cds_service.protocol.validation import problems
from cds_service.registry import Client
from cds_service.web.bodies import json_response, read_object
from cds_service.web.console.calls import (
    choices,
    drafts_of,
    order_text,
    read_document,
    request_of,
)
from cds_service.web.console.drawing import band_of, draw
from cds_service.web.console.judging import Judged, NotJudged, judged
from cds_service.web.console.markdown import to_html, words
from cds_service.web.context import Caller, Context, clinical_date, context
from cds_service.web.errors import failure_of
from cds_service.web.refusals import ForeignPage, NotReady

blueprint = Blueprint("console", __name__)
blueprint.add_app_template_filter(to_html, "card_markdown")
blueprint.add_app_template_filter(as_json, "plain_value")
blueprint.add_app_template_filter(words, "words")
blueprint.add_app_template_filter(band_of, "band_of")


@blueprint.get("/")
def page() -> str:
    """The console of one service; without JavaScript it says that it needs it."""
    here = context()
    if not here.services:
        raise NotReady
    service = here.service(request.args.get("service") or next(iter(here.services)))
    clients = here.live.deployment.registry.clients
    return render_template(
        "console/page.html",
        service=service,
        services=here.services.values(),
        examples=service.examples(),
        choices=choices(service),
        clients=sorted(clients) if here.settings.auth is Auth.OFF else (),
        needs_token=here.settings.auth is Auth.REQUIRED,
        as_of=here.settings.as_of,
        has_about=any(rule.rule.startswith("/about/") for rule in current_app.url_map.iter_rules()),
    )


@blueprint.post("/console/<service_id>")
def ask(service_id: str) -> Response:
    """One try: the request that was judged, its cards, and the page's right side as HTML.

    A request that reaches no decision is a 200 here with what the hook would answer: it is what
    the page was asked to show. Where authentication is required, the token chooses the client.
    """
    here, environ = context(), request.environ
    _require_own_page(here.settings.public_url)
    paths = (f"/console/{service_id}", f"/cds-services/{service_id}")
    with here.admission, here.caller(environ.get("HTTP_AUTHORIZATION"), *paths) as caller:
        service = here.service(service_id)
        call = read_object(environ, here.settings.max_body_bytes)
        if found := problems("console-call", call):
            raise InvalidRequest(found)
        client = _client(here, caller, call)
        example = _example(service, call)
        as_of = _as_of(here, client, call, example)
        body: dict[str, Any] | None = None
        shown: Judged | NotJudged
        try:
            body = _body(service, call, example)
            shown, cards = _judge(here, caller, client, service, body, as_of)
        except Exception as error:
            failure = failure_of(error, here.settings.max_body_bytes)
            if failure.status >= 500:
                raise
            shown, cards = NotJudged(failure.status, failure.issues), []
    takes_feedback = _is_recorded(here, caller, client)
    return json_response(
        {
            "status": shown.status if isinstance(shown, NotJudged) else 200,
            "request": json.dumps(body, ensure_ascii=False, indent=1) if body else None,
            "asOf": as_of.isoformat(),
            "hook": body.get("hook") if body else None,
            "cards": cards,
            "orders": [order_text(draft) for draft in drafts_of(body or {})],
            "html": _html(service, client, shown, cards, body, takes_feedback=takes_feedback),
        }
    )


def _judge(
    here: Context,
    caller: Caller,
    client: Client,
    service: Service,
    body: dict[str, Any],
    as_of: date,
) -> tuple[Judged, list[dict[str, Any]]]:
    began = perf_counter()
    found = answer(
        service,
        client,
        body,
        as_of=as_of,
        uuid_key=here.settings.secret_key,
        switches=here.switches,
        access=caller.fhir_servers.access(client, caller.began),
    )
    answered_ms = (perf_counter() - began) * 1000
    if _is_recorded(here, caller, client):
        here.record(caller, found)
    shown = judged(service, client.settings[service.id], found, as_of, answered_ms)
    return shown, list(found.response["cards"])


def _is_recorded(here: Context, caller: Caller, client: Client) -> bool:
    """Whether tries count as calls: only on a developer's machine, and under the caller's name.

    Nobody else's records are mixed with tries, and feedback comes from whom it says it does.
    """
    return here.settings.is_development and client.name == caller.client.name


def _require_own_page(public_url: str | None) -> None:
    """Raises ForeignPage when a browser says that another site's page is calling.

    Browsers send Sec-Fetch-Site, older ones Origin; what sends neither is no browser.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ForeignPage
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in {
        request.host,
        urlsplit(public_url or "").netloc,
    }:
        raise ForeignPage


def _client(here: Context, caller: Caller, call: dict[str, Any]) -> Client:
    """The chosen client; where calls are authenticated, the one that proved who it is."""
    name = call.get("client")
    if name is None or here.settings.auth is Auth.REQUIRED:
        return caller.client
    found = here.live.deployment.registry.clients.get(name)
    if found is None:
        raise InvalidRequest((Problem("$.client", "there is no client of this name"),))
    return found


def _example(service: Service, call: dict[str, Any]) -> Example | None:
    if "example" not in call:
        return None
    for example in service.examples():
        if example.name == call["example"]:
            return example
    raise InvalidRequest((Problem("$.example", "there is no example of this name"),))


def _as_of(here: Context, client: Client, call: dict[str, Any], example: Example | None) -> date:
    if example is not None:
        return example.as_of
    if "asOf" in call:
        return date.fromisoformat(call["asOf"])
    return clinical_date(here.settings, client)


def _body(service: Service, call: dict[str, Any], example: Example | None) -> dict[str, Any]:
    document = dict(example.request) if example else read_document(call["document"])
    is_bundle = document.get("resourceType") == "Bundle"
    return request_of(
        document,
        service,
        hook=call.get("hook") or (service.hooks[0] if is_bundle else None),
        instance=str(uuid.uuid4()),
        order=call.get("order"),
        is_whole_chart=call.get("wholeChart", False),
    )


def _html(
    service: Service,
    client: Client,
    shown: Judged | NotJudged,
    cards: list[dict[str, Any]],
    body: dict[str, Any] | None,
    *,
    takes_feedback: bool,
) -> str:
    if isinstance(shown, NotJudged):
        return render_template("console/not_judged.html", failure=shown)
    picture = shown.picture
    return render_template(
        "console/result.html",
        service=service,
        client=client,
        judged=shown,
        cards=cards,
        orders=[order_text(draft) for draft in drafts_of(body or {})],
        picture=picture,
        drawing=draw(picture) if picture and not picture.is_empty else None,
        explanation=json.dumps(shown.explanation, ensure_ascii=False, indent=1),
        takes_feedback=takes_feedback,
    )
