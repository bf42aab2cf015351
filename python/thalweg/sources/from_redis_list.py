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
    """Take the elements of a Redis list from its beginning, and emit them as bytes.

    An element is moved to the list ``KEY:processing:CONSUMER``, and removed from it once everything derived from it is
    done: acknowledged by the last sink, or dropped on purpose. Elements there are read first when a reader with the
    same name starts or reconnects: those in flight when a program was killed, and failed ones. Elements may arrive
    twice; none is lost. It needs Redis 6.2.

    A lost connection is a failure of this node, reported once; it reconnects with growing pauses of up to 30 s. A
    refused login or certificate, or a key of another type, ends the source.

    Parameters
    ----------
    url: str
        The server: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
    key: str
        The key of the list.
    consumer: str
        The name of this reader, unique among concurrent readers. Elements that a reader with the same name has not
        acknowledged are read first.
    max_waiting: int
        Maximum elements buffered for the pipeline; then nothing is read.
    wait: number or text
        Pause before the first reconnect. It doubles each time, up to 30 seconds.
    ca_certs: path
        Uses TLS, and verifies the server's certificate against this PEM file instead of the system's certificates.
    certfile, keyfile: path
        Uses TLS with this client certificate, and its key, if that is another file.

    Raises
    ------
    ValueError
        An argument is invalid.

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
