"""Elements as messages of NATS."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.nats_subjects import make_subject
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class to_nats(Sink[T]):
    """Send elements to a subject of NATS; those that have come meanwhile together.

    An element is text, bytes, or a :class:`~thalweg.sinks.NatsRecord`.

    With a `stream` of JetStream, an element is acknowledged when the stream has confirmed that it keeps it. What was
    not confirmed is sent again, with the same id, so that the stream keeps it once; a server that cannot be reached is
    tried again, then it is the failure of this node, see `on_error`. Elements that a program sends again after a crash
    are kept once as well if each has an id of its own. Without a stream an element is acknowledged when the system has
    taken it: it arrives at most once.

    Parameters
    ----------
    url: str
        The server: ``nats://user:password@host:port``, or ``tls://``; several of a cluster are separated by commas.
    subject: str
        The subject.
    stream: str
        The stream of JetStream that keeps the messages.
    create: bool
        Whether the stream is made if there is none: one that keeps what is sent to the subject, in files.
    token: str
        A token for the login, instead of a user and a password.
    ca_certs: path
        Speaks TLS, and verifies the server's certificate by those of this PEM file instead of the system's.
    retries: int
        How often what was not confirmed is sent again.
    wait: number or text
        How long to wait before that. It doubles each time, up to 30 seconds.
    max_batch: int
        The most elements that are sent together; as many may wait for it.
    on_error:
        What is done about an element that cannot be sent, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An argument is wrong.

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

    def _blueprint(self) -> _thalweg.Blueprint:
        try:
            return self._opened.sink(self._max_batch)
        except ValueError as error:
            raise ValueError(f"to_nats: {error}") from None
