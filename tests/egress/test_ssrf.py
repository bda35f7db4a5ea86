"""Addresses with which somebody tries to make the service send elsewhere; nothing gets there."""

# ruff: noqa: S104 - addresses are refused here, nothing is bound

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from cds_service.egress import Base, Deadline, Egress, Policy, Refused, Reply

OWN = "https://ehr.example.org/tenant-a/r4"
PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1::1"

# `{p}` is the port of the canary. None of these is a server that any policy takes.
NEVER = {
    # Metadata services, in every way to write 169.254.169.254.
    "metadata": "http://169.254.169.254/latest/meta-data",
    "metadata https": "https://169.254.169.254/latest/meta-data",
    "metadata decimal": "http://2852039166/r4",
    "metadata hexadecimal": "http://0xA9FEA9FE/r4",
    "metadata dotted hexadecimal": "http://0xa9.0xfe.0xa9.0xfe/r4",
    "metadata octal": "http://025177524776/r4",
    "metadata dotted octal": "http://0251.0376.0251.0376/r4",
    "metadata padded octal": "http://0000251.0000376.000251.0376/r4",
    "metadata short, two parts": "http://169.16689662/r4",
    "metadata short, three parts": "http://169.254.43518/r4",
    "metadata mixed": "http://169.0376.0xa9.254/r4",
    "metadata overflowing": "http://425.510.425.510/r4",
    "metadata mapped": "http://[::ffff:169.254.169.254]/r4",
    "metadata mapped hexadecimal": "http://[0:0:0:0:0:ffff:a9fe:a9fe]/r4",
    "metadata compatible": "http://[::169.254.169.254]/r4",
    "metadata 6to4": "http://[2002:a9fe:a9fe::]/r4",
    "metadata NAT64": "http://[64:ff9b::169.254.169.254]/r4",
    "metadata local NAT64": "http://[64:ff9b:1::a9fe:a9fe]/r4",
    "metadata Teredo": "http://[2001:0:a9fe:a9fe::]/r4",
    "metadata translated": "http://[::ffff:0:a9fe:a9fe]/r4",
    "metadata over IPv6": "http://[fd00:ec2::254]/r4",
    "metadata by name": "http://metadata.google.internal/r4",
    # This machine.
    "any address": "http://0.0.0.0:{p}/r4",
    "zero": "http://0:{p}/r4",
    "any address IPv6": "http://[::]:{p}/r4",
    "short": "http://127.1:{p}/r4",
    "decimal": "http://2130706433:{p}/r4",
    "hexadecimal": "http://0x7f000001:{p}/r4",
    "bare hexadecimal sign": "http://0x:{p}/r4",
    "octal": "http://017700000001:{p}/r4",
    "padded": "http://127.000.000.001:{p}/r4",
    "mapped": "http://[::ffff:127.0.0.1]:{p}/r4",
    "IPv4 in brackets": "http://[127.0.0.1]:{p}/r4",
    "zone": "http://[::1%25lo]:{p}/r4",
    "link-local with zone": "http://[fe80::1%25eth0]:{p}/r4",
    "open bracket": "http://[::1:{p}/r4",
    "future address": "http://[v1.x]:{p}/r4",
    "IPv6 without brackets": "http://::1:{p}/r4",
    "dot at the end": "http://localhost.:{p}/r4",
    "capital and dot": "http://LOCALHOST.:{p}/r4",
    "dot behind an address": "http://127.0.0.1.:{p}/r4",
    "dot before": "http://.localhost:{p}/r4",
    "two dots": "http://127..0.0.1:{p}/r4",
    "below localhost": "http://x.localhost:{p}/r4",
    "localdomain": "http://localhost.localdomain:{p}/r4",
    "name of an address": "http://127.0.0.1.nip.io:{p}/r4",
    # Who is the host?
    "userinfo, then host": "http://ehr.example.org@127.0.0.1:{p}/r4",
    "host, then userinfo": "http://127.0.0.1:{p}@ehr.example.org/r4",
    "user and password": "http://user:pass@127.0.0.1:{p}/r4",
    "empty userinfo": "http://@127.0.0.1:{p}/r4",
    "encoded at sign": "http://ehr.example.org%40127.0.0.1:{p}/r4",
    "fragment, then host": "http://127.0.0.1:{p}#@ehr.example.org/r4",
    "fragment": "http://127.0.0.1:{p}/r4#x",
    "empty fragment": "http://127.0.0.1:{p}/r4#",
    "query": "http://127.0.0.1:{p}/r4?x=y",
    "empty query": "http://127.0.0.1:{p}/r4?",
    "backslash, then host": "http://127.0.0.1:{p}\\@ehr.example.org/r4",
    "backslashes": "http:\\\\127.0.0.1:{p}\\r4",
    "backslash in the path": "http://127.0.0.1:{p}/r4\\x",
    "one slash": "http:/127.0.0.1:{p}/r4",
    "three slashes": "http:///127.0.0.1:{p}/r4",
    "no slashes": "http:127.0.0.1:{p}/r4",
    "scheme-relative": "//127.0.0.1:{p}/r4",
    "no scheme": "127.0.0.1:{p}/r4",
    "only a path": "/r4",
    "empty": "",
    # Characters that some parser drops or translates.
    "space before": " http://127.0.0.1:{p}/r4",
    "space behind": "http://127.0.0.1:{p}/r4 ",
    "tab in the scheme": "ht\ttp://127.0.0.1:{p}/r4",
    "tab in the host": "http://127.0.\t0.1:{p}/r4",
    "line end": "http://127.0.0.1:{p}/r4\n",
    "CR LF in the host": "http://127.0.0.1\r\nX-Injected: 1\r\n:{p}/r4",
    "CR LF in the path": "http://127.0.0.1:{p}/r4 HTTP/1.1\r\nX-Injected: 1\r\n",
    "encoded CR LF": "http://127.0.0.1:{p}/r4%0d%0aX-Injected:%201",
    "NUL": "http://127.0.0.1\0.example.org:{p}/r4",
    "encoded NUL": "http://127.0.0.1%00.example.org:{p}/r4",
    "delete": "http://127.0.0.1\x7f:{p}/r4",
    "full-width letters": "http://ｌｏｃａｌｈｏｓｔ:{p}/r4",
    "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{p}/r4",
    "full-width digits": "http://１２７.0.0.1:{p}/r4",
    "ideographic dots": "http://127。0。0。1:{p}/r4",
    "full-width dots": "http://127．0．0．1:{p}/r4",
    "half-width dots": "http://127｡0｡0｡1:{p}/r4",
    "Cyrillic": "http://lоcalhost:{p}/r4",
    "soft hyphen": "http://local\u00adhost:{p}/r4",
    "zero width": "http://local\u200bhost:{p}/r4",
    "long s": "http://localhoſt:{p}/r4",
    "full-width slash": "http://127.0.0.1:{p}／r4",
    "encoded host": "http://%6c%6f%63%61%6c%68%6f%73%74:{p}/r4",
    "encoded dot": "http://localhost%2e:{p}/r4",
    # Ports.
    "port 0": "http://127.0.0.1:0/r4",
    "port 65536": "http://127.0.0.1:65536/r4",
    "port that overflows": "http://127.0.0.1:99999/r4",
    "long port": "http://127.0.0.1:000080/r4",
    "no port": "http://127.0.0.1:/r4",
    "negative port": "http://127.0.0.1:-1/r4",
    "signed port": "http://127.0.0.1:+{p}/r4",
    "two ports": "http://127.0.0.1:80:{p}/r4",
    "port and text": "http://127.0.0.1:{p}x/r4",
    "space before the port": "http://127.0.0.1: {p}/r4",
    "Arabic port": "http://127.0.0.1:٨٠/r4",
    # Schemes.
    "gopher": "gopher://127.0.0.1:{p}/_GET%20/",
    "file": "file:///etc/passwd",
    "file on a host": "file://127.0.0.1/etc/passwd",
    "ftp": "ftp://127.0.0.1:{p}/r4",
    "dict": "dict://127.0.0.1:{p}/x",
    "ldap": "ldap://127.0.0.1:{p}/x",
    "unix socket": "http+unix://%2Ftmp%2Fx/r4",
    "web socket": "ws://127.0.0.1:{p}/r4",
    "data": "data:application/fhir+json,{{}}",
    "scheme and plus": "https+http://127.0.0.1:{p}/r4",
    "url in front": "url:http://127.0.0.1:{p}/r4",
    # Paths.
    "path that climbs": "http://127.0.0.1:{p}/r4/../admin",
    "path with a dot": "http://127.0.0.1:{p}/./r4",
    "encoded climb": "http://127.0.0.1:{p}/r4/%2e%2e/admin",
    "double slash": "http://127.0.0.1:{p}//r4",
    "percent sign": "http://127.0.0.1:{p}/r%34",
    "too long": "http://127.0.0.1:{p}/" + "r4/" * 3000,
}

# Servers that look like the one that production allows.
LOOK_ALIKES = {
    "suffix": "https://ehr.example.org.evil.test/tenant-a/r4",
    "longer name": "https://ehr.example.orgx/tenant-a/r4",
    "longer label": "https://xehr.example.org/tenant-a/r4",
    "hyphen": "https://ehr-example.org/tenant-a/r4",
    "subdomain": "https://evil.ehr.example.org/tenant-a/r4",
    "parent": "https://example.org/tenant-a/r4",
    "http": "http://ehr.example.org/tenant-a/r4",
    "http on 443": "http://ehr.example.org:443/tenant-a/r4",
    "other port": "https://ehr.example.org:8443/tenant-a/r4",
    "other tenant": "https://ehr.example.org/tenant-b/r4",
    "tenant in capitals": "https://ehr.example.org/TENANT-A/r4",
    "longer tenant": "https://ehr.example.org/tenant-a/r4-admin",
    "shorter tenant": "https://ehr.example.org/tenant-a",
    "root": "https://ehr.example.org",
    "tenant in the query": "https://ehr.example.org/?/tenant-a/r4",
    "tenant that climbs": "https://ehr.example.org/tenant-a/r4/../../tenant-b/r4",
    "punycode": "https://xn--hr-9ja.example.org/tenant-a/r4",
    "address": f"https://{PUBLIC}/tenant-a/r4",
}

# `{o}` is the port of the right server; what is meant is always beyond http://127.0.0.1:{o}/tenant-a/r4.
NEXT = {
    "canary": "http://127.0.0.1:{p}/tenant-a/r4?page=2",
    "canary by name": "http://localhost:{p}/tenant-a/r4?page=2",
    "same port by name": "http://localhost:{o}/tenant-a/r4?page=2",
    "same port over IPv6": "http://[::1]:{o}/tenant-a/r4?page=2",
    "https": "https://127.0.0.1:{o}/tenant-a/r4?page=2",
    "no port": "http://127.0.0.1/tenant-a/r4?page=2",
    "userinfo": "http://127.0.0.1:{o}@127.0.0.1:{p}/tenant-a/r4?page=2",
    "userinfo, same server": "http://x@127.0.0.1:{o}/tenant-a/r4?page=2",
    "backslash": "http://127.0.0.1:{p}\\@127.0.0.1:{o}/tenant-a/r4",
    "fragment": "http://127.0.0.1:{o}/tenant-a/r4?page=2#x",
    "fragment, then host": "http://127.0.0.1:{p}#@127.0.0.1:{o}/tenant-a/r4",
    "relative": "Observation?page=2",
    "relative query": "?page=2",
    "absolute path": "/tenant-a/r4?page=2",
    "scheme-relative": "//127.0.0.1:{p}/tenant-a/r4?page=2",
    "gopher": "gopher://127.0.0.1:{p}/tenant-a/r4",
    "other tenant": "http://127.0.0.1:{o}/tenant-b/r4?page=2",
    "tenant in capitals": "http://127.0.0.1:{o}/Tenant-A/r4?page=2",
    "prefix of a name": "http://127.0.0.1:{o}/tenant-a/r4x?page=2",
    "above": "http://127.0.0.1:{o}/tenant-a?page=2",
    "root": "http://127.0.0.1:{o}?/tenant-a/r4",
    "climb": "http://127.0.0.1:{o}/tenant-a/r4/../../tenant-b/r4",
    "climb at the end": "http://127.0.0.1:{o}/tenant-a/r4/..",
    "stay": "http://127.0.0.1:{o}/tenant-a/r4/./Patient",
    "many dots": "http://127.0.0.1:{o}/tenant-a/r4/.../x",
    "encoded climb": "http://127.0.0.1:{o}/tenant-a/r4/%2e%2e/%2E%2E/tenant-b/r4",
    "half encoded climb": "http://127.0.0.1:{o}/tenant-a/r4/.%2e/tenant-b/r4",
    "encoded slash": "http://127.0.0.1:{o}/tenant-a/r4/..%2f..%2ftenant-b",
    "encoded backslash": "http://127.0.0.1:{o}/tenant-a/r4/..%5C..%5ctenant-b",
    "twice encoded climb": "http://127.0.0.1:{o}/tenant-a/r4/%252e%252e/tenant-b/r4",
    "overlong dots": "http://127.0.0.1:{o}/tenant-a/r4/%c0%ae%c0%ae/tenant-b/r4",
    "full-width dots": "http://127.0.0.1:{o}/tenant-a/r4/%ef%bc%8e%ef%bc%8e/tenant-b/r4",
    "IIS dots": "http://127.0.0.1:{o}/tenant-a/r4/%u002e%u002e/tenant-b/r4",
    "servlet climb": "http://127.0.0.1:{o}/tenant-a/r4/..;/..;/tenant-b/r4",
    "servlet climb with parameter": "http://127.0.0.1:{o}/tenant-a/r4/..;x=y/tenant-b/r4",
    "servlet climb, encoded": "http://127.0.0.1:{o}/tenant-a/r4/..%3b/tenant-b/r4",
    "servlet stay": "http://127.0.0.1:{o}/tenant-a/r4/.;/Patient",
    "only a parameter": "http://127.0.0.1:{o}/tenant-a/r4/;x/Patient",
    "double slash": "http://127.0.0.1:{o}/tenant-a/r4//127.0.0.1:{p}/",
    "double slash first": "http://127.0.0.1:{o}//tenant-a/r4",
    "two slashes at the end": "http://127.0.0.1:{o}/tenant-a/r4//",
    "backslashes": "http://127.0.0.1:{o}/tenant-a/r4\\..\\..\\tenant-b",
    "encoded tenant": "http://127.0.0.1:{o}/tenant%2Da/r4?page=2",
    "tab": "http://127.0.0.1:{o}/tenant-a/r4/\t../x",
    "CR LF in the path": "http://127.0.0.1:{o}/tenant-a/r4 HTTP/1.1\r\nX-Injected: 1\r\n",
    "CR LF in the query": "http://127.0.0.1:{o}/tenant-a/r4?page=2 HTTP/1.1\r\nX-Injected: 1\r\n",
    "encoded CR LF": "http://127.0.0.1:{o}/tenant-a/r4/%0d%0aX-Injected",
    "line end": "http://127.0.0.1:{o}/tenant-a/r4?page=2\n",
    "space": "http://127.0.0.1:{o}/tenant-a/r4?page=2 3",
    "NUL": "http://127.0.0.1:{o}/tenant-a/r4?page=\0",
    "not ASCII": "http://127.0.0.1:{o}/tenant-a/r4?page=é",
    "half a percent sign": "http://127.0.0.1:{o}/tenant-a/r4/%2",
    "too long": "http://127.0.0.1:{o}/tenant-a/r4?" + "x" * 9000,
    "empty": "",
}

# Addresses to which production does not connect, also where they are on its list.
INSIDE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.254"),
    *("192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:7f00:1", "::ffff:a9fe:a9fe"),
    *("::ffff:a00:1", "::ffff:0:7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::5db8:d822"),
    *("64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::"),
    *("2001:db8::1", "2001:2::1", "2001:10::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1"),
    *("fec0::1", "feff::1", "ff02::1", "ff0e::1", "5f00::1", "4000::1"),
)
OUTSIDE = ("93.184.216.34", "1.1.1.1", "172.32.0.1", "100.128.0.1", PUBLIC_6, "::ffff:5db8:d822")
NOT_ADDRESSES = ("", "localhost", "127.1", "0x7f000001", "1.2.3", "::1::", "1.2.3.4/32", " 1.1.1.1")


def _policies(own: int) -> dict[str, Policy]:
    ehr, here = _base(OWN), _base(f"http://127.0.0.1:{own}/tenant-a/r4")
    return {
        "development": Policy(None, https_only=False, loopback_only=True),
        "development, bases": Policy((here,), https_only=False, loopback_only=True),
        "production": Policy((ehr,)),
        "production, private networks": Policy((ehr,), (ip_network("10.0.0.0/8"),)),
        "production without servers": Policy(()),
    }


def _base(url: str) -> Base:
    base = Base.parse(url)
    assert base is not None
    return base


def _infos(*addresses: str) -> list[tuple[Any, ...]]:
    """What getaddrinfo says."""
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 443, 0, 0))
        if ":" in address
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in addresses
    ]


class Names:
    """A resolver that gives one answer after the other and counts how often it was asked."""

    def __init__(self, *answers: list[tuple[Any, ...]]) -> None:
        self._answers, self.asked = list(answers), 0

    def __call__(self, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """The next answer; the last one again and again."""
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_there_are_enough_vectors() -> None:
    """The tables hold what the threat model asks for."""
    assert len(NEVER) + len(LOOK_ALIKES) + len(NEXT) + len(INSIDE) >= 80


@pytest.mark.parametrize("name", NEVER)
def test_what_is_no_plain_address_is_no_server(
    name: str, canary: Any, ask: Callable[..., Reply]
) -> None:
    """Under no policy: no look-up, no connection."""
    names = Names(_infos("127.0.0.1"))
    server = NEVER[name].format(p=canary.port)
    for policy in _policies(canary.port + 1).values():
        with pytest.raises(Refused):
            ask(server, policy=policy, lookup=names)
    assert (names.asked, canary.connections, canary.all_bytes) == (0, 0, b"")


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_server_that_looks_like_ours_is_not_ours(
    name: str, ask: Callable[..., Reply], internet: Any
) -> None:
    """Scheme, host, port and path have to be those of the list, under every policy."""
    names = Names(_infos(PUBLIC))
    for policy in _policies(1).values():
        with pytest.raises(Refused):
            ask(LOOK_ALIKES[name], policy=policy, lookup=names)
    assert (names.asked, internet.asked) == (0, [])


@pytest.mark.parametrize("name", NEXT)
def test_a_link_that_leaves_the_base_is_not_followed(
    name: str, wire: Callable[..., Any], canary: Any, token: str, development: Policy
) -> None:
    """Neither another server nor another tenant of the same one gets a byte."""
    own = wire(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    base, names = _base(own.base), Names(_infos("127.0.0.1"))
    url = NEXT[name].format(p=canary.port, o=own.port)
    assert not base.covers(url)
    with pytest.raises(Refused):
        Egress(max_bytes=100, lookup=names).get(
            url, base=base, policy=development, deadline=Deadline.after(5), token=token
        )
    assert (names.asked, own.connections, canary.connections) == (0, 0, 0)


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused_in_production(
    address: str, ask: Callable[..., Reply], internet: Any
) -> None:
    """As an address on the list, alone behind a name, and beside a public one."""
    literal = f"https://[{address}]/r4" if ":" in address else f"https://{address}/r4"
    assert not Policy(()).allows(address)
    with pytest.raises(Refused):
        ask(literal, policy=Policy((_base(literal),)))
    for answer in ([address], [PUBLIC, address], [address, PUBLIC], [PUBLIC_6, address]):
        with pytest.raises(Refused):
            ask(OWN, policy=Policy((_base(OWN),)), lookup=Names(_infos(*answer)))
    assert internet.asked == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_allowed_in_production_only(address: str) -> None:
    """On one's own machine nothing but loopback is."""
    assert Policy(()).allows(address)
    assert not Policy(None, loopback_only=True).allows(address)


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A resolver that answers with anything else is not believed."""
    assert not Policy(()).allows(text)
    assert not Policy(None, loopback_only=True).allows(text)


def test_private_networks_are_opened_one_by_one() -> None:
    """Only what is named, also when it comes as a mapped address or with a zone."""
    networks = tuple(map(ip_network, ("10.20.0.0/16", "fd00:1::/32", "fe80::/10")))
    policy = Policy((), networks)
    allowed = ("10.20.1.1", "::ffff:a14:101", "fd00:1::5", "fe80::1%eth0", "93.184.216.34")
    refused = ("10.21.1.1", "::ffff:a15:101", "fd00:2::5", "127.0.0.1", "169.254.169.254")
    assert [policy.allows(address) for address in allowed] == [True] * len(allowed)
    assert [policy.allows(address) for address in refused] == [False] * len(refused)
    everything = Policy((), (ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert not any(everything.allows(each) for each in ("0.0.0.0", "::", "224.0.0.1", "ff02::1"))


def test_loopback_only_means_every_address_of_localhost(
    ask: Callable[..., Reply], internet: Any
) -> None:
    """A hosts file that sends localhost elsewhere gets nothing."""
    for answer in (["10.0.0.1"], ["127.0.0.1", "93.184.216.34"], ["0.0.0.0"], ["::"]):
        with pytest.raises(Refused):
            ask("http://localhost:8080/r4", lookup=Names(_infos(*answer)))
    assert internet.asked == []


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(
    ask: Callable[..., Reply],
    internet: Any,
    wire: Callable[..., Any],
    canary: Any,
    certified: Callable[..., Any],
    token: str,
) -> None:
    """DNS rebinding: the first answer is public, the second inside; the second is never used."""
    ca_file, tls = certified("ehr.example.org")
    right = wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", tls=tls)
    internet.routes = {PUBLIC: right.port, "127.0.0.1": canary.port}
    names = Names(_infos(PUBLIC), _infos("127.0.0.1"))
    egress = Egress(max_bytes=100, lookup=names, ca_file=ca_file)
    policy = Policy((_base(OWN),))
    assert ask(OWN, policy=policy, egress=egress).body == b"ok"
    assert (names.asked, internet.asked) == (1, [PUBLIC])
    with pytest.raises(Refused):
        ask(OWN, policy=policy, egress=egress)
    assert (names.asked, internet.asked) == (2, [PUBLIC])
    assert token.encode() in right.all_bytes
    assert (canary.connections, canary.all_bytes) == (0, b"")


def test_a_private_network_is_reached_where_it_is_allowed(
    ask: Callable[..., Reply],
    internet: Any,
    wire: Callable[..., Any],
    certified: Callable[..., Any],
) -> None:
    """An EHR on premises: its address is private and on the list of the client."""
    ca_file, tls = certified("ehr.example.org")
    right = wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", tls=tls)
    internet.routes = {"10.1.2.3": right.port}
    policy = _policies(1)["production, private networks"]
    reply = ask(OWN, policy=policy, lookup=Names(_infos("10.1.2.3")), ca_file=ca_file)
    assert (reply.body, internet.asked) == (b"ok", ["10.1.2.3"])


def test_production_sends_nothing_without_https(wire: Callable[..., Any], token: str) -> None:
    """Not where a list names such a server, nor where a caller makes its own base (T-15)."""
    server = wire(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    base = _base(server.base)
    policy = Policy((base,), (ip_network("127.0.0.0/8"),))
    with pytest.raises(Refused, match="without https"):
        policy.base_for(server.base)
    with pytest.raises(Refused, match="without https"):
        Egress(max_bytes=100).get(
            base.url, base=base, policy=policy, deadline=Deadline.after(5), token=token
        )
    assert server.connections == 0
