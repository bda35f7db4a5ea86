"""Schemathesis on the OpenAPI document: thousands of cases, every answer as documented."""

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


_HOOKS = ["/cds-services/{id}", "/cds-services/{id}/feedback"]
_SLOW = "/reports"  # each page is made by a process of its own


def _settings(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@schema.include(path=_HOOKS).parametrize()
@_settings(1000)
def test_hooks_as_documented(case: schemathesis.Case) -> None:
    """Whatever the document allows to send to a hook, or not: the answer is a documented one."""
    _validate(case)


@schema.exclude(path=[*_HOOKS, _SLOW]).parametrize()
@_settings(200)
def test_others_as_documented(case: schemathesis.Case) -> None:
    """The same of every other address."""
    _validate(case)


@schema.include(path=_SLOW).parametrize()
@_settings(15)
def test_reports_as_documented(case: schemathesis.Case) -> None:
    """The same of the report."""
    _validate(case)


def _validate(case: schemathesis.Case) -> None:
    response = case.call()
    assert response.status_code < 500
    # A request may follow the schema and still be of another patient (422) or lack data (412).
    excluded = [positive_data_acceptance]
    if response.status_code == 413:  # a refusal too, which the check does not take for one
        excluded.append(negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)
