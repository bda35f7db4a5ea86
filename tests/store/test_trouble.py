"""Whatever is wrong with a database is told at once, in fixed words, and passes when it is over."""

from __future__ import annotations

import os
import resource
import select
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from cds_service.store import (
    Database,
    KeyFetches,
    ReplayStore,
    StoreError,
    SwitchLog,
    Trouble,
    current_revision,
)
from cds_service.store.migrations import migrate

BUSY_TIMEOUT_MS = 300
# What the brief of the store allows over the busy timeout; a loaded machine gets a little more.
MARGIN_S = 0.2 if not os.environ.get("CI") else 1.0
SECRET = "hunter2"
KEY = bytes(range(32))


@contextmanager
def _told(*troubles: Trouble, limit_s: float = BUSY_TIMEOUT_MS / 1000) -> Iterator[None]:
    """What is inside raises one of these troubles, soon, and tells no secret."""
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        yield
    took_s = time.monotonic() - started
    assert caught.value.trouble in troubles
    assert took_s < limit_s + MARGIN_S
    printed = "".join(traceback.format_exception(caught.value))
    for secret in (SECRET, KEY.hex(), repr(KEY), "INSERT", "127.0.0.1"):
        assert secret not in printed
    assert str(caught.value) == caught.value.trouble.value


def _claim(database: Database, key: bytes = KEY) -> bool:
    return ReplayStore(database).claim(key, 160, 100)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A SQLite database with all tables, impatient."""
    database = Database.open(f"sqlite:///{tmp_path}/store.db", busy_timeout_ms=BUSY_TIMEOUT_MS)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def server(postgresql_url: str) -> Iterator[Database]:
    """A PostgreSQL database with all tables, impatient."""
    database = Database.open(postgresql_url, busy_timeout_ms=BUSY_TIMEOUT_MS)
    migrate(database)
    yield database
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:store.db?mode=memory&uri=true",
        "mysql://user:hunter2@127.0.0.1/db",
        "postgresql+psycopg2://user:hunter2@127.0.0.1/db",
        "postgresql://user:hunter2@127.0.0.1:port/db",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Only a SQLite file or PostgreSQL will do: memory is not shared by workers."""
    with _told(Trouble.BAD_URL):
        Database.open(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_no_password_is_shown(scheme: str) -> None:
    """What a database shows of itself has no password."""
    database = Database.open(f"{scheme}://user:{SECRET}@db.example:5433/cds")
    assert SECRET not in f"{database!r} {database} {database.where}"
    assert database.where == "db.example/cds"
    assert database.is_shared


def test_locked_file(file: Database) -> None:
    """Another process that holds the file makes a claim fail, and then no longer does."""
    assert _claim(file)
    holder = sqlite3.connect(file.where, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with _told(Trouble.LOCKED):
        _claim(file)
    with _told(Trouble.LOCKED):
        KeyFetches(file).may_fetch("https://ehr", 100.0)
    with _told(Trouble.LOCKED), file.transaction():
        pass
    assert SwitchLog(file).current() == ()  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    assert not _claim(file)


def test_read_only_file() -> None:
    """An account that may only read makes a claim fail, and reads on."""
    with tempfile.TemporaryDirectory() as name, _unprivileged(Path(name)) as folder:
        writable = Database.open(f"sqlite:///{folder}/store.db")
        migrate(writable)
        with writable.statements() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = DELETE")  # readable without -shm
        writable.close()
        path = Path(writable.where)
        path.chmod(0o444)
        folder.chmod(0o555)
        database = Database.open(f"sqlite:///{path}", busy_timeout_ms=BUSY_TIMEOUT_MS)
        with _told(Trouble.READ_ONLY):
            _claim(database)
        path.chmod(0o644)
        folder.chmod(0o755)
        assert _claim(database)
        database.close()


@contextmanager
def _unprivileged(folder: Path) -> Iterator[Path]:
    """Runs as an account to which modes apply: to root they do not."""
    if os.geteuid() != 0:
        yield folder
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)


def test_full_disk(file: Database) -> None:
    """A file that cannot grow makes claims fail; what was told before is kept, and it recovers."""
    told: list[int] = []

    def fill() -> None:
        for number in range(5000):
            assert _claim(file, number.to_bytes(32, "big"))
            told.append(number)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
    try:
        with _told(Trouble.FULL, Trouble.INPUT_OUTPUT, limit_s=60):
            fill()
        with _told(Trouble.FULL, Trouble.INPUT_OUTPUT):
            _claim(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told
    assert not any(_claim(file, number.to_bytes(32, "big")) for number in told)
    assert _claim(file)


@pytest.mark.parametrize(
    ("harm", "trouble"),
    [
        (lambda path: path.write_bytes(b"not a database" * 1000), Trouble.CORRUPT),
        (
            lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096 * 12),
            Trouble.CORRUPT,
        ),
        (lambda path: path.write_bytes(b""), Trouble.NO_TABLES),
        (lambda path: path.unlink(), Trouble.NO_TABLES),
    ],
    ids=["overwritten", "damaged pages", "emptied", "deleted"],
)
def test_damaged_file(file: Database, harm: Callable[[Path], object], trouble: Trouble) -> None:
    """A damaged file is told as such and left for an operator to look at."""
    _claim(file)
    file.close()
    path = Path(file.where)
    harm(path)
    found = path.read_bytes() if path.exists() else b""
    with _told(trouble):
        _claim(file)
    file.close()
    assert path.read_bytes()[4096:] == found[4096:]


@pytest.mark.parametrize("path", ["missing/store.db", "."])
def test_file_that_cannot_be_opened(tmp_path: Path, path: str) -> None:
    """A folder that is not there, or a folder in place of the file."""
    database = Database.open(f"sqlite:///{tmp_path}/{path}", busy_timeout_ms=BUSY_TIMEOUT_MS)
    with _told(Trouble.CANNOT_OPEN):
        _claim(database)
    with _told(Trouble.CANNOT_OPEN):
        migrate(database)
    database.close()


def test_nobody_migrated(url: str) -> None:
    """Before the migrations, the tables are missing, and the words say what to do."""
    database = Database.open(url, busy_timeout_ms=BUSY_TIMEOUT_MS)
    with _told(Trouble.NO_TABLES):
        _claim(database)
    with _told(Trouble.NO_TABLES):
        SwitchLog(database).current()
    database.close()


def test_more_threads_than_connections(url: str) -> None:
    """Who finds all connections in use waits as long as for a lock, and no longer."""
    database = Database.open(url, busy_timeout_ms=BUSY_TIMEOUT_MS, connections=1)
    migrate(database)
    with database.statements(), _told(Trouble.BUSY):
        _claim(database)
    assert _claim(database)
    database.close()


def test_no_server() -> None:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = Database.open(
        f"postgresql://user:{SECRET}@127.0.0.1:{port}/cds", busy_timeout_ms=BUSY_TIMEOUT_MS
    )
    with _told(Trouble.UNREACHABLE):
        _claim(database)
    with _told(Trouble.UNREACHABLE):
        current_revision(database)


def test_silent_server() -> None:
    """A port that takes connections and says nothing; then nobody waits for it for a moment."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database.open(
            f"postgresql://user:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/cds",
            busy_timeout_ms=BUSY_TIMEOUT_MS,
        )
        with _told(Trouble.NOT_ANSWERING):
            _claim(database)
        with _told(Trouble.NOT_ANSWERING, limit_s=0):
            _claim(database)


class _Wire:
    """A forwarder before PostgreSQL that can go silent, as a network that swallows packets."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_silent = False
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self._stopped = False
        self._thread.start()

    def _run(self) -> None:
        peers: dict[socket.socket, socket.socket] = {}
        while not self._stopped:
            ready, _, _ = select.select([self._listener, *peers], [], [], 0.02)
            for one in ready:
                if self.is_silent:
                    time.sleep(0.01)
                elif one is self._listener:
                    near = self._listener.accept()[0]
                    far = socket.create_connection(self._server)
                    peers[near], peers[far] = far, near
                    self._sockets += [near, far]
                elif one in peers:  # its other end may have closed it a moment ago
                    self._forward(one, peers)

    def _forward(self, one: socket.socket, peers: dict[socket.socket, socket.socket]) -> None:
        try:
            data = one.recv(65536)
            if data:
                peers[one].sendall(data)
                return
        except OSError:
            pass  # an end that went away ends the other one too
        other = peers.pop(one)
        del peers[other]
        for end in (one, other):
            end.close()

    def close(self) -> None:
        """Ends all connections."""
        self._stopped = True
        self._thread.join()
        for one in (self._listener, *self._sockets):
            one.close()


def test_server_that_falls_silent(server: Database, postgresql_url: str) -> None:
    """A server that was there and then answers nothing; once it does, claims go on."""
    parts = make_url(postgresql_url)
    wire = _Wire(parts.host or "127.0.0.1", parts.port or 5432)
    address = parts.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)
    database = Database.open(address, busy_timeout_ms=BUSY_TIMEOUT_MS)
    try:
        assert _claim(database)
        wire.is_silent = True
        for _ in range(3):
            with _told(Trouble.NOT_ANSWERING):
                _claim(database)
        wire.is_silent = False
        time.sleep(1.1)  # as long as a silent server is left alone
        assert not _claim(database)
        with _told(Trouble.NOT_ANSWERING), database.statements() as connection:
            wire.is_silent = True
            connection.execute(text("SELECT 1"))
        wire.is_silent = False
        time.sleep(1.1)
        assert not _claim(database)
    finally:
        wire.close()
        database.close()


def test_server_refuses(postgresql_server: str) -> None:
    """A database that the server does not have is not reached, and its name is not told."""
    url = make_url(postgresql_server).set(database=f"no_{SECRET}")
    database = Database.open(
        url.render_as_string(hide_password=False), busy_timeout_ms=BUSY_TIMEOUT_MS
    )
    with _told(Trouble.UNREACHABLE, Trouble.LOGIN):
        _claim(database)


def test_locked_row(server: Database, postgresql_url: str) -> None:
    """A claim that waits for another one's end gives up in time, and works afterwards."""
    with psycopg.connect(postgresql_url) as holder:
        holder.execute("INSERT INTO replay (key, expires_at) VALUES (%s, 160)", (KEY,))
        with _told(Trouble.LOCKED, Trouble.NOT_ANSWERING):
            _claim(server)
        holder.rollback()
        assert _claim(server)


def test_broken_connections_are_replaced(server: Database, postgresql_url: str) -> None:
    """After a restart of the server, the next claim works: nobody sees the broken connection."""
    assert _claim(server)
    with server.statements() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))
    assert not _claim(server)


def test_connection_that_breaks_in_use(server: Database, postgresql_url: str) -> None:
    """A connection that ends in the middle is told; the next claim has another one."""
    with _told(Trouble.UNREACHABLE), server.transaction() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))
        connection.execute(text("SELECT 1"))
    assert _claim(server)


def test_standby(server: Database, postgresql_url: str) -> None:
    """A server that only reads."""
    url = make_url(postgresql_url)
    options = f"{url.query['options']} -cdefault_transaction_read_only=on"
    address = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    database = Database.open(address, busy_timeout_ms=BUSY_TIMEOUT_MS)
    with _told(Trouble.READ_ONLY):
        _claim(database)
    assert SwitchLog(database).current() == ()
    database.close()


def test_without_the_driver() -> None:
    """SQLite needs no PostgreSQL driver; a PostgreSQL URL without it says so."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from cds_service.store import Database, StoreError, current_revision\n"
        "try: current_revision(Database.open('postgresql://127.0.0.1/x'))\n"
        "except StoreError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{Trouble.NO_DRIVER}\n"
