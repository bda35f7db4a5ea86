"""With CDS_AUTH=required a call is its client's, or nobody's."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import service
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from flask.testing import FlaskClient
from key_server import key_server
from log_lines import written
from tokens import AUDIENCE, ISSUER, PATH, PUBLIC, jwk, jwks, raw, token

from cds_service.config import Auth, ConfigError, Mode, Settings
from cds_service.engine import load_services
from cds_service.registry import RegistryError, load
from cds_service.web import create_app
from cds_service.web.deploy import prepare_store
from cds_service.web.refusals import TooMany
from cds_service.web.shares import Shares

CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
REGISTRY = """
[clients.demo]
{more}
[clients.demo.trust]
issuer = "https://ehr.example.org"
{keys}
{trust}
"""


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., FlaskClient]:
    """An application that requires authentication, its store in a file."""

    def start(
        more: str = "", trust: str = "", keys: str = 'jwks_file = "keys.json"', **settings: Any
    ) -> FlaskClient:
        registry = tmp_path / "clients.toml"
        registry.write_text(REGISTRY.format(more=more, trust=trust, keys=keys), "utf-8")
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


@pytest.mark.parametrize("origin", [None, "https://ehr.example.org", "https://evil.example.org"])
def test_refusals_look_the_same_to_a_browser(
    serve: Callable[..., FlaskClient], origin: str | None
) -> None:
    """What a page is told depends on where it is from, never on what is wrong with its token."""
    http = serve('cors_origins = ["https://ehr.example.org"]')
    sent = {"Origin": origin} if origin else {}
    refused = [
        http.post(url, data=data, headers={**sent, "Content-Type": kind, **authorization})
        for url in (PATH, "/cds-services/other", f"/cds-services//{PATH.rpartition('/')[2]}")
        for data, kind in ((b"{}", "application/json"), (b"", "text/plain"), (b"{", "x/y"))
        for authorization in (
            {},
            {"Authorization": "Basic eDp5"},
            {"Authorization": f"Bearer {token(header={'kid': 'other'})}"},
            {"Authorization": f"Bearer {token('rsa-evil', header={'kid': 'rsa'})}"},
            {"Authorization": f"Bearer {token(aud=PUBLIC)}"},
        )
    ]
    assert {one.status_code for one in refused} == {401}
    assert len({(one.data, tuple(one.headers)) for one in refused}) == 1
    allowed = refused[0].headers.get("Access-Control-Allow-Origin")
    assert allowed == (origin if origin == "https://ehr.example.org" else None)
    assert refused[0].headers["Vary"] == "Origin"


def test_the_log_of_refusals(serve: Callable[..., FlaskClient]) -> None:
    """The operator reads why; nothing that a caller made up gets into the log."""
    http = serve()
    secret = token(header={"kid": "made-up-kid"}, sub="made-up-sub")
    with written() as log:
        call(http, secret)
        call(http, secret, "/cds-services/made-up%0Ainjected")
        call(http, secret, "/explain/made-up")
        call(http, None)
    usual = {"level": "warning", "logger": "cds_service.callers", "event": "refused"}
    wrong = usual | {"client": "demo", "reason": "key-unknown"}
    assert log.of("cds_service.callers") == [
        wrong | {"endpoint": PATH},
        wrong | {"endpoint": "unknown"},
        wrong | {"endpoint": "unknown"},
        usual | {"endpoint": PATH, "reason": "token-missing"},
    ]
    for word in ("made-up", "injected", secret, *secret.split(".")):
        assert word not in log.text.getvalue()


def test_a_client_that_is_removed(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """Its tokens prove nothing from the next reading on; a client that is added may call."""
    http = serve()
    assert call(http, token()).status_code == 200
    live = http.application.extensions["cds_service"].live
    registry = tmp_path / "clients.toml"
    text = registry.read_text("utf-8")
    registry.write_text(text.replace("demo", "other").replace(ISSUER, f"{ISSUER}/2"), "utf-8")
    live.reload()
    assert call(http, token()).status_code == 401
    assert call(http, token(iss=f"{ISSUER}/2")).status_code == 200


def test_a_worker_that_is_renewed(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """It is forked from a server that read the file long ago, and does not go by that."""
    http = serve()  # no call so far: the state in which workers are forked
    registry = tmp_path / "clients.toml"
    registry.write_text(registry.read_text("utf-8").replace(ISSUER, f"{ISSUER}/2"), "utf-8")
    assert call(http, token()).status_code == 401
    assert call(http, token(iss=f"{ISSUER}/2")).status_code == 200


def test_a_key_file_that_is_edited(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """A key that is taken out of the file is refused within seconds, with no other edit."""
    http = serve()
    assert call(http, token()).status_code == 200
    live = http.application.extensions["cds_service"].live
    (tmp_path / "keys.json").write_text(json.dumps(jwks(jwk("ec384"))), "utf-8")
    live._next_look = 0.0
    end = time.monotonic() + 5
    while call(http, token()).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert call(http, token("ec384", "ES384")).status_code == 200
    before = live.deployment
    for _ in range(2):
        live._next_look = 0.0
        assert live.deployment is before


def test_readings_come_in_order(serve: Callable[..., FlaskClient]) -> None:
    """A slow reading of an older file does not replace a newer one."""
    live = serve().application.extensions["cds_service"].live
    first, released = live.deployment, threading.Event()
    states = [replace(first), replace(first)]

    def slow() -> Any:
        state = states.pop(0)
        assert states == [] or released.wait(5)
        return state

    newest = states[-1]
    live._load = slow
    readings = [threading.Thread(target=live.reload) for _ in range(2)]
    for reading in readings:
        reading.start()
        time.sleep(0.05)
    released.set()
    for reading in readings:
        reading.join()
    assert live.deployment is newest


def test_calls_at_a_time() -> None:
    """A client's calls give their places back, whatever becomes of them."""
    shares, one = Shares(), replace(service.client(), max_concurrent_calls=2)
    for _ in range(3):
        with shares.call(one), shares.call(one), pytest.raises(TooMany), shares.call(one):
            pass
        with pytest.raises(ValueError, match="boom"), shares.call(one), shares.call(one):
            raise ValueError("boom")


def test_when_to_call_again() -> None:
    """A client that waits as long as it is told is not turned away again."""
    now = [0.0]
    shares, one = Shares(lambda: now[0]), replace(service.client(), max_calls_per_minute=7)
    for _ in range(30):
        try:
            with shares.call(one):
                now[0] += 0.4
        except TooMany as error:
            now[0] += error.retry_after_s
            with shares.call(one):
                pass


def test_explain_in_production() -> None:
    """The explanation is there in production only when it is asked for."""
    given = {"CDS_MODE": "production", "CDS_SECRET_KEY": "k" * 32, "CDS_CLIENTS": __file__}
    assert not Settings.from_environment(given).explain_enabled
    assert Settings.from_environment({**given, "CDS_EXPLAIN": "yes"}).explain_enabled


def test_explain_that_is_off(serve: Callable[..., FlaskClient]) -> None:
    """What is off is not there, for anybody."""
    http = serve(explain_enabled=False)
    assert call(http, token(), "/explain/bone-density-imaging").status_code == 404
    assert call(http, None, "/explain/bone-density-imaging").status_code == 404


def test_a_flood_leaves_places(serve: Callable[..., FlaskClient]) -> None:
    """While the key server is slow, tokens with made-up names take few of the places."""
    with key_server(jwks(jwk("rsa"))) as server:
        http = serve(trust=f'jwks_url = "{server.url}"', keys="")
        assert call(http, token()).status_code == 200
        server.delay_s = 1.0
        source = http.application.extensions["cds_service"].live.deployment.verifier
        source.by_issuer[ISSUER][0].keys._next_try = 0.0
        _forget_turns(http)
        began = time.monotonic()
        forged = [
            threading.Thread(target=call, args=(_client(http), token(header={"kid": str(n)})))
            for n in range(28)
        ]
        for thread in forged:
            thread.start()
        assert call(http, token()).status_code == 200
        assert time.monotonic() - began < server.delay_s
        for thread in forged:
            thread.join()
        assert server.fetches == 2


def _client(http: FlaskClient) -> FlaskClient:
    return http.application.test_client()


def _forget_turns(http: FlaskClient) -> None:
    """Lets the key server be asked again at once."""
    url = http.application.extensions["cds_service"].settings.database_url
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM key_fetch")


def test_keys_while_the_store_is_down(serve: Callable[..., FlaskClient], tmp_path: Path) -> None:
    """Keys can be fetched without the store; what the token is worth cannot be told: 503."""
    with key_server(jwks(jwk("rsa"))) as server:
        http = serve(trust=f'jwks_url = "{server.url}"', keys="")
        for path in (tmp_path / "state").iterdir():
            path.write_bytes(b"this is no database" * 100)
        found = call(http, token())
        assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
        assert call(http, token(header={"kid": "other"})).status_code == 401


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


FILE = 'jwks_file = "keys.json"'


@pytest.mark.parametrize(
    ("keys", "trust", "more", "problem"),
    [
        (FILE, 'jti = "log"', "", 'clients.demo.trust.jti: must be "enforce" in production'),
        (FILE, 'jti = "off"', "", 'clients.demo.trust.jti: must be "enforce" in production'),
        (FILE, 'audiences = ["sand_man"]', "", "audiences: sand_man is no https address"),
        (FILE, 'audiences = ["http://cds.example.org"]', "", "is no https address of this service"),
        (FILE, 'audiences = ["https://"]', "", "audiences: https:// is no https address"),
        (FILE, 'audiences = ["https://a.org?x=1"]', "", "is no https address of this service"),
        (FILE, 'audiences = ["https://u:p@a.org"]', "", "is no https address of this service"),
        (FILE, "", 'profile = "sandbox"', "clients.demo.profile: sandbox is for tests"),
        (FILE, "", 'fhir_bases = ["http://fhir.example.org/r4"]', "is not https; production"),
        (
            'jwks_url = "http://localhost/keys"',
            "",
            "",
            "clients.demo.trust.jwks_url: must be https in production",
        ),
    ],
)
def test_production_refuses(
    serve: Callable[..., FlaskClient], keys: str, trust: str, more: str, problem: str
) -> None:
    """What proves too little, or is for tests, does not start in production."""
    assert call(serve(more, trust, keys), token(aud="x")).status_code == 401
    with pytest.raises(RegistryError) as error:
        serve(more, trust, keys, mode=Mode.PRODUCTION)
    assert problem in " ".join(error.value.problems)


@pytest.mark.parametrize(
    ("keys", "document", "problem"),
    [
        ('jwks_file = "none.json"', None, "trust.jwks_file: the file cannot be read"),
        ('jwks_file = "."', None, "trust.jwks_file: the file cannot be read"),
        (FILE, b"", "trust.jwks_file: is not strict JSON"),
        (FILE, b'{"keys":[],"keys":[]}', "trust.jwks_file: is not strict JSON: duplicate property"),
        (FILE, b'{"keys":[]}', "trust.jwks_file: has no key that can be used"),
        (FILE, b'{"keys":[{"kid":"a","kty":["RSA"]}]}', "keys[0]: is neither RSA nor EC"),
        (FILE, b'{"kty":"RSA"}', "trust.jwks_file: is no JWKS: it has no list of keys"),
        ('jwks_url = "ehr.example.org/keys"', None, "trust.jwks_url: is not a plain address"),
        ('jwks_url = "file:///etc/passwd"', None, "trust.jwks_url: is not a plain address"),
        ('jwks_url = "https://u:p@a.org/k"', None, "trust.jwks_url: is not a plain address"),
        ('jwks_url = "https://a.org/k#x"', None, "trust.jwks_url: is not a plain address"),
        ('jwks_url = "https://a.org/../k"', None, "trust.jwks_url: is not a plain address"),
        ('jwks_url = "https://ehr.example.org/keys"', None, "trust.jwks_url: is not on this mach"),
    ],
)
def test_keys_that_are_none(
    serve: Callable[..., FlaskClient],
    tmp_path: Path,
    keys: str,
    document: bytes | None,
    problem: str,
) -> None:
    """Keys that cannot be used, or must not be fetched, do not start anywhere."""
    http = serve()
    registry = tmp_path / "clients.toml"
    registry.write_text(REGISTRY.format(more="", trust="", keys=keys), "utf-8")
    if document is not None:
        (tmp_path / "keys.json").write_bytes(document)
    live = http.application.extensions["cds_service"].live
    live.reload()
    (found,) = live.problems
    assert found.startswith("clients.demo.")
    assert problem in found
    assert call(http, token()).status_code == 200


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


@pytest.mark.parametrize("auth", Auth)
@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "x", "//"])
def test_no_database(url: str, auth: Auth) -> None:
    """An address that is none is told at the start, with or without authentication."""
    with pytest.raises(ConfigError) as error:
        prepare_store(replace(Settings(), auth=auth, database_url=url))
    (problem,) = error.value.problems
    assert problem.startswith("CDS_DATABASE_URL: database URL is not one of")


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
