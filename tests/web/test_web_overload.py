"""More calls than can be served in time are turned away at once."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from cds_service.config import Settings
from cds_service.engine import Answer, load_services
from cds_service.protocol.validation import problems
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.admission import Admission
from cds_service.web.refusals import Overloaded

URL = "/cds-services/bone-density-imaging"


@pytest.mark.parametrize(("threads", "calls"), [(1, 1), (4, 4), (15, 15), (16, 14), (32, 28)])
def test_places(threads: int, calls: int) -> None:
    """With many threads a few stay free to turn others away; every call gives its place back."""
    admission = Admission(threads)
    for _ in range(2):
        with ExitStack() as held:
            for _ in range(calls):
                held.enter_context(admission)
            with pytest.raises(Overloaded), admission:
                pass


def test_a_failed_call_gives_its_place_back() -> None:
    """A call that ends with an error holds no place."""
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="boom"), admission:
            raise ValueError("boom")


def application() -> Flask:
    """An application with one thread."""
    services = load_services()
    settings = replace(Settings(), threads=1)
    return create_app(settings, lambda: load(None, services), services)


def test_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """While all places are taken a call gets 503 with Retry-After, and the others go on."""
    release, entered = threading.Event(), threading.Event()

    def answer(*_: Any, **__: Any) -> Answer:
        entered.set()
        assert release.wait(10)
        return Answer({"cards": []}, dict)

    monkeypatch.setattr("cds_service.web.context.answer", answer)
    app = application()
    found: list[int] = []

    def call() -> None:
        found.append(app.test_client().post(URL, json={}).status_code)

    first = threading.Thread(target=call)
    first.start()
    assert entered.wait(10)
    for url in (URL, "/explain/bone-density-imaging"):
        refused = app.test_client().post(url, json={})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert problems("operation-outcome", refused.json) == ()
        assert refused.json["issue"][0]["code"] == "throttled"
    assert app.test_client().get("/cds-services").status_code == 200
    release.set()
    first.join(10)
    assert found == [200]
    assert app.test_client().post(URL, json={}).status_code == 200
