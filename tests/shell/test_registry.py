"""The file of CDS clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.protocol.service import Service
from cds_service.registry import Registry, RegistryError, load

WHOLE = """
[clients.demo]
profile = "standard"
mode = "live"
deadline_ms = 2000
time_zone = "Europe/Berlin"
fhir_bases = ["https://fhir.example.org/r4"]
cors_origins = ["https://ehr.example.org", "http://localhost:8080"]
[clients.demo.services.fake-service]
quiet = true
codes = [{ system = "urn:x", code = "a" }]
"""


def read(text: str, tmp_path: Path, service: Service) -> Registry:
    """The registry of a text."""
    path = tmp_path / "clients.toml"
    path.write_text(text, "utf-8")
    return load(path, {service.id: service})


def test_built_in_development_client(fake_service: Service) -> None:
    """Without a file there is the development client with the defaults."""
    registry = load(None, {fake_service.id: fake_service})
    client = registry.clients["development"]
    assert list(registry.clients) == ["development"]
    assert (client.profile, client.mode, client.deadline_ms) == ("standard", "live", 2000)
    assert client.time_zone.key == "UTC"
    assert client.settings == {"fake-service": {}}
    assert registry.cors_origins() == ()


def test_whole_file(tmp_path: Path, fake_service: Service) -> None:
    """Every field of the documented file is read; the development client is still there."""
    registry = read(WHOLE, tmp_path, fake_service)
    client = registry.clients["demo"]
    assert set(registry.clients) == {"development", "demo"}
    assert client.time_zone.key == "Europe/Berlin"
    assert client.fhir_bases == ("https://fhir.example.org/r4",)
    assert client.settings["fake-service"]["quiet"] is True
    assert registry.cors_origins() == ("http://localhost:8080", "https://ehr.example.org")


def test_development_client_of_the_file(tmp_path: Path, fake_service: Service) -> None:
    """The file may say what the development client is like."""
    text = '[clients.development]\ntime_zone = "America/New_York"'
    client = read(text, tmp_path, fake_service).clients["development"]
    assert client.time_zone.key == "America/New_York"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clients = ", "is not valid TOML: "),
        ("[client.demo]", "client: unknown name; did you mean clients?"),
        ("[clients.Demo]", "clients: a client's name has small letters, digits and hyphens"),
        ('[clients.a]\nprofil = "epic"', "clients.a.profil: unknown name; did you mean profile?"),
        (
            '[clients.a]\nprofile = "cerner"',
            "clients.a.profile: must be one of standard, epic, sandbox",
        ),
        ('[clients.a]\nmode = "quiet"', "clients.a.mode: must be one of live, silent, off"),
        ("[clients.a]\ndeadline_ms = 299", "clients.a.deadline_ms: must be at least 300"),
        ('[clients.a]\ndeadline_ms = "2"', "clients.a.deadline_ms: must be a whole number"),
        ("[clients.a]\ndeadline_ms = true", "clients.a.deadline_ms: must be a whole number"),
        (
            '[clients.a]\ntime_zone = "Berlin"',
            "clients.a.time_zone: unknown time zone 'Berlin'; write it like Europe/Berlin",
        ),
        ('[clients.a]\ntime_zone = "../x"', "clients.a.time_zone: unknown time zone '../x'"),
        ('[clients.a]\ntime_zone = "Europe"', "clients.a.time_zone: unknown time zone 'Europe'"),
        (
            "[clients.a.trust]\nissuer = 'x'",
            "clients.a.trust: needs jwks_url or jwks_file, and not both",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\njwks_url = 'https://a/k'\njwks_file = 'k.json'",
            "clients.a.trust: needs jwks_url or jwks_file, and not both",
        ),
        ("[clients.a.trust]\njwks_url = 'https://a/k'", "clients.a.trust.issuer: is missing; add"),
        ("[clients.a.trust]\nissuer = ''", "clients.a.trust.issuer: must not be empty"),
        ("[clients.a.trust]\nissuer = 'x'\naudiences = []", "clients.a.trust.audiences: must have"),
        (
            "[clients.a.trust]\nissuer = 'x'\nalgorithms = ['HS256']",
            "clients.a.trust.algorithms[0]: must be one of RS256",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\nalgorithms = ['none']",
            "clients.a.trust.algorithms[0]: must be one of RS256",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\njti = 'maybe'",
            "clients.a.trust.jti: must be one of enforce, log, off",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\nclock_skew_s = 301",
            "clients.a.trust.clock_skew_s: must be at most 300",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\nmax_lifetime_s = 30",
            "clients.a.trust.max_lifetime_s: must be at least 60",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\njwks_uri = 'https://a/k'",
            "clients.a.trust.jwks_uri: unknown name; did you mean jwks_url?",
        ),
        (
            "[clients.a]\nmax_concurrent_calls = 0",
            "clients.a.max_concurrent_calls: must be at least",
        ),
        (
            "[clients.a]\nmax_calls_per_minute = 0",
            "clients.a.max_calls_per_minute: must be at least",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\njwks_url = 'https://a/k'\n"
            "[clients.b.trust]\nissuer = 'x'\njwks_url = 'https://a/k'",
            "clients.b.trust: has the issuer of clients.a; give each of them a tenant of its own",
        ),
        (
            "[clients.a.trust]\nissuer = 'x'\ntenant = 't'\njwks_url = 'https://a/k'\n"
            "[clients.b.trust]\nissuer = 'x'\ntenant = 't'\njwks_url = 'https://a/k'",
            "clients.b.trust: has the issuer of clients.a; give each of them a tenant of its own",
        ),
        ('[clients.a]\ncors_origins = ["*"]', "clients.a.cors_origins[0]: must be one exact"),
        (
            '[clients.a]\ncors_origins = ["https://a.example/"]',
            "clients.a.cors_origins[0]: must be one exact origin; write it as the browser sends it",
        ),
        (
            '[clients.a]\ncors_origins = ["https://A.example"]',
            "clients.a.cors_origins[0]: must be one exact origin in small letters",
        ),
        (
            '[clients.a]\ncors_origins = ["https://a.example:443"]',
            "clients.a.cors_origins[0]: browsers leave out port 443; remove it",
        ),
        (
            '[clients.a]\nfhir_bases = ["https://u:p@a.example/fhir"]',
            "clients.a.fhir_bases[0]: must be the base address of a FHIR server",
        ),
        (
            '[clients.a]\nfhir_private_networks = ["10.0.0.1/8"]',
            "clients.a.fhir_private_networks[0]: must be a network of addresses, like 10.20.0.0/16",
        ),
        (
            "[clients.a.fhir_search]\npage_size = 5000",
            "clients.a.fhir_search.page_size: must be at most 1000",
        ),
        (
            '[clients.a.fhir_search]\nnot_offered = ["observation"]',
            "clients.a.fhir_search.not_offered[0]: must be the name of a FHIR resource type",
        ),
        (
            "[clients.a.fhir_search]\ncount = 5",
            "clients.a.fhir_search.count: unknown name; known are page_size",
        ),
        ('[clients.a]\nfhir_bases = ["a"]', "clients.a.fhir_bases[0]: must be the base address"),
        (
            "[clients.a.services.fake-servise]",
            "clients.a.services.fake-servise: no such service is installed; "
            "did you mean fake-service?",
        ),
        (
            "[clients.a.services.fake-service]\ncodes = [{ system = 1, code = 'x' }]",
            "clients.a.services.fake-service.codes[0].system: must be a string; put it in quotes",
        ),
        (
            "[clients.a.services.fake-service]\ncodes = [{ system = 'x' }]",
            "clients.a.services.fake-service.codes[0].code: is missing; add it",
        ),
        (
            "[clients.a.services.fake-service]\n"
            "codes = [{ system = 'x', code = 'y' }, { system = 'x', code = 'y' }]",
            "clients.a.services.fake-service: codes: a code is there twice; remove one",
        ),
    ],
)
def test_problems_name_place_and_remedy(
    text: str, problem: str, tmp_path: Path, fake_service: Service
) -> None:
    """Each mistake is one sentence with the file, the place and what to do."""
    with pytest.raises(RegistryError) as caught:
        read(text, tmp_path, fake_service)
    (found,) = caught.value.problems
    assert found.startswith(f"clients.toml: {problem}")


def test_all_problems_at_once(tmp_path: Path, fake_service: Service) -> None:
    """All clients' problems come together."""
    text = '[clients.a.trust]\nissuer = "i"\n[clients.b]\ntime_zone = "x"\nfhir_bases = ["b"]'
    with pytest.raises(RegistryError) as caught:
        read(text, tmp_path, fake_service)
    assert len(caught.value.problems) == 3


def test_unreadable_file(tmp_path: Path, fake_service: Service) -> None:
    """A file that is not there, or not UTF-8, is a problem like any other."""
    with pytest.raises(RegistryError, match=r"none\.toml: the file cannot be read"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"x = '\xe4'")
    with pytest.raises(RegistryError, match=r"latin\.toml: is not valid TOML"):
        load(tmp_path / "latin.toml", {})
