"""Databases that rows are written to and read from, and that keep the positions of sources."""

from __future__ import annotations

from thalweg._thalweg import sql


class Position:
    """How far a source has got: everything up to it has been dealt with.

    `Database.position` and `Files.position` make one.

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
        """The name of the position where it is kept."""
        return self._kept.name

    @property
    def value(self) -> str | None:
        """Where the source goes on: behind the element with this value. ``None`` at the beginning."""
        return self._kept.value

    @property
    def in_flight(self) -> int:
        """How many elements have been sent and are not known to be done."""
        return self._kept.in_flight

    @property
    def oldest(self) -> tuple[str, float] | None:
        """The value of the oldest element that is not done, and when it was sent, in seconds of the pipeline."""
        return self._kept.oldest

    def __repr__(self) -> str:
        return f"Position({self.name!r}, {self.value!r})"


class Database:
    """A database, which `to_sql` writes to, `from_sql` reads from, and where positions of sources are kept.

    It has one connection, and a thread that works for it, which ends with the last object that uses it.

    Parameters
    ----------
    url: str
        ``sqlite:`` and the name of a file, which is made if there is none, or ``sqlite::memory:``; or
        ``postgres://user:password@host:port/database``, with libpq's options behind a question mark. A server that is
        not on this machine is asked for TLS; with ``sslmode=require`` there is no other way.

    Raises
    ------
    ValueError
        `url` is another one.
    PipelineError
        The file can't be opened, or is no database, or the server can't be reached, or refuses.

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
        """The URL, without any secret."""
        return self._opened.url

    def position(self, name: str) -> Position:
        """Return the position of this name, for one source of one pipeline.

        It is kept by the sinks that write to this database what was made of the source's elements, in the same
        transactions. Nothing is lost and nothing is doubled if the source gives the same elements again behind a
        position, and the pipeline makes the same rows of each element, or of groups that do not overlap. Nodes written
        in Python with an `update` of their own do not pass positions on.

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
    """Return a database, which is opened if it is given by its URL.

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
