"""Renews the pictures of the README: the console, and one card of it.

Needs chromium. The service runs inside this process on a loopback port, with a store of its own.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from png import with_palette
from werkzeug.serving import make_server

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

FOLDER = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 300_000
EXAMPLE = "qus-instead-of-dxa"


def main() -> None:
    """Take both pictures; exit 1 when there is no browser, or a picture is too large to load."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("chromium is missing: install it with the system's package manager")
    FOLDER.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Settings(as_of=date(2026, 11, 23), database_url=f"sqlite:///{folder}/store.db")
        prepare_store(settings)
        services = load_services()
        for service in services.values():
            service.warm_up()
        app = create_app(settings, lambda: load(None, services), services)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-lcd-text"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 960}, color_scheme="light")
        for _ in range(3):  # what it takes the first time is no time to show
            page.goto(f"http://127.0.0.1:{server.server_port}/?example={EXAMPLE}")
            page.locator("article.card").wait_for()
        _take(page)
        browser.close()
        server.shutdown()
    for path in sorted(FOLDER.glob("*.png")):
        size = path.stat().st_size
        print(f"{path.relative_to(Path.cwd())}: {size} bytes")
        if size > MOST_BYTES:
            sys.exit(f"{path.name}: more than {MOST_BYTES} bytes")


def _take(page: Page) -> None:
    """The page down to the end of its history, and the card alone."""
    history = page.locator(".history").bounding_box()
    if history is None:
        sys.exit("the console shows no history for its first example")
    page.set_viewport_size({"width": 1440, "height": int(history["y"] + history["height"] + 24)})
    pictures = {
        "console": page.screenshot(),
        "card": page.locator("article.card").screenshot(),
    }
    for name, picture in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(with_palette(picture))


if __name__ == "__main__":
    main()
