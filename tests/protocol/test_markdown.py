"""Text from a chart on a card: one visible line, whatever came, and however much of it."""

from __future__ import annotations

import time

import pytest

from cds_service.protocol.markdown import plain, quote


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("a b", 10, "a b"),
        (" é  b\n", 10, "é b"),
        ("abcdef", 5, "abcd…"),
        ("éabcdef", 5, "éabc…"),
        ("\u202e" * 99 + "é", 5, "é"),
        ("\u202e" * 101 + "é", 5, "…"),
        ("é" + "\u202e" * 100, 5, "é…"),
        ("x" * 1_000_000, 5, "xxxx…"),
    ],
)
def test_plain(text: str, limit: int, shown: str) -> None:
    """What is not shown to its end says so, also where the rest was not looked at."""
    assert plain(text, limit) == shown


def test_a_megabyte_on_each_of_a_hundred_cards() -> None:
    """Only the beginning of a text is looked at."""
    text = "é" * 1_000_000
    began = time.process_time()
    assert {quote(text, 40) for _ in range(100)} == {f"`{'é' * 39}…`"}
    assert time.process_time() - began < 5
