"""Process settings from CDS_* variables."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds_service.config import Auth, ConfigError, Mode, Settings, is_loopback

KEY = "0123456789abcdef0123456789abcdef"


def problems_of(environment: dict[str, str]) -> tuple[str, ...]:
    """What is wrong with an environment."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(environment)
    return caught.value.problems


def test_defaults() -> None:
    """Without any variable the process serves this machine, in development mode, with /explain."""
    settings = Settings.from_environment({"PATH": "/bin", "CDS_HOST": " "})
    assert settings == Settings()
    assert settings.mode is Mode.DEVELOPMENT
    assert settings.auth is Auth.OFF
    assert settings.explain_enabled
    assert settings.max_body_bytes == 4_194_304


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("CDS_AS_OF", "2026-11-23", "as_of", date(2026, 11, 23)),
        ("CDS_HOST", "::1", "host", "::1"),
        ("CDS_PORT", "9001", "port", 9001),
        ("PORT", "9002", "port", 9002),
        ("CDS_WORKERS", "1", "workers", 1),
        ("CDS_THREADS", "8", "threads", 8),
        ("CDS_MAX_BODY_BYTES", "2048", "max_body_bytes", 2048),
        ("CDS_SECRET_KEY", KEY, "secret_key", KEY.encode()),
        ("CDS_EXPLAIN", "no", "explain_enabled", False),
        ("CDS_LOG_LEVEL", "debug", "log_level", "debug"),
        ("CDS_LOG_FORMAT", "json", "log_format", "json"),
        ("CDS_ADMIN_HOST", "::1", "admin_host", "::1"),
        ("CDS_ADMIN_PORT", "9464", "admin_port", 9464),
        ("CDS_PUBLIC_URL", "https://cds.example.org/", "public_url", "https://cds.example.org"),
    ],
)
def test_each_variable_is_read(name: str, text: str, field: str, value: object) -> None:
    """Each variable sets its field."""
    assert getattr(Settings.from_environment({name: text}), field) == value


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"CDS_MOED": "production"}, "CDS_MOED: unknown setting, did you mean CDS_MODE?"),
        ({"CDS_MODE": "prod"}, "CDS_MODE: must be one of development, production"),
        ({"CDS_AS_OF": "20261123"}, "CDS_AS_OF: must be a calendar date written YYYY-MM-DD"),
        ({"CDS_AS_OF": "2026-02-30"}, "CDS_AS_OF: must be a calendar date written YYYY-MM-DD"),
        ({"CDS_PORT": "0"}, "CDS_PORT: must be a whole number from 1 to 65535"),
        ({"PORT": "80a"}, "CDS_PORT: must be a whole number from 1 to 65535"),
        ({"CDS_WORKERS": "-1"}, "CDS_WORKERS: must be a whole number from 1 to 128"),
        ({"CDS_EXPLAIN": "maybe"}, "CDS_EXPLAIN: must be yes or no"),
        ({"CDS_CLIENTS": "none.toml"}, "CDS_CLIENTS: there is no file none.toml"),
        ({"CDS_SECRET_KEY": "short"}, "CDS_SECRET_KEY: must have at least 32 bytes"),
        ({"CDS_SECRET_KEY_FILE": "no-key"}, "CDS_SECRET_KEY_FILE: the file no-key cannot be read"),
        (
            {"CDS_DATABASE_URL_FILE": "no-url"},
            "CDS_DATABASE_URL_FILE: the file no-url cannot be read",
        ),
        (
            {"CDS_DATABASE_URL_FILE": __file__},
            "CDS_DATABASE_URL_FILE: the file must hold one line, without blanks",
        ),
        (
            {"CDS_PUBLIC_URL": "cds.example.org"},
            "CDS_PUBLIC_URL: must be the address under which clients reach this service",
        ),
        (
            {"CDS_HOST": "0.0.0.0"},  # noqa: S104 - the very thing that is refused
            "CDS_HOST=0.0.0.0: development serves this machine only; "
            "use 127.0.0.1 or CDS_MODE=production",
        ),
        ({"CDS_LOG_FORMAT": "xml"}, "CDS_LOG_FORMAT: must be one of json, text"),
        ({"CDS_ADMIN_PORT": "0"}, "CDS_ADMIN_PORT: must be a whole number from 1 to 65535"),
        (
            {"CDS_ADMIN_PORT": "9000", "CDS_PORT": "9000"},
            "CDS_ADMIN_PORT: must be another port than CDS_PORT: "
            "by it the listeners are told apart",
        ),
        (
            {"CDS_ADMIN_HOST": "0.0.0.0"},  # noqa: S104 - the very thing that is refused
            "CDS_ADMIN_HOST=0.0.0.0: development serves this machine only; "
            "use 127.0.0.1 or CDS_MODE=production",
        ),
        (
            {"CDS_AUTH": "required"},
            "CDS_CLIENTS: authentication needs the file of the CDS clients",
        ),
    ],
)
def test_wrong_values_are_named(environment: dict[str, str], problem: str) -> None:
    """Each wrong variable is refused with one sentence that names it."""
    assert problems_of(environment) == (problem,)


def test_all_problems_at_once() -> None:
    """Every problem is reported in one go, the unsafe choices of production among them."""
    found = problems_of(
        {
            "CDS_MODE": "production",
            "CDS_AUTH": "off",
            "CDS_AS_OF": "2026-11-23",
            "CDS_PORT": "x",
            "CDS_THREDS": "4",
        }
    )
    starts = ("CDS_THREDS", "CDS_PORT", "CDS_SECRET_KEY_FILE", "CDS_AUTH", "CDS_AS_OF")
    assert [p for start in starts for p in found if p.startswith(start)] == list(found)[:5]
    assert found[5:] == ("CDS_CLIENTS: production needs the file of its CDS clients",)


def test_production_never_accepts_unverified_tokens(tmp_path: Path) -> None:
    """A faultless production set-up refuses to start until tokens can be verified."""
    clients, key = tmp_path / "clients.toml", tmp_path / "key"
    clients.touch()
    key.write_text(KEY)
    environment = {
        "CDS_MODE": "production",
        "CDS_HOST": "10.0.0.1",
        "CDS_CLIENTS": str(clients),
        "CDS_SECRET_KEY_FILE": str(key),
    }
    assert Settings.from_environment(environment).auth is Auth.REQUIRED
    expected = ("CDS_AUTH=off: production always requires authentication",)
    assert problems_of({**environment, "CDS_AUTH": "off"}) == expected


def test_the_address_of_the_database_from_a_file(tmp_path: Path) -> None:
    """A password stays in a file; two addresses are one too many."""
    file, url = tmp_path / "database-url", "postgresql://cds:secret@db.example.org/cds"
    file.write_text(f"{url}\n", "utf-8")
    settings = Settings.from_environment({"CDS_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == url
    assert "secret" not in repr(settings)
    both = {"CDS_DATABASE_URL_FILE": str(file), "CDS_DATABASE_URL": "sqlite:////tmp/a.db"}
    expected = ("CDS_DATABASE_URL and CDS_DATABASE_URL_FILE: set one of them, not both",)
    assert problems_of(both) == expected


def test_the_key_is_never_shown() -> None:
    """A printed settings object does not hold the key."""
    assert KEY not in repr(Settings.from_environment({"CDS_SECRET_KEY": KEY}))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only addresses of this machine count as loopback."""
    assert is_loopback(host) is loopback
