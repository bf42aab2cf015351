"""Messages of NATS."""

from __future__ import annotations

from thalweg.runtime.intervals import check_interval
from thalweg.sinks.nats_subjects import NatsMessage, make_subject
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_nats(AcknowledgingSource["NatsMessage"]):
    """Emit the messages of a subject of NATS, as :class:`~thalweg.sources.NatsMessage`.

    With a `stream` of JetStream, read by a `durable` consumer, a message is acknowledged once everything that was made
    of it is done: acknowledged by the last sink, or dropped on purpose. One that fails, and that no policy takes care
    of, is given back, and delivered again after `redeliver_after`; what a program had in hand that has died is
    delivered again after `ack_wait`, to any program that reads by the consumer. As many messages are asked for as there
    is room for.

    Without a stream a message is delivered at most once: what comes while nobody reads, while the connection is lost,
    or faster than the pipeline is, is lost. The last two are failures of this node.

    A connection that is lost is a failure of this node, once, and is made again with longer and longer pauses of up to
    30 s. A login that is refused, or a stream that is not there, ends the source.

    Parameters
    ----------
    url: str
        The server: ``nats://user:password@host:port``, or ``tls://``; several of a cluster are separated by commas.
    subject: str
        The subject, which may have the wildcards ``*`` and ``>``.
    stream: str
        The stream of JetStream that keeps the messages.
    durable: str
        The durable consumer that the stream is read by. It is made if there is none; one that is there is taken as it
        is. Programs that read by the same consumer share the messages.
    create: bool
        Whether the stream is made if there is none: one that keeps what is sent to the subject, in files.
    queue: str
        The queue group of core NATS: each message goes to one of those that read with it.
    token: str
        A token for the login, instead of a user and a password.
    ca_certs: path
        Speaks TLS, and verifies the server's certificate by those of this PEM file instead of the system's.
    from_latest: bool
        Whether a consumer that is made here begins with what is sent from then on, and not with the first message.
    ack_wait: number or text
        After how long a consumer that is made here delivers again what was not acknowledged, because its program has
        died. The server is told of messages that are on their way here, however long that takes.
    redeliver_after: number or text
        After how long a message that failed is delivered again.
    max_deliveries: int
        How often a consumer that is made here delivers a message at most.
    max_in_flight: int
        The most messages that a consumer that is made here has delivered and that are not acknowledged. A window of
        more never fills.
    max_waiting: int
        The most messages that lie ready for the pipeline; then no more are asked for.
    wait: number or text
        How long to wait before a server that cannot be reached is tried again. It doubles each time, up to 30 seconds.

    Raises
    ------
    ValueError
        An argument is wrong.

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
            check_count(max_deliveries, "from_nats", "max_deliveries")
        settings = (
            check_interval(ack_wait, "from_nats", "ack_wait"),
            check_interval(redeliver_after, "from_nats", "redeliver_after"),
            max_deliveries,
            check_count(max_in_flight, "from_nats", "max_in_flight"),
            check_count(max_waiting, "from_nats", "max_waiting"),
        )
        try:
            made = opened.messages(NatsMessage, durable, queue, bool(from_latest), *settings)
        except ValueError as error:
            raise ValueError(f"from_nats: {error}") from None
        self._elements, self._closer = made
        super().__init__(**kwargs)
