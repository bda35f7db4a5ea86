"""The CDS Hooks sandbox with its tokens verified: its recordings, posted as it signs them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sandbox_tokens import public_keys, signed

from cds_service.config import Auth, Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

FOLDER = Path(__file__).parents[2] / "fixtures" / "sandbox"
SERVICE_ID = "bone-density-imaging"
REGISTRY = """
[clients.sandbox]
profile = "sandbox"
[clients.sandbox.trust]
issuer = "https://sandbox.cds-hooks.org"
audiences = ["http://127.0.0.1:8091"]
jwks_file = "sandbox.json"
"""
FEEDBACK = ("09", "10", "11", "12")
STATUS = {"13": 422, "16": 422}
CARDS = {"05": 1, "06": 1, "07": 1, "08": 1}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The service in development mode with authentication, the sandbox's key in a file."""
    folder = tmp_path_factory.mktemp("sandbox")
    registry = folder / "clients.toml"
    registry.write_text(REGISTRY, "utf-8")
    (folder / "sandbox.json").write_text(json.dumps(public_keys()), "utf-8")
    settings = replace(
        Settings(),
        auth=Auth.REQUIRED,
        as_of=date(2026, 11, 23),
        clients_path=registry,
        database_url=f"sqlite:///{folder}/store.db",
    )
    prepare_store(settings)
    services = load_services()
    app = create_app(settings, lambda: load(registry, services), services)
    with app.test_client() as client:
        yield client


def recordings() -> list[Path]:
    """Everything that the sandbox sent but its feedback."""
    return [path for path in sorted(FOLDER.glob("*.json")) if path.name[:2] not in FEEDBACK]


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_recording(http: FlaskClient, path: Path) -> None:
    """Each call is answered once, with its status and cards; discovery needs no token."""
    recording = json.loads(path.read_text("utf-8"))
    url = re.sub(r"(\{service-id\}|stub-\w+)", SERVICE_ID, recording["path"])
    number = path.name[:2]

    def send(**headers: str) -> Any:
        return http.open(
            url,
            method=recording["method"],
            headers=recording["headers"] | headers,
            json=recording.get("body"),
        )

    if recording["method"] != "POST":
        assert send().status_code == 200
        return
    authorization = f"Bearer {signed(recording['jwt'], url)}"
    found = send(Authorization=authorization)
    assert found.status_code == STATUS.get(number, 200)
    assert len(found.json.get("cards", ())) == CARDS.get(number, 0)
    origin = recording["headers"]["Origin"]
    for refused in (send(Authorization=authorization), send()):
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == origin
