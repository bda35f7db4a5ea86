"""A process with several canned FHIR hosts, each on a port of its own, and control over them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.request
from dataclasses import dataclass


@dataclass(slots=True)
class FhirHosts:
    """The running stub: its FHIR base addresses and the address that changes their faults."""

    process: subprocess.Popen[str]
    control: str
    bases: list[str]

    async def set_fault(self, base: str, fault: str | None) -> None:
        """From now on a host has this fault, or none."""
        port = base.split("/")[2].rpartition(":")[2]
        await self._ask(f"port={port}&fault={fault or 'off'}")

    async def heal(self) -> None:
        """Ends all faults."""
        await self._ask("faults=off")

    async def _ask(self, query: str) -> None:
        address = f"{self.control}/control?{query}"
        await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=10).close())

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        self.process.wait(10)


def start_hosts(count: int, delay_ms: float) -> FhirHosts:
    """Starts so many healthy hosts."""
    command = [sys.executable, "-m", "benchmarks.fhir_stub", "--delay-ms", str(delay_ms)]
    process = subprocess.Popen(
        [*command, "--more-ports", str(count)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    control, *hosts = (process.stdout.readline().strip() for _ in range(count + 1))
    if not all(hosts):
        raise RuntimeError("the FHIR stub did not start")
    return FhirHosts(process, control, [f"{host}/soak/r4" for host in hosts])
