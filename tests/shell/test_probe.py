"""`cds-service client probe`: a client's keys, and why a pasted token fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tokens import AUDIENCE, PUBLIC, jwk, jwks, token

from cds_service.cli import main

Probe = Callable[..., Result]


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Probes a client whose keys are in a file."""
    registry = tmp_path / "clients.toml"
    registry.write_text(
        "[clients.other]\n[clients.demo.trust]\n"
        'issuer = "https://ehr.example.org"\njwks_file = "keys.json"\ntenant = "t1"\n',
        "utf-8",
    )
    keys = jwks(jwk("rsa", alg="RS384"), jwk("ec384"), jwk("short"))
    (tmp_path / "keys.json").write_text(json.dumps(keys), "utf-8")
    environment = {"CDS_CLIENTS": str(registry), "CDS_PUBLIC_URL": PUBLIC}
    return lambda *arguments: CliRunner().invoke(
        main, ["client", "probe", *arguments], env=environment
    )


def test_keys(probe: Probe) -> None:
    """The keys are listed with what they are for, and those that cannot be used with the reason."""
    found = probe("demo")
    assert found.exit_code == 0
    assert "key     rsa: RSA, RS384" in found.stdout
    assert "key     ec384: EC P-384, any algorithm" in found.stdout
    assert "keys[2]: is shorter than 2048 bits" in found.stderr


def test_a_good_token(probe: Probe) -> None:
    """A token that would be accepted is said to be, and is not used up."""
    text = token(tenant="t1")
    for _ in range(2):
        found = probe("demo", "--token", text)
        assert found.exit_code == 0
        assert "would be accepted at /cds-services/bone-density-imaging" in found.stdout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"iss": "https://ehr.example.org/"},
            "iss is 'https://ehr.example.org/', the registry has",
        ),
        ({"aud": f"{AUDIENCE}/"}, f"aud is '{AUDIENCE}/'; accepted at"),
        ({"tenant": "t2"}, "tenant is 't2', the registry has 't1'"),
        ({"exp": 1_700_000_000, "iat": 1_699_999_900}, "expired: exp 1700000000 has passed"),
        ({"jti": ""}, "jti-unusable"),
        ({"header": {"kid": "rsa2"}}, "kid 'rsa2' is none of the keys"),
        ({"header": {"crit": ["exp"], "exp": 1}}, "header-not-understood"),
    ],
)
def test_a_token_that_fails(probe: Probe, changes: dict[str, object], words: str) -> None:
    """What has to be compared is shown side by side."""
    found = probe("demo", "--token", token(**{"tenant": "t1", **changes}))  # type: ignore[arg-type]
    assert found.exit_code == 1
    assert words in found.stderr


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("none", 2, "no client none; known:"), ("other", 1, "has no trust block")],
)
def test_clients_without_keys(probe: Probe, name: str, code: int, words: str) -> None:
    """A client that is not there, or proves nothing, has no keys to be probed."""
    found = probe(name)
    assert found.exit_code == code
    assert words in found.stderr
