"""Settings of `fetch` and `to_http`."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.http.checks import check_headers
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_count
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from thalweg._types import Interval


def settings(
    name: str,
    headers: Mapping[str, str] | None = None,
    *,
    connect_timeout: Interval = 10,
    follow_anywhere: bool = False,
    max_in_flight: int = 64,
    per_host: int = 6,
    interval: Interval = 0,
    retries: int = 3,
    wait: Interval = 1,
    max_wait: Interval = 30,
    time_limit: Interval = 60,
    max_len: int = MAX_LEN,
    max_file_len: int = 16 * 1024**3,
    ordered: bool = True,
    robots: bool = False,
) -> sources.FetchSettings:
    """Return the settings; raise an error that names the node and the argument if one is invalid.

    Examples
    --------
    >>> from thalweg.http.settings import settings
    >>> settings("fetch", per_host=0)
    Traceback (most recent call last):
    ValueError: fetch: `per_host` is at least one, not 0
    """
    if type(retries) is not int or not 0 <= retries < 2**32:
        raise ValueError(f"{name}: `retries` is a number from 0 on, not {retries!r}")
    return sources.FetchSettings(
        check_headers(headers, name),
        check_interval(connect_timeout, name, "connect_timeout"),
        follow_anywhere,
        check_count(max_in_flight, name, "max_in_flight"),
        check_count(per_host, name, "per_host"),
        check_interval(interval, name, "interval"),
        retries,
        check_interval(wait, name, "wait"),
        check_interval(max_wait, name, "max_wait"),
        check_interval(time_limit, name, "time_limit"),
        check_max_len(max_len, name),
        check_max_len(max_file_len, name, "max_file_len"),
        ordered,
        bool(robots),
    )
