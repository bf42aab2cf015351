"""Elements as documents of MongoDB."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.mongodb_documents import make_collection
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class to_mongodb(Sink[T]):
    """Write elements to a collection of MongoDB; those that have come meanwhile together.

    An element is a dict, a dataclass or a named tuple. Values are dicts, lists, numbers, text, bytes, truth values and
    None, times, UUIDs, decimals, and ids of PyMongo's or :class:`~thalweg.sources.ObjectId`. A document without an
    ``_id`` gets one before it is sent.

    An element is acknowledged when the server has said that it has written it. If the connection is lost before that,
    it is sent again, and is there once. If the server refuses a document, the others of its batch are written, and the
    failure is that of its element, see `on_error`. A server that cannot be reached is tried again; then it is the
    failure of this node.

    Parameters
    ----------
    uri: str
        The server: ``mongodb://user:password@host:port/``, with the options of all drivers behind a question mark,
        ``?tls=true&tlsCAFile=ca.pem`` say.
    database: str
        The database.
    collection: str
        The collection.
    key: str or list
        Fields: a document takes the place of the one with the same values of these, if there is one. The collection
        should have a unique index of them.
    ordered: bool
        Whether the documents are written in the order in which they come. Otherwise the server may choose another one.
    retries: int
        How often a server that cannot be reached is tried again.
    wait: number or text
        How long to wait before that. It doubles each time, up to 30 seconds.
    max_batch: int
        The most elements that are written together; as many may wait for it.
    on_error:
        What is done about an element that cannot be written, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An argument is wrong.

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

    def _blueprint(self) -> _thalweg.Blueprint:
        return self._opened.sink(self._max_batch)
