"""A real server and a real browser for tests of the pages; nothing leaves this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright
from werkzeug.serving import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
"""The browser of the system; None when there is none."""


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of an application that is served on a loopback port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser without a window."""
    with sync_playwright() as playwright:
        # Inside a container there is no user namespace for the sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watch:
    """What a page did that it must not do."""

    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def watch(page: Page, home: str) -> Watch:
    """Notes errors and warnings of the page, and every request to another host, which it stops."""
    seen = Watch()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.complaints.append(message.text)

    def pass_or_stop(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(home).netloc:
            route.continue_()
        else:
            seen.foreign.append(route.request.url)
            route.abort()

    page.on("console", note)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.route("**/*", pass_or_stop)
    return seen
