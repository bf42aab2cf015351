"""Documents of MongoDB, or their changes."""

from __future__ import annotations

from thalweg.database import check_position
from thalweg.runtime.intervals import check_interval
from thalweg.sinks.mongodb_documents import MongoDbChange, ObjectId, Types, make_collection, name_operator
from thalweg.sources.source import Source
from thalweg.stream import Stream

__all__ = ["MongoDbChange", "ObjectId", "from_mongodb"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval
    from thalweg.database import Position


@Stream.register_api(staticmethod)
class from_mongodb(Source["Any"]):
    """Emit the documents of a MongoDB collection as they change, or existing ones, as dicts.

    Without a `cursor`, changes are read as they happen, from the start of the source on, by a change stream, which
    replica sets of MongoDB have. A changed document is emitted as it is when the change is read; a deleted one is not
    emitted, see `changes`. On a server without change streams the source ends with an error that says so.

    With a `cursor`, existing documents are read in the order of that field, and with `poll` those added later.
    Documents that get a smaller value than the last one read are missed.

    A lost connection is a failure of this node, reported once; the source reconnects with growing pauses of up to 30 s.
    A refused login ends the source.

    Parameters
    ----------
    uri: str
        The server: ``mongodb://user:password@host:port/``, with the options of all drivers after a question mark.
    database: str
        The database.
    collection: str
        The collection.
    changes: bool
        Whether elements are :class:`~thalweg.sources.MongoDbChange`, including those of deleted documents.
    cursor: str
        A unique, growing field such as ``"_id"``.
    after:
        Start after this value of the cursor.
    poll: number or text
        Interval of queries for new documents: seconds, or a duration such as ``"1s"``. Without it the source ends with
        the last document.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`.
    wait: number or text
        Pause before the first reconnect. It doubles each time, up to 30 seconds.

    Raises
    ------
    ValueError
        An argument is invalid.

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
