"""Makes a picture of a page small: few colours, told by a palette. Standard library only.

A page has a few hundred colours that matter; the rest are shades at the edges of letters, which
take the nearest colour of the palette.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256
_CHANNELS = {2: 3, 6: 4}


def with_palette(png: bytes) -> bytes:
    """The same picture with at most 256 colours; takes 8-bit RGB or RGBA without interlacing."""
    header, data = b"", b""
    for kind, content in _chunks(png):
        header = content if kind == b"IHDR" else header
        data += content if kind == b"IDAT" else b""
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if depth != 8 or colour not in _CHANNELS or interlace:
        raise ValueError("only 8-bit RGB or RGBA without interlacing")
    rows = list(_rows(zlib.decompress(data), width, height, _CHANNELS[colour]))
    counts = Counter(pixel for row in rows for pixel in row)
    palette = [pixel for pixel, _ in counts.most_common(_COLOURS)]
    index = {pixel: _nearest(pixel, palette) for pixel in counts}
    lines = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += 12 + length


def _rows(data: bytes, width: int, height: int, channels: int) -> Iterator[list[bytes]]:
    """The rows as colours, their filters undone (PNG specification, 9.2)."""
    size = width * channels
    above = bytearray(size)
    for number in range(height):
        start = number * (size + 1)
        kind, line = data[start], bytearray(data[start + 1 : start + 1 + size])
        for place in range(size if kind else 0):
            left = line[place - channels] if place >= channels else 0
            up = above[place]
            corner = above[place - channels] if place >= channels else 0
            guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
            line[place] = (line[place] + guess) & 0xFF
        yield [bytes(line[place : place + 3]) for place in range(0, size, channels)]
        above = line


def _paeth(left: int, up: int, corner: int) -> int:
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner


def _nearest(pixel: bytes, palette: list[bytes]) -> int:
    return min(
        range(len(palette)),
        key=lambda at: sum((a - b) ** 2 for a, b in zip(pixel, palette[at], strict=True)),
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
