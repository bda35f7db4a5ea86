"""Schemathesis on the OpenAPI document: two thousand cases, every answer as documented."""

from __future__ import annotations

import tempfile
from datetime import date

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

_SERVICES = load_services()
_FOLDER = tempfile.TemporaryDirectory(prefix="cds-fuzz-")
_SETTINGS = Settings(as_of=date(2026, 11, 23), database_url=f"sqlite:///{_FOLDER.name}/store.db")
prepare_store(_SETTINGS)
_APP = create_app(_SETTINGS, lambda: load(None, _SERVICES), _SERVICES)
schema = schemathesis.openapi.from_wsgi("/openapi.json", _APP)


@schema.parametrize()
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_as_documented(case: schemathesis.Case) -> None:
    """Whatever the document allows to send, or not: status, type and body are documented ones."""
    response = case.call()
    assert response.status_code < 500
    # A request may follow the schema and still be of another patient (422) or lack data (412).
    excluded = [positive_data_acceptance]
    if response.status_code == 413:  # a refusal too, which the check does not take for one
        excluded.append(negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)
