"""The Flask application of one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import MapAdapter

from cds_service.config import Auth, Settings
from cds_service.protocol.service import Service
from cds_service.records import Recorder, knowledge_hash
from cds_service.registry import Registry
from cds_service.store import Database, DecisionLog, FeedbackLog
from cds_service.web import (
    admin,
    console,
    errors,
    explain,
    feedback,
    health,
    metrics,
    openapi,
    reports,
    services,
)
from cds_service.web.about import about_blueprint
from cds_service.web.admission import Admission
from cds_service.web.bodies import encode
from cds_service.web.context import Context
from cds_service.web.cors import Cors
from cds_service.web.deploy import deploy, switches_of
from cds_service.web.discovery import discovery_document
from cds_service.web.frame import Frame
from cds_service.web.live import Live
from cds_service.web.meters import Meters
from cds_service.web.observer import USED_TOKENS, Observer
from cds_service.web.openapi import openapi_document
from cds_service.web.shares import Shares


def create_app(
    settings: Settings, load: Callable[[], Registry], installed: Mapping[str, Service]
) -> Flask:
    """Everything that is answered over HTTP; what never changes is built here, once.

    `load` reads the registry, now and whenever its file has changed. Raises RegistryError.
    """
    database = Database.open(settings.database_url)
    meters = Meters()
    recorder, switches = Recorder(DecisionLog(database)), switches_of(database)
    live = Live(
        settings.clients_path,
        lambda: deploy(settings, load(), database, switches, meters.read_fhir),
    )
    knowledge = {one.id: knowledge_hash(one.about()) for one in installed.values()}
    databases = {"tables": database}
    if settings.auth is Auth.REQUIRED:
        databases[USED_TOKENS] = database.for_replay()
    app = _Application("cds_service.web", static_folder="static", template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    # A redirected POST loses its body in many clients: both spellings are served instead.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False  # no rule has any
    app.session_interface = _NoSessions()
    Context(
        settings=settings,
        live=live,
        services=installed,
        admission=Admission(settings.threads),
        shares=Shares(),
        switches=switches,
        recorder=recorder,
        feedback=FeedbackLog(database),
        knowledge=knowledge,
        meters=meters,
        observer=Observer(meters, live, installed, recorder, switches, databases, knowledge),
        discovery=encode(discovery_document(installed)),
        openapi=encode(openapi_document(settings, installed)),
    ).install(app)
    admin.install(app, settings.admin_port)
    for module in (services, feedback, health, openapi, metrics, reports):
        app.register_blueprint(module.blueprint)
    app.register_blueprint(about_blueprint(installed, knowledge))
    if settings.explain_enabled:
        app.register_blueprint(explain.blueprint)
    if settings.console_enabled:
        app.register_blueprint(console.blueprint)
    errors.install(app)
    cors = Cors(lambda: live.deployment.registry, settings.is_development)
    app.wsgi_app = Frame(app.wsgi_app, cors)  # type: ignore[method-assign]
    return app


class _NoSessions(SessionInterface):
    """Nobody has a session: what says so is the same at every request."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """None that could be written to."""
        return self._none


class _Application(Flask):
    """Flask without looking for what there is nothing of here, at every request anew."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: every view is a plain one."""
        return func

    def preprocess_request(self) -> ResponseReturnValue | None:
        """What was asked for before each view, if anything was."""
        if not self.before_request_funcs and not self.url_value_preprocessors:
            return None
        return super().preprocess_request()

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """What was asked for after each request, if anything was; nobody hears the signal."""
        if self.teardown_request_funcs:
            super().do_teardown_request(exc)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Finds the view by path and method alone: no rule has a host, and none redirects."""
        if request is None:
            return None
        return MapAdapter(
            self.url_map,
            server_name="",
            script_name=request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
        )
