"""The history as data for a picture: what is drawn, what is not, and why."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from bone import bmd, statement
from builders import condition, medication_request, observation, patient, request, service_request
from service import client

from cds_service.engine import answer
from cds_service.protocol.picture import Band, Days, Picture
from hooks.bone_density import SERVICE

DAY = date(2026, 11, 23)
WOMAN, MAN_OF_45 = patient("female", "1958-03-04"), patient("male", "1981-07-07")
LSC = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
BOUND: Any = {"valueQuantity": {"value": -2.5, "unit": "{T-score}", "comparator": "<"}}


def history(
    *resources: dict[str, Any],
    person: dict[str, Any] = WOMAN,
    block: dict[str, Any] | None = None,
) -> Picture | None:
    """The picture of one chart, through the chart that a real call reads."""
    body = request([service_request("draft-1", "77080")], person, resources)
    here = client(block)
    found = answer(SERVICE, here, body, as_of=DAY, uuid_key=b"a key for tests only")
    assert found.chart is not None
    return SERVICE.series(found.chart, here.settings[SERVICE.id], DAY)


def drawn(*resources: dict[str, Any], **options: Any) -> Picture:
    """The picture where there must be one."""
    picture = history(*resources, **options)
    assert picture is not None
    return picture


def test_points_by_kind_and_site() -> None:
    """Each kind is a panel, each site and side a series, oldest value first."""
    picture = drawn(
        observation("new", "38267-1", -1.8, "2024-11-10"),
        observation("old", "38267-1", -2.0, "2022-10-18"),
        observation("left", "80946-7", -1.5, "2024-11-10"),
        bmd("density", 0.849, "2024-11-10"),
    )
    assert [(panel.unit, [one.label for one in panel.series]) for panel in picture.panels] == [
        ("T-score", ["lumbar spine", "hip, left"]),
        ("g/cm²", ["lumbar spine"]),
    ]
    spine = picture.panels[0].series[0].points
    assert [(point.text, point.dated, point.evidence) for point in spine] == [
        ("T-score -2.0", "2022-10-18", "Observation/old"),
        ("T-score -1.8", "2024-11-10", "Observation/new"),
    ]
    assert picture.until == DAY


@pytest.mark.parametrize(
    ("resource", "person", "bands"),
    [
        (
            observation("a", "38267-1", -1.8, "2024-11-10"),
            WOMAN,
            [
                Band("normal", Decimal("-1.0"), None, has_low=True),
                Band("low bone mass", Decimal("-2.5"), Decimal("-1.0")),
                Band("osteoporosis range", None, Decimal("-2.5"), has_high=True),
            ],
        ),
        (observation("a", "38267-1", -1.8, "2024-11-10"), MAN_OF_45, []),
        (observation("a", "38267-1", -1.8, "2024-11-10"), patient(None, "1981-07-07"), []),
        (bmd("a", 0.849, "2024-11-10"), WOMAN, []),
        (
            observation("a", "80933-5", -2.3, "2024-08-01", unit="{Z-score}"),
            MAN_OF_45,
            [
                Band("within the expected range", Decimal("-2.0"), None),
                Band("below the expected range for age", None, Decimal("-2.0"), has_high=True),
            ],
        ),
        (observation("a", "80933-5", -2.3, "2024-08-01", unit="{Z-score}"), WOMAN, []),
    ],
)
def test_bands_only_where_they_apply(
    resource: dict[str, Any], person: dict[str, Any], bands: list[Band]
) -> None:
    """WHO ranges stand behind T-scores of older adults only; g/cm² has no ranges at all."""
    picture = drawn(resource, person=person)
    assert list(picture.panels[0].bands) == bands
    is_t_score = picture.panels[0].unit == "T-score"
    said = any("WHO bands are not drawn" in note for note in picture.notes)
    assert said == (is_t_score and not bands)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("-0.9", "normal"),
        ("-1.0", "normal"),
        ("-1.1", "low bone mass"),
        ("-2.4", "low bone mass"),
        ("-2.5", "osteoporosis range"),
        ("-2.6", "osteoporosis range"),
    ],
)
def test_edges_of_the_bands(value: str, name: str) -> None:
    """Each value lies in exactly one range, the edges where the WHO puts them."""
    (panel,) = drawn(observation("a", "38267-1", -1.8, "2024-11-10")).panels
    assert [band.label for band in panel.bands if band.holds(Decimal(value))] == [name]


@pytest.mark.parametrize(
    ("resource", "block", "error"),
    [
        (bmd("a", 0.849, "2024-11-10"), LSC, Decimal("0.03")),
        (bmd("a", 0.849, "2024-11-10"), {}, None),
        (bmd("a", 0.849, "2024-11-10", device="Device/B"), LSC, None),
        (bmd("a", 0.849, "2024-11-10", device=None), LSC, None),
        (
            observation("a", "38267-1", -1.8, "2024-11-10", device={"reference": "Device/A"}),
            LSC,
            None,
        ),
    ],
)
def test_whiskers_are_the_facilitys(
    resource: dict[str, Any], block: dict[str, Any], error: Decimal | None
) -> None:
    """± LSC where it is configured for this very device and site, and for g/cm² only."""
    (panel,) = drawn(resource, block=block).panels
    assert panel.series[0].points[0].error == error
    assert bool(panel.note) == (error is not None)


def test_partial_dates_and_bounds() -> None:
    """A month is drawn as its days; a bound says on which side of it the value lies."""
    picture = drawn(
        observation("month", "38267-1", -1.6, "2017-05"),
        observation("bound", "38267-1", None, "2019-01-10", **BOUND),
    )
    month, bound = picture.panels[0].series[0].points
    assert month.when == Days(date(2017, 5, 1), date(2017, 5, 31))
    assert month.dated == "2017-05"
    assert bound.bound == "<"


def test_what_cannot_be_drawn_is_named() -> None:
    """No date, no usable value, no start of therapy: named with the reason."""
    picture = drawn(
        observation("undated", "38267-1", -1.8, None),
        observation("later", "38267-1", -1.8, "2030-01-01"),
        medication_request("drug", "904431"),
    )
    assert [(item.label, item.reason, item.evidence) for item in picture.not_drawn] == [
        ("lumbar spine T-score -1.8", "no date", "Observation/undated"),
        ("result", "future dated", "Observation/later"),
        ("alendronate", "start not recorded", "MedicationRequest/drug"),
    ]
    assert picture.is_empty


@pytest.mark.parametrize(
    ("drug", "end", "goes_on", "text"),
    [
        (medication_request("d", "904431", "2022-11-20"), None, True, "since 2022-11-20"),
        (
            statement("d", "904431", effectivePeriod={"start": "2019", "end": "2021-02-01"}),
            date(2021, 2, 1),
            False,
            "2019 to 2021-02-01",
        ),
        (
            medication_request("d", "904431", "2019-03-01", status="stopped"),
            None,
            False,
            "2019-03-01 to an end that is not recorded",
        ),
        (
            medication_request(
                "d",
                "904431",
                "2022-11-20",
                dispenseRequest={"expectedSupplyDuration": {"value": 90, "unit": "d"}},
            ),
            None,
            True,
            "since 2022-11-20",
        ),
    ],
)
def test_bars(drug: dict[str, Any], end: date | None, goes_on: bool, text: str) -> None:
    """A course that goes on has no end, nor has one whose end was never recorded."""
    (bar,) = drawn(drug).bars
    assert (bar.label, bar.end, bar.goes_on, bar.text) == ("alendronate", end, goes_on, text)


def test_devices_are_not_mixed() -> None:
    """What joins two points is their device; an unrecorded one joins nothing."""
    picture = drawn(
        bmd("a", 0.80, "2020-01-10"),
        bmd("b", 0.81, "2022-01-10", device="Device/B"),
        bmd("c", 0.82, "2024-01-10", device=None),
    )
    assert [point.joins for point in picture.panels[0].series[0].points] == [
        "Device/A",
        "Device/B",
        None,
    ]
    assert any("different devices" in note for note in picture.notes)


def test_hardware_in_the_spine_is_said() -> None:
    """Spine values beside spinal hardware come with a warning."""
    spine = observation("a", "38267-1", -0.9, "2024-11-10")
    assert any("falsely high" in note for note in drawn(spine, condition("f", "Z98.1")).notes)
    assert not any("falsely high" in note for note in drawn(spine).notes)


def test_nothing_to_show() -> None:
    """A chart without results and drugs has no picture."""
    assert history() is None
