"""The systemd units of deploy/ are right, confined, and say the same as the program."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cds_service.cli import main
from cds_service.config import NAMES

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
COMMAND = "/opt/cds-service/bin/cds-service"
SERVICES = ("cds-service.service", "cds-service-prune.service")
MOST_EXPOSED = 20
"""In tenths; systemd calls up to 2.0 of 10 safe."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units in a folder, with a program that exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in UNITS.iterdir():
        text = re.sub(r"/opt/cds-service/bin/[a-z-]+", "/bin/true", path.read_text("utf-8"))
        (tmp_path / path.name).write_text(text, "utf-8")
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze in a folder."""
    return subprocess.run(
        ["systemd-analyze", *command], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_systemd_accepts_them(units: Path) -> None:
    """`systemd-analyze verify` has nothing to say about any unit."""
    names = [f"./{path.name}" for path in UNITS.iterdir() if path.suffix in _KINDS]
    assert len(names) == 4
    found = run(units, "verify", "--man=no", *names)
    about_ours = [line for line in found.stderr.splitlines() if "cds-service" in line]
    assert (found.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_they_are_confined(units: Path, name: str) -> None:
    """systemd's own review finds little that a service could do beyond its task."""
    found = run(units, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}")
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_not_given(name: str) -> None:
    """No rights, a read-only system, an account of its own, the key as a credential."""
    service = _section(name, "Service")
    for option, value in {
        "DynamicUser": ["yes"],
        "StateDirectory": ["cds-service"],
        "NoNewPrivileges": ["yes"],
        "ProtectSystem": ["strict"],
        "MemoryDenyWriteExecute": ["yes"],
        "CapabilityBoundingSet": [""],
        "LoadCredential": ["secret-key:/etc/cds-service/secret-key"],
    }.items():
        assert service[option] == value
    assert "CDS_SECRET_KEY_FILE=%d/secret-key" in service["Environment"]


def test_the_end_has_time() -> None:
    """systemd waits for the master, also for one that took over, and longer than gunicorn does."""
    (stop,) = _section("cds-service.service", "Service")["ExecStop"]
    assert "kill -TERM" in stop
    assert "while kill -0" in stop
    path = Path(__file__).parents[2] / "cds_service" / "gunicorn.conf.py"
    text = path.read_text("utf-8")
    graceful = int(re.findall(r"^graceful_timeout = (\d+)", text, re.MULTILINE)[0])
    (patience,) = _section("cds-service.service", "Service")["TimeoutStopSec"]
    assert int(patience) >= graceful + 5


@pytest.mark.parametrize("path", sorted(UNITS.iterdir()), ids=lambda path: path.name)
def test_settings_and_commands_exist(path: Path) -> None:
    """Each setting and each command that a file names is one of the program."""
    text = path.read_text("utf-8")
    assert set(re.findall(r"\bCDS_[A-Z_]+[A-Z]\b", text)) - {*NAMES} == set()
    for words in re.findall(rf"{COMMAND} ([a-z]+)", text):
        assert words in main.commands


_KINDS = (".service", ".socket", ".timer")


def _section(unit: str, section: str) -> dict[str, list[str]]:
    """The options of a section; each may be there several times."""
    found: dict[str, list[str]] = {}
    here = ""
    for line in (UNITS / unit).read_text("utf-8").splitlines():
        if match := configparser.ConfigParser.SECTCRE.match(line):
            here = match["header"]
        elif here == section and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found
