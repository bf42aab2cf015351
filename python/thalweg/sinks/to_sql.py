"""Writing elements to a table."""

from __future__ import annotations

from thalweg._thalweg import sql
from thalweg.database import check_database
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_names
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import OnError, Placement
    from thalweg.database import Database


@Stream.register_api()
class to_sql(Sink[T]):
    """Write elements to a table of a database, one transaction per batch.

    A batch is the elements that arrived during the transaction before.

    An element is a dict, a dataclass, a named tuple, or a tuple for the `columns`; the rows of a data frame of pandas,
    Polars or Arrow are written together. Values are numbers, text, bytes, booleans and None, as which missing ones of
    pandas count; times, UUIDs and decimals become text, which PostgreSQL converts to the column's type. An element is
    acknowledged when its transaction is committed. If the database refuses a row, the others of its batch are written,
    and its element fails, see `on_error`. Names of tables and columns are quoted, and values are bound: neither is
    parsed as SQL.

    Parameters
    ----------
    database: Database or str
        The database, or its URL: ``sqlite:`` and a file name, or ``postgres://…``.
    table: str
        The name of the table.
    key: str or list
        Columns of a primary key or a unique index: a row updates the one with the same key.
    create: bool
        Whether to create the table if it does not exist, with the columns of the first row and types for its values.
        `key` is the primary key.
    columns: list
        The columns for elements that are plain tuples.
    max_len: int
        Maximum elements per transaction; as many may wait for it.
    on_error:
        How to handle an element that cannot be written, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        The URL's scheme is not supported.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Database, Stream
    >>> database = Database("sqlite::memory:")
    >>> source = Stream()
    >>> node = source.to_sql(database, "words", key="word", create=True)
    >>> for word in ["river", "bed", "river"]:
    ...     source.emit({"word": word, "length": len(word)})
    >>> source.drain()
    >>> async def read():
    ...     rows = Stream.from_sql(database, "SELECT * FROM words", "word", asynchronous=True)
    ...     L = rows.sink_to_list()
    ...     rows.start()
    ...     await rows.finished()
    ...     return L
    >>> asyncio.run(read())
    [{'word': 'bed', 'length': 3}, {'word': 'river', 'length': 5}]

    See Also
    --------
    from_sql, sink_batches
    """

    def __init__(
        self,
        upstream: Stream[T],
        database: Database | str,
        table: str,
        *,
        key: str | Iterable[str] = (),
        create: bool = False,
        columns: Iterable[str] | None = None,
        max_len: int = 4096,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(table, str) or not table:
            raise ValueError(f"to_sql: `table` is text that is not empty, not {table!r}")
        self.table: str = table
        self._key = _names(key, "key")
        self._create = bool(create)
        self._columns = None if columns is None else _names(columns, "columns")
        self._max_len = check_count(max_len, "to_sql", "max_len")
        self._database = check_database(database, "to_sql")
        super().__init__(upstream, on_error=on_error, **kwargs)

    def _build(self, placement: Placement) -> None:
        sql.to_sql(placement, self._database, self.table, self._columns, self._key, self._create, self._max_len)


def _names(names: str | Iterable[str], argument: str) -> list[str]:
    checked = check_names(names, "to_sql", argument)
    for name in checked:
        if not isinstance(name, str):
            raise TypeError(f"to_sql: `{argument}` is made of names of columns, not {name!r}")
    return checked
