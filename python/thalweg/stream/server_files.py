"""The files of a TLS server."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def certificate_and_key(tls: Any, operator: str) -> dict[str, Any]:
    """Return what names a certificate and its key, as Tornado's ``ssl_options``.

    Examples
    --------
    >>> from thalweg.stream.server_files import certificate_and_key
    >>> certificate_and_key(("me.pem", "key.pem"), "from_http_server")
    {'certfile': 'me.pem', 'keyfile': 'key.pem'}
    >>> certificate_and_key("me.pem", "from_http_server")
    Traceback (most recent call last):
    TypeError: from_http_server: `tls` is a pair of files, a certificate and its key, not 'me.pem'
    """
    if not isinstance(tls, (tuple, list)) or len(tls) != 2:
        raise TypeError(f"{operator}: `tls` is a pair of files, a certificate and its key, not {tls!r}")
    return {"certfile": tls[0], "keyfile": tls[1]}


def server_files(options: Any, operator: str) -> tuple[str, str, str | None] | None:
    """Return the files named in Tornado's ``ssl_options``: certificate, key, and authorities of client certificates."""
    if options is None:
        return None
    from os import fspath
    from ssl import CERT_NONE

    if not isinstance(options, dict):
        raise TypeError(f"{operator}: `ssl_options` is a dict with the names of files, not {options!r}")
    known = {"certfile", "keyfile", "ca_certs", "cert_reqs"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise TypeError(f"{operator}: `ssl_options` has one of {sorted(known)}, not {unknown[0]!r}")
    certificate = fspath(options["certfile"])
    key = fspath(options.get("keyfile") or certificate)
    if options.get("cert_reqs", CERT_NONE) == CERT_NONE:
        return certificate, key, None
    return certificate, key, fspath(options["ca_certs"])
