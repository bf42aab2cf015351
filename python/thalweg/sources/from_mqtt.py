"""Messages of MQTT topics."""

from __future__ import annotations

from thalweg.sinks.mqtt_topics import MqttMessage, make_topic
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream
from thalweg.stream.client_files import client_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_mqtt(AcknowledgingSource["MqttMessage"]):
    """Emit the messages of an MQTT topic, as :class:`~thalweg.sources.MqttMessage`.

    With ``qos=1`` a message is acknowledged to the broker once everything that was made of it is done: acknowledged by
    the last sink, or dropped on purpose. One that fails, and that no policy takes care of, is not; the broker sends it
    again over the next connection, and counts it among those in flight until then. How many may be is the broker's
    limit, 20 with Mosquitto's settings: a window of more never fills.

    A connection that is lost is a failure of this node, once, and is made again with longer and longer pauses of up to
    30 s. A login, a topic or a certificate that is refused ends the source.

    Parameters
    ----------
    host: str
        The broker's host name or address; ``mqtts://`` before it stands for `tls`.
    port: int
        Its port.
    topic: str
        The topic, which may have the wildcards ``+`` and ``#``.
    keepalive: number or text
        After how long the client says that it is still there.
    client_kwargs: dict
        Has no effect, and has to be empty: it is there for programs that were written for streamz.
    user, pw: str
        A login. Without TLS it is sent as it is.
    tls: bool
        Whether to speak TLS, and verify the broker's certificate by those of the system. The usual port is 8883.
    ca_certs: path
        Speaks TLS, and verifies the broker's certificate by those of this PEM file instead of the system's.
    certfile, keyfile: path
        Speaks TLS, and shows the broker this certificate, with its key, if that is another file.
    client_id: str
        The client's id, which no other client may have. For a client that has one, the broker keeps messages that were
        not acknowledged, and those that come while it is away; without, both are lost when the connection is.
    version: str
        The version of the protocol, ``"3.1.1"`` or ``"5"``.
    qos: int
        The quality of service: 0, sent once, or 1, sent until it is acknowledged.
    max_len: int
        The longest message, in bytes with its topic.
    max_waiting: int
        The most messages that lie ready for the pipeline; then nothing is read, and a broker may give the client up,
        which connects again.

    Raises
    ------
    ValueError
        An argument is wrong.

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
