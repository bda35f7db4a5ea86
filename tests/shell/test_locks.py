"""The lock files: every package pinned by hash, no address of a registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = (
    "requirements.lock",
    "requirements-build.lock",
    "requirements-dev.lock",
    "requirements-postgres.lock",
)


def pins(name: str) -> dict[str, str]:
    """Versions by package; a package may be pinned once for each of several platforms."""
    text = (ROOT / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_no_addresses_and_every_pin_hashed(name: str) -> None:
    """A lock holds pins with hashes and nothing that ties it to one place."""
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert str(ROOT) not in text
    blocks = re.split(r"^(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.M)
    assert all("--hash=sha256:" in block for block in blocks if block.strip())


@pytest.mark.parametrize("name", LOCKS[1:])
def test_locks_agree(name: str) -> None:
    """What is tested is what is served."""
    served, other = pins("requirements.lock"), pins(name)
    assert {package: other[package] for package in served.keys() & other.keys()} == {
        package: served[package] for package in served.keys() & other.keys()
    }
    if name in ("requirements-dev.lock", "requirements-postgres.lock"):
        assert served.keys() <= other.keys()
