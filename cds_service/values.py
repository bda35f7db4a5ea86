"""Value objects that cost little to make: a hook call makes a hundred of them.

A frozen dataclass sets each field through a function call, which takes four times as long as an
ordinary one. So a class that is declared frozen is frozen for the type checker, which refuses every
assignment in this code base (`make check`), and open at run time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool = False, **options: Any) -> Callable[[type], type]:
        """`dataclasses.dataclass` for value objects; equal ones have the same hash."""
        return dataclasses.dataclass(**options, unsafe_hash=frozen and options.get("eq", True))
