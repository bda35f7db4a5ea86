"""What a commit survives."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """Whether a commit waits until the disk has it; either survives the end of the process.

    `FULL` survives a loss of power too. `NORMAL` may then lose the last commits (SQLite: those
    since the last checkpoint; PostgreSQL: about half a second), and never damages the database.
    """

    FULL = "FULL"
    NORMAL = "NORMAL"
