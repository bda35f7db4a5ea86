"""The canned FHIR server of the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fhir_asking import get

from hooks.bone_density.prefetch import prefetch


def test_stub() -> None:
    """The stub answers every query of our prefetch for any patient, and its bad hosts do not."""
    command = [sys.executable, "-m", "benchmarks.fhir_stub", "--delay-ms=1", "--hang-prefix=/hung"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            base = process.stdout.readline().strip()
            for item in prefetch():
                query = item.query.replace("{{context.patientId}}", "p-7").replace("|", "%7C")
                reply = get(f"{base}/h1/r4/{query}")
                assert reply.status == 200
                assert b"p-7" in reply.body or reply.json["total"] == 0
            assert get(f"{base}/h1/r4/Condition/_search", form="patient=p-8").ids
            with pytest.raises(TimeoutError):
                get(f"{base}/hung/r4/Patient/p-7", timeout_s=0.2)
            with pytest.raises(TimeoutError):
                get(f"{base}/bad1/r4/Patient/p-7", timeout_s=0.2)
            assert get(f"{base}/bad1/r4/Patient/p-7").status == 500
            assert get(f"{base}/stats").json == {"h1": 8, "hung": 1, "bad1": 2}
        finally:
            process.terminate()
