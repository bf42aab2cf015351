"""Writing elements to MongoDB."""

from __future__ import annotations

from thalweg.sinks.mongodb_documents import make_collection
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_mongodb(Sink[T]):
    """Write elements to a MongoDB collection, grouping those that arrive meanwhile.

    An element is a dict, a dataclass or a named tuple. Values are dicts, lists, numbers, text, bytes, booleans and
    None, times, UUIDs, decimals, and ids of PyMongo or :class:`~thalweg.sources.ObjectId`. A document without an
    ``_id`` gets one before it is sent.

    An element is acknowledged when the server has confirmed the write. If the connection is lost before that, the
    document is sent again, and stored once. If the server refuses a document, the others of its batch are written, and
    its element fails, see `on_error`. If the server stays unreachable after the retries, that is a failure of this
    node.

    Parameters
    ----------
    uri: str
        The server: ``mongodb://user:password@host:port/``, with the options of all drivers after a question mark, such
        as ``?tls=true&tlsCAFile=ca.pem``.
    database: str
        The database.
    collection: str
        The collection.
    key: str or list
        Fields: a document replaces the one with the same values of these, if there is one. The collection should have a
        unique index of them.
    ordered: bool
        Whether documents are written in order. Otherwise the server may choose another order.
    retries: int
        Number of retries when the server cannot be reached.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    max_batch: int
        Maximum elements per batch; as many may wait for it.
    on_error:
        How to handle an element that cannot be written, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An argument is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.to_mongodb("mongodb://localhost", "feed", "edits", key="title")
    >>> source.emit({"title": "Elbe", "bot": False})  # doctest: +SKIP

    See Also
    --------
    from_mongodb, to_sql
    """

    def __init__(
        self,
        upstream: Stream[T],
        uri: str,
        database: str,
        collection: str,
        *,
        key: str | Iterable[str] = (),
        ordered: bool = True,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 4096,
        **kwargs: Any,
    ) -> None:
        self.collection: str = collection
        self._max_batch = check_count(max_batch, "to_mongodb", "max_batch")
        self._opened = make_collection(
            "to_mongodb", uri, database, collection, key=key, ordered=ordered, retries=retries, wait=wait
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        self._opened.sink(placement, self._max_batch)
