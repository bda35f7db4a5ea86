"""What the process says of itself: one line for each event, of what may be said only.

A line is made of fields on a list. Words come from this program's own loggers; of what a library
logs only the template is said, never what was put into it, since that may be an address, a token
or a patient's data. Of an exception type and places are said, never its text.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

OURS = "cds_service"
FIELDS = frozenset(
    {
        "cards",
        "client",
        "count",
        "endpoint",
        "example",
        "exception",
        "hook",
        "ms",
        "new",
        "place",
        "reason",
        "repeated",
        "service",
        "silence",
        "status",
        "unknown_cards",
    }
)
"""What a line may hold besides time, level, logger, process, event and correlation id."""

MAX_CHARACTERS = 500
MAX_PLACES = 12

correlation: ContextVar[str | None] = ContextVar("correlation", default=None)
"""The id of the request that is being answered; None outside of one."""

_OUR_LOGGERS = f"{OURS}."
_FLASK = f"{OURS}.web"
"""Flask's own logger bears the application's name; it would say the address that was asked for."""
_SERVER = "gunicorn.error"
_SAYABLE = frozenset(
    {
        "Autorestarting worker after current request.",
        "Error handling request",
        "Error handling request (no URI read)",
        "Exception in worker process",
        "Hang up: %s",
        "Ignoring unknown signal: %s",
        "Listening at: %s (%s)",
        "Listening at: %s",
        "Master has been promoted.",
        "Socket error processing request.",
        "Starting gunicorn %s",
        "USR2 signal ignored. Child exists.",
        "USR2 signal ignored. Parent exists.",
        "Unhandled exception in main loop",
        "Unhandled signal: %s",
        "Using worker: %s",
    }
)
"""What the server says of itself: nothing in it, or what comes from configuration and signals."""
_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_FORMATS: dict[str, Callable[[dict[str, object]], str]] = {}
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
_second: tuple[int, str] = (-1, "")
_NUMBERS = frozenset({int, float, bool})
_IN_FRONT = frozenset({"time", "level", "logger", "pid", "event", "place"})
"""What a text line does not say as name=value."""


class Formatter(logging.Formatter):
    """One line for each record, as `json` or as `text`; nothing in it breaks the line."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._written = _FORMATS[form]

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return self._written(said(record))


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged to a stream, standard error by default.

    `level` is that of this program; libraries are heard from warnings on, whatever it is.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Formatter(form))
    number = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger(OURS).setLevel(number)
    logging.captureWarnings(True)
    # What a handler cannot write it would print with the arguments.
    logging.raiseExceptions = False
    # A line names no thread; not looking it up is cheaper.
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None
    threading.excepthook = _tell_thread
    sys.unraisablehook = _tell_unraisable


def for_server(level: str, form: str) -> dict[str, Any]:
    """The same for gunicorn's own logger, as a `logging.config` dictionary."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": f"{__name__}.Formatter", "form": form}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "ERROR" if level == "error" else "WARNING", "handlers": ["stderr"]},
        "loggers": {
            _SERVER: {"level": level.upper(), "handlers": ["stderr"], "propagate": False},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def said(record: logging.LogRecord) -> dict[str, object]:
    """What may be said of a record."""
    line: dict[str, object] = {
        "time": _moment(record.created),
        "level": _LEVELS.get(record.levelno, "error"),
        "logger": record.name,
        "pid": record.process,
    }
    is_ours = record.name.startswith(_OUR_LOGGERS) and record.name != _FLASK
    line["event"] = (record.getMessage() if is_ours else _of_library(record))[:MAX_CHARACTERS]
    identifier = correlation.get()
    if identifier is not None:
        line["correlation_id"] = identifier
    fields: Mapping[str, object] | None = getattr(record, "fields", None)
    if fields is not None and is_ours:
        for name, value in fields.items():
            if value is not None and name in FIELDS:
                line[name] = value if type(value) in _NUMBERS else _short(value)
    if record.exc_info and record.exc_info[1] is not None:
        line |= fault(record.exc_info[1])
    return line


def fault(error: BaseException) -> dict[str, object]:
    """What may be said of an exception, as fields: its type and its way, never its text."""
    return {"exception": type(error).__name__, "place": places(error.__traceback__)}


def places(trace: TracebackType | None) -> list[str]:
    """Where an exception came by, the innermost place last: module, line and function."""
    found = []
    while trace is not None:
        frame = trace.tb_frame
        module = frame.f_globals.get("__name__", "?")
        found.append(f"{module}:{trace.tb_lineno} {frame.f_code.co_name}")
        trace = trace.tb_next
    return found[-MAX_PLACES:]


def _of_library(record: logging.LogRecord) -> str:
    """What may be said of what is not this program's own."""
    if not isinstance(record.msg, str):
        return "(not shown)"
    if record.name == _SERVER and record.msg in _SAYABLE:
        return record.getMessage()
    if not record.args:
        return "(not shown)"  # without arguments it may be a finished text
    arguments = record.args if isinstance(record.args, tuple) else ()
    try:
        return record.msg % tuple(one if type(one) is int else "…" for one in arguments)
    except (TypeError, ValueError):
        return record.msg


def _short(value: object) -> object:
    if isinstance(value, list):
        return [str(one)[:MAX_CHARACTERS] for one in value[-MAX_PLACES:]]
    return str(value)[:MAX_CHARACTERS]


def _moment(created: float) -> str:
    """An instant in UTC to the millisecond."""
    global _second
    second, text = _second
    if second != int(created):
        second = int(created)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = (second, text)
    return f"{text}.{int((created - second) * 1000):03d}Z"


def _as_text(line: dict[str, object]) -> str:
    """For people: the same words, what else is said as name=value after them."""
    words = [f"{line['time']} {line['level']} {line['logger']} {_plain(str(line['event']))}"]
    for name, value in line.items():
        if name not in _IN_FRONT:
            words.append(f"{name}={value if type(value) in _NUMBERS else _value(str(value))}")
    if "place" in line:
        words += [f"< {_plain(place)}" for place in reversed(line["place"])]  # type: ignore[call-overload]
    return " ".join(words)


def _value(text: str) -> str:
    return _plain(text) if " " not in text and '"' not in text else _encode(text)


def _plain(text: str) -> str:
    """Without line ends, terminal commands and marks that turn the reading direction."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_FORMATS |= {"json": _encode, "text": _as_text}


def _tell_thread(found: threading.ExceptHookArgs) -> None:
    _tell("a thread ended with a fault", found.exc_value)


def _tell_unraisable(found: Any) -> None:
    _tell("a fault while cleaning up", found.exc_value)


def _tell(event: str, error: BaseException | None) -> None:
    fields = fault(error) if error is not None else {}
    logging.getLogger(f"{OURS}.faults").error(event, extra={"fields": fields})
