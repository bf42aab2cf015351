"""Documents of MongoDB, and their changes."""

from __future__ import annotations

from thalweg.database import check_position
from thalweg.runtime.intervals import check_interval
from thalweg.sinks.mongodb_documents import MongoDbChange, Types, make_collection, name_operator
from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval
    from thalweg.database import Position


@Stream.register_api(staticmethod)
class from_mongodb(Source["Any"]):
    """Emit the documents of a collection of MongoDB as they change, or those that are there, as dicts.

    Without a `cursor` changes are read as they happen, from the start of the source on, by a change stream, which
    replica sets of MongoDB have. A document that was changed is emitted as it is when that is read; one that was
    deleted is not, see `changes`. A server without change streams ends the source, with an error that says so.

    With a `cursor` the documents that are there are read, in the order of that field, and with `poll` those that come.
    Documents that get a smaller one than the last that was read are not seen.

    A connection that is lost is a failure of this node, once, and is made again with longer and longer pauses of up to
    30 s. A login that is refused ends the source.

    Parameters
    ----------
    uri: str
        The server: ``mongodb://user:password@host:port/``, with the options of all drivers behind a question mark.
    database: str
        The database.
    collection: str
        The collection.
    changes: bool
        Whether elements are :class:`~thalweg.sources.MongoDbChange`, those of deleted documents too.
    cursor: str
        A field that tells documents apart and grows: ``"_id"``, say.
    after:
        The value of the cursor to go on after at first.
    poll: number or text
        How often to ask for more: seconds, or a length of time such as ``"1s"``. Without it the source ends with the
        last document.
    position: Position
        Where the source goes on, and what it moves: see :meth:`Database.position <thalweg.Database.position>`.
    wait: number or text
        How long to wait before a server that cannot be reached is tried again. It doubles each time, up to 30 seconds.

    Raises
    ------
    ValueError
        An argument is wrong.

    Examples
    --------
    >>> from thalweg import Stream
    >>> edits = Stream.from_mongodb("mongodb://localhost", "feed", "edits", cursor="_id", poll="1s")
    >>> L = edits.pluck("title").sink_to_list()
    >>> edits.start()  # doctest: +SKIP
    >>> edits.collection
    'edits'

    See Also
    --------
    to_mongodb, from_sql
    """

    def __init__(
        self,
        uri: str,
        database: str,
        collection: str,
        *,
        changes: bool = False,
        cursor: str | None = None,
        after: Any = None,
        poll: Interval | None = None,
        position: Position | None = None,
        wait: Interval = "100ms",
        **kwargs: Any,
    ) -> None:
        self.collection: str = collection
        seconds = None if poll is None else check_interval(poll, "from_mongodb", "poll")
        kept = check_position(position, "from_mongodb")
        opened = make_collection("from_mongodb", uri, database, collection, wait=wait)
        make = MongoDbChange if changes else None
        self._documents = name_operator("from_mongodb", opened.changes, Types, cursor, after, seconds, kept, make)
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit documents until stopped, or until there are no more."""
        await self._run_in_rust(self._documents)
