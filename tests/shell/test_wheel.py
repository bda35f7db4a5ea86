"""The wheel holds everything it needs and works from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNRELATED_ORDER = {
    "hook": "order-select",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {
        "userId": "Practitioner/1",
        "patientId": "p1",
        "selections": ["ServiceRequest/draft-1"],
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "resource": {
                        "resourceType": "ServiceRequest",
                        "id": "draft-1",
                        "status": "draft",
                        "intent": "order",
                        "subject": {"reference": "Patient/p1"},
                        "code": {
                            "coding": [
                                {"system": "http://www.ama-assn.org/go/cpt", "code": "85027"}
                            ]
                        },
                    }
                }
            ],
        },
    },
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the work tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands of a clean environment: our wheel first, then the dependencies installed here.

    A path file lends the dependencies, so that nothing is downloaded; path files inside a lent
    folder are not read, so the work tree is not importable.
    """
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "posix_prefix", vars=scheme))
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run([sys.executable, *install, *options], check=True, capture_output=True)
    return folder / "bin"


def run(bin_folder: Path, cwd: Path, *command: str, text: str = "") -> str:
    """The output of a command in the clean environment, called from another folder."""
    environment = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(cwd)}
    result = subprocess.run(
        [str(bin_folder / command[0]), *command[1:]],
        cwd=cwd,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_contents(wheel: Path) -> None:
    """The two packages with their data, the licence, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "cds_service",
        "hooks",
        "bone_density_cds",
    }
    for package in ("cds_service", "hooks"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(ROOT).as_posix() in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_is_imported_from_the_wheel(bin_folder: Path, tmp_path: Path) -> None:
    """The clean environment does not see the work tree."""
    code = "import cds_service, hooks; print(cds_service.__file__, hooks.__file__)"
    assert str(ROOT) not in run(bin_folder, tmp_path, "python", "-c", code)


def test_command_line(bin_folder: Path, tmp_path: Path) -> None:
    """The services are found and check out."""
    rows = json.loads(run(bin_folder, tmp_path, "cds-service", "services", "--json"))
    assert "bone-density-imaging" in [row["id"] for row in rows]
    assert "ok" in run(bin_folder, tmp_path, "cds-service", "check")


def test_hook_call(bin_folder: Path, tmp_path: Path) -> None:
    """An order that is none of ours is answered without cards, over the WSGI application."""
    code = (
        "import json, sys; from cds_service.wsgi import app; c = app.test_client();"
        "r = c.post('/cds-services/bone-density-imaging', json=json.load(sys.stdin));"
        "print(r.status_code, r.text); assert c.get('/openapi.json').status_code == 200"
    )
    text = json.dumps(UNRELATED_ORDER)
    assert run(bin_folder, tmp_path, "python", "-c", code, text=text) == '200 {"cards":[]}\n'


def test_explain(bin_folder: Path, tmp_path: Path) -> None:
    """The same order is explained."""
    text = json.dumps(UNRELATED_ORDER)
    explained = json.loads(run(bin_folder, tmp_path, "cds-service", "explain", "-", text=text))
    (order,) = explained["orders"]
    assert order["study"] is None
    assert order["scenario"] == "not-bone-density"
    assert order["silence"]
