"""The databases under which the service is killed: a SQLite file, a PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from benchmarks.crash_service import free_port
from cds_service.store import Database, examine
from cds_service.store.migrations import migrate

# Process ids are padded to five columns.
_FLUSH = re.compile(r"^\d+ +(\d+\.\d+) f(?:data)?sync\(\d+<([^>]*)>")
_LIMIT_S = 60.0


def tracer(written: Path) -> list[str]:
    """The command before another one that writes down each flush, with its time and file.

    Only these calls stop the traced processes (seccomp), so that nothing else gets slower.
    """
    options = ["-D", "-f", "--seccomp-bpf", "-qq", "-y", "-ttt", "-e", "trace=fdatasync,fsync"]
    return ["strace", *options, "-e", "signal=none", "-o", str(written)]


def flushes(written: Path, name: str, since: float, until: float) -> int:
    """How often a file with a name like this was flushed; times in seconds since 1970."""
    found = (_FLUSH.match(line) for line in written.read_text("utf-8", "replace").splitlines())
    return sum(
        since <= float(one[1]) <= until and name in one[2] for one in found if one is not None
    )


class Store(Protocol):
    """What the run needs to know of a database."""

    url: str
    log_name: str
    trace: Path
    """Where flushes of the log are written down: part of its name, and the file."""
    is_given: bool
    """Whether it was there before, so that nobody traces it."""

    def service_tracer(self) -> list[str]:
        """The command before the service that is traced; none where a server flushes."""

    def crash(self) -> bool:
        """Ends the database as a crash does, and starts it again; False where there is none."""

    def cards(self) -> list[str]:
        """The cards of all feedback that was kept."""

    def damages(self) -> list[str]:
        """What is not whole."""


class SqliteStore:
    """A file of its own."""

    log_name = "-wal"
    is_given = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "crash.db"
        self.url = f"sqlite:///{self.path}"
        self.trace = folder / "flushes"
        migrate(Database.open(self.url))

    def service_tracer(self) -> list[str]:
        """The service itself flushes."""
        return tracer(self.trace)

    def crash(self) -> bool:
        """There is no server; the processes with the file were all killed already."""
        return False

    def cards(self) -> list[str]:
        """The cards of all feedback that was kept."""
        with closing(sqlite3.connect(self.path)) as connection:
            return [row[0] for row in connection.execute("SELECT card FROM feedback")]

    def damages(self) -> list[str]:
        """What PRAGMA integrity_check and foreign_key_check find."""
        return _damages(self.url)


class PostgresqlStore:
    """A server that was made for the run, or a schema of its own on a given one."""

    log_name = "pg_wal/"

    def __init__(self, server: str, trace: Path, private: PrivateServer | None) -> None:
        self.trace, self._server, self._private = trace, server, private
        self.is_given = private is None
        self.schema = f"cds_crash_{secrets.token_hex(6)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        url = make_url(server).update_query_dict({"options": f"-csearch_path={self.schema}"})
        self.url = url.render_as_string(hide_password=False)
        migrate(Database.open(self.url))

    def service_tracer(self) -> list[str]:
        """The server flushes."""
        return []

    def crash(self) -> bool:
        """Takes a private server down at once; what it acknowledged it has to recover."""
        if self._private is None:
            return False
        self._private.stop(signal.SIGQUIT)
        self._private.start()
        return True

    def cards(self) -> list[str]:
        """The cards of all feedback that was kept."""
        with psycopg.connect(self.url) as connection:
            return [row[0] for row in connection.execute("SELECT card FROM feedback")]

    def damages(self) -> list[str]:
        """What amcheck finds in tables and indexes: each row has its entries, no page is bad."""
        found = _damages(self.url)
        with psycopg.connect(self.url, autocommit=True) as connection:
            try:
                connection.execute("SET client_min_messages = warning")
                connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
                connection.execute(
                    "SELECT bt_index_check(indexrelid, true) FROM pg_index"
                    " JOIN pg_class ON pg_class.oid = indexrelid"
                    " WHERE relnamespace = current_schema()::regnamespace"
                )
                rows = connection.execute(
                    "SELECT relname, msg FROM pg_class, verify_heapam(pg_class.oid)"
                    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
                )
                found += [f"{name}: {message}" for name, message in rows]
            except psycopg.Error as error:
                found.append(f"amcheck: {type(error).__name__}")
        return found

    def drop(self) -> None:
        """Leaves nothing on the server."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            name = sql.Identifier(self.schema)
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


class PrivateServer:
    """A PostgreSQL from the installed programs; it refuses to run as root, so others do."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self.trace = folder / "flushes"
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._user = _account() if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._log = (folder / "server.log").open("wb")
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--data-checksums", "--no-sync"]
        self._run([str(programs / "initdb"), "-D", str(self._data), *options]).wait()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it, its flushes written down, and waits until it answers."""
        wanted = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options = [f"-c{name}={value}" for name, value in wanted.items()]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        traced = tracer(self.trace) if shutil.which("strace") else []
        self._process = self._run([*traced, *command, *options])
        until = time.monotonic() + _LIMIT_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGINT in good order, SIGQUIT at once and without writing anything."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(_LIMIT_S)

    def close(self) -> None:
        """Ends it for good."""
        self.stop(signal.SIGQUIT)
        self._log.close()

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            user=self._user,
            cwd=self._data.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )


@contextmanager
def sqlite_store(folder: Path) -> Generator[Store]:
    """A SQLite file in a folder."""
    yield SqliteStore(folder)


@contextmanager
def postgresql_store(folder: Path, given: str | None) -> Generator[Store]:
    """A schema on the given server, else on one that is made for the run."""
    if given is not None:
        store = PostgresqlStore(given, folder / "flushes", None)
        try:
            yield store
        finally:
            store.drop()
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise RuntimeError("no PostgreSQL: install the package postgresql, or give a URL")
    server = PrivateServer(programs[-1], folder)
    try:
        yield PostgresqlStore(server.url, server.trace, server)
    finally:
        server.close()


def _damages(url: str) -> list[str]:
    database = Database.open(url)
    try:
        with database.patient(_LIMIT_S) as patient:
            return [*examine(patient).problems]
    finally:
        database.close()


def _account() -> str:
    def exists(name: str) -> Iterator[str]:
        try:
            yield pwd.getpwnam(name).pw_name
        except KeyError:
            return

    return next(found for name in ("postgres", "nobody") for found in exists(name))
