"""Elements as messages of an MQTT topic."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.mqtt_topics import make_topic
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.client_files import client_files
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class to_mqtt(Sink[T]):
    """Publish elements, text or bytes, to an MQTT topic; those that have come meanwhile together.

    An element is acknowledged when the broker has acknowledged it; with ``qos=0`` when the system has taken it. What
    the broker has not acknowledged when the connection is lost is written again, and may be there twice. A broker that
    cannot be reached is tried again; then it is the failure of this node, see `on_error`.

    Parameters
    ----------
    host: str
        The broker's host name or address; ``mqtts://`` before it stands for `tls`.
    port: int
        Its port.
    topic: str
        The topic.
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
        The client's id, which no other client may have; otherwise it is made up.
    version: str
        The version of the protocol, ``"3.1.1"`` or ``"5"``.
    qos: int
        The quality of service: 0, sent once, or 1, sent until it is acknowledged.
    retain: bool
        Whether the broker keeps the last message for whoever subscribes later.
    max_len: int
        The longest message, in bytes with its topic.
    retries: int
        How often a broker that cannot be reached is tried again.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    max_batch: int
        The most elements that are written together; as many may wait for it.
    on_error:
        How to handle an element that cannot be written, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        An argument is wrong.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.map(str).to_mqtt("localhost", 1883, "house/roof")
    >>> source.emit(20.5)  # doctest: +SKIP

    See Also
    --------
    from_mqtt
    """

    host: str
    port: int
    topic: str

    def __init__(
        self,
        upstream: Stream[T],
        host: str,
        port: int,
        topic: str,
        keepalive: Interval = 60,
        client_kwargs: dict[str, Any] | None = None,
        *,
        user: str | None = None,
        pw: str | None = None,
        tls: bool = False,
        ca_certs: str | PathLike[str] | None = None,
        certfile: str | PathLike[str] | None = None,
        keyfile: str | PathLike[str] | None = None,
        client_id: str | None = None,
        version: str = "3.1.1",
        qos: int = 1,
        retain: bool = False,
        max_len: int = 16 * 1024 * 1024,
        retries: int = 10,
        wait: Interval = "100ms",
        max_batch: int = 1024,
        **kwargs: Any,
    ) -> None:
        self.host, self.port, self.topic = host, port, topic
        self.keepalive: Interval = keepalive
        self._max_batch = check_count(max_batch, "to_mqtt", "max_batch")
        self._topic = make_topic(
            "to_mqtt",
            host,
            port,
            topic,
            keepalive,
            client_kwargs,
            user=user,
            pw=pw,
            tls=tls,
            files=client_files(ca_certs, certfile, keyfile, "to_mqtt"),
            client_id=client_id,
            version=version,
            qos=qos,
            retain=retain,
            max_len=max_len,
            retries=retries,
            wait=wait,
        )
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        try:
            return self._topic.sink(self._max_batch)
        except ValueError as error:
            raise ValueError(f"to_mqtt: {error}") from None
