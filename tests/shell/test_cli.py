"""The command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import commands as cli
from cds_service.engine import Answer
from cds_service.protocol.advice import ChartNotReadable
from cds_service.protocol.chart import Unread
from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.service import Service

REQUEST = json.dumps({"hook": "order-sign", "hookInstance": "x", "context": {}})
Run = Callable[..., Result]


@pytest.fixture
def seen() -> dict[str, Any]:
    """What the engine was called with, and what it is to raise."""
    return {"error": None}


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, fake_service: Service, seen: dict[str, Any], tmp_path: Path
) -> Run:
    """Runs a command with the fake service installed, in a folder of its own."""

    def answer(service: Service, client: Any, body: Any, **rest: Any) -> Answer:
        seen.update(service=service, client=client, body=body, **rest)
        if seen["error"]:
            raise seen["error"]
        return Answer({"cards": []}, lambda: {"service": service.id, "text": "≥"})

    other = replace(fake_service, id="other-service", hooks=("order-select",))
    installed = {service.id: service for service in (other, fake_service)}
    monkeypatch.setattr(cli, "load_services", lambda: installed)
    monkeypatch.setattr(cli, "answer", answer)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, input: str | bytes | None = None, **environment: str) -> Result:
        return CliRunner().invoke(cli.main, arguments, input=input, env=environment)

    return invoke


def test_help_lists_the_commands(run: Run) -> None:
    """Only what is built is listed."""
    result = run("--help")
    commands = result.stdout.split("Commands:")[1].split("\n")
    assert [line.split()[0] for line in commands if line.strip()] == [
        "check",
        "client",
        "db",
        "explain",
        "report",
        "serve",
        "services",
    ]


@pytest.mark.parametrize("command", ["check", "explain", "report", "serve", "services"])
def test_every_command_has_help(run: Run, command: str) -> None:
    """Each command says what it does."""
    result = run(command, "-h")
    assert result.exit_code == 0
    assert f"cds-service {command}" in result.stdout.replace("main ", "cds-service ")


def test_explain(run: Run, seen: dict[str, Any]) -> None:
    """A request from a file is explained as of a date by the service that offers its hook."""
    Path("request.json").write_text(REQUEST)
    result = run("explain", "request.json", "--as-of", "2026-01-31")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"service": "fake-service", "text": "≥"}
    assert "≥" in result.stdout
    assert seen["as_of"] == date(2026, 1, 31)
    assert seen["client"].name == "development"


def test_explain_reads_standard_input_and_the_environment(run: Run, seen: dict[str, Any]) -> None:
    """`-` is standard input; CDS_AS_OF and CDS_CLIENTS count."""
    Path("clients.toml").write_text("[clients.demo]")
    result = run(
        *("explain", "-", "--client", "demo"),
        input=REQUEST,
        CDS_AS_OF="2026-01-30",
        CDS_CLIENTS="clients.toml",
    )
    assert result.exit_code == 0, result.output
    assert seen["as_of"] == date(2026, 1, 30)
    assert seen["client"].name == "demo"


@pytest.mark.parametrize(
    ("text", "error", "status", "unread"),
    [
        ("{", None, 400, []),
        ("[]", None, 400, []),
        (REQUEST, InvalidRequest((Problem("$.context", "is missing"),)), 422, []),
        (
            REQUEST,
            ChartNotReadable((Unread("Patient", "prefetch key absent"),)),
            412,
            [{"data": "Patient", "reason": "prefetch key absent"}],
        ),
    ],
)
def test_explain_without_a_decision(
    run: Run,
    seen: dict[str, Any],
    text: str,
    error: Exception | None,
    status: int,
    unread: list[dict[str, str]],
) -> None:
    """What reaches no decision prints status, outcome and unread parts, and exits 3."""
    seen["error"] = error
    result = run("explain", "-", input=text)
    assert result.exit_code == 3, result.output
    printed = json.loads(result.stdout)
    assert list(printed) == ["status", "outcome", "unread"]
    assert printed["status"] == status
    assert printed["outcome"]["resourceType"] == "OperationOutcome"
    assert printed["unread"] == unread


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "none.json"), "none.json"),
        (("explain", "-", "--as-of", "31.1.2026"), "YYYY-MM-DD"),
        (("explain", "-", "--client", "nobody"), "no client nobody; known: development"),
        (("reprot",), "No such command"),
    ],
)
def test_usage_errors(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """A wrong call exits 2 and says what is wrong."""
    result = run(*arguments, input=REQUEST)
    assert result.exit_code == 2
    assert words in result.stderr


def test_services(run: Run) -> None:
    """The installed services are listed with hooks and prefetch templates."""
    text = run("services").stdout
    assert "fake-service 2026.1.0: Fake" in text
    assert "  hooks: order-select, order-sign" in text
    assert "  patient: Patient/{{context.patientId}}" in text


def test_services_as_json(run: Run) -> None:
    """The same as JSON."""
    rows = json.loads(run("services", "--json").stdout)
    assert [row["id"] for row in rows] == ["other-service", "fake-service"]
    assert rows[1]["hooks"] == ["order-select", "order-sign"]
    assert rows[1]["prefetch"] == {"patient": "Patient/{{context.patientId}}"}


def test_check(run: Run) -> None:
    """A sound set-up is listed, with the services' warnings, and exits 0."""
    Path("c.toml").write_text("[clients.demo.services.fake-service]\nquiet = true")
    result = run("check", "--clients", "c.toml")
    assert result.exit_code == 0, result.output
    assert "settings  development, authentication off: ok" in result.stdout
    assert "service   fake-service 2026.1.0 (order-select, order-sign): ok" in result.stdout
    assert "client    demo (standard, UTC): ok" in result.stdout
    assert result.stderr == "warning   clients.demo.services.fake-service: quiet is on\n"


@pytest.mark.parametrize(
    ("toml", "environment", "errors"),
    [
        (
            '[clients.a]\nprofile = "x"\nmode = "y"',
            {},
            [
                "error: c.toml: clients.a.mode: must be one of live, silent, off",
                "error: c.toml: clients.a.profile: must be one of standard, epic, sandbox",
            ],
        ),
        (
            "",
            {"CDS_PORT": "x", "CDS_AUTH": "maybe"},
            [
                "error: CDS_AUTH: must be one of off, required",
                "error: CDS_PORT: must be a whole number from 1 to 65535",
            ],
        ),
    ],
)
def test_check_lists_everything_that_is_wrong(
    run: Run, toml: str, environment: dict[str, str], errors: list[str]
) -> None:
    """All errors are printed, and the exit status is 1."""
    Path("c.toml").write_text(toml)
    result = run("check", "--clients", "c.toml", **environment)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == errors


def test_serve_prints_addresses_and_starts_gunicorn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options go before the environment; the addresses are printed before the server starts."""
    started: dict[str, Any] = {}

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        started.update(command=command, environment=environment)

    monkeypatch.setattr("os.execve", execve)
    result = run("serve", "--port", "8123", "--workers", "1", CDS_PORT="9", CDS_THREADS="3")
    assert result.exit_code == 0, result.output
    assert started["command"][1:4] == ["-m", "gunicorn", "--config"]
    assert Path(started["command"][4]).is_file()
    environment = started["environment"]
    assert (environment["CDS_PORT"], environment["CDS_WORKERS"]) == ("8123", "1")
    for address in (
        "console    http://127.0.0.1:8123/\n",
        "http://127.0.0.1:8123/cds-services",
        "http://127.0.0.1:8123/cds-services/fake-service",
        "http://127.0.0.1:8123/livez",
        "http://127.0.0.1:8123/openapi.json",
        "about      http://127.0.0.1:8123/about/fake-service\n",
        "http://127.0.0.1:8123/metrics",
        "http://127.0.0.1:8123/reports",
        "curl",
    ):
        assert address in result.stdout
    result = run("serve", "--port", "8123", CDS_ADMIN_HOST="::1", CDS_ADMIN_PORT="9464")
    assert "metrics    http://[::1]:9464/metrics" in result.stdout
    assert "reports    http://[::1]:9464/reports" in result.stdout


def test_serve_refuses_an_unsafe_host(run: Run) -> None:
    """Development serves this machine only, whatever the option says."""
    result = run("serve", "--host", "0.0.0.0")  # noqa: S104
    assert result.exit_code == 1
    assert "development serves this machine only" in result.stderr


def test_fetch(run: Run, seen: dict[str, Any]) -> None:
    """Only with --fetch may the engine read from a FHIR server."""
    assert run("explain", "-", input=REQUEST).exit_code == 0
    assert seen["access"] is None
    assert run("explain", "-", "--fetch", input=REQUEST).exit_code == 0
    assert seen["access"].policy.loopback_only


def test_servers_that_development_does_not_read_from(run: Run, tmp_path: Path) -> None:
    """A FHIR server elsewhere is named by the check: development reads on this machine only."""
    registry = tmp_path / "clients.toml"
    bases = '["https://fhir.example.org/r4", "http://127.0.0.1:8080/r4"]'
    registry.write_text(f"[clients.demo]\nfhir_bases = {bases}\n", "utf-8")
    result = run("check", "--clients", str(registry))
    assert result.exit_code == 0
    assert "clients.demo.fhir_bases: https://fhir.example.org/r4 is not on this" in result.stderr
    assert "127.0.0.1" not in result.stderr


def test_certificates(run: Run) -> None:
    """Certificates of a hospital's own are a file that must be there."""
    result = run("check", CDS_CA_FILE="none.pem")
    assert result.exit_code == 1
    assert "CDS_CA_FILE" in result.stderr
