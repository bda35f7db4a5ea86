"""Processes that claim, as workers would; they tell each answer as soon as they have it.

Usage: claimer.py URL PROCESSES THREADS CLAIMS [KEY]. After a line on its standard input, each
thread of each process claims KEY, or without it a fresh key each time, and writes for each claim a
line with the number of its process, the key and the answer.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from cds_service.store import Database, ReplayStore


def claim_all(database: Database, threads: int, claims: int, key: str) -> None:
    """Claims on several threads that begin at the same time."""
    store = ReplayStore(database)
    together = threading.Barrier(threads)

    def work() -> None:
        together.wait()
        for _ in range(claims):
            mine = bytes.fromhex(key) if key else os.urandom(32)
            now = int(time.time())
            answer = store.claim(mine, now + 300, now)
            # One write, without a buffer: whole lines only, and nothing is held back.
            os.write(1, f"{os.getpid()} {mine.hex()} {answer}\n".encode())

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main(url: str, processes: int, threads: int, claims: int, key: str = "") -> None:
    """Forks the processes, with a database that was opened and used before: gunicorn's preload."""
    # Long enough for a thousand claims at once on a busy machine: none may fail here.
    database = Database.open(url, busy_timeout_ms=20_000)
    ReplayStore(database).prune(0)
    sys.stdin.readline()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            try:
                claim_all(database, threads, claims, key)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), *sys.argv[5:])
