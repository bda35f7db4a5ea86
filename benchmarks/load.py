"""A closed-loop load: so many connections, so many requests, every request different."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.servers import Server, ask


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: requests per second, CPU per request of the server, latencies in ms."""

    rps: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


def run(server: Server, bodies: Iterator[bytes], requests: int, connections: int) -> Measured:
    """Sends the requests and measures; any answer but 200 is an error."""
    # Signed before the clock runs: the server's cost is of interest, not the client's.
    proofs = [server.authorize() if server.authorize else None for _ in range(requests)]
    lock = threading.Lock()
    latencies: list[float] = []
    failures: list[int] = []
    left = requests

    def client() -> None:
        nonlocal left
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            with lock:
                if left <= 0:
                    return
                left -= 1
                body, proof = next(bodies), proofs[left]
            began = time.perf_counter()
            status, _ = ask(connection, body, proof)
            latencies.append(time.perf_counter() - began)
            if status != 200:
                failures.append(status)

    threads = [threading.Thread(target=client) for _ in range(connections)]
    cpu, began = server.cpu_s(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, used = time.perf_counter() - began, server.cpu_s() - cpu
    if failures:
        raise RuntimeError(f"{len(failures)} answers were not 200: {sorted(set(failures))}")
    ordered = sorted(latencies)
    return Measured(
        rps=requests / elapsed,
        cpu_ms=used / requests * 1000,
        p50_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1000,
    )
