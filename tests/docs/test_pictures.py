"""The pictures of the README: there, small enough to load, and made small without being changed."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_BYTES = 300_000


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _png(width: int, height: int, colour: int, lines: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_pictures_of_the_readme() -> None:
    """Each picture that the README shows exists, with words for those who do not see it."""
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert {path for _, path in shown} >= {"docs/images/console.png", "docs/images/card.png"}
    for words, path in shown:
        assert len(words) > 20
        picture = ROOT / path
        assert picture.is_file()
        assert picture.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize(
    ("colour", "lines"),
    [
        # Red, green / red, blue: without a filter, from the left, from above, mean, Paeth.
        (2, b"\0\xff\0\0\0\xff\0\0\xff\0\0\0\0\xff"),
        (2, b"\0\xff\0\0\0\xff\0\1\xff\0\0\1\0\xff"),
        (2, b"\1\xff\0\0\1\xff\0\2\0\0\0\0\1\xff"),
        (2, b"\0\xff\0\0\0\xff\0\3\x80\0\0\x81\x81\xff"),
        (2, b"\0\xff\0\0\0\xff\0\4\0\0\0\0\1\xff"),
        (6, b"\0\xff\0\0\xff\0\xff\0\xff\1\xff\0\0\xff\1\0\xff\0"),
    ],
)
def test_palette_keeps_the_colours(
    monkeypatch: pytest.MonkeyPatch, colour: int, lines: bytes
) -> None:
    """A picture of few colours is the same picture afterwards, whatever filters it had."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    monkeypatch.delitem(sys.modules, "png", raising=False)
    from png import with_palette

    small = with_palette(_png(2, 2, colour, lines))
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position < len(small):
        (length,) = struct.unpack_from(">I", small, position)
        chunks[small[position + 4 : position + 8]] = small[position + 8 : position + 8 + length]
        position += 12 + length
    palette, data = chunks[b"PLTE"], zlib.decompress(chunks[b"IDAT"])
    found = [palette[3 * at : 3 * at + 3] for at in (data[1], data[2], data[4], data[5])]
    assert found == [b"\xff\0\0", b"\0\xff\0", b"\xff\0\0", b"\0\0\xff"]
