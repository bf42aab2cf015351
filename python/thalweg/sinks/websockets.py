"""Arguments of WebSocket servers and clients, including those of other packages."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_count, check_names
from thalweg.stream.limits import MAX_LEN, check_max_len
from thalweg.stream.server_files import server_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Interval

#: Ignored arguments.
_HARMLESS = frozenset(
    {
        *("backlog", "close_timeout", "compression", "family", "flags", "logger", "max_queue", "open_timeout"),
        *("read_limit", "reuse_address", "reuse_port", "server_header", "start_serving", "write_limit"),
    }
)


def understand(given: dict[str, Any], known: Iterable[str], operator: str, argument: str) -> dict[str, Any]:
    """Return the supported ones among the arguments for ``websockets``.

    Raises
    ------
    TypeError
        One of them is not supported.

    Examples
    --------
    >>> from thalweg.sinks.websockets import understand
    >>> understand({"max_size": 9, "compression": None}, ["max_size"], "from_websocket", "serve_kwargs")
    {'max_size': 9}
    """
    known = set(known)
    for name, value in given.items():
        if name == "ssl" and value is not None and value is not True:
            raise TypeError(
                f"{operator}: `{argument}`: give `ssl_options`, a dict with the names of files, instead of `ssl`"
            )
        if name not in known and name not in _HARMLESS and name != "ssl" and value:
            raise TypeError(f"{operator}: `{argument}`: {name!r} is not an argument for a websocket")
    return {name: value for name, value in given.items() if name in known}


def pings(given: dict[str, Any], operator: str) -> tuple[float | None, float | None]:
    """Return the ping interval and the timeout, in seconds; None for never.

    Examples
    --------
    >>> from thalweg.sinks.websockets import pings
    >>> pings({"ping_timeout": None}, "from_websocket")
    (20, None)
    """
    interval, timeout = (
        None if (value := given.get(name, 20)) is None else check_interval(value, operator, name)
        for name in ("ping_interval", "ping_timeout")
    )
    return interval, timeout


def longest(given: dict[str, Any], max_len: int, operator: str) -> int:
    """Return the maximum length of a message, in bytes.

    Examples
    --------
    >>> from thalweg.sinks.websockets import longest
    >>> longest({"max_size": 10}, 20, "from_websocket")
    10
    """
    return check_max_len(given.get("max_size", max_len) or MAX_LEN, operator)


def headers(given: Any) -> list[tuple[str, str]]:
    """Return headers as pairs.

    Examples
    --------
    >>> from thalweg.sinks.websockets import headers
    >>> headers({"X-Key": 7})
    [('X-Key', '7')]
    """
    pairs = given.items() if hasattr(given, "items") else given or ()
    return [(str(name), str(value)) for name, value in pairs]


def websocket_server(
    host: str,
    port: int,
    serve_kwargs: dict[str, Any],
    max_len: int,
    max_connections: int,
    max_behind: int,
    origins: str | Iterable[str],
    operator: str,
) -> sources.WebSocketServer:
    """Create a server from arguments that may be those of ``websockets.serve``."""
    known = ["max_size", "ping_interval", "ping_timeout", "ssl_options"]
    given = understand(serve_kwargs, known, operator, "serve_kwargs")
    try:
        return sources.WebSocketServer(
            host or "0.0.0.0",
            port,
            longest(given, max_len, operator),
            check_count(max_connections, operator, "max_connections"),
            check_count(max_behind, operator, "max_behind"),
            *pings(given, operator),
            server_files(given.get("ssl_options"), operator),
            _texts(origins, operator),
        )
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(operator) else f"{operator}: {message}") from None


def _texts(origins: str | Iterable[str], operator: str) -> list[str]:
    texts = check_names(origins, operator, "origins")
    for origin in texts:
        if not isinstance(origin, str):
            raise TypeError(f"{operator}: `origins` are text, not {origin!r}")
    return texts


def websocket_url(
    url: str,
    more_headers: Any,
    connect_timeout: Interval,
    retries: int,
    wait: Interval,
    max_len: int,
    ws_kwargs: dict[str, Any],
    operator: str,
) -> sources.WebSocketUrl:
    """Create a client from arguments that may be those of ``websockets.connect``."""
    if not isinstance(url, str):
        raise TypeError(f"{operator}: the URL is text, not {url!r}")
    known = ["additional_headers", "extra_headers", "max_size", "ping_interval", "ping_timeout", "ssl_options"]
    given = understand(ws_kwargs, known, operator, "ws_kwargs")
    pairs = [
        pair
        for some in (more_headers, given.get("additional_headers"), given.get("extra_headers"))
        for pair in headers(some)
    ]
    try:
        return sources.WebSocketUrl(
            url,
            pairs,
            (given.get("ssl_options") or {}).get("ca_certs"),
            check_interval(connect_timeout, operator, "connect_timeout"),
            retries,
            check_interval(wait, operator, "wait"),
            longest(given, max_len, operator),
            *pings(given, operator),
        )
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(operator) else f"{operator}: {message}") from None
