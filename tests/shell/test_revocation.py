"""A key that leaked: revoked on the command line, refused by all workers, still published."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from click.testing import CliRunner, Result
from fhir_calls import body
from flask.testing import FlaskClient
from log_lines import written
from tokens import PATH, PUBLIC, jwk, jwks, token

from cds_service.cli import main
from cds_service.config import Auth, Settings
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.store import Database, IssuerKeys
from cds_service.web import create_app

EHR, OTHER = "https://ehr.example.org", "https://other.example.org"
EPIC_KID = "d3bmLY0/+q=="
REGISTRY = f"""
[clients.here]
[clients.here.trust]
issuer = "{EHR}"
jwks_file = "keys.json"
tenant = "here"
[clients.there]
[clients.there.trust]
issuer = "{EHR}"
jwks_file = "keys.json"
tenant = "there"
[clients.other]
[clients.other.trust]
issuer = "{OTHER}"
jwks_file = "keys.json"
[clients.distant]
[clients.distant.trust]
issuer = "https://distant.example.org"
jwks_url = "http://127.0.0.1:9/keys"
[clients.open]
"""
BODY = body(None, prefetch=prefetch(patient(), [observation("low", "38267-1", -2.7, "2023-05-10"),
                                                condition("c1", "M81.0")]))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deployment:
    """A registry, a store, and the command line that uses both."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process."""
        return {
            "CDS_CLIENTS": str(self.folder / "clients.toml"),
            "CDS_DATABASE_URL": f"sqlite:///{self.folder}/store.db",
            "CDS_PUBLIC_URL": PUBLIC,
        }

    def run(self, *arguments: str) -> Result:
        """`cds-service client` with arguments."""
        return CliRunner().invoke(main, ["client", *arguments], env=self.environment)

    def revoke(self, name: str, kid: str, *more: str) -> Result:
        """Revokes a key, which has to succeed."""
        done = self.run("revoke", name, "--kid", kid, "--why", "leaked, ticket 4711", *more)
        assert done.exit_code == 0, done.output
        return done

    def serve(self) -> FlaskClient:
        """A worker that has looked just now."""
        settings = replace(
            Settings(),
            auth=Auth.REQUIRED,
            clients_path=self.folder / "clients.toml",
            public_url=PUBLIC,
            database_url=self.environment["CDS_DATABASE_URL"],
        )
        services = load_services()
        registry = load(settings.clients_path, services)
        return create_app(settings, lambda: registry, services).test_client()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """Clients that share keys and issuers, or do not."""
    (tmp_path / "clients.toml").write_text(REGISTRY, "utf-8")
    keys = jwks(jwk("rsa"), jwk("ec384"), jwk("rsa-epic", EPIC_KID))
    (tmp_path / "keys.json").write_text(json.dumps(keys), "utf-8")
    made = Deployment(tmp_path)
    assert CliRunner().invoke(main, ["db", "migrate"], env=made.environment).exit_code == 0
    return made


def call(http: FlaskClient, text: str) -> Any:
    """One call with a token."""
    return http.post(PATH, json=BODY, headers={"Authorization": f"Bearer {text}"})


SIGNED: dict[str, Callable[[], str]] = {
    "here": lambda: token(tenant="here"),
    "there": lambda: token(tenant="there"),
    "other": lambda: token(iss=OTHER),
    "here, another key": lambda: token("ec384", "ES384", tenant="here"),
    "here, base64": lambda: token("rsa-epic", header={"kid": EPIC_KID}, tenant="here"),
}


@pytest.mark.parametrize(
    ("name", "kid", "refused"),
    [
        ("here", "rsa", {"here", "there"}),  # they have it from one issuer
        ("there", "rsa", {"here", "there"}),
        ("other", "rsa", {"other"}),
        ("here", "ec384", {"here, another key"}),
        ("here", EPIC_KID, {"here, base64"}),
        ("here", "RSA", set()),
        ("here", "", None),
    ],
)
def test_revoked_and_restored(
    deployment: Deployment, name: str, kid: str, refused: set[str] | None
) -> None:
    """A revoked key proves nothing, for no client of its issuer; restored, it does again."""
    if refused is None:
        assert deployment.run("revoke", name, "--kid", kid, "--why", "x").exit_code == 2
        return
    deployment.revoke(name, kid)
    http = deployment.serve()
    found = {who: call(http, make()).status_code for who, make in SIGNED.items()}
    assert found == {who: 401 if who in refused else 200 for who in SIGNED}
    deployment.revoke(name, kid, "--restore")
    http = deployment.serve()
    assert {call(http, make()).status_code for make in SIGNED.values()} == {200}


def test_the_refusal_and_the_log(deployment: Deployment) -> None:
    """The caller gets the answer that every refused token gets; the operator reads why."""
    deployment.revoke("here", EPIC_KID)
    http = deployment.serve()
    with written() as log:
        revoked = call(http, SIGNED["here, base64"]())
    wrong = call(http, token("rsa-evil", header={"kid": "rsa"}, tenant="here"))
    assert revoked.status_code == 401
    assert (revoked.data, list(revoked.headers)) == (wrong.data, list(wrong.headers))
    (line,) = log.of("cds_service.callers")
    assert (line["client"], line["reason"]) == ("here", "key-revoked")
    assert EPIC_KID not in log.text.getvalue()


def test_without_the_store(deployment: Deployment) -> None:
    """A worker that could never read which keys are revoked accepts no token, and says so."""
    http = deployment.serve()
    for path in deployment.folder.glob("store.db*"):
        path.write_bytes(b"this is no database" * 100)
    assert call(http, SIGNED["here"]()).status_code == 503


def test_the_list(deployment: Deployment) -> None:
    """Who revoked what, when and why is listed, and nothing in a name commands the terminal."""
    odd = "\x1b[2J\n\N{RIGHT-TO-LEFT OVERRIDE}k"
    deployment.revoke("here", "rsa", "--who", "A. Analyst")
    deployment.revoke("other", odd)
    deployment.revoke("other", odd, "--restore")
    assert deployment.run("switch", "all", "off", "--why", "drill").exit_code == 0
    listed = deployment.run("switches").stdout.splitlines()
    assert listed[0].startswith("all: off, ")
    assert listed[1].startswith(f"{EHR} key rsa: revoked, ")
    assert listed[1].endswith(" UTC, A. Analyst: leaked, ticket 4711")
    assert listed[2].startswith(f"{OTHER} key {odd!r}: restored, ")
    assert len(listed) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nobody", "--kid", "rsa", "--why", "x"), 2, "no client nobody; known: "),
        (("open", "--kid", "rsa", "--why", "x"), 1, "clients.open: has no trust block"),
        (("here", "--kid", "rsa"), 2, "--why"),
        (("here", "--why", "x"), 2, "--kid"),
        (("here", "--kid", "k" * 257, "--why", "x"), 2, "1 to 256 characters"),
        (("here", "--kid", "rsb", "--restore", "--why", "x"), 2, "is not revoked; revoked: rsa"),
        (("other", "--kid", "rsa", "--restore", "--why", "x"), 2, "is not revoked; revoked: none"),
    ],
)
def test_wrong_commands(
    deployment: Deployment, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """A command that names nothing changes nothing."""
    deployment.revoke("here", "rsa")
    before = deployment.run("switches").stdout
    found = deployment.run("revoke", *arguments)
    assert (found.exit_code, words in found.output) == (code, True), found.output
    assert deployment.run("switches").stdout == before


@pytest.mark.parametrize(
    ("name", "kid", "note"),
    [
        ("here", "rsa", ""),
        ("here", "rsb", "note: no key of this name is known here; known: rsa, ec384, d3bmLY0/+q=="),
        ("distant", "kept", ""),
        ("distant", "rsa", "note: no key of this name is known here; known: kept"),
    ],
)
def test_a_mistyped_name(deployment: Deployment, name: str, kid: str, note: str) -> None:
    """A name that no key has is revoked all the same, and does not look like a success.

    The key server is not asked for that: it may be down, or in the wrong hands.
    """
    database = Database.open(deployment.environment["CDS_DATABASE_URL"])
    kept = json.dumps(jwks(jwk("rsa", "kept"))).encode()
    IssuerKeys(database).keep("http://127.0.0.1:9/keys", kept, time.time(), time.time() + 600)
    database.close()
    assert deployment.revoke(name, kid).stderr.strip() == note


def test_probe(deployment: Deployment) -> None:
    """A key that is revoked is marked, and a token that it has signed is not called good."""
    text = SIGNED["here"]()
    assert deployment.run("probe", "here", "--token", text).exit_code == 0
    deployment.revoke("here", "rsa")
    found = deployment.run("probe", "here", "--token", text)
    assert found.exit_code == 1
    assert "key     rsa: RSA, any algorithm, revoked\n" in found.stdout
    assert "key     ec384: EC P-384, any algorithm\n" in found.stdout
    assert "key-revoked: kid 'rsa' is trusted no longer" in found.stderr
    for path in deployment.folder.glob("store.db*"):
        path.write_bytes(b"this is no database" * 100)
    found = deployment.run("probe", "here", "--token", text)
    assert found.exit_code == 0
    assert "note: which keys are revoked is not known: " in found.stderr


# --- A real server ---

SECONDS_TO_START = 60


@contextmanager
def server(deployment: Deployment) -> Iterator[int]:
    """A running server with two workers, by its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = deployment.environment | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(deployment.folder),
        "CDS_AUTH": "required",
        "CDS_WORKERS": "2",
        "CDS_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
    process = subprocess.Popen([*command, "--port", str(port)], env=environment)
    try:
        end = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "the server did not start"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def statuses(port: int, count: int) -> set[int]:
    """What tokens of the key get on connections of their own, which both workers take."""
    found = set()
    sent = json.dumps(BODY).encode()
    for _ in range(count):
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: cds\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {SIGNED['here']()}\r\n"
            f"Content-Length: {len(sent)}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(head.encode() + sent)
            found.add(int(connection.makefile("rb").readline()[9:12]))
    return found


def test_within_five_seconds(deployment: Deployment) -> None:
    """Five seconds later no worker accepts a token of the key, though nobody called meanwhile."""
    with server(deployment) as port:
        assert statuses(port, 20) == {200}
        deployment.revoke("here", "rsa")
        time.sleep(5)
        assert statuses(port, 40) == {401}
        deployment.revoke("here", "rsa", "--restore")
        time.sleep(5)
        assert statuses(port, 40) == {200}
