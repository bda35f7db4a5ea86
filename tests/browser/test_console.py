"""The console in a browser: an order is made, warned about, bettered and overridden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, Watch, chromium, served, watch
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.store import Database
from cds_service.store.tables import decision, feedback, judgement
from cds_service.web import create_app
from cds_service.web.context import Context
from cds_service.web.deploy import prepare_store

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

LSC = """
[clients.development]
profile = "standard"
[clients.development.services.bone-density-imaging]
lsc = [{ device = "Device/example-scanner-1", site = "lumbar-spine", value_g_per_cm2 = 0.030 }]
[clients.elsewhere]
profile = "epic"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A running service with its store."""

    address: str
    context: Context
    database: Database

    def rows(self, table: Any) -> list[Any]:
        """Everything in one table, all records written."""
        assert self.context.recorder.flush()
        with self.database.statements() as connection:
            return list(connection.execute(select(table)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The installed services in development, with a facility LSC and a second client."""
    folder = tmp_path_factory.mktemp("console")
    clients = folder / "clients.toml"
    clients.write_text(LSC, "utf-8")
    settings = Settings(
        as_of=date(2026, 11, 23),
        database_url=f"sqlite:///{folder}/store.db",
        clients_path=clients,
    )
    prepare_store(settings)
    services = load_services()
    app = create_app(settings, lambda: load(clients, services), services)
    with served(app) as address:
        yield Site(address, app.extensions["cds_service"], Database.open(settings.database_url))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """The console with its first answer, the heel ultrasound; it never complains."""
    opened = browser.new_page(viewport={"width": 1440, "height": 1000})
    watched = watch(opened, site.address)
    opened.goto(site.address)
    expect(opened.locator(".columns").first).to_be_visible()
    yield opened
    opened.close()
    assert watched == Watch()


def choose(page: Page, title: str) -> None:
    """Choose an example by its title and wait for the answer."""
    with page.expect_response(re.compile("/console/")):
        page.get_by_label(title, exact=True).check()
    expect(page.locator("#result")).not_to_have_attribute("aria-busy", "true")


def test_from_warning_to_better_order_to_override(site: Site, page: Page) -> None:
    """The heel ultrasound is warned about, replaced in one click, and the next card overridden."""
    choose(page, "DXA two years after the last one")
    choose(page, "Heel ultrasound for follow-up")
    warning = page.locator("article.card.warning")
    expect(warning.get_by_role("heading")).to_contain_text("usually not appropriate")
    expect(page.locator(".orders")).to_contain_text("76977")
    expect(page.locator("#said")).to_contain_text("warning: Ultrasound of the heel")

    warning.get_by_role("button", name="Replace with DXA of lumbar spine and hip(s)").click()
    info = page.locator("article.card.info")
    expect(info.get_by_role("heading")).to_contain_text("usually appropriate")
    expect(page.locator("article.card")).to_have_count(1)
    expect(page.locator(".orders")).to_contain_text("77080")
    expect(page.locator("#log")).to_contain_text("and the hook fired again")
    (accepted,) = site.rows(feedback)
    assert (accepted.outcome, accepted.client) == ("accepted", "development")

    info.get_by_label("Override", exact=True).select_option(label="Patient preference")
    info.get_by_label("Comment").fill("She prefers to wait.")
    info.get_by_role("button", name="Override").click()
    expect(info.get_by_role("status")).to_contain_text("Feedback is stored")
    overridden = next(row for row in site.rows(feedback) if row.outcome == "overridden")
    assert "patient-preference" in str(tuple(overridden))
    # Both belong to cards that were recorded, of two different calls.
    cards = {row.card for row in site.rows(judgement)}
    assert {accepted.card, overridden.card} <= cards
    assert accepted.card != overridden.card
    assert len(site.rows(decision)) >= 3


def test_picture_shows_the_results(page: Page) -> None:
    """Nine T-scores and six densities where they belong, ± LSC, therapy that goes on."""
    sheets = page.locator("svg.picture .sheet")
    expect(sheets).to_have_count(2)
    expect(sheets.nth(0).locator(".mark")).to_have_count(9)
    expect(sheets.nth(1).locator(".mark")).to_have_count(6)
    spine = sheets.nth(1).get_by_label(re.compile("^lumbar spine: "))
    assert [mark.get_attribute("aria-label") for mark in spine.all()] == [
        "lumbar spine: 0.805 g/cm², ± 0.03, 2020-10-06",
        "lumbar spine: 0.827 g/cm², ± 0.03, 2022-10-18",
        "lumbar spine: 0.849 g/cm², ± 0.03, 2024-11-10",
    ]
    # Later is further right, denser is higher.
    boxes = [mark.locator("circle").first.bounding_box() for mark in spine.all()]
    places = [(box["x"], box["y"]) for box in boxes if box]
    assert places == sorted(places, key=lambda place: (place[0], -place[1]))
    assert places[0][1] > places[1][1] > places[2][1]
    expect(page.locator(".beam.goes-on")).to_have_attribute(
        "aria-label", "alendronate: since 2022-11-20"
    )
    page.get_by_text("The same as a table").click()
    rows = page.locator(".values tbody tr")
    expect(rows).to_have_count(9 + 6 + 2)
    expect(rows.filter(has_text="T-score -1.5")).to_contain_text("low bone mass")


def test_by_keyboard_alone(page: Page) -> None:
    """Suggestion and points are reached by the tab key; the value under the focus is shown."""
    button = page.get_by_role("button", name="Replace with DXA of lumbar spine and hip(s)")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("article.card.info")).to_be_visible()
    mark = page.locator(".mark").first
    page.locator("[data-print]").focus()
    for _ in range(2):  # the picture's own frame, then its first point
        page.keyboard.press("Tab")
    expect(mark).to_be_focused()
    expect(mark.locator(".tip")).to_have_css("opacity", "1")


def test_bad_input_is_told_with_its_place(page: Page) -> None:
    """What the hook would refuse is named with its path, and the page goes on working."""
    page.get_by_text("Request or FHIR Bundle").click()
    pasted = page.locator("#document")
    fire = page.get_by_role("button", name="Fire the hook")
    pasted.fill('{"hook": "order-select", "context": {}}')
    fire.click()
    expect(page.locator(".failed h2")).to_contain_text("would answer 422")
    expect(page.locator(".failed tbody")).to_contain_text("$.hookInstance")
    expect(page.locator("#said")).to_contain_text("would answer 422")
    expect(pasted).to_have_value('{"hook": "order-select", "context": {}}')
    pasted.fill('{"hook": ')
    fire.click()
    expect(page.locator(".failed h2")).to_contain_text("would answer 400")
    choose(page, "Never tested before")
    expect(page.locator(".silent")).to_contain_text("initial testing")


def test_bundle_with_a_chosen_order(page: Page) -> None:
    """A pasted chart becomes a request for the order that was chosen; what is absent is unread."""
    (example,) = (
        json.loads(path.read_text("utf-8"))
        for path in Path(__file__).parents[2].glob("hooks/bone_density/examples/cases/01-*.json")
    )
    prefetch = example["request"]["prefetch"]
    entries = [{"resource": prefetch["patient"]}]
    entries += [entry for key in ("observations", "conditions") for entry in prefetch[key]["entry"]]
    page.get_by_text("Request or FHIR Bundle").click()
    page.locator("#document").fill(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    )
    page.get_by_label("Order to try with the Bundle").select_option(
        label="Ultrasound bone density, heel (76977)"
    )
    with page.expect_response(re.compile("/console/")):
        page.get_by_role("button", name="Fire the hook").click()
    expect(page.locator("article.card.warning")).to_be_visible()
    expect(page.locator(".gaps")).to_contain_text("MedicationRequest")


def test_other_client_is_only_looked_at(site: Site, page: Page) -> None:
    """Cards in another client's dialect; nothing of it is recorded or fed back in its name."""
    before = len(site.rows(decision))
    page.get_by_label("Client").select_option("elsewhere")
    choose(page, "DXA of a man of 45")
    choose(page, "Heel ultrasound for follow-up")
    expect(page.locator("[data-suggestion]")).to_have_count(2)
    expect(page.locator(".override")).to_have_count(0)
    page.locator("[data-suggestion]").first.click()
    expect(page.locator(".orders li")).to_have_count(2)
    assert len(site.rows(decision)) == before


def hindrances(page: Page) -> list[tuple[str, list[str]]]:
    """What axe calls serious, each with the first places."""
    found = Axe().run(page).response["violations"]
    serious = [item for item in found if item["impact"] in ("serious", "critical")]
    return [(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in serious]


@pytest.mark.parametrize(
    ("example", "scheme", "width"),
    [
        ("qus-instead-of-dxa", "light", 1440),
        ("qus-instead-of-dxa", "dark", 390),
        ("first-test", "dark", 1440),
        ("conditions-missing", "light", 390),
    ],
)
def test_nothing_in_the_way_of_anyone(
    site: Site, browser: Browser, scheme: Any, width: int, example: str
) -> None:
    """axe finds nothing serious, light and dark, wide and narrow; no page scrolls sideways."""
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched = watch(opened, site.address)
    opened.goto(f"{site.address}/?example={example}")
    expect(opened.locator(".columns").first).to_be_visible()
    assert hindrances(opened) == []
    # While the next answer is on its way, the last one is read as well as before.
    opened.evaluate("document.getElementById('result').setAttribute('aria-busy', 'true')")
    assert hindrances(opened) == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.evaluate(overflow) <= 0
    opened.close()
    assert watched == Watch()
