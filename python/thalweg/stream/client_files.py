"""The files of a client that speaks TLS."""

from __future__ import annotations

from os import fspath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from thalweg._types import ClientFiles


def client_files(
    ca_certs: str | PathLike[str] | None,
    certfile: str | PathLike[str] | None,
    keyfile: str | PathLike[str] | None,
    operator: str,
) -> ClientFiles:
    """Return the names of the files: the authorities of servers, and the client's own certificate with its key.

    Examples
    --------
    >>> from thalweg.stream.client_files import client_files
    >>> client_files("ca.pem", "me.pem", None, "from_mqtt")
    ('ca.pem', ('me.pem', 'me.pem'))
    >>> client_files(None, None, "key.pem", "from_mqtt")
    Traceback (most recent call last):
    ValueError: from_mqtt: `keyfile` is the key of a certificate: give `certfile`, too
    """
    if certfile is None:
        if keyfile is not None:
            raise ValueError(f"{operator}: `keyfile` is the key of a certificate: give `certfile`, too")
        identity = None
    else:
        certificate = fspath(certfile)
        identity = (certificate, certificate if keyfile is None else fspath(keyfile))
    return (None if ca_certs is None else fspath(ca_certs)), identity
