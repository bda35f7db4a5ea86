"""Many rows in one statement: what is written behind each answer must cost next to nothing.

A statement of its own for each row would hand the interpreter's lock to and fro as often, and the
requests of the same process wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Table

AT_MOST = 256
"""Rows of one statement; both databases allow at least 32,000 values in one."""


def insert_all(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows that have a value for each column of the table, in the table's order."""
    dialect = connection.dialect
    head, mark, processors = _plan(table, dialect)
    for part in _parts(rows):
        statement = f"{head} VALUES {','.join([mark] * len(part))}"
        for position, process in processors:
            part = [(*row[:position], process(row[position]), *row[position + 1 :]) for row in part]
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Powers of two: drivers keep statements prepared, and there must be few different ones."""
    start = 0
    while start < len(rows):
        size = min(AT_MOST, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=16)
def _plan(
    table: Table, dialect: Dialect
) -> tuple[str, str, tuple[tuple[int, Callable[[Any], Any]], ...]]:
    """The statement's beginning, the marks of a row, and what turns values into the driver's."""
    quote = dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in table.columns)
    one = "?" if dialect.paramstyle == "qmark" else "%s"
    found = (
        (position, column.type.dialect_impl(dialect).bind_processor(dialect))
        for position, column in enumerate(table.columns)
    )
    return (
        f"INSERT INTO {quote(table.name)} ({names})",
        f"({','.join([one] * len(table.columns))})",
        tuple((position, process) for position, process in found if process is not None),
    )
