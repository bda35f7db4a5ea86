"""Which addresses are plain bases, how they are spelled, and what lies below them."""

from __future__ import annotations

import pytest

from cds_service.egress import Base

PLAIN = [
    ("https://ehr.example.org", "https://ehr.example.org"),
    ("https://ehr.example.org/", "https://ehr.example.org"),
    ("HTTPS://EHR.Example.ORG:443/r4/", "https://ehr.example.org/r4"),
    ("http://ehr.example.org:80/R4", "http://ehr.example.org/R4"),
    ("http://ehr.example.org:443/r4", "http://ehr.example.org:443/r4"),
    ("https://ehr_1.example.org:08443/r4", "https://ehr_1.example.org:8443/r4"),
    ("https://xn--bcher-kva.example/r4", "https://xn--bcher-kva.example/r4"),
    ("https://93.184.216.34/r4", "https://93.184.216.34/r4"),
    ("https://[2606:2800:0220:0001::0001]:8443/r4", "https://[2606:2800:220:1::1]:8443/r4"),
    ("http://[::1]:8080/a;b/r4", "http://[::1]:8080/a;b/r4"),
    ("https://ehr.example.org/a..b/.well/r4.", "https://ehr.example.org/a..b/.well/r4."),
]
BELOW = [
    ("https://ehr.example.org/a/r4", "https://ehr.example.org/a/r4"),
    ("https://ehr.example.org/a/r4", "https://ehr.example.org/a/r4/"),
    ("https://ehr.example.org/a/r4", "https://ehr.example.org/a/r4?_getpages=1"),
    ("https://ehr.example.org/a/r4", "HTTPS://EHR.EXAMPLE.ORG:443/a/r4/Patient/1"),
    ("https://ehr.example.org/a/r4", "https://ehr.example.org/a/r4/Observation?c=a%7Cb&d=../.."),
    ("https://ehr.example.org/a/r4", "https://ehr.example.org/a/r4/Patient/a%7Eb"),
    ("https://ehr.example.org", "https://ehr.example.org/anything/at/all?x=http://evil.test/"),
    ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/r4/Patient/1"),
]


@pytest.mark.parametrize(("text", "spelled"), PLAIN)
def test_plain_addresses_have_one_spelling(text: str, spelled: str) -> None:
    """Case, default port, last slash and long forms of IPv6 make no difference."""
    base = Base.parse(text)
    assert base is not None
    assert base.url == spelled
    assert Base.parse(spelled) == base


@pytest.mark.parametrize(("base", "url"), BELOW)
def test_a_base_covers_itself_and_what_is_below(base: str, url: str) -> None:
    """A query may hold anything that can be printed."""
    parsed = Base.parse(base)
    assert parsed is not None
    assert parsed.covers(url)
