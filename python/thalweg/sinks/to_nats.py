"""Sending elements to NATS."""

from __future__ import annotations

from thalweg.sinks.nats_subjects import make_subject
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_nats(Sink[T]):
    """Send elements to a NATS subject, grouping those that arrive meanwhile.

    An element is text, bytes, or a :class:`~thalweg.sinks.NatsRecord`.

    With a `stream` of JetStream, an element is acknowledged when the stream has confirmed it. Unconfirmed messages are
    sent again with the same id, so that the stream keeps them once; if the server stays unreachable after the retries,
    that is a failure of this node, see `on_error`. Elements sent again after a crash are also kept once if each has its
    own id. Without a stream, an element is acknowledged when the system has taken it: it arrives at most once.

    Parameters
    ----------
    url: str
        The server: ``nats://user:password@host:port``, or ``tls://``; separate the servers of a cluster by commas.
    subject: str
        The subject.
    stream: str
        The stream of JetStream that keeps the messages.
    create: bool
        Whether to create the stream if it does not exist: it keeps the messages of the subject in files.
    token: str
        Token for the login, instead of user and password.
    ca_certs: path
        Uses TLS, and verifies the server's certificate against this PEM file instead of the system's certificates.
    retries: int
        Number of retries of an unconfirmed message.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    max_batch: int
        Maximum elements sent together; as many may wait.
    on_error:
        How to handle an element that cannot be sent, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An argument is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str).to_nats("nats://localhost", "readings.roof", "READINGS")
    >>> source.emit(20.5)  # doctest: +SKIP

    See Also
    --------
    from_nats
    """

    def __init__(
        self,
        upstream: Stream[T],
        url: str,
        subject: str,
        stream: str | None = None,
        *,
        create: bool = False,
        token: str | None = None,
        ca_certs: str | PathLike[str] | None = None,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> None:
        self.subject: str = subject
        self._max_batch = check_count(max_batch, "to_nats", "max_batch")
        self._opened = make_subject(
            "to_nats",
            url,
            subject,
            stream,
            create=create,
            token=token,
            ca_certs=ca_certs,
            retries=retries,
            wait=wait,
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        try:
            self._opened.sink(placement, self._max_batch)
        except ValueError as error:
            raise ValueError(f"to_nats: {error}") from None
