"""Topics and messages of MQTT, for sources and sinks."""

from __future__ import annotations

from collections import namedtuple

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_count, check_dict
from thalweg.stream.limits import check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import ClientFiles, Interval

_MESSAGE = namedtuple(
    "_MESSAGE", ("topic", "payload", "qos", "retain", "mid", "dup"), defaults=(b"", 0, False, 0, False)
)


class MqttMessage(_MESSAGE):
    """A message of an MQTT topic.

    Examples
    --------
    >>> from thalweg.sources import MqttMessage
    >>> message = MqttMessage("house/roof", b"20.5", qos=1)
    >>> message.topic, message.payload
    ('house/roof', b'20.5')
    """

    __slots__ = ()

    if TYPE_CHECKING:
        topic: str
        payload: bytes
        #: Its quality of service: 0 or 1.
        qos: int
        #: Whether the broker had retained it for new subscribers.
        retain: bool
        #: Its packet number on its connection.
        mid: int
        #: Whether it may have been delivered before.
        dup: bool


def make_topic(
    operator: str,
    host: str,
    port: int,
    topic: str,
    keepalive: Interval,
    client_kwargs: dict[str, Any] | None,
    *,
    user: str | None,
    pw: str | None,
    tls: bool = False,
    files: ClientFiles = (None, None),
    client_id: str | None,
    version: str,
    qos: int,
    retain: bool = False,
    max_len: int,
    max_waiting: int = 1,
    retries: int = 0,
    wait: Interval = "100ms",
) -> sources.MqttTopic:
    """Return a topic of a broker; raise an error that names the operator if an argument is invalid.

    Examples
    --------
    >>> from thalweg.sinks.mqtt_topics import make_topic
    >>> limits = {"user": None, "pw": None, "client_id": None, "version": "3.1.1", "max_len": 100}
    >>> make_topic("from_mqtt", "localhost", 1883, "house", 60, None, qos=2, **limits)
    Traceback (most recent call last):
    ValueError: from_mqtt: `qos` is 0 or 1, not 2
    """
    for name, text in [("host", host), ("topic", topic)]:
        if not isinstance(text, str) or not text:
            raise ValueError(f"{operator}: `{name}` is text that is not empty, not {text!r}")
    if version not in ("3.1.1", "5"):
        raise ValueError(f"{operator}: `version` is '3.1.1' or '5', not {version!r}")
    if qos not in (0, 1):
        raise ValueError(f"{operator}: `qos` is 0 or 1, not {qos!r}")
    others = check_dict(client_kwargs, operator, "client_kwargs")
    if others:
        names = ", ".join(f"`{name}`" for name in others)
        raise ValueError(
            f"{operator}: `client_kwargs` has {names} for another client; what this one knows are parameters of its own"
        )
    if type(retries) is not int or not 0 <= retries < 2**32:
        raise ValueError(f"{operator}: `retries` is a number from 0 on, not {retries!r}")
    check_count(max_len, operator, "max_len")
    try:
        return sources.MqttTopic(
            host,
            check_port(port, operator),
            topic,
            check_interval(keepalive, operator, "keepalive"),
            version == "5",
            qos == 1,
            bool(retain),
            client_id,
            None if user is None else (user, pw or ""),
            files if tls or any(files) else None,
            min(max_len, 2**28),
            check_count(max_waiting, operator, "max_waiting"),
            retries,
            check_interval(wait, operator, "wait"),
        )
    except ValueError as error:
        if str(error).startswith(operator):
            raise
        raise ValueError(f"{operator}: {error}") from None
