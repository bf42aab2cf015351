"""The dashboard of this process, in the browser."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable

from thalweg import _thalweg

__all__ = ["Dashboard", "dashboard", "running"]

#: Default port.
_PORT = 8787

_lock = threading.Lock()
_running: Dashboard | None = None


class Dashboard:
    """A running dashboard, as returned by :func:`dashboard`.

    Examples
    --------
    >>> import thalweg
    >>> from thalweg.view.dashboard import Dashboard
    >>> with thalweg.dashboard(port=0) as dashboard:
    ...     isinstance(dashboard, Dashboard), dashboard.link.startswith("http://127.0.0.1:")
    (True, True)
    """

    def __init__(
        self, host: str, port: int, hosts: Iterable[str], allow_control: bool = False, show_elements: int = 0
    ) -> None:
        self._served = _thalweg.Dashboard(host, port, list(hosts), allow_control, show_elements)
        self._show_elements = show_elements
        self._process = os.getpid()

    @property
    def link(self) -> str | None:
        """URL to open in a browser; None once the dashboard is closed."""
        return self._served.link

    @property
    def port(self) -> int | None:
        """Port that it listens on; None once the dashboard is closed."""
        return self._served.port

    @property
    def token(self) -> str | None:
        """Token that authorizes control of pipelines; None for a read-only dashboard.

        Enter it at ``/status``, or send it in the header ``X-Thalweg-Token`` of a POST to ``/control``. Treat it as a
        password: keep it out of logs.
        """
        return self._served.token

    @property
    def control_link(self) -> str | None:
        """URL to open in a browser, with the token as its fragment; None for a read-only dashboard."""
        return self._served.control_link

    @property
    def is_running(self) -> bool:
        """Whether it runs: False once it is closed, and in a forked process."""
        return self._process == os.getpid() and self._served.port is not None

    def close(self) -> None:
        """Stop the dashboard."""
        global _running
        if self.is_running:
            self._served.close()
        with _lock:
            if _running is self:
                _running = None

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Dashboard: {self.link or 'closed'}>"

    def _repr_html_(self) -> str:
        link = self.link
        return f'Dashboard: <a href="{link}" target="_blank">{link}</a>' if link else "Dashboard: closed"


def dashboard(
    port: int = _PORT,
    host: str = "127.0.0.1",
    hosts: Iterable[str] = (),
    *,
    allow_control: bool = False,
    show_elements: int = 0,
) -> Dashboard:
    """Serve a dashboard that shows the pipelines and tasks of this process, live, in the browser.

    It shows flow, bottlenecks, failures and tasks, and exports the same figures as metrics for Prometheus at
    ``/metrics``. It takes a snapshot once a second while someone views it, and none otherwise. A process has one
    dashboard: if it is running already, it is returned. ``THALWEG_DASHBOARD=8787`` in the environment, and
    ``python -m thalweg run --dashboard``, start it as well.

    Parameters
    ----------
    port: int
        Port to listen on. If it is taken, the next free one is used, with a warning. 0 for any free port.
    host: str
        Address to listen on. By default only this machine can connect; there are no passwords.
    hosts:
        Host names that it accepts besides ``localhost`` and IP addresses: those of this machine, or of a proxy.
    allow_control: bool
        Whether to show buttons that pause, resume and drain pipelines, for users who know the ``token``.
    show_elements: int
        Number of last elements shown on a node's page, 100 at most; by default none, since data is private. Above
        about a hundred elements a second, a sample is shown. Their ``repr`` is called while someone views the page,
        on a separate thread.

    Raises
    ------
    OSError
        Listening there is not permitted.
    TypeError
        An argument is of another type.
    ValueError
        An argument is invalid, or a dashboard that is already running lacks what is asked for.

    Examples
    --------
    >>> import json, urllib.request
    >>> import thalweg
    >>> source = thalweg.Stream(stream_name="orders")
    >>> L = source.map(abs).sink_to_list()
    >>> with thalweg.dashboard(port=0) as dashboard:
    ...     source.emit(-1)
    ...     with urllib.request.urlopen(dashboard.link.replace("status", "info")) as answer:
    ...         info = json.load(answer)
    >>> [orders] = [pipeline for pipeline in info["pipelines"] if pipeline["name"] == "orders"]
    >>> [(node["name"], node["received"], node["sent"]) for node in orders["nodes"]]
    [('orders', 0, 1), ('map(abs)', 1, 1), ('sink(append)', 1, 0)]
    """
    global _running
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        raise ValueError(f"dashboard: `port` is a number from 0 to 65535, not {port!r}")
    if isinstance(show_elements, bool) or not isinstance(show_elements, int) or not 0 <= show_elements <= 100:
        raise ValueError(f"dashboard: `show_elements` is a number from 0 to 100, not {show_elements!r}")
    if not isinstance(host, str):
        raise TypeError(f"dashboard: `host` is an address as text, not {host!r}")
    if not isinstance(allow_control, bool):
        raise TypeError(f"dashboard: `allow_control` is True or False, not {allow_control!r}")
    names = _checked_names(hosts)
    with _lock:
        if _running is not None and _running.is_running:
            if allow_control and _running.token is None:
                raise ValueError("dashboard: one that is read-only is served already: close it before `allow_control`")
            if show_elements > _running._show_elements:
                raise ValueError("dashboard: one that shows fewer elements is served already: close it first")
            return _running
        made = _running = Dashboard(host, port, names, allow_control, show_elements)
    if port not in (0, made.port):
        warnings.warn(f"port {port} is taken: the dashboard is at {made.link}", stacklevel=2)
    return made


def _checked_names(hosts: Iterable[str]) -> list[str]:
    if isinstance(hosts, Iterable) and not isinstance(hosts, str):
        names = list(hosts)
        if all(isinstance(name, str) for name in names):
            return names
    raise TypeError(f"dashboard: `hosts` is a list of host names, not {hosts!r}")


def running() -> Dashboard | None:
    """Return the dashboard that is running in this process, or None.

    Examples
    --------
    >>> import thalweg
    >>> from thalweg.view.dashboard import running
    >>> with thalweg.dashboard(port=0) as dashboard:
    ...     running() is dashboard
    True
    """
    return _running if _running is not None and _running.is_running else None


def serve_at(address: str | int | None) -> Dashboard | None:
    """Serve a dashboard at an address as Dask takes it: a port, ``":8787"`` or ``"127.0.0.1:8787"``; None for none.

    Raises
    ------
    ValueError
        The address is invalid.

    Examples
    --------
    >>> from thalweg.view.dashboard import serve_at
    >>> serve_at(None) is None
    True
    >>> serve_at("here")
    Traceback (most recent call last):
    ValueError: dashboard_address: a port, or text such as ":8787", not 'here'
    """
    if address is None:
        return None
    host, _, port = str(address).rpartition(":")
    if not port.isdecimal():
        raise ValueError(f'dashboard_address: a port, or text such as ":8787", not {address!r}')
    return dashboard(int(port), host or "127.0.0.1")


def serve_if_asked() -> None:
    """Serve a dashboard if the environment asks for it, in a program's first process."""
    address = os.environ.get("THALWEG_DASHBOARD")
    if address and running() is None and not _is_worker():
        try:
            serve_at(address)
        except (OSError, ValueError) as error:
            warnings.warn(f"THALWEG_DASHBOARD={address}: {error}", stacklevel=2)


def _is_worker() -> bool:
    import sys

    process = sys.modules.get("multiprocessing.process")
    return _thalweg.tasks.is_worker() or (process is not None and process.parent_process() is not None)
