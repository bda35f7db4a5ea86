"""Says whether releases of a lock have known holes, and never calls green what was not looked up.

    python tools/audit.py --lock requirements-postgres.lock

First, without a network, the floors of tools/floors.toml. Then pip-audit, if it is installed: it is
believed only when it names a result for every pin, since it ends with 0 also where it could look up
nothing. Exit status 0: every pin was looked up and none has a known hole. 1: a hole, or a release
below its floor. 3: not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version
from sbom import ROOT, Pin, normal, read_lock

HOLES = 1
NOT_MEASURED = 3
_SECONDS = 600


def below_floor(pins: Iterable[Pin], floors: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each pin that is older than its floor."""
    versions = {pin.name: pin.version for pin in pins}
    return [
        f"{floor['package']} {versions[floor['package']]} is below {floor['version']}: "
        + ", ".join(floor["advisories"])
        for floor in floors
        if floor["package"] in versions
        and Version(versions[floor["package"]]) < Version(floor["version"])
    ]


def read_floors(path: Path) -> list[dict[str, Any]]:
    """The floors of a file."""
    floors: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["floors"]
    return floors


def read_report(text: str, pins: Sequence[Pin]) -> tuple[list[str], list[str]]:
    """What pip-audit found, and which pins it says nothing of; text that is no report says nothing.

    A result for another version than the pinned one is no result.
    """
    try:
        rows = json.loads(text)["dependencies"]
        looked_up = {
            (normal(row["name"]), row["version"]): row["vulns"]
            for row in rows
            if "skip_reason" not in row
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        looked_up = {}
    holes = [
        f"{name} {version}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'nothing'}"
        for (name, version), found in looked_up.items()
        for hole in found
    ]
    return holes, [pin.name for pin in pins if (pin.name, pin.version) not in looked_up]


def run_pip_audit(program: str, lock: Path) -> str:
    """The report of pip-audit; empty when it ended before it could write one."""
    options = ["--strict", "--require-hashes", "--disable-pip", "--format", "json"]
    command = [program, *options, "--progress-spinner", "off", "--timeout", "10"]
    try:
        found = subprocess.run(  # noqa: S603 - a program of the operator's own
            [*command, "--requirement", str(lock)],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"pip-audit: {type(error).__name__}", file=sys.stderr)
        return ""
    lines = found.stderr.strip().splitlines()
    if found.returncode and lines:
        print(f"pip-audit: {lines[-1][:300]}", file=sys.stderr)
    return found.stdout


def main() -> int:
    """Prints what is known of the lock; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements-postgres.lock")
    parser.add_argument("--floors", type=Path, default=ROOT / "tools" / "floors.toml")
    given = parser.parse_args()
    pins = read_lock(given.lock.read_text("utf-8"))
    broken = below_floor(pins, read_floors(given.floors))
    for text in broken:
        print(text)
    print(f"floors  {len(pins)} pins: {'broken' if broken else 'ok'}")
    places = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    program = shutil.which("pip-audit", path=places)
    report = run_pip_audit(program, given.lock) if program else ""
    holes, not_looked_up = read_report(report, pins)
    for text in holes:
        print(text)
    if program is None:
        print("audit   not measured: pip-audit is not installed")
    elif not_looked_up:
        some = ", ".join(not_looked_up[:5]) + (", …" if len(not_looked_up) > 5 else "")
        print(f"audit   not measured: {len(not_looked_up)} of {len(pins)} not looked up ({some})")
    else:
        print(f"audit   {len(pins)} of {len(pins)} looked up: {len(holes)} holes")
    if broken or holes:
        return HOLES
    return NOT_MEASURED if not_looked_up else 0


if __name__ == "__main__":
    sys.exit(main())
