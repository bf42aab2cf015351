"""Elements of lists of Redis."""

from __future__ import annotations

from thalweg.sinks.redis_keys import make_key
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.client_files import client_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_redis_list(AcknowledgingSource["bytes"]):
    """Emit the elements of a list of Redis from its beginning, as bytes, and take them out of it.

    An element is moved to the list ``KEY:processing:CONSUMER``, and out of that once everything that was made of it is
    done: acknowledged by the last sink, or dropped on purpose. What is there when a reader of the same name starts, or
    connects again, is read first: what a program had in hand that was killed, and what has failed. Elements may come
    twice, and none is lost. It needs Redis 6.2.

    A connection that is lost is a failure of this node, once, and is made again with longer and longer pauses of up to
    30 s. A login or a certificate that is refused, or a key that holds something else, ends the source.

    Parameters
    ----------
    url: str
        The server: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
    key: str
        The key of the list.
    consumer: str
        The name of this reader. What a reader of the same name has not acknowledged is read first; of those that read
        at the same time each needs a name of its own.
    max_waiting: int
        The most elements that lie ready for the pipeline; then nothing is read.
    wait: number or text
        How long to wait before a server that cannot be reached is tried again. It doubles each time, up to 30 seconds.
    ca_certs: path
        Speaks TLS, and verifies the server's certificate by those of this PEM file instead of the system's.
    certfile, keyfile: path
        Speaks TLS, and shows the server this certificate, with its key, if that is another file.

    Raises
    ------
    ValueError
        An argument is wrong.

    Examples
    --------
    >>> from thalweg import Stream
    >>> readings = Stream.from_redis_list("redis://localhost", "readings")
    >>> L = readings.sink_to_list()
    >>> readings.start()  # doctest: +SKIP
    >>> readings.key
    'readings'

    See Also
    --------
    from_redis_stream, to_redis_list
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        consumer: str = "thalweg",
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.key: str = key
        files = client_files(ca_certs, certfile, keyfile, "from_redis_list")
        opened = make_key(
            "from_redis_list",
            url,
            key,
            consumer=consumer,
            max_waiting=max_waiting,
            wait=wait,
            files=files,
        )
        self._elements, self._closer = opened.values()
        super().__init__(**kwargs)
