"""`cds-service db backup` and `db check`, and who may start on which tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.config import Auth, ConfigError, Settings
from cds_service.store import Database
from cds_service.web.deploy import prepare_store

Run = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database of these tests is; its folder is not there yet."""
    return tmp_path / "state" / "store.db"


@pytest.fixture
def run(file: Path) -> Run:
    """Runs `cds-service db …` on that database."""

    def invoke(*arguments: str, url: str = f"sqlite:///{file}") -> Result:
        return CliRunner().invoke(main, ["db", *arguments], env={"CDS_DATABASE_URL": url})

    return invoke


def _change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_backup(run: Run, tmp_path: Path) -> None:
    """A copy is made once: the second time its name is taken, and that is an error."""
    assert run("migrate").exit_code == 0
    target = tmp_path / "copy.db"
    first, again = run("backup", str(target)), run("backup", str(target))
    assert first.exit_code == 0, first.output
    assert f"{target}: {target.stat().st_size} bytes, at revision" in first.output
    assert (again.exit_code, again.stdout) == (1, "")
    assert "a file of that name already" in again.stderr
    assert run("check", url=f"sqlite:///{target}").exit_code == 0


def test_a_server_is_not_copied_here(run: Run, tmp_path: Path) -> None:
    """PostgreSQL has tools for it: the command says which, exits 1 and asks no server."""
    found = run("backup", str(tmp_path / "copy"), url="postgresql://u:hunter2@127.0.0.1:1/cds")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "pg_dump" in found.stderr
    assert "hunter2" not in found.output


def test_backup_of_nothing(run: Run, tmp_path: Path) -> None:
    """A wrong CDS_DATABASE_URL gives an error, neither a database nor an empty copy."""
    found = run("backup", str(tmp_path / "copy.db"))
    assert found.exit_code == 1
    assert "database file cannot be opened" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_check(run: Run, file: Path) -> None:
    """What is there is counted and called whole; what is not made yet is no fault."""
    before = run("check")
    assert (before.exit_code, before.stderr) == (0, "")
    assert "not made yet" in before.output
    assert not file.exists()
    run("migrate")
    found = run("check")
    assert (found.exit_code, found.stderr) == (0, "")
    assert f"{file}: decisions 0, judged orders 0, feedback 0, in quarantine 0" in found.output
    assert f"{file}: whole, at revision" in found.output


def test_check_finds_damage(run: Run, file: Path) -> None:
    """A row without its owner is named on standard error, and the exit status is 1."""
    run("migrate")
    _change(
        file,
        "INSERT INTO judgement (decision, position, patient_order, scenario, modifiers,"
        " rating_status, timing, rule, reasons, suggestions)"
        " VALUES ('nobody', 0, 'p', 's', '', 'r', 't', 'r', '', '')",
    )
    found = run("check")
    assert found.exit_code == 1
    assert f"error: {file}: damaged: rows of judgement without" in found.stderr
    assert f"{file}: whole" not in found.output


@pytest.mark.parametrize("auth", [Auth.OFF, Auth.REQUIRED])
def test_tables_of_a_newer_program(run: Run, file: Path, auth: Auth) -> None:
    """Nobody starts on them, with or without authentication, and they stay as they are."""
    run("migrate")
    _change(file, "UPDATE alembic_version SET version_num = '0999'")
    before = file.read_bytes()
    settings = Settings(database_url=f"sqlite:///{file}", auth=auth)
    with pytest.raises(ConfigError, match=r"CDS_DATABASE_URL: .*'0999'.*knows up to"):
        prepare_store(settings)
    assert file.read_bytes() == before
    assert "error: " in run("check").stderr


def test_other_trouble_stops_no_development_start(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without authentication hooks are answered without a store: a warning, no refusal."""
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    prepare_store(Settings(database_url=f"sqlite:///{file}"))
    assert "feedback is refused" in caplog.text
    with pytest.raises(ConfigError, match="damaged"):
        prepare_store(Settings(database_url=f"sqlite:///{file}", auth=Auth.REQUIRED))
    Database.open(f"sqlite:///{file}").close()
