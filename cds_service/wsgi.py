"""The WSGI application: `gunicorn --config …/gunicorn.conf.py cds_service.wsgi:app`."""

from __future__ import annotations

import os
import sys

from flask import Flask

from cds_service import logs
from cds_service.config import ConfigError, Settings
from cds_service.engine import BrokenService, load_services
from cds_service.registry import RegistryError, load
from cds_service.web import create_app
from cds_service.web.context import context
from cds_service.web.deploy import prepare_store


def build() -> Flask:
    """Read settings and registry, load the services and warm them up, before workers fork."""
    try:
        settings = Settings.from_environment(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        services = load_services()
        prepare_store(settings)
        app = create_app(settings, lambda: load(settings.clients_path, services), services)
    except (ConfigError, RegistryError) as error:
        sys.exit("cds-service cannot start:\n  " + "\n  ".join(error.problems))
    except BrokenService as error:
        sys.exit(f"cds-service cannot start:\n  {error}")
    for service in services.values():
        service.warm_up()
    return app


app = build()
with app.app_context():
    settings: Settings = context().settings
    """What the application was built with; it does not change while the process lives."""
