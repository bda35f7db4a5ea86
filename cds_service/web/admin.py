"""The administration listener: what only administrators see, and nothing else.

In production it is a second address (`CDS_ADMIN_HOST`, `CDS_ADMIN_PORT`) that only administrators
reach; there is no log-in. In development there is one listener for everything.
"""

from __future__ import annotations

from flask import Flask, request
from werkzeug.exceptions import NotFound

from cds_service.web.context import context

BLUEPRINTS = {"health", "metrics", "reports"}
"""What the administration listener answers."""


def is_admin() -> bool:
    """Whether the present request came to where administrators are."""
    settings = context().settings
    return settings.is_development or _came_through(settings.admin_port)


def require_admin() -> None:
    """Raises NotFound, as if there were no such address, for requests from elsewhere."""
    if not is_admin():
        raise NotFound


def install(app: Flask, port: int | None) -> None:
    """Answer nothing on the administration listener that belongs on the public one."""
    if port is None:
        return

    @app.before_request
    def keep_apart() -> None:
        if request.blueprint not in BLUEPRINTS and _came_through(port):
            raise NotFound


def _came_through(port: int | None) -> bool:
    """Whether the connection was accepted at a port: the kernel says so, no header is asked.

    gunicorn's SERVER_PORT is the listener's for TCP, but made of the Host header where the listener
    is a Unix socket. So it only serves to spare other requests the question.
    """
    environ = request.environ
    if port is None or environ.get("SERVER_PORT") != str(port):
        return False
    try:
        name = environ["gunicorn.socket"].getsockname()
    except (KeyError, OSError):
        return False
    return isinstance(name, tuple) and name[1] == port
