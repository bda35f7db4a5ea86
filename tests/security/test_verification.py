"""Which tokens are accepted, and which prove nothing."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens import (
    AUDIENCE,
    ISSUER,
    PATH,
    PUBLIC,
    Revoked,
    claims,
    jwk,
    jwks,
    public_pem,
    raw,
    token,
)

from cds_service.security import Rejected, StaticKeys, Trust, Trusted, Verifier, read_keys

PATHS = (PATH,)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_objects = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jku", "crit", "aud", "exp", "iat", "jti", "nbf", "sub"]),
    plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=5), plain, max_size=2),
    max_size=6,
)


class Memory:
    """A replay store for one process."""

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}

    def claim(self, key: bytes, expires_at: int, now: int) -> bool:
        """True the first time."""
        is_new = key not in self.seen
        self.seen.setdefault(key, expires_at)
        return is_new


def verifier(
    *keys: dict[str, Any], replay: Memory | None = None, revoked: tuple[str, ...] = (), **trust: Any
) -> tuple[Verifier, Memory]:
    """One client with some keys."""
    known = {"issuer": ISSUER, "audiences": (PUBLIC,)} | trust
    source = StaticKeys(read_keys(jwks(*(keys or (jwk("rsa"), jwk("ec384"))))))
    store = replay or Memory()
    demo = Trusted("demo", Trust(**known), source)
    return Verifier({known["issuer"]: (demo,)}, store, Revoked(*revoked)), store


def accepted(found: Verifier, text: str) -> str:
    """The client that a token proves."""
    return found.client_of(f"Bearer {text}", PATHS, time.time())


EPIC_KID = "d3bmLY0/+q=="
ORACLE_KID = "2025-09-29T02:43:24.322.rsa"
LEGITIMATE: dict[str, tuple[Callable[[], str], dict[str, Any]]] = {
    "RS384": (lambda: token(), {}),
    "ES384": (lambda: token("ec384", "ES384"), {}),
    "JWKS with alg": (lambda: token(), {"keys": (jwk("rsa", alg="RS384", use="sig"),)}),
    "JWKS without alg or use": (lambda: token(), {"keys": (jwk("rsa"),)}),
    "base64 kid, nbf five minutes ago, sub, 900 s (Epic)": (
        lambda: token(
            header={"kid": EPIC_KID, "jku": "https://ehr.example.org/PublicKeys/530013"},
            nbf=int(time.time()) - 300,
            sub="0a1b-client",
            exp=int(time.time()) + 900,
        ),
        {
            "keys": (jwk("rsa", EPIC_KID),),
            "jwks_url": "https://ehr.example.org/PublicKeys/530013",
            "subject": "0a1b-client",
        },
    ),
    "shared issuer with tenant (Oracle)": (
        lambda: token(header={"kid": ORACLE_KID}, iss="https://cds-hooks.cerner.com", tenant="t1"),
        {
            "keys": (jwk("rsa", ORACLE_KID),),
            "issuer": "https://cds-hooks.cerner.com",
            "tenant": "t1",
        },
    ),
    "jku of the sandbox": (
        lambda: token(
            "ec384", "ES384", header={"jku": "https://sandbox.cds-hooks.org/.well-known/jwks.json"}
        ),
        {"jwks_url": "https://sandbox.cds-hooks.org/.well-known/jwks.json"},
    ),
    "jku, keys in a file": (lambda: token(header={"jku": "https://ehr.example.org/keys"}), {}),
    "no jku": (lambda: token(), {"jwks_url": "https://ehr.example.org/keys"}),
    "audience as a list": (lambda: token(aud=[AUDIENCE]), {}),
    "audience beside others": (lambda: token(aud=["https://other.example.org", AUDIENCE]), {}),
    "audience written by hand": (
        lambda: token(aud=f"{AUDIENCE}/"),
        {"audiences": (f"{AUDIENCE}/",)},
    ),
    "audience of a test client": (lambda: token(aud="sand_man"), {"audiences": ("sand_man",)}),
    "unknown claims and header members": (
        lambda: token(header={"x5t": "abc"}, sub="x", fhirUser="Practitioner/1"),
        {},
    ),
    "no typ": (lambda: token(header={"typ": None}), {}),
    "lower-case typ": (lambda: token(header={"typ": "jwt"}), {}),
    "clock 50 s ahead": (lambda: token(now=time.time() + 50), {}),
    "expired 50 s ago": (lambda: token(now=time.time() - 350), {}),
    "times with fractions": (
        lambda: token(iat=time.time() - 0.5, exp=time.time() + 299.5),
        {},
    ),
    "RS256 where it is allowed": (
        lambda: token("rsa", "RS256"),
        {"algorithms": ("RS256", "RS384")},
    ),
    "PS384 where it is allowed": (lambda: token("rsa", "PS384"), {"algorithms": ("PS384",)}),
    "ES512 where it is allowed": (
        lambda: token("ec521", "ES512"),
        {"algorithms": ("ES512",), "keys": (jwk("ec521"),)},
    ),
}


@pytest.mark.parametrize("shape", LEGITIMATE)
def test_legitimate(shape: str) -> None:
    """The shapes that real clients send are accepted."""
    make, options = LEGITIMATE[shape]
    trust = dict(options)
    found, _ = verifier(*trust.pop("keys", ()), **trust)
    assert accepted(found, make()) == "demo"


def hs(algorithm: str, secret: bytes) -> str:
    """A token that takes a public key for a secret."""
    text = raw({"alg": algorithm, "kid": "rsa", "typ": "JWT"}, claims()).rpartition(".")[0]
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    signature = hmac.new(secret, text.encode(), digest[algorithm]).digest()
    return f"{text}.{raw({}, {}, signature).rpartition('.')[2]}"


def swapped(part: int, content: dict[str, Any]) -> str:
    """A good token of which one part was exchanged after signing."""
    parts = token().split(".")
    parts[part] = raw(content, {}).split(".")[0]
    return ".".join(parts)


class After(int):
    """Seconds from the moment at which a token is made."""


def told(changes: dict[str, Any]) -> dict[str, Any]:
    """Claims with their times as of now."""
    now = int(time.time())
    return {
        name: now + int(value) if isinstance(value, After) else value
        for name, value in changes.items()
    }


HEADER = {"alg": "RS384", "kid": "rsa", "typ": "JWT"}
FORGED: dict[str, tuple[str, Callable[[], str]]] = {
    **{
        f"alg {name}": (
            "algorithm-not-allowed",
            lambda name=name: raw({**HEADER, "alg": name}, claims()),
        )
        for name in (
            "none",
            "None",
            "nOnE",
            "NONE",
            "",
            "RS256",
            "RS512",
            "ES256",
            "PS384",
            "EdDSA",
            "rs384",
            "RS384 ",
            "HS256",
        )
    },
    **{
        f"{algorithm} over {what}": (
            "algorithm-not-allowed",
            lambda a=algorithm, w=what: hs(a, _secret(w)),
        )
        for algorithm in ("HS256", "HS384", "HS512")
        for what in ("PEM", "JWK", "nothing")
    },
    "alg none, signature empty": (
        "no-bearer-token",
        lambda: raw({**HEADER, "alg": "none"}, claims(), b""),
    ),
    "alg missing": ("algorithm-not-allowed", lambda: raw({"kid": "rsa"}, claims())),
    "alg a list": ("algorithm-not-allowed", lambda: raw({**HEADER, "alg": ["RS384"]}, claims())),
    "ES384 header over RS384": (
        "key-is-of-another-kind",
        lambda: swapped(0, {**HEADER, "alg": "ES384"}),
    ),
    "RS384 header over an EC key": (
        "key-is-of-another-kind",
        lambda: swapped(0, {**HEADER, "kid": "ec384"}),
    ),
    "another key of the right name": (
        "signature-wrong",
        lambda: token("rsa-evil", header={"kid": "rsa"}),
    ),
    "key in the header": (
        "signature-wrong",
        lambda: token("rsa-evil", header={"kid": "rsa", "jwk": jwk("rsa-evil")}),
    ),
    "x5u in the header": (
        "signature-wrong",
        lambda: token("rsa-evil", header={"kid": "rsa", "x5u": "https://evil.example.org/c.pem"}),
    ),
    "x5c in the header": (
        "signature-wrong",
        lambda: token("rsa-evil", header={"kid": "rsa", "x5c": ["MIIB"]}),
    ),
    "signed with RS512, named RS384": ("signature-wrong", lambda: _renamed("RS512")),
    "signed with RS256, named RS384": ("signature-wrong", lambda: _renamed("RS256")),
    "claims exchanged": ("signature-wrong", lambda: swapped(1, claims())),
    "signature cut": ("signature-wrong", lambda: token()[:-8]),
    "signature of another token": (
        "signature-wrong",
        lambda: f"{token().rpartition('.')[0]}.{token().rpartition('.')[2]}",
    ),
    "ES384 signature of zeros": (
        "signature-wrong",
        lambda: raw({"alg": "ES384", "kid": "ec384"}, claims(), bytes(96)),
    ),
    **{
        f"jku {url}": ("jku-differs", lambda url=url: token(header={"jku": url}))
        for url in (
            "https://evil.example.org/keys",
            "https://ehr.example.org@evil.example.org/keys",
            "https://ehr.example.org.evil.example.org/keys",
            "https://EHR.example.org/keys",
            "https://ehr.example.org/keys/",
            "https://ehr.example.org/%6beys",
            "http://ehr.example.org/keys",
            "file:///etc/passwd",
            "",
        )
    },
    "jku a list": ("jku-differs", lambda: token(header={"jku": ["https://ehr.example.org/keys"]})),
    "crit": ("header-not-understood", lambda: token(header={"crit": ["exp"], "exp": 1})),
    "b64": ("header-not-understood", lambda: raw({**HEADER, "b64": False}, claims())),
    "an access token": ("type-is-not-jwt", lambda: token(header={"typ": "at+jwt"})),
    **{
        f"kid {kid[:20]!r}": ("key-unknown", lambda kid=kid: token(header={"kid": kid}))
        for kid in (
            "../../dev/null",
            "rsa' OR '1'='1",
            "rsa\u0000",
            "RSA",
            "rsa ",
            "http://evil.example.org/k",
        )
    },
    "kid too long": ("kid-unusable", lambda: token(header={"kid": "k" * 300})),
    "kid empty": ("kid-unusable", lambda: token(header={"kid": ""})),
    "kid a number": ("kid-unusable", lambda: raw({**HEADER, "kid": 1}, claims())),
    **{
        f"iss {issuer!r}": ("issuer-unknown", lambda issuer=issuer: token(iss=issuer))
        for issuer in (
            "https://evil.example.org",
            f"{ISSUER}/",
            ISSUER.upper(),
            ISSUER[:-1],
            f" {ISSUER}",
            "",
            None,
        )
    },
    "iss a list": ("issuer-unknown", lambda: raw(HEADER, claims(iss=[ISSUER]))),
    **{
        f"aud {audience!r}": (reason, lambda audience=audience: token(aud=audience))
        for audience, reason in (
            (PUBLIC, "audience-differs"),
            (f"{AUDIENCE}/", "audience-differs"),
            (f"{AUDIENCE}?x", "audience-differs"),
            (AUDIENCE.replace("https", "http"), "audience-differs"),
            (AUDIENCE.upper(), "audience-differs"),
            (f"{PUBLIC}/cds-services", "audience-differs"),
            (f"{PUBLIC}/cds-services/other", "audience-differs"),
            (f"{AUDIENCE}/feedback", "audience-differs"),
            ("*", "audience-differs"),
            ("", "audience-differs"),
            ([], "audience-unusable"),
            ([AUDIENCE, 5], "audience-unusable"),
            ([AUDIENCE] * 21, "audience-unusable"),
            (None, "audience-unusable"),
        )
    },
    **{
        f"times {name}": (reason, lambda changes=changes: token(**told(changes)))
        for name, changes, reason in (
            ("expired", {"iat": After(-700), "exp": After(-400)}, "expired"),
            ("far expiry", {"exp": After(10 * 365 * 86400)}, "lifetime-too-long"),
            ("old", {"iat": After(-90000), "exp": After(300)}, "lifetime-too-long"),
            ("in the future", {"iat": After(900), "exp": After(1200)}, "issued-in-the-future"),
            ("backwards", {"iat": After(30), "exp": After(20)}, "lifetime-too-long"),
            ("not yet", {"nbf": After(600)}, "not-yet-valid"),
            ("odd nbf", {"nbf": "soon"}, "times-unusable"),
            ("no exp", {"exp": None}, "times-unusable"),
            ("no iat", {"iat": None}, "times-unusable"),
            ("exp as text", {"exp": "soon"}, "times-unusable"),
            ("exp true", {"exp": True}, "times-unusable"),
            ("iat negative", {"iat": -5}, "times-unusable"),
        )
    },
    **{
        f"jti {value!r}"[:30]: ("jti-unusable", lambda value=value: token(jti=value))
        for value in ("", None, 5, "x" * 256, "a\nb", ["a"])
    },
}
MALFORMED = {
    "two parts": "a.b",
    "four parts": f"{token()}.x",
    "not base64": "a.b!.c",
    "no JSON": raw(b"{", b"{}"),
    "an array": raw([], claims()),
    "duplicate alg": raw(b'{"alg":"none","alg":"RS384","kid":"rsa"}', b"{}"),
    "NaN": raw(HEADER, b'{"exp":NaN}'),
    "deep": raw(HEADER, b'{"a":' * 20 + b"1" + b"}" * 20),
    "latin-1": raw(HEADER, b'{"iss":"\xe9"}'),
    "too long": token(filler="x" * 9000),
    "empty": "",
}


def _secret(what: str) -> bytes:
    if what == "PEM":
        return public_pem("rsa")
    return str(jwk("rsa")).encode() if what == "JWK" else b""


def _renamed(algorithm: str) -> str:
    """A token signed by one algorithm whose header names another."""
    import jwt as library
    from tokens import private_key

    text = raw(HEADER, claims()).rpartition(".")[0]
    signer = library.algorithms.get_default_algorithms()[algorithm]
    signature = signer.sign(text.encode(), private_key("rsa"))
    return f"{text}.{raw({}, {}, signature).rpartition('.')[2]}"


@pytest.mark.parametrize("name", FORGED)
def test_forged(name: str) -> None:
    """A forged token proves nothing, and nothing of it is remembered."""
    reason, make = FORGED[name]
    found, store = verifier(jwks_url="https://ehr.example.org/keys")
    with pytest.raises(Rejected) as error:
        accepted(found, make())
    assert error.value.reason == reason
    assert store.seen == {}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    """What is no token is refused before anything is looked up."""
    found, _ = verifier()
    with pytest.raises(Rejected) as error:
        accepted(found, MALFORMED[name])
    assert error.value.reason in ("no-bearer-token", "token-malformed", "token-too-long")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic abc", "Token a.b.c", "a.b.c"]
)
def test_no_token(authorization: str | None) -> None:
    """Without a bearer token nobody is anybody."""
    found, _ = verifier()
    with pytest.raises(Rejected):
        found.client_of(authorization, PATHS, time.time())


def test_at_least_sixty_forgeries() -> None:
    """The table is as long as it has to be."""
    assert len(FORGED) + len(MALFORMED) >= 60
    assert len(LEGITIMATE) >= 12


@pytest.mark.parametrize(
    ("mode", "second", "remembered"),
    [("enforce", "used-before", 1), ("log", None, 1), ("off", None, 0)],
)
def test_replay(mode: str, second: str | None, remembered: int) -> None:
    """A token that comes twice is refused, noted, or nothing, as the client's entry says."""
    found, store = verifier(jti=mode)
    text = token()
    assert accepted(found, text) == "demo"
    if second is None:
        assert accepted(found, text) == "demo"
    else:
        with pytest.raises(Rejected, match=second):
            accepted(found, text)
    assert len(store.seen) == remembered


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: token(), "key-revoked"),
        (lambda: token(exp=1_700_000_000, iat=1_699_999_900), "key-revoked"),
        (lambda: token("rsa-evil", header={"kid": "rsa"}), "signature-wrong"),
        (lambda: token(header={"kid": "gone"}), "key-unknown"),
        (lambda: token("ec384", "ES384"), None),
        (lambda: token(header={"kid": "Rsa"}), "key-unknown"),
    ],
)
def test_a_revoked_key(make: Callable[[], str], reason: str | None) -> None:
    """What a revoked key has signed proves nothing; the reason says that somebody holds it."""
    found, store = verifier(revoked=("rsa", "gone"))
    if reason is None:
        assert accepted(found, make()) == "demo"
        return
    with pytest.raises(Rejected) as error:
        accepted(found, make())
    assert (error.value.reason, error.value.client, store.seen) == (reason, "demo", {})


def test_one_jti_of_two_issuers() -> None:
    """The same jti from another issuer is another token."""
    replay = Memory()
    first, _ = verifier(replay=replay)
    other, _ = verifier(replay=replay, issuer="https://other.example.org")
    assert accepted(first, token(jti="same")) == "demo"
    assert accepted(other, token(jti="same", iss="https://other.example.org")) == "demo"


def test_tenants_of_one_issuer() -> None:
    """Clients that share an issuer are told apart by tenant; only the right pair passes."""
    source = StaticKeys(read_keys(jwks(jwk("rsa"))))
    tenants = tuple(
        Trusted(name, Trust(ISSUER, (PUBLIC,), tenant=name), source) for name in ("a", "b")
    )
    found = Verifier({ISSUER: tenants}, Memory(), Revoked())
    assert accepted(found, token(tenant="a")) == "a"
    assert accepted(found, token(tenant="b")) == "b"
    for tenant in ("c", None, "A", 5):
        with pytest.raises(Rejected, match="tenant-differs"):
            accepted(found, token(tenant=tenant))


def test_audience_of_each_endpoint() -> None:
    """A token for one endpoint is not one for another."""
    found, _ = verifier()
    feedback = (f"{PATH}/feedback", PATH)
    now = time.time()
    assert found.client_of(f"Bearer {token(aud=f'{AUDIENCE}/feedback')}", feedback, now) == "demo"
    assert found.client_of(f"Bearer {token()}", feedback, now) == "demo"
    with pytest.raises(Rejected, match="audience-differs"):
        found.client_of(f"Bearer {token(aud=f'{AUDIENCE}/feedback')}", PATHS, now)


ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    10**63,
    -(10**63),
    0.1,
    "",
    " ",
    "\u0000",
    "\u202e",
    "\ud83d\ude00",
    "\u0130",
    "x" * 300,
    [],
    [[]],
    [None],
    {},
    {"": {}},
)


@pytest.mark.parametrize("part", ["header", "claims"])
def test_odd_values(part: str) -> None:
    """Whatever stands where in a token: it is accepted or rejected, nothing else ever happens."""
    known = {"alg": "RS384", "kid": "rsa", "typ": "JWT", "jku": "https://ehr.example.org/keys"}
    found, _ = verifier(jwks_url="https://ehr.example.org/keys", tenant="t", subject="s")
    names = (*known, "crit", "b64") if part == "header" else (*claims(), "nbf", "tenant", "sub")
    for name in names:
        for value in ODD:
            stated = {name: value}
            text = (
                raw(known | stated, claims(tenant="t", sub="s"))
                if part == "header"
                else _signed(known, claims(tenant="t", sub="s") | stated)
            )
            with contextlib.suppress(Rejected):
                assert accepted(found, text) == "demo"
                assert part == "claims"


def _signed(header: dict[str, Any], body: dict[str, Any]) -> str:
    """A well signed token of any claims: libraries refuse to make some of them."""
    import jwt as library
    from tokens import private_key

    text = raw(header, body).rpartition(".")[0]
    signer = library.algorithms.get_default_algorithms()["RS384"]
    return f"{text}.{raw({}, {}, signer.sign(text.encode(), private_key('rsa'))).split('.')[2]}"


@given(st.text(), st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=64))
def test_any_header(text: str, header: bytes, body: bytes, signature: bytes) -> None:
    """No Authorization header does anything but be rejected."""
    found, _ = verifier()
    for authorization in (text, f"Bearer {text}", f"Bearer {raw(header, body, signature)}"):
        with pytest.raises(Rejected):
            found.client_of(authorization, PATHS, time.time())


@given(json_objects, json_objects)
def test_any_objects(header: dict[str, Any], body: dict[str, Any]) -> None:
    """No JSON objects do anything but be rejected, right names with wrong values among them."""
    found, _ = verifier()
    for known in ({}, {"alg": "RS384"}, {"alg": "RS384", "kid": "rsa"}):
        with pytest.raises(Rejected):
            accepted(found, raw({**header, **known}, {**body, "iss": ISSUER}))


def test_time_tells_nothing_of_a_name() -> None:
    """Whether a key has a name cannot be measured: the difference is less than a millisecond."""
    found, _ = verifier()
    took: dict[str, list[float]] = {"rsa": [], "other": []}
    for number in range(300):
        name = ("rsa", "other")[number % 2]
        text = raw({**HEADER, "kid": name}, claims(), bytes(256))
        began = time.perf_counter()
        with pytest.raises(Rejected):
            accepted(found, text)
        took[name].append(time.perf_counter() - began)
    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) < 0.001


def test_how_long_a_token_is_remembered() -> None:
    """Longer than any node accepts it, even where clocks are a minute apart."""
    found, store = verifier(clock_skew_s=60)
    expires = int(time.time()) + 250
    accepted(found, token(exp=expires))
    assert list(store.seen.values()) == [expires + 60 + 60]


def test_a_token_that_is_only_noted(caplog: pytest.LogCaptureFixture) -> None:
    """Where tokens may come twice the operator is told of it, without a word of the token."""
    found, _ = verifier(jti="log")
    text = token()
    with caplog.at_level(logging.WARNING):
        assert [accepted(found, text) for _ in range(2)] == ["demo", "demo"]
    assert caplog.messages == ["accepted client=demo reason=used-before"]
