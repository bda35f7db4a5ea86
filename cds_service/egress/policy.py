"""Where the requests of one client may go: which servers, and which addresses behind the names."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cds_service.egress.base import Base
from cds_service.egress.errors import Refused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_ALLOWED = "FHIR server not allowed"
_EMBEDDING = tuple(map(ip_network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")))
"""6to4, Teredo, NAT64: an IPv4 address is hidden in them."""
_INWARD = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "fec0::/10"))
)
"""Global to `ipaddress`, yet answered inside: metadata of Oracle and Azure, relays, site-local."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where one client's requests may go.

    `bases` of None allows any server; together with `loopback_only` that is development on one's
    own machine. Addresses that are not public are allowed inside `private_networks` only.
    """

    bases: tuple[Base, ...] | None
    private_networks: tuple[Network, ...] = ()
    https_only: bool = True
    loopback_only: bool = False

    def base_for(self, server: str) -> Base:
        """The base of a server that a request names; raises Refused unless it is allow-listed.

        Allowed are the entries themselves and what lies below them: tenants of one server.
        """
        base = Base.parse(server)
        if base is None:
            raise Refused("FHIR server address is not plain")
        if self.https_only and base.scheme != "https":
            raise Refused("FHIR server without https")
        if self.loopback_only and not _is_loopback_host(base.host):
            raise Refused(_NOT_ALLOWED)
        if self.bases is not None and not any(entry.covers(base.url) for entry in self.bases):
            raise Refused(_NOT_ALLOWED)
        return base

    def allows(self, text: str) -> bool:
        """Whether a connection may be made to an address, as a resolver gives it."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_multicast or address.is_unspecified:
            return False
        if self.loopback_only:
            return address.is_loopback
        if any(address in network for network in self.private_networks):
            return True
        is_special = any(address in network for network in (*_EMBEDDING, *_INWARD))
        return address.is_global and not address.is_reserved and not is_special


def _is_loopback_host(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
