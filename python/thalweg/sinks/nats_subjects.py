"""Subjects and messages of NATS, for sources and sinks."""

from __future__ import annotations

from collections import namedtuple

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_file

__all__ = ["NatsRecord"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from thalweg._types import Interval

_MESSAGE = namedtuple("_MESSAGE", ("subject", "payload", "headers", "sequence", "deliveries"))
_RECORD = namedtuple("_RECORD", ("payload", "subject", "headers", "id"))


class NatsMessage(_MESSAGE):
    """A received message of NATS.

    Examples
    --------
    >>> from thalweg.sources import NatsMessage
    >>> message = NatsMessage("readings.roof", b"20.5", {}, 17, 1)
    >>> message.subject, message.payload
    ('readings.roof', b'20.5')
    """

    __slots__ = ()

    if TYPE_CHECKING:
        subject: str
        payload: bytes
        headers: dict[str, str]
        #: Sequence number in its stream, from 1; 0 without a stream.
        sequence: int
        #: Number of deliveries, including this one; 0 without a stream.
        deliveries: int


class NatsRecord(_RECORD):
    """A message to send to NATS: text or bytes, with headers and so on.

    Examples
    --------
    >>> from thalweg.sinks import NatsRecord
    >>> record = NatsRecord("20.5", "readings.roof", id="roof-17")
    >>> record.subject, record.headers
    ('readings.roof', {})
    """

    __slots__ = ()

    if TYPE_CHECKING:
        payload: str | bytes
        #: The subject, if it differs from the sink's.
        subject: str | None
        headers: dict[str, str]
        #: Id for deduplication: a stream keeps one of several messages with the same id within its window.
        id: str | None

    def __new__(
        cls,
        payload: str | bytes,
        subject: str | None = None,
        headers: dict[str, str] | None = None,
        id: str | None = None,
    ) -> NatsRecord:
        """Return a record."""
        return super().__new__(cls, payload, subject, {} if headers is None else headers, id)


def make_subject(
    operator: str,
    url: str,
    subject: str,
    stream: str | None,
    *,
    create: bool,
    token: str | None,
    ca_certs: str | PathLike[str] | None,
    retries: int = 10,
    wait: Interval = "100ms",
) -> sources.NatsSubject:
    """Return a subject of a server; raise an error that names the operator if an argument is invalid.

    Examples
    --------
    >>> from thalweg.sinks.nats_subjects import make_subject
    >>> options = {"create": False, "token": None, "ca_certs": None}
    >>> make_subject("to_nats", "http://localhost", "words", None, **options)
    Traceback (most recent call last):
    ValueError: to_nats: NATS at localhost: the URL is not a NATS URL: give `nats://user:password@host:port`
    """
    for name, text in [("url", url), ("subject", subject)]:
        if not isinstance(text, str) or not text:
            raise ValueError(f"{operator}: `{name}` is text that is not empty, not {text!r}")
    if type(retries) is not int or not 0 <= retries < 2**32:
        raise ValueError(f"{operator}: `retries` is a number from 0 on, not {retries!r}")
    pause = check_interval(wait, operator, "wait")
    path = None if ca_certs is None else check_file(ca_certs, operator, "ca_certs")
    try:
        return sources.NatsSubject(url, subject, stream, bool(create), token, path, retries, pause)
    except ValueError as error:
        raise ValueError(f"{operator}: {error}") from None
