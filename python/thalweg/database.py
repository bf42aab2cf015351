"""Databases to write rows to, read rows from, and keep the positions of sources in."""

from __future__ import annotations

from thalweg._thalweg import sql


class Position:
    """The position of a source: everything up to it is done.

    Returned by `Database.position` and `Files.position`.

    Examples
    --------
    >>> from thalweg import Database
    >>> position = Database("sqlite::memory:").position("feed")
    >>> position
    Position('feed', None)
    """

    def __init__(self, kept: sql.Position) -> None:
        self._kept = kept

    @property
    def name(self) -> str:
        """Name of the position in its store."""
        return self._kept.name

    @property
    def value(self) -> str | None:
        """Where the source continues: after the element with this value. ``None`` at the beginning."""
        return self._kept.value

    @property
    def in_flight(self) -> int:
        """Number of elements from the oldest unfinished one on."""
        return self._kept.in_flight

    @property
    def oldest(self) -> tuple[str, float] | None:
        """Value of the oldest unfinished element, and when it was sent, in seconds of the pipeline's clock."""
        return self._kept.oldest

    def __repr__(self) -> str:
        return f"Position({self.name!r}, {self.value!r})"


class Database:
    """A database that `to_sql` writes to and `from_sql` reads from, and that keeps positions of sources.

    It has one connection and one thread, which ends with the last object that uses it.

    Parameters
    ----------
    url: str
        ``sqlite:`` and a file name, created if it does not exist, or ``sqlite::memory:``; or
        ``postgres://user:password@host:port/database``, with libpq's options after a question mark. Connections to
        other machines use TLS if the server offers it; with ``sslmode=require`` they fail otherwise.

    Raises
    ------
    ValueError
        The scheme of `url` is not supported.
    PipelineError
        The file cannot be opened or is not a database, or the server cannot be reached or refuses the login.

    Examples
    --------
    A pipeline that can be killed at any moment and started again: each line is a row, once.

    >>> import asyncio, os, tempfile
    >>> from thalweg import Database, Stream
    >>> async def copy(log, url):
    ...     database = Database(url)
    ...     position = database.position("log")
    ...     lines = Stream.from_textfile(log, position=position, asynchronous=True)
    ...     lines.map(lambda line: {"line": line.strip()}).to_sql(database, "lines", create=True)
    ...     lines.start()
    ...     while position.value != str(os.path.getsize(log)):
    ...         await asyncio.sleep(0.01)
    ...     await lines.drain()
    >>> async def read(url):
    ...     rows = Stream.from_sql(url, "SELECT line FROM lines", "line", asynchronous=True)
    ...     L = rows.sink_to_list()
    ...     rows.start()
    ...     await rows.finished()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log, url = os.path.join(folder, "log"), f"sqlite:{folder}/lines.db"
    ...     with open(log, "w") as file:
    ...         print("one", "two", sep="\\n", file=file)
    ...     for _ in range(2):
    ...         asyncio.run(copy(log, url))
    ...     asyncio.run(read(url))
    [{'line': 'one'}, {'line': 'two'}]
    """

    def __init__(self, url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"Database: `url` is text, not {url!r}")
        self._opened = sql.Database(url)

    @property
    def url(self) -> str:
        """The URL without secrets."""
        return self._opened.url

    def position(self, name: str) -> Position:
        """Return the position with this name, for one source of one pipeline.

        Sinks that write to this database store it in the transactions that contain the results of the source's
        elements. Nothing is lost or doubled if the source yields the same elements again after a position, and the
        pipeline makes the same rows of each element, or of non-overlapping groups. Python nodes with their own `update`
        do not pass positions on.

        Examples
        --------
        >>> from thalweg import Database
        >>> Database("sqlite::memory:").position("feed").value is None
        True
        """
        return Position(self._opened.position(name))

    def __repr__(self) -> str:
        return f"Database({self.url!r})"


def check_database(database: Database | str, operator: str) -> sql.Database:
    """Return a database, opened if it is given by its URL.

    Examples
    --------
    >>> from thalweg.database import check_database
    >>> check_database(7, "to_sql")
    Traceback (most recent call last):
    TypeError: to_sql: `database` is a Database or its URL, not 7
    """
    if isinstance(database, str):
        database = Database(database)
    if not isinstance(database, Database):
        raise TypeError(f"{operator}: `database` is a Database or its URL, not {database!r}")
    return database._opened


def check_position(position: Position | None, operator: str) -> sql.Position | None:
    """Return a position, if there is one.

    Examples
    --------
    >>> from thalweg.database import check_position
    >>> check_position(7, "from_sse")
    Traceback (most recent call last):
    TypeError: from_sse: `position` is one of a Database or of Files, not 7
    """
    if position is None:
        return None
    if not isinstance(position, Position):
        raise TypeError(f"{operator}: `position` is one of a Database or of Files, not {position!r}")
    return position._kept
