"""The files of a client that speaks TLS."""

from __future__ import annotations

from thalweg.stream.arguments import check_file

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
        certificate = check_file(certfile, operator, "certfile")
        key = certificate if keyfile is None else check_file(keyfile, operator, "keyfile")
        identity = (certificate, key)
    return (None if ca_certs is None else check_file(ca_certs, operator, "ca_certs")), identity
