"""With CDS_AUTH=required a call is its client's, or nobody's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from flask.testing import FlaskClient
from tokens import AUDIENCE, PATH, PUBLIC, jwk, jwks, raw, token

from cds_service.config import Auth, ConfigError, Mode, Settings
from cds_service.engine import load_services
from cds_service.registry import RegistryError, load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store

CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
REGISTRY = """
[clients.demo]
{more}
[clients.demo.trust]
issuer = "https://ehr.example.org"
jwks_file = "keys.json"
{trust}
"""


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., FlaskClient]:
    """An application that requires authentication, its store in a file."""

    def start(more: str = "", trust: str = "", **settings: Any) -> FlaskClient:
        registry = tmp_path / "clients.toml"
        registry.write_text(REGISTRY.format(more=more, trust=trust), "utf-8")
        (tmp_path / "keys.json").write_text(json.dumps(jwks(jwk("rsa"), jwk("ec384"))), "utf-8")
        chosen = replace(
            Settings(),
            auth=Auth.REQUIRED,
            clients_path=registry,
            public_url=PUBLIC,
            database_url=f"sqlite:///{tmp_path}/state/store.db",
            **settings,
        )
        prepare_store(chosen)
        services = load_services()
        app = create_app(chosen, lambda: load(registry, services), services)
        return app.test_client()

    return start


def call(http: FlaskClient, text: str | None, url: str = PATH, **request: Any) -> Any:
    """One call with a token."""
    headers = {"Authorization": f"Bearer {text}"} if text is not None else {}
    return http.post(url, json=body(None, prefetch=CHART, **request), headers=headers)


def test_a_verified_call(serve: Callable[..., FlaskClient]) -> None:
    """A good token is answered, once; the explanation takes a token of the same kind."""
    http = serve()
    text = token()
    assert call(http, text).status_code == 200
    assert call(http, text).status_code == 401
    assert call(http, token("ec384", "ES384")).json["cards"]
    explained = call(http, token(), "/explain/bone-density-imaging")
    assert explained.json["orders"][0]["study"] == "qus"
    aud = f"{PUBLIC}/explain/bone-density-imaging"
    assert call(http, token(aud=aud), "/explain/bone-density-imaging").status_code == 200


def test_every_refusal_is_the_same(serve: Callable[..., FlaskClient]) -> None:
    """No caller learns why: the same bytes and headers, whatever is wrong."""
    http = serve()
    used = token()
    call(http, used)
    refused = [
        call(http, text)
        for text in (
            None,
            "",
            "x",
            used,
            token("rsa-evil", header={"kid": "rsa"}),
            token(header={"kid": "other"}),
            token(iss="https://evil.example.org"),
            token(aud=f"{AUDIENCE}/"),
            token(exp=1),
            raw({"alg": "none"}, {}),
        )
    ]
    refused.append(http.post("/cds-services/other", json={}))
    refused.append(http.post(PATH, data="{", content_type="application/json"))
    first = refused[0]
    assert first.status_code == 401
    assert first.headers["WWW-Authenticate"] == "Bearer"
    for one in refused:
        assert (one.status_code, one.data, list(one.headers)) == (
            first.status_code,
            first.data,
            list(first.headers),
        )


def test_what_needs_no_token(serve: Callable[..., FlaskClient]) -> None:
    """Discovery, health and preflights are open."""
    http = serve('cors_origins = ["https://ehr.example.org"]')
    assert http.get("/cds-services").status_code == 200
    assert http.get("/livez").status_code == 200
    preflight = http.options(
        PATH,
        headers={
            "Origin": "https://ehr.example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://ehr.example.org"
    refused = http.post(PATH, json={}, headers={"Origin": "https://ehr.example.org"})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "https://ehr.example.org"


@pytest.mark.parametrize("mode", ["silent", "off"])
def test_modes(serve: Callable[..., FlaskClient], mode: str) -> None:
    """A client that is not live gets 200 without cards, whatever could be read."""
    http = serve(f'mode = "{mode}"')
    found = call(http, token())
    assert (found.status_code, found.json) == (200, {"cards": []})
    unread = http.post(PATH, json=body(None), headers={"Authorization": f"Bearer {token()}"})
    assert (unread.status_code, unread.json) == (200, {"cards": []})
    explained = call(http, token(), "/explain/bone-density-imaging").json
    assert [one["rating"] for one in explained["orders"]] == (
        ["usually-not-appropriate"] if mode == "silent" else []
    )


def test_calls_per_minute(serve: Callable[..., FlaskClient]) -> None:
    """A client that calls too often is told when it may call again."""
    http = serve("max_calls_per_minute = 2")
    assert [call(http, token()).status_code for _ in range(3)] == [200, 200, 429]
    refused = call(http, token())
    assert int(refused.headers["Retry-After"]) in range(1, 61)
    assert refused.json["issue"][0]["code"] == "throttled"


def test_store_that_does_not_answer(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """Where it cannot be told whether a token was used, it is not accepted, nor called wrong."""
    http = serve()
    for path in (tmp_path / "state").glob("*replay*"):
        path.write_bytes(b"this is no database" * 100)
    found = call(http, token())
    assert found.status_code == 503
    assert found.headers["Retry-After"]


@pytest.mark.parametrize(
    ("trust", "more", "problem"),
    [
        ('jti = "log"', "", 'clients.demo.trust: jti: must be "enforce" in production'),
        ('audiences = ["sand_man"]', "", "audiences: sand_man is no https address"),
        ('audiences = ["http://cds.example.org"]', "", "is no https address of this service"),
        ("", 'profile = "sandbox"', "clients.demo.profile: sandbox is for tests"),
        ("", 'fhir_bases = ["http://fhir.example.org/r4"]', "is not https; production refuses it"),
    ],
)
def test_production_refuses(
    serve: Callable[..., FlaskClient], trust: str, more: str, problem: str
) -> None:
    """What proves too little, or is for tests, does not start in production."""
    assert call(serve(more, trust), token(aud="x")).status_code == 401
    with pytest.raises(RegistryError) as error:
        serve(more, trust, mode=Mode.PRODUCTION)
    assert problem in " ".join(error.value.problems)


def test_production_refuses_published_keys(
    serve: Callable[..., FlaskClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key whose private half anyone can read proves nothing in production."""
    from cds_service.security import keys

    thumbprint = keys.read_keys(jwks(jwk("rsa"))).keys["rsa"].thumbprint
    monkeypatch.setitem(keys.PUBLISHED, thumbprint, "a test kit")
    monkeypatch.setitem(
        keys.PUBLISHED, keys.read_keys(jwks(jwk("ec384"))).keys["ec384"].thumbprint, "a test kit"
    )
    assert call(serve(), token()).status_code == 200
    with pytest.raises(RegistryError) as error:
        serve(mode=Mode.PRODUCTION)
    assert "is the published test key of a test kit" in " ".join(error.value.problems)


def test_a_database_that_is_not_up_to_date() -> None:
    """A shared database is brought up to date by an operator, not by each worker."""
    settings = replace(
        Settings(),
        auth=Auth.REQUIRED,
        database_url="postgresql://nobody:secret@127.0.0.1:1/none",
    )
    with pytest.raises(ConfigError) as error:
        prepare_store(settings)
    (problem,) = error.value.problems
    assert problem.startswith("CDS_DATABASE_URL: ")
    assert "secret" not in problem
