"""The files of a TLS server."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
