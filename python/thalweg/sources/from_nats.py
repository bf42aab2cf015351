"""Messages of NATS."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sinks.nats_subjects import NatsMessage, make_subject
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count

__all__ = ["NatsMessage", "from_nats"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval

#: The largest number that NATS takes.
_MOST = 2**31 - 1


@Stream.register_api(staticmethod)
class from_nats(AcknowledgingSource["NatsMessage"]):
    """Emit the messages of a NATS subject, as :class:`~thalweg.sources.NatsMessage`.

    With a `stream` of JetStream, read by a `durable` consumer, a message is acknowledged once everything derived from
    it is done: acknowledged by the last sink, or dropped on purpose. A message that fails without a policy to handle it
    is returned, and delivered again after `redeliver_after`; messages in flight in a program that dies are delivered
    again after `ack_wait`, to any reader of the consumer. As many messages are requested as there is room for.

    Without a stream, a message is delivered at most once: messages are lost while nobody reads, while the connection is
    lost, or when they arrive faster than the pipeline takes them. The last two are failures of this node.

    A lost connection is a failure of this node, reported once; the client reconnects with growing pauses of up to 30 s.
    A refused login or a missing stream ends the source.

    Parameters
    ----------
    url: str
        The server: ``nats://user:password@host:port``, or ``tls://``; separate the servers of a cluster by commas.
    subject: str
        The subject, which may contain the wildcards ``*`` and ``>``.
    stream: str
        The stream of JetStream that keeps the messages.
    durable: str
        The durable consumer to read the stream with. It is created if it does not exist; an existing one is used
        unchanged. Programs that use the same consumer share the messages.
    create: bool
        Whether to create the stream if it does not exist: it keeps the messages of the subject in files.
    queue: str
        The queue group of core NATS: each message goes to one of its members.
    token: str
        Token for the login, instead of user and password.
    ca_certs: path
        Uses TLS, and verifies the server's certificate against this PEM file instead of the system's certificates.
    from_latest: bool
        Whether a newly created consumer starts with messages sent from now on, instead of the first available one.
    ack_wait: number or text
        For a newly created consumer: time after which unacknowledged messages of a dead program are delivered again.
        The server is told about messages that are still in the pipeline, however long they take.
    redeliver_after: number or text
        Pause before a failed message is delivered again.
    max_deliveries: int
        For a newly created consumer: maximum deliveries per message.
    max_in_flight: int
        For a newly created consumer: maximum delivered messages without acknowledgement. A larger window never fills.
    max_waiting: int
        Maximum messages buffered for the pipeline; then no more are requested.
    wait: number or text
        Pause before the first reconnect. It doubles each time, up to 30 seconds.

    Raises
    ------
    ValueError
        An argument is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> readings = Stream.from_nats("nats://localhost", "readings.*", "READINGS", "averages")
    >>> L = readings.map(lambda message: (message.subject, float(message.payload))).sink_to_list()
    >>> readings.start()  # doctest: +SKIP
    >>> readings.subject
    'readings.*'

    See Also
    --------
    to_nats
    """

    def __init__(
        self,
        url: str,
        subject: str,
        stream: str | None = None,
        durable: str | None = None,
        *,
        create: bool = False,
        queue: str | None = None,
        token: str | None = None,
        ca_certs: str | PathLike[str] | None = None,
        from_latest: bool = False,
        ack_wait: Interval = 30,
        redeliver_after: Interval = 30,
        max_deliveries: int | None = None,
        max_in_flight: int = 65_536,
        max_waiting: int = 1024,
        wait: Interval = "100ms",
        **kwargs: Any,
    ) -> None:
        self.subject: str = subject
        opened = make_subject(
            "from_nats", url, subject, stream, create=create, token=token, ca_certs=ca_certs, wait=wait
        )
        if max_deliveries is not None:
            max_deliveries = min(check_count(max_deliveries, "from_nats", "max_deliveries"), _MOST)
        settings = (
            check_interval(ack_wait, "from_nats", "ack_wait"),
            check_interval(redeliver_after, "from_nats", "redeliver_after"),
            max_deliveries,
            min(check_count(max_in_flight, "from_nats", "max_in_flight"), _MOST),
            check_count(max_waiting, "from_nats", "max_waiting"),
        )
        try:
            made = opened.messages(NatsMessage, durable, queue, bool(from_latest), *settings)
        except ValueError as error:
            raise ValueError(f"from_nats: {error}") from None
        self._elements, self._closer = made
        super().__init__(**kwargs)
