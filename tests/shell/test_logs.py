"""A line of the log: one line, valid, of what may be said only."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from log_lines import written

from cds_service import logs

EVIL = 'a\r\nb\x1b[31mred\u2028c\u202ed"\\ e'


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """What a test changes in logging is put back."""
    root, ours = logging.getLogger(), logging.getLogger("cds_service")
    handlers, level, own = list(root.handlers), root.level, ours.level
    was = logging.raiseExceptions, logging._srcfile  # type: ignore[attr-defined]
    hooks = threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(own)
    logging.captureWarnings(False)
    logging.raiseExceptions, logging._srcfile = was  # type: ignore[attr-defined]
    logging.logThreads = logging.logMultiprocessing = True
    threading.excepthook, sys.unraisablehook = hooks


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("logger", ["cds_service.calls", "gunicorn.error", "library"])
def test_nothing_breaks_a_line(form: str, logger: str) -> None:
    """Line ends, terminal commands and marks of direction are written as what they are."""
    with written(form) as log:
        logging.getLogger(logger).warning(f"{EVIL} %s", EVIL, extra={"fields": {"reason": EVIL}})
    text = log.text.getvalue()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    if form == "json":
        (line,) = text.splitlines()
        assert json.loads(line)["level"] == "warning"


def test_fields_are_on_a_list() -> None:
    """A field that is not on the list, or that a library adds, is not said; a long one is cut."""
    with written() as log:
        fields = {"client": "x" * 9999, "patient": "canary", "status": 200, "silence": None}
        logging.getLogger("cds_service.calls").info("call", extra={"fields": fields})
        logging.getLogger("library").info("%d", 1, extra={"fields": {"client": "canary"}})
    ours, other = log.lines
    assert ours["client"] == "x" * logs.MAX_CHARACTERS
    assert ours["status"] == 200
    assert set(ours) == {"time", "level", "logger", "pid", "event", "client", "status"}
    assert set(other) == {"time", "level", "logger", "pid", "event"}
    assert "canary" not in log.text.getvalue()


@pytest.mark.parametrize(
    ("logger", "words", "arguments", "event"),
    [
        ("cds_service.keys", "keys of %s", ("demo",), "keys of demo"),
        ("library.pool", '%s://%s "%s"', ("https", "canary", "x"), '…://… "…"'),
        ("library", "finished text with a canary", (), "(not shown)"),
        ("library", "took %d of %s", (3, "canary"), "took 3 of …"),
        ("library", "%(name)s", ({"name": "canary"},), "%(name)s"),
        ("library", ["canary"], (), "(not shown)"),
        ("gunicorn.error", "Booting worker with pid: %s", (7,), "Booting worker with pid: 7"),
        ("gunicorn.error", "Error handling request %s", ("/canary",), "Error handling request …"),
        ("gunicorn.error", "Listening at: %s (%s)", ("http://[::1]:80", 7),
         "Listening at: http://[::1]:80 (7)"),
        ("cds_service.web", "Exception on %s [%s]", ("/canary", "GET"), "Exception on … […]"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_message(
    logger: str, words: object, arguments: tuple[object, ...], event: str
) -> None:
    """Our own words in full; of a library's the template and numbers, Flask's logger included."""
    with written() as log:
        logging.getLogger(logger).warning(words, *arguments)
    assert [line["event"] for line in log.lines] == [event]


def test_an_exception_is_type_and_place() -> None:
    """Whoever logs it: its text and the texts of its causes are not said."""
    with written() as log:
        try:
            try:
                raise KeyError("canary")
            except KeyError as error:
                raise ValueError("canary") from error
        except ValueError:
            logging.getLogger("library").exception("failed: %s", "canary", stack_info=True)
    (line,) = log.lines
    assert line["exception"] == "ValueError"
    assert line["place"][-1].endswith(" test_an_exception_is_type_and_place")
    assert "canary" not in log.text.getvalue()


SCRIPT = """
import logging, sys, threading, warnings
from cds_service import logs
logs.configure("debug", "json")
logging.config.dictConfig(logs.for_server("debug", "json"))
logging.getLogger("urllib3").debug("%s", "canary")
logging.getLogger("sqlalchemy.engine").info("%r", "canary")
logging.getLogger("cds_service.x").debug("own")
logging.getLogger("cds_service.x").info("bad arguments %d", "canary")
logging.getLogger("gunicorn.error").debug("canary")
warnings.warn("canary")
def fail():
    raise ValueError("canary")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Fails:
    def __del__(self):
        raise ValueError("canary")
Fails()
"""


def test_a_process_from_start_to_end() -> None:
    """At DEBUG libraries stay quiet; threads, clean-up, warnings and wrong arguments are lines."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    script = SCRIPT.replace("import logging,", "import logging, logging.config,")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == ""
    assert "canary" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    # Python 3.11 hands a warning over as a finished text, other versions as an argument.
    told = [(line["logger"], line["event"].replace("…", "(not shown)")) for line in lines]
    assert [(*one, line.get("exception")) for one, line in zip(told, lines, strict=True)] == [
        ("cds_service.x", "own", None),
        ("gunicorn.error", "(not shown)", None),
        ("py.warnings", "(not shown)", None),
        ("cds_service.faults", "a thread ended with a fault", "ValueError"),
        ("cds_service.faults", "a fault while cleaning up", "ValueError"),
    ]


def test_text_for_people() -> None:
    """The same words, fields as name=value, the innermost place first."""
    with written("text") as log:
        fields = {"service": "s", "reason": "two words", "status": 200, "place": ["a:1 f", "b:2 g"]}
        logging.getLogger("cds_service.calls").info("call", extra={"fields": fields})
    line = log.text.getvalue()
    assert line.split(" ", 1)[1] == (
        'info cds_service.calls call service=s reason="two words" status=200 < b:2 g < a:1 f\n'
    )


def test_the_stream_and_the_level() -> None:
    """Our own level may be lower than that of libraries, never the other way round."""
    stream = io.StringIO()
    logs.configure("error", "text", stream)
    logging.getLogger("library").warning("%d", 1)
    logging.getLogger("cds_service.x").warning("no")
    logging.getLogger("cds_service.x").error("yes")
    assert stream.getvalue().endswith(" error cds_service.x yes\n")
    assert len(stream.getvalue().splitlines()) == 1
