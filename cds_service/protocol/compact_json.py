"""JSON as it is sent: UTF-8, no blanks."""

from __future__ import annotations

import json

import orjson


def dumps(document: object, *, sort_keys: bool = False) -> bytes:
    """A document as bytes; raises TypeError for what JSON cannot hold."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except orjson.JSONEncodeError:  # it cannot write whole numbers beyond 64 bits
        text = json.dumps(document, sort_keys=sort_keys, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")
