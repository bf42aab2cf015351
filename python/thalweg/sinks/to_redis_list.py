"""Appending elements to a Redis list."""

from __future__ import annotations

from thalweg.sinks.redis_keys import make_key
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.client_files import client_files
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_redis_list(Sink[T]):
    """Append elements, text or bytes, to a Redis list, grouping those that arrive meanwhile.

    An element is acknowledged when the server has confirmed it. If the connection is lost before that, it is written
    again, and may be duplicated. If the server stays unreachable after the retries, that is a failure of this node, see
    `on_error`.

    Parameters
    ----------
    url: str
        The server: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
    key: str
        The key of the list.
    retries: int
        Number of retries when the server cannot be reached.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    ca_certs: path
        Uses TLS, and verifies the server's certificate against this PEM file instead of the system's certificates.
    certfile, keyfile: path
        Uses TLS with this client certificate, and its key, if that is another file.
    max_batch: int
        Maximum elements written together; as many may wait.
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
    >>> node = source.to_redis_list("redis://localhost", "readings")
    >>> source.emit("20.5")  # doctest: +SKIP

    See Also
    --------
    from_redis_list, to_redis_stream
    """

    def __init__(
        self,
        upstream: Stream[T],
        url: str,
        key: str,
        *,
        retries: int = 10,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> None:
        self.key: str = key
        self._max_batch = check_count(max_batch, "to_redis_list", "max_batch")
        files = client_files(ca_certs, certfile, keyfile, "to_redis_list")
        self._opened = make_key(
            "to_redis_list",
            url,
            key,
            retries=retries,
            wait=wait,
            files=files,
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        self._opened.sink(placement, True, self._max_batch)
