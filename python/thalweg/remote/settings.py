"""Settings for remote files."""

from __future__ import annotations

from os import fspath

from thalweg._thalweg import sources
from thalweg.http.checks import check_headers
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_count
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    from thalweg._types import Interval


class Remote:
    """Settings for remote files: logins, limits, retries. The same for all systems; each uses those that apply.

    A login in a URL takes precedence. For S3, missing values come from the environment (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``) and from the files of
    Amazon's programs. Logins are never shown.

    Parameters
    ----------
    user, password: str
        For HTTP, WebDAV and FTP; the user for SFTP.
    access_key, secret_key, session_token: str
        For S3; the last one for temporary keys.
    region: str
        Region of S3.
    endpoint: str
        URL of an S3-compatible server other than Amazon's.
    anonymous: bool
        Whether to use S3 without a login, for public buckets.
    key_file: str or path
        Private key file for SFTP; by default the keys of ``ssh``.
    headers: dict
        Headers of HTTP requests, except for WebDAV and S3. Their values are never shown, and not sent to another server
        by a redirect.
    schemes: list
        Allowed schemes of URLs; by default all, including ``file``. Set it if URLs come from outside.
    retries: int
        Maximum number of consecutive attempts without progress. Bytes already read are not read again.
    wait: number or text
        Pause before the first retry, in real time. It doubles each time, plus up to half of it at random.
    max_wait: number or text
        Maximum pause between retries.
    time_limit: number or text
        Maximum time without any answer, in real time.
    connect_timeout: number or text
        How long connecting may take.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.
    max_in_flight: int
        Maximum number of concurrent transfers.
    max_len: int
        Maximum size of a file in memory, in bytes. A larger one is a failure of the node.
    max_file_len: int
        Maximum size of a file saved locally, in bytes.
    part_len: int
        Size of the parts of a large file, in bytes; at least 5 MiB for S3.
    parallel: int
        Maximum number of concurrent transfers of parts of a file.
    verify_etag: bool
        Whether to treat S3's ``ETag`` as the MD5 of the file. That is wrong for files encrypted with the service's
        keys; files written in parts are not checked.

    Examples
    --------
    >>> from thalweg.remote import Remote
    >>> remote = Remote(endpoint="http://localhost:9000", access_key="river", secret_key="s3cret", retries=5)
    >>> remote, remote.bytes_done, remote.bytes_total
    (<Remote>, 0, 0)
    >>> Remote(parallel=0)
    Traceback (most recent call last):
    ValueError: Remote: `parallel` is at least one, not 0
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        password: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        anonymous: bool = False,
        key_file: str | PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        schemes: Iterable[str] | None = None,
        retries: int = 3,
        wait: Interval = 1,
        max_wait: Interval = 30,
        time_limit: Interval = 60,
        connect_timeout: Interval = 10,
        follow_anywhere: bool = False,
        max_in_flight: int = 16,
        max_len: int = MAX_LEN,
        max_file_len: int = 1024**4,
        part_len: int = 8 * 1024**2,
        parallel: int = 4,
        verify_etag: bool = False,
    ) -> None:
        if type(retries) is not int or not 0 <= retries < 2**32:
            raise ValueError(f"Remote: `retries` is a number from 0 on, not {retries!r}")
        if (access_key is None) != (secret_key is None):
            raise ValueError("Remote: give `access_key` and `secret_key` together")
        if password is not None and user is None:
            raise ValueError("Remote: a `password` needs a `user`")
        self._settings = sources.RemoteSettings(
            (user, password),
            (access_key, secret_key, session_token),
            (endpoint, region, bool(anonymous), None if key_file is None else fspath(key_file)),
            (
                check_headers(headers, "Remote"),
                check_interval(connect_timeout, "Remote", "connect_timeout"),
                bool(follow_anywhere),
            ),
            None if schemes is None else list(schemes),
            (
                retries,
                check_interval(wait, "Remote", "wait"),
                check_interval(max_wait, "Remote", "max_wait"),
                check_interval(time_limit, "Remote", "time_limit"),
            ),
            (
                check_count(max_in_flight, "Remote", "max_in_flight"),
                check_max_len(max_len, "Remote"),
                check_max_len(max_file_len, "Remote", "max_file_len"),
            ),
            (
                check_count(part_len, "Remote", "part_len"),
                check_count(parallel, "Remote", "parallel"),
                bool(verify_etag),
            ),
        )

    def __repr__(self) -> str:
        return "<Remote>"

    @property
    def bytes_done(self) -> int:
        """Bytes transferred by all nodes with these settings; repeated transfers count once."""
        return self._settings.progress()[0]

    @property
    def bytes_total(self) -> int:
        """Bytes of all started transfers, as far as their sizes are known."""
        return self._settings.progress()[1]


def remote_settings(remote: Remote | None, operator: str) -> sources.RemoteSettings:
    """Return the settings of a `Remote`, or the default ones.

    Examples
    --------
    >>> from thalweg.remote.settings import remote_settings
    >>> remote_settings("anna", "read_url")
    Traceback (most recent call last):
    TypeError: read_url: `remote` is a Remote, not 'anna'
    """
    if remote is None:
        remote = Remote()
    if not isinstance(remote, Remote):
        raise TypeError(f"{operator}: `remote` is a Remote, not {remote!r}")
    return remote._settings
