"""Thousands of damaged requests: never an error of ours, every body valid by our own schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from builders import (
    bundle,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.protocol.validation import problems

URL = "/cds-services/bone-density-imaging"
RESULTS = [
    observation("t", "38267-1", -2.6, "2024-11-10", device={"reference": "Device/A"}),
    observation("bmd-1", "24966-4", 0.9, "2022-10-01", unit="g/cm2"),
    observation("bmd-2", "24966-4", 0.83, "2024-11-10", unit="g/cm2"),
    observation("height", "8302-2", 165, "2020-01-01", unit="cm"),
    condition("dx", "M81.0", "2022-01-01", verification="confirmed"),
    condition("pain", "M54.50", "2026-11-01"),
    medication_request("drug", "904431", "2022-02-01", text="alendronate"),
    medication_request("steroid", "198145", "2026-01-01", daily_mg=10),
]
BODIES = tuple(
    request(
        [service_request("draft-1", code), medication_request("draft-2", "904431", status="draft")],
        patient(),
        RESULTS,
        hook=hook,
    )
    for hook in ("order-select", "order-sign")
    for code in ("77080", "76977", "77086", "77081")
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["", "entered-in-error", "Patient/other", "Patient/pat-1", "urn:uuid:x", "2024", "2024-13",
         "9999-12-31", "0001-01-01", "2024-11-10T23:59:60Z", "resourceType", "OperationOutcome"]
    ),
    st.builds(dict),
    st.builds(list),
    st.builds(lambda: [None]),
    st.builds(lambda: {"resourceType": "OperationOutcome"}),
    st.builds(lambda: {"reference": "#x"}),
    st.builds(lambda: copy.deepcopy(bundle(RESULTS[:2]))),  # a later damage must not reach RESULTS
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


PLACES = [list(_places(body)) for body in BODIES]


@pytest.mark.parametrize("batch", range(4))
@settings(max_examples=1250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutants(app: Flask, batch: int, data: st.DataObject) -> None:
    """A valid request damaged in one to four places gets an answer or a refusal, never a 5xx."""
    number = data.draw(st.integers(0, len(BODIES) - 1))
    body = copy.deepcopy(BODIES[number])
    for _ in range(data.draw(st.integers(1, 4))):
        *path, last = data.draw(st.sampled_from(PLACES[number]))
        holder: Any = body
        try:
            for step in path:
                holder = holder[step]
            if data.draw(st.booleans()):
                holder[last] = data.draw(ODD)
            else:
                del holder[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took this place away
    _check_answer(app, body)


@pytest.mark.parametrize("batch", range(2))
@settings(max_examples=1250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_resources(app: Flask, batch: int, data: st.DataObject) -> None:
    """Two to four places of one resource hold something else: some faults only meet there."""
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    part = data.draw(st.sampled_from(sorted(body["prefetch"])))
    resource: Any = body["prefetch"][part]
    if resource["resourceType"] == "Bundle":
        if "entry" not in resource:
            return
        resource = data.draw(st.sampled_from(resource["entry"]))["resource"]
    for name in data.draw(st.lists(st.sampled_from(sorted(resource)), min_size=2, max_size=4)):
        if name not in ("resourceType", "id"):
            resource[name] = data.draw(ODD)
    _check_answer(app, body)


def _check_answer(app: Flask, body: dict[str, Any]) -> None:
    response = app.test_client().post(URL, data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 412, 422), response.status_code
    schema = "response" if response.status_code == 200 else "operation-outcome"
    assert problems(schema, response.json) == ()
    explained = app.test_client().post(
        "/explain/bone-density-imaging", data=json.dumps(body), content_type="application/json"
    )
    assert explained.status_code == response.status_code
    if response.status_code == 200:
        assert problems("explanation", explained.json) == ()
        assert explained.json["response"] == response.json
