"""The FHIR servers of the tests in this folder: a real one, and those that misbehave."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fhir_charts import charts, small_chart
from fhir_faulty import FaultyServer
from fhir_real import FhirServer, ForeignServer, real_server
from fhir_upstream import InMemory, RealUpstream


@pytest.fixture(scope="session")
def fhir_server() -> Iterator[FhirServer]:
    """The server named by FHIR_TEST_BASE and FHIR_TEST_TOKEN, else ours with all charts.

    Each worker of pytest-xdist starts its own: that takes two seconds, less than sharing is worth.
    """
    base, token = os.environ.get("FHIR_TEST_BASE"), os.environ.get("FHIR_TEST_TOKEN")
    if base and token:
        yield ForeignServer(base.rstrip("/"), token)
        return
    with real_server(charts()) as server:
        yield server


@pytest.fixture(scope="session")
def faulty_server(fhir_server: FhirServer) -> Iterator[FaultyServer]:
    """Every fault and dialect, in front of the real server; it wants the real server's tokens."""
    with FaultyServer(RealUpstream(fhir_server.base)) as server:
        yield server


@pytest.fixture(scope="module")
def broken() -> Iterator[FaultyServer]:
    """Every fault and dialect, in front of the small chart in memory; no token is looked at."""
    with FaultyServer(InMemory(small_chart())) as server:
        yield server
