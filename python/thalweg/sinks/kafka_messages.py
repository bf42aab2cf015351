"""Messages of Kafka, received and to be sent, and options."""

from __future__ import annotations

from collections import namedtuple

__all__ = ["KafkaRecord"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# `typing.NamedTuple` would import `typing`, which takes a fifth of the time that the whole package takes.
_MESSAGE = namedtuple(
    "_MESSAGE",
    ("value", "key", "headers", "topic", "partition", "offset", "timestamp"),
    defaults=(None, (), "", 0, 0, None),
)
_RECORD = namedtuple(
    "_RECORD", ("value", "key", "headers", "partition", "timestamp", "topic"), defaults=(None, (), None, None, None)
)


class KafkaMessage(_MESSAGE):
    """A message of a Kafka topic.

    Examples
    --------
    >>> from thalweg.sources import KafkaMessage
    >>> message = KafkaMessage(b"20.5", key=b"roof", topic="readings")
    >>> message.value, message.key
    (b'20.5', b'roof')
    """

    __slots__ = ()

    if TYPE_CHECKING:
        #: ``None`` deletes the messages with this key in a compacted topic.
        value: bytes | None
        key: bytes | None
        #: Names and values.
        headers: tuple[tuple[str, bytes | None], ...]
        topic: str
        partition: int
        offset: int
        #: Milliseconds since the epoch.
        timestamp: int | None


class KafkaRecord(_RECORD):
    """A message to write to Kafka: bytes or text, with a key, headers and so on.

    Examples
    --------
    >>> from thalweg.sinks import KafkaRecord
    >>> KafkaRecord("20.5", key="roof", headers={"unit": "celsius"}).key
    'roof'
    """

    __slots__ = ()

    if TYPE_CHECKING:
        #: ``None`` deletes the messages with this key in a compacted topic.
        value: bytes | str | None
        #: Selects the partition.
        key: bytes | str | None
        #: Values by names, or pairs of both.
        headers: Mapping[str, Any] | Sequence[tuple[str, Any]]
        #: The partition, instead of the one that the key selects.
        partition: int | None
        #: Milliseconds since the epoch, instead of the current time.
        timestamp: int | None
        #: The topic, instead of the sink's.
        topic: str | None


def options(params: Mapping[str, Any], kind: str, name: str) -> list[tuple[str, str]]:
    """Return options of librdkafka as text; raise an error that names the source, but no values, if one is invalid.

    Examples
    --------
    >>> from thalweg.sinks.kafka_messages import options
    >>> options({"group.id": "averages", "enable.auto.commit": False}, "from_kafka", "consumer_params")
    [('group.id', 'averages'), ('enable.auto.commit', 'false')]
    """
    if not hasattr(params, "items"):
        raise TypeError(f"{kind}: `{name}` is a dict of options, not {type(params).__name__}")
    return [(str(key), str(value).lower() if isinstance(value, bool) else str(value)) for key, value in params.items()]
