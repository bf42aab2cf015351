"""Messages of MQTT topics."""

from __future__ import annotations

from thalweg.sinks.mqtt_topics import MqttMessage, make_topic
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.client_files import client_files

__all__ = ["MqttMessage", "from_mqtt"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_mqtt(AcknowledgingSource["MqttMessage"]):
    """Emit the messages of an MQTT topic, as :class:`~thalweg.sources.MqttMessage`.

    With ``qos=1`` a message is acknowledged to the broker once everything derived from it is done: acknowledged by the
    last sink, or dropped on purpose. A message that fails without a policy to handle it is not; the broker sends it
    again over the next connection, and counts it as in flight until then. The broker limits the number in flight (20 by
    default in Mosquitto): a larger window never fills.

    A lost connection is a failure of this node, reported once; it reconnects with growing pauses of up to 30 s. A
    refused login, topic or certificate ends the source.

    Parameters
    ----------
    host: str
        The broker's host name or address; the prefix ``mqtts://`` enables `tls`.
    port: int
        Its port.
    topic: str
        The topic, which may contain the wildcards ``+`` and ``#``.
    keepalive: number or text
        Interval of keep-alive packets.
    client_kwargs: dict
        No effect, and must be empty; accepted for programs written for streamz.
    user, pw: str
        Login. Without TLS it is sent in the clear.
    tls: bool
        Whether to use TLS, and verify the broker's certificate against the system's certificates. The usual port is
        8883.
    ca_certs: path
        Uses TLS, and verifies the broker's certificate against this PEM file instead of the system's certificates.
    certfile, keyfile: path
        Uses TLS with this client certificate, and its key, if that is another file.
    client_id: str
        The client's id, unique at the broker. For a client with an id, the broker keeps unacknowledged messages, and
        those that arrive while it is away; without one, both are lost with the connection.
    version: str
        The version of the protocol, ``"3.1.1"`` or ``"5"``.
    qos: int
        The quality of service: 0, sent once, or 1, sent until it is acknowledged.
    max_len: int
        Maximum length of a message, in bytes with its topic.
    max_waiting: int
        Maximum messages buffered for the pipeline; then nothing is read, and if the broker disconnects, the client
        reconnects.

    Raises
    ------
    ValueError
        An argument is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> readings = Stream.from_mqtt("localhost", 1883, "house/+/celsius", client_id="averages")
    >>> L = readings.map(lambda message: (message.topic, float(message.payload))).sink_to_list()
    >>> readings.start()  # doctest: +SKIP
    >>> readings.topic
    'house/+/celsius'

    See Also
    --------
    to_mqtt
    """

    def __init__(
        self,
        host: str,
        port: int,
        topic: str,
        keepalive: Interval = 60,
        client_kwargs: dict[str, Any] | None = None,
        user: str | None = None,
        pw: str | None = None,
        *,
        tls: bool = False,
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        client_id: str | None = None,
        version: str = "3.1.1",
        qos: int = 1,
        max_len: int = 16 * 1024 * 1024,
        max_waiting: int = 10_000,
        **kwargs: Any,
    ) -> None:
        self.host: str = host
        self.port: int = port
        self.topic: str = topic
        self.keepalive: Interval = keepalive
        opened = make_topic(
            "from_mqtt",
            host,
            port,
            topic,
            keepalive,
            client_kwargs,
            user=user,
            pw=pw,
            tls=tls,
            files=client_files(ca_certs, certfile, keyfile, "from_mqtt"),
            client_id=client_id,
            version=version,
            qos=qos,
            max_len=max_len,
            max_waiting=max_waiting,
        )
        self._elements, self._closer = opened.messages(MqttMessage)
        super().__init__(**kwargs)
