"""gunicorn: one preloaded application, a few workers with threads; values from CDS_*."""

import gc
import os
import sys

from gunicorn import util as _util
from gunicorn.glogging import Logger as _Logger

from cds_service import handover, logs, metrics_folder
from cds_service.config import ConfigError, Settings, is_loopback

# At SIGHUP this file is read again, while the application stays as it was loaded: its settings do
# so too. A file that has meanwhile gone must not end a server that runs.
_loaded = sys.modules.get("cds_service.wsgi")
try:
    _settings = _loaded.settings if _loaded else Settings.from_environment(os.environ)
except ConfigError as _error:
    sys.exit("cds-service cannot start:\n  " + "\n  ".join(_error.problems))

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

wsgi_app = "cds_service.wsgi:app"
bind = [f"{_host}:{_settings.port}"]
if _settings.admin_port is not None:
    _admin = _settings.admin_host
    bind.append(
        f"[{_admin}]:{_settings.admin_port}"
        if ":" in _admin
        else f"{_admin}:{_settings.admin_port}"
    )
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
preload_app = True  # SIGHUP renews workers only; new code and settings come by SIGUSR2 or a restart

# The admin socket would lie in the home directory, shared by all instances of a user.
control_socket_disable = True
# Heartbeat files on a disk can block a worker; memory cannot.
if os.access("/dev/shm", os.W_OK):  # noqa: S108 - a folder of the system, gunicorn makes its own files
    worker_tmp_dir = "/dev/shm"  # noqa: S108

timeout = 30  # seconds without a heartbeat until a worker is replaced
graceful_timeout = 20  # seconds for running requests when stopping
keepalive = 75  # seconds: longer than the usual idle time of proxies
max_requests = 20_000  # a worker is renewed after so many, against creeping memory
max_requests_jitter = 2_000


class logger_class(_Logger):  # noqa: N801 - the name of a setting
    """The server's own log, without a line for each request.

    Calls are logged by the application, without addresses and headers. With `logconfig_dict` the
    server would gather these for each request, even where no line is asked for.
    """

    def access(self, *_: object) -> None:
        """Nothing."""


accesslog = None
errorlog = "-"
loglevel = _settings.log_level.value
logconfig_dict = logs.for_server(loglevel, _settings.log_format.value)


def _say_no_more(sock: object, status: int, reason: str, words: str) -> None:
    """Answer what cannot be read as HTTP with its status only: the words would repeat it."""
    _write_error(sock, status, reason, "")


if _util.write_error.__name__ != "_say_no_more":  # this file is read again at a reload
    _write_error = _util.write_error
    _util.write_error = _say_no_more

# Before anything imports the library of the metrics.
_metrics = metrics_folder.prepare(os.environ)


def when_ready(server: object) -> None:
    """Keep what was loaded out of garbage collection, so that forked workers share its memory."""
    gc.collect()
    gc.freeze()
    _refuse_public_sockets(server)
    handover.take_over(server, os.environ)


def pre_exec(server: object) -> None:
    """At SIGUSR2, in the process that becomes the new master."""
    handover.before_exec(server)


def _refuse_public_sockets(server: object) -> None:
    """Sockets that a supervisor passes on replace CDS_HOST: the rule of development stays."""
    reachable = handover.beyond_this_machine(server.LISTENERS, is_loopback)
    if _settings.is_development and reachable:
        sys.exit(
            "cds-service cannot start:\n  development serves this machine only, but was passed a "
            f"socket on {', '.join(reachable)}; set CDS_MODE=production"
        )


def post_fork(server: object, worker: object) -> None:
    """Settle a worker for short bursts of computing.

    Garbage is collected less often: a request makes thousands of objects, and hardly any cycle.
    """
    gc.set_threshold(50_000, 20, 50)


def post_worker_init(worker: object) -> None:
    """Have the worker looked after from a thread of its own."""
    worker.wsgi.extensions["cds_service"].observer.start()


def child_exit(server: object, worker: object) -> None:
    """Keep what a worker counted when it is gone, and drop its state."""
    try:
        metrics_folder.bury(_metrics, worker.pid)
    except Exception:  # numbers are not worth a server; a killed worker may leave half a file
        server.log.warning("the metrics of worker %d are lost", worker.pid)


def on_exit(server: object) -> None:
    """Leave nothing behind."""
    metrics_folder.remove(os.environ)
