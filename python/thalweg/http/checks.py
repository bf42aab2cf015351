"""Validation of URLs and headers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def check_url(url: str, source: str) -> str:
    """Return a URL; raise an error that names the source if it is not text.

    Examples
    --------
    >>> from thalweg.http.checks import check_url
    >>> check_url(80, "from_sse")
    Traceback (most recent call last):
    TypeError: from_sse: `url` is text, not 80
    """
    if not isinstance(url, str):
        raise TypeError(f"{source}: `url` is text, not {url!r}")
    return url


def check_headers(headers: Mapping[str, str] | None, source: str) -> list[tuple[str, str]]:
    """Return headers as pairs; raise an error that names the source, but not the value, if one is not text.

    Examples
    --------
    >>> from thalweg.http.checks import check_headers
    >>> check_headers({"Accept": "text/plain"}, "from_sse")
    [('Accept', 'text/plain')]
    """
    if headers is None:
        return []
    if not hasattr(headers, "items"):
        raise TypeError(f"{source}: `headers` are a dict of names and values, not {type(headers).__name__}")
    pairs = list(headers.items())
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"{source}: `headers` are text, not {type(value).__name__} as for {name!r}")
    return pairs
