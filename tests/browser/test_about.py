"""The page about the service in a browser: readable by everybody, and asking nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, Watch, chromium, served, watch
from flask import Flask
from playwright.sync_api import Browser, Page

from cds_service.protocol.page import anchors
from hooks.bone_density import SERVICE

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    """Where the installed services are served."""
    with served(app) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with chromium() as found:
        yield found


@pytest.fixture(params=["light", "dark", "no script"])
def page(request: pytest.FixtureRequest, address: str, browser: Browser) -> Iterator[Page]:
    """The page, as different people see it; then: no complaint, and nothing asked elsewhere."""
    context = browser.new_context(
        color_scheme="dark" if request.param == "dark" else "light",
        java_script_enabled=request.param != "no script",
        viewport={"width": 1280, "height": 900},
    )
    opened = context.new_page()
    seen = watch(opened, address)
    opened.goto(f"{address}/about/{SERVICE.id}")
    yield opened
    context.close()
    assert seen == Watch()


def test_every_anchor_can_be_gone_to(page: Page) -> None:
    """Each place that a card or a letter may lead to is on the page once and can be seen."""
    heights = page.locator("[id]").evaluate_all(
        "found => found.map(one => [one.id, one.getBoundingClientRect().height])"
    )
    assert len(heights) == len(dict(heights))
    shown = {name for name, height in heights if height > 0}
    assert set(anchors(SERVICE.about()["sections"])) - shown == set()


def test_is_styled(page: Page) -> None:
    """The policy lets the style through: on a wide screen the contents stand beside the text."""
    contents = page.get_by_role("navigation").bounding_box()
    content = page.get_by_role("main").bounding_box()
    assert contents is not None
    assert content is not None
    assert contents["x"] + contents["width"] < content["x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_accessibility(address: str, browser: Browser, scheme: str, width: int) -> None:
    """Axe finds nothing serious, and only tables scroll sideways, however narrow the screen."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        bypass_csp=True,  # the checker is a script, and the page allows none
    )
    opened = context.new_page()
    opened.goto(f"{address}/about/{SERVICE.id}")
    found = Axe().run(opened).response["violations"]
    assert [
        (item["id"], item["nodes"][0]["html"])
        for item in found
        if item["impact"] in ("serious", "critical")
    ] == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_by_keyboard(address: str, browser: Browser) -> None:
    """The first stop skips to the content."""
    opened = browser.new_page()
    opened.goto(f"{address}/about/{SERVICE.id}")
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the content"
    opened.keyboard.press("Enter")
    assert opened.url.endswith("#content")
    opened.close()


def test_on_paper(address: str, browser: Browser) -> None:
    """What only helps on a screen is not printed, and a dark screen prints black on white."""
    opened = browser.new_page(color_scheme="dark")
    opened.goto(f"{address}/about/{SERVICE.id}")
    opened.emulate_media(media="print")
    assert not opened.get_by_role("navigation").is_visible()
    assert opened.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    opened.close()
