"""The guide to the sandbox is true where a machine can tell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sandbox_view import seen

from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.web import create_app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
JOURNEY = ROOT / "fixtures" / "sandbox-journey"
MAX_BYTES = 200_000


@pytest.fixture
def example(tmp_path: Path) -> Callable[[int], Path]:
    """The registry files of the guide, by their number."""

    def write(number: int) -> Path:
        blocks = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
        path = tmp_path / "clients.toml"
        path.write_text(blocks[number], "utf-8")
        return path

    return write


def test_registry_with_tokens(example: Callable[[int], Path]) -> None:
    """The first registry file loads, with the profile that the sandbox needs."""
    client = load(example(0), load_services()).clients["sandbox"]
    assert (client.profile, client.trust is not None) == ("sandbox", True)


def test_registry_without_tokens(example: Callable[[int], Path], settings: Settings) -> None:
    """With the second one the sandbox's token is ignored and its suggestion can be applied."""
    services = load_services()
    path = example(1)
    app = create_app(settings, lambda: load(path, services), services)
    recording = json.loads((JOURNEY / "05-order-select-76977.json").read_text("utf-8"))
    response = app.test_client().post(
        recording["path"], json=recording["body"], headers={"Authorization": "Bearer x.y.z"}
    )
    shown = seen(response.get_json())
    assert shown["rating"] == "not-appropriate"
    assert [item["type"] for item in shown["cards"][0]["suggestions"]] == ["update"]


def test_pictures() -> None:
    """Each picture is there, is described, and is small enough for a repository."""
    pictures = re.findall(r"!\[(.+?)\]\((.+?)\)", TEXT)
    assert len(pictures) == 3
    for words, name in pictures:
        assert len(words) > 30
        assert 0 < (ROOT / "docs" / name).stat().st_size < MAX_BYTES


def test_paths() -> None:
    """Each file and folder of this repository that the guide names exists."""
    named = re.findall(r"`?((?:tests|fixtures)/[\w./-]+)", TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_same_sandbox() -> None:
    """Guide and recordings tell of the same commit of the sandbox."""
    commits = {
        re.search(r"\b[0-9a-f]{40}\b", text)[0]  # type: ignore[index]
        for text in (TEXT, (JOURNEY / "README.md").read_text("utf-8"))
    }
    assert len(commits) == 1
