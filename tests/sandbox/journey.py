"""Drives a built CDS Hooks sandbox through its imaging view, with pictures and recordings.

`PYTHONPATH=. python tests/sandbox/journey.py FOLDER PICTURES RECORDINGS`, FOLDER being the
sandbox's build. It fails where the screen does not show what it should. Not a test: the sandbox is
no part of this project. The tests replay what it recorded (test_sandbox_journey.py).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import jwt
from playwright.sync_api import Page, expect, sync_playwright
from sandbox_bench import Bench, Exchange, bench
from sandbox_view import seen

KEPT_HEADERS = (
    "accept",
    "content-type",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
)
OFFLINE = "sandbox-services.cds-hooks.org"  # its default service, out of reach here
WARNING = "usually not appropriate for BMD follow-up"


def main() -> None:
    """The whole journey."""
    built, pictures, recordings = (Path(name) for name in sys.argv[1:])
    with bench(built) as found, sync_playwright() as player:
        browser = player.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": 1100, "height": 700}, locale="en-GB")
        faults = listen(page)
        travel(page, found, pictures)
        browser.close()
    assert faults == [], faults
    write(found, recordings)


def listen(page: Page) -> list[str]:
    """Faults of the page, and answers of the service that are none; filled as they come."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"page: {error}"))
    page.on(
        "requestfailed",
        lambda request: (
            OFFLINE in request.url
            or request.url.endswith("/styles.css")  # the sandbox names it and has none
            or faults.append(f"failed: {request.method} {request.url}")
        ),
    )
    page.on(
        "response",
        lambda response: (
            response.status < 400
            or "/cds-services" not in response.url
            or faults.append(f"{response.status}: {response.url}")
        ),
    )
    return faults


def travel(page: Page, found: Bench, pictures: Path) -> None:
    """Services are added; QUS is ordered, rated, replaced by DXA; ordered again, overridden."""
    cards = page.locator(".MuiCard-root")

    def picture(name: str, *, whole: bool = True) -> None:
        if whole:
            page.evaluate("window.scrollTo(0, 0)")  # else the pinned header covers the middle
        page.wait_for_timeout(500)
        page.screenshot(path=pictures / f"sandbox-{name}.png", full_page=whole)

    page.goto(found.url)
    expect(page.get_by_text("Ada Example")).to_be_visible()
    add_service(page, found.ordering)
    add_service(page, f"{found.service}/cds-services")
    page.get_by_role("button", name="PAMA Imaging").click()
    expect(cards).to_contain_text("Test service: orders that")
    show_exchange(page, found)
    picture("blank")
    page.get_by_role("button", name="CDS Developer Panel").click()

    page.get_by_role("button", name="Order ultrasound of the heel").click()
    expect(cards).to_contain_text(WARNING)
    expect(page.get_by_text("PAMA Rating: not-appropriate")).to_be_visible()
    picture("warning")

    page.get_by_role("button", name="Replace with DXA").click()
    expect(cards).to_contain_text("least significant change")
    expect(page.get_by_text("PAMA Rating: appropriate")).to_be_visible()
    expect(page.get_by_text("DXA of lumbar spine and hip(s)", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Replace with")).to_have_count(0)
    picture("dxa")

    choose_reason(page, "postmenopausal")
    expect(page.get_by_role("button", name="Remove")).to_have_count(2)
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("button", name="Order ultrasound of the heel").click()
    expect(cards).to_contain_text(WARNING)
    page.get_by_role("button", name="select dismiss reason").click()
    picture("override", whole=False)
    page.get_by_role("menuitem").first.click()
    expect(cards).to_have_count(0)
    picture("overridden")
    page.wait_for_timeout(1000)


def add_service(page: Page, url: str) -> None:
    """As a user does it, in the settings."""
    page.locator("header button").last.click()
    page.get_by_role("menuitem", name="Add CDS Services").click()
    page.locator("input[name=discovery-endpoint-input]").fill(url)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("input[name=discovery-endpoint-input]")).to_have_count(0)


def show_exchange(page: Page, found: Bench) -> None:
    """The developer panel shows what the service was asked and said."""
    page.get_by_text(f"{found.ordering}/").first.click()
    page.get_by_text(f"{found.service}/").last.click()


def choose_reason(page: Page, word: str) -> None:
    """The first reason of the imaging view's list that has the word."""
    page.get_by_text("Search reasons", exact=True).click()
    page.keyboard.type(word)
    page.locator("[id$=-option-0]").get_by_text(word, exact=False).click()


def write(found: Bench, folder: Path) -> None:
    """One file for each request, numbered; tokens are decoded and their signature left out."""
    for path in folder.glob("*.json"):
        path.unlink()
    for number, exchange in enumerate(found.exchanges, start=1):
        name = f"{number:02}-{_title(exchange)}.json"
        text = json.dumps(_recording(exchange), indent=1, ensure_ascii=False)
        (folder / name).write_text(f"{text}\n", "utf-8")
        print(name, exchange.status)


def _recording(exchange: Exchange) -> dict[str, Any]:
    heard = {name.lower(): value for name, value in exchange.headers.items()}
    recording: dict[str, Any] = {
        "method": exchange.method,
        "path": exchange.path,
        "headers": {name: heard[name] for name in KEPT_HEADERS if name in heard},
    }
    if "authorization" in heard:
        token = heard["authorization"].removeprefix("Bearer ")
        recording["jwt"] = {
            "header": jwt.get_unverified_header(token),
            "payload": jwt.decode(token, options={"verify_signature": False}),
        }
    if exchange.body:
        recording["body"] = json.loads(exchange.body)
    answer = json.loads(exchange.answer) if exchange.method == "POST" else {}
    return recording | {"answer": {"status": exchange.status, **seen(answer)}}


def _title(exchange: Exchange) -> str:
    if exchange.method == "OPTIONS":
        return "preflight"
    if exchange.method == "GET":
        return "discovery"
    body = json.loads(exchange.body)
    if exchange.path.endswith("/feedback"):
        return f"feedback-{body['feedback'][0]['outcome']}"
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    code = draft["code"]["coding"][0].get("code", "blank")
    return re.sub(r"[^\w-]", "", f"{body['hook']}-{code}")


if __name__ == "__main__":
    main()
