"""Who may call: the clients of the registry whose tokens can be verified."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from cds_service.egress import Base, Egress, Policy, Refused
from cds_service.protocol import strict_json
from cds_service.registry import Client, Registry, RegistryError
from cds_service.security import (
    FetchedKeys,
    KeySet,
    KeysUnusable,
    Revoked,
    Shared,
    StaticKeys,
    Trust,
    Trusted,
    Verifier,
    fetch_from,
    read_keys,
    read_trust,
)
from cds_service.security.fetch import MAX_BYTES, Fetch
from cds_service.security.verification import KeySource, Replay


def callers(
    registry: Registry,
    replay: Replay,
    key_store: Shared,
    revoked: Revoked,
    *,
    is_development: bool,
    public_url: str | None,
    ca_file: Path | None,
) -> Verifier:
    """The verifier of all clients with a `trust` block; raises RegistryError with every problem."""
    problems: list[str] = []
    egress = Egress(max_bytes=MAX_BYTES, ca_file=str(ca_file) if ca_file else None)
    by_issuer: dict[str, tuple[Trusted, ...]] = {}
    for client in registry.clients.values():
        trust = read_trust(client.trust, public_url)
        if trust is None:
            continue
        place = f"clients.{client.name}.trust"
        if not trust.audiences:
            problems.append(f"{place}.audiences: is missing; add it, or set CDS_PUBLIC_URL")
        if not is_development:
            problems.extend(f"{place}.{text}" for text in _unsafe(trust))
        try:
            keys = _keys(client, trust, egress, key_store, is_development)
        except KeysUnusable as error:
            name = "jwks_file" if trust.jwks_file else "jwks_url"
            problems.append(f"{place}.{name}: {error}")
            continue
        known = by_issuer.get(trust.issuer, ())
        by_issuer[trust.issuer] = (*known, Trusted(client.name, trust, keys))
    if not by_issuer and not problems:
        problems.append("no client has a trust block: nobody could call")
    if problems:
        raise RegistryError(tuple(problems))
    return Verifier(by_issuer, replay, revoked)


def probe_keys(client: Client, is_development: bool, ca_file: Path | None) -> KeySet:
    """The keys of a client, fetched or read now; raises RegistryError."""
    trust = read_trust(client.trust, None)
    place = f"clients.{client.name}.trust"
    try:
        if trust is None:
            raise KeysUnusable("has no keys")
        if trust.jwks_file is not None:
            return _from_file(Path(trust.jwks_file), is_development)
        egress = Egress(max_bytes=MAX_BYTES, ca_file=str(ca_file) if ca_file else None)
        return _fetch(client, trust, egress, is_development)().keys
    except KeysUnusable as error:
        raise RegistryError((f"{place}: {error}",)) from None


def known_kids(client: Client, key_store: Shared) -> tuple[str, ...]:
    """The names of a client's keys as they were read last; its key server is not asked."""
    trust = read_trust(client.trust, None)
    try:
        if trust is None:
            return ()
        if trust.jwks_file is not None:
            return tuple(_from_file(Path(trust.jwks_file), is_development=True).keys)
        kept = key_store.kept(trust.jwks_url or "", 0.0)
        document = strict_json.loads(kept.document) if kept else None
        return tuple(read_keys(document, published=True).keys)
    except (KeysUnusable, strict_json.NotStrictJson):
        return ()


def _unsafe(trust: Trust) -> list[str]:
    """What proves too little for production."""
    found = []
    if trust.jti != "enforce":
        found.append('jti: must be "enforce" in production')
    found += [
        f"audiences: {audience} is no https address of this service; production refuses it"
        for audience in trust.audiences
        if not audience.startswith("https://") or Base.parse(audience) is None
    ]
    return found


def _keys(
    client: Client, trust: Trust, egress: Egress, key_store: Shared, is_development: bool
) -> KeySource:
    if trust.jwks_file is not None:
        return StaticKeys(_from_file(Path(trust.jwks_file), is_development))
    fetch = _fetch(client, trust, egress, is_development)
    return FetchedKeys(trust.jwks_url or "", fetch, key_store, published=is_development)


def _fetch(client: Client, trust: Trust, egress: Egress, is_development: bool) -> Fetch:
    url = trust.jwks_url or ""
    base = Base.parse(url)
    if base is None:
        raise KeysUnusable("is not a plain address; write it like https://ehr.example.org/keys")
    policy = Policy(
        bases=(base,),
        private_networks=tuple(map(ip_network, client.fhir_private_networks)),
        https_only=not is_development,
        loopback_only=is_development,
    )
    try:
        policy.base_for(url)
    except Refused:  # its words are about FHIR servers
        raise KeysUnusable(
            "is not on this machine; development fetches keys from here only, use jwks_file"
            if is_development
            else "must be https in production"
        ) from None
    return fetch_from(url, egress, policy, published=is_development)


def _from_file(path: Path, is_development: bool) -> KeySet:
    try:
        document = strict_json.loads(path.read_bytes())
    except OSError:
        raise KeysUnusable("the file cannot be read") from None
    except strict_json.NotStrictJson as error:
        raise KeysUnusable(f"is not strict JSON: {error}") from None
    return read_keys(document, published=is_development)
