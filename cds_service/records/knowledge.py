"""Which knowledge a decision was made with, as a short name that changes whenever it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_DIGITS = 16


def knowledge_hash(about: Mapping[str, Any]) -> str:
    """The beginning of the SHA-256 over everything that a service says it knows.

    Two editions of the same ruleset version, or a wheel that was changed by hand, differ.
    """
    text = json.dumps(about, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
