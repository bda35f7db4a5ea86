"""The folder of the metrics: one for each server, cleared, added up, without leftovers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cds_service import metrics_folder
from cds_service.metrics_folder import VARIABLE

DEAD = 2**22 + 1
"""Above the highest number that Linux gives a process."""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders are made in these tests."""
    monkeypatch.setattr("cds_service.metrics_folder.os.access", lambda path, mode: False)
    monkeypatch.setattr("cds_service.metrics_folder.tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_one_folder_for_each_server(parent: Path) -> None:
    """A reload keeps it; a server that inherits another's makes its own; leftovers go."""
    for name in (f"{DEAD}-a", f"{os.getpid()}-b", "1-c"):
        (parent / f"cds-service-metrics-{name}").mkdir()
    (parent / "cds-service-metrics-x").mkdir()
    environment: dict[str, str] = {}
    folder = metrics_folder.prepare(environment)
    assert environment[VARIABLE] == str(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert metrics_folder.prepare(environment) == folder
    left = {path.name for path in parent.iterdir()}
    assert left == {folder.name, "cds-service-metrics-1-c", "cds-service-metrics-x"}
    inherited = {VARIABLE: str(parent / "cds-service-metrics-1-c")}
    assert metrics_folder.prepare(inherited) not in (folder, parent / "cds-service-metrics-1-c")
    metrics_folder.remove({VARIABLE: str(parent / "cds-service-metrics-1-c")})
    assert (parent / "cds-service-metrics-1-c").exists()  # another server's
    metrics_folder.remove(inherited)
    assert not Path(inherited[VARIABLE]).exists()


WORKERS = """
import json, os, sys
from pathlib import Path
from cds_service import metrics_folder
folder = metrics_folder.prepare(os.environ)
from cds_service.web.meters import Call, Meters
meters = Meters()
told = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        meters.count_call(Call("s", "h", "c", 200, 0.04))
        meters.workers.set(1)
        meters.told()
        os._exit(0)
    os.waitpid(pid, 0)
    told.append(meters.told().decode())
    metrics_folder.bury(folder, pid)
    metrics_folder.bury(folder, pid)
    told.append(meters.told().decode())
print(json.dumps([told, sorted(path.name for path in folder.iterdir()), os.getpid()]))
metrics_folder.remove(os.environ)
print(folder.exists())
"""


def test_former_workers_are_added_up() -> None:
    """Counts outlive their worker, its state does not, and files do not pile up."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.check_output([sys.executable, "-c", WORKERS], text=True, env=environment)
    first, last = output.splitlines()
    told, files, pid = json.loads(first)
    for position, text in enumerate(told):
        calls = position // 2 + 1
        assert f'cds_calls_total{{client="c",hook="h",service="s",status="200"}} {calls}.0' in text
        assert f'cds_call_seconds_bucket{{client="c",le="0.05",service="s"}} {calls}.0' in text
        assert 'cds_call_seconds_bucket{client="c",le="0.03",service="s"} 0.0' in text
        assert f"cds_workers {(position + 1) % 2}.0" in text
    assert [name for name in files if str(pid) not in name] == [
        "counter_dead.db",
        "histogram_dead.db",
        "lock",
    ]
    assert last == "False"


def test_a_worker_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    """The master waits for a moment only for one that tells metrics."""
    began = time.monotonic()
    with metrics_folder.held(tmp_path, alone=False), metrics_folder.held(tmp_path, alone=False):
        metrics_folder.bury(tmp_path, DEAD)
    assert time.monotonic() - began < 5
