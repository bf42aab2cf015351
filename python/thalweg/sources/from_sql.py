"""Rows of a database query."""

from __future__ import annotations

from thalweg._thalweg import sql
from thalweg.database import check_database, check_position
from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval
    from thalweg.database import Database, Position


@Stream.register_api(staticmethod)
class from_sql(Source["dict[str, Any]"]):
    """Emit the rows of a query, ordered by one of its columns, as dicts.

    At most 1024 rows are read at once; the next are read when the pipeline has taken these. Stopped and started again,
    the source continues after the last row emitted. A row that a slower transaction adds with a smaller cursor than one
    already read is missed.

    Parameters
    ----------
    database: Database or str
        The database, or its URL: ``sqlite:`` and a file name, or ``postgres://…``.
    query: str
        ``SELECT …``
    cursor: str
        A unique column that shows which rows are new, for example an id. Rows where it is null are not read.
    after:
        Start after this value of the cursor.
    poll: number or text
        Interval of queries for new rows: seconds, or a duration such as ``"1s"``. Without it the source ends with the
        last row.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`.

    Raises
    ------
    ValueError
        The URL's scheme is not supported.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Database, Stream
    >>> database = Database("sqlite::memory:")
    >>> events = Stream()
    >>> node = events.to_sql(database, "events", columns=["id", "text"], create=True)
    >>> events.emit_many([(1, "one"), (2, "two")])
    >>> events.drain()
    >>> async def read():
    ...     rows = Stream.from_sql(database, "SELECT * FROM events", "id", after=1, asynchronous=True)
    ...     L = rows.sink_to_list()
    ...     rows.start()
    ...     await rows.finished()
    ...     return L
    >>> asyncio.run(read())
    [{'id': 2, 'text': 'two'}]

    See Also
    --------
    to_sql
    """

    def __init__(
        self,
        database: Database | str,
        query: str,
        cursor: str,
        *,
        after: Any = None,
        poll: Interval | None = None,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        for name, text in [("query", query), ("cursor", cursor)]:
            if not isinstance(text, str) or not text:
                raise ValueError(f"from_sql: `{name}` is text that is not empty, not {text!r}")
        self.query: str = query
        seconds = None if poll is None else check_interval(poll, "from_sql", "poll")
        kept = check_position(position, "from_sql")
        self._rows = sql.from_sql(check_database(database, "from_sql"), query, cursor, after, seconds, kept)
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit rows until stopped, or until there are no more."""
        await self._run_in_rust(self._rows)
