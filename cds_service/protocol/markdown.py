"""Text from a chart, made harmless before it stands on a card."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LOOKED_AT = 20
"""Of a text, so many times the length that is shown: it may be a megabyte, and on every card."""


def plain(text: object, limit: int = 120) -> str:
    """One line of visible characters: controls and direction overrides removed, length capped."""
    whole = str(text)
    line = whole[: limit * _LOOKED_AT]
    if line.isprintable() and line.isascii() and "  " not in line:
        line = line.strip()  # nothing to take out: almost every text of a chart
        return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    is_cut = len(whole) > len(line)
    visible = "".join(
        " " if character.isspace() else character
        for character in line
        if character.isspace() or unicodedata.category(character) not in _HIDDEN
    )
    line = _SPACE.sub(" ", visible).strip()
    return line if len(line) <= limit and not is_cut else line[: limit - 1].rstrip() + "…"


def quote(text: object, limit: int = 120) -> str:
    """Text as an inline code span, in which Markdown knows no link, HTML, image or emphasis.

    The two characters that could end the span or a table cell are replaced by look-alikes.
    """
    line = plain(text, limit).replace("`", "ˋ").replace("|", "¦")
    return f"`{line}`" if line else "`(empty)`"
