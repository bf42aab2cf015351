"""The dashboard's table in a terminal: ``python -m thalweg top``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

#: Timeout of a request in seconds.
_PATIENCE = 5.0

_COLUMNS = ("node", "state", "in/s", "in", "out", "failed", "held", "wait", "p99")


def table(info: dict[str, Any], width: int = 100) -> str:
    """Format the dashboard's data as text, in lines of at most `width` characters.

    Examples
    --------
    >>> from thalweg.view.top import table
    >>> node = {"name": "map(abs)", "state": "flowing", "received_per_second": 12.0, "received": 24, "sent": 24,
    ...         "failed": 0, "held": 0, "mean_wait_seconds": 0.25, "latency_p99_seconds": None}
    >>> print(table({"process": 7, "pipelines": [{"name": "orders", "state": "flowing", "bottleneck": None,
    ...       "busy": False, "nodes": [node]}], "engines": []}, width=80))
    process 7
    <BLANKLINE>
    orders: flowing
      node        state     in/s        in       out  failed  held    wait     p99
      map(abs)  flowing     12.0        24        24       0     0  250 ms       –
    """
    lines = [f"process {info['process']}"]
    for pipeline in info["pipelines"]:
        busy = ", a function is at work" if pipeline["busy"] else ""
        lines += ["", f"{pipeline['name']}: {pipeline['state']}{busy}"]
        lines += _nodes(pipeline, width)
    for engine in info["engines"]:
        lines += ["", f"{engine['name']}: {engine['running']} tasks run, {engine['waiting']} wait"]
        for worker in engine["workers"]:
            tasks = ", ".join(task["name"] for task in worker["tasks"]) or "nothing"
            process = f", process {worker['process']}" if worker["process"] is not None else ""
            lines.append(f"  {worker['name']}{process}: {tasks}")
    if not info["pipelines"] and not info["engines"]:
        lines.append("no pipelines and no engines")
    return "\n".join(line[:width] for line in lines)


def _nodes(pipeline: dict[str, Any], width: int) -> list[str]:
    nodes = pipeline["nodes"]
    # The other columns take 69 characters.
    room = max(8, min(width - 71, max((len(node["name"]) for node in nodes), default=8)))
    lines = []
    for node in nodes:
        mark = ">" if node.get("id") is not None and node.get("id") == pipeline["bottleneck"] else " "
        lines.append(
            f"{mark} {node['name'][:room]:{room}} {node['state']:>8} {node['received_per_second']:8.1f}"
            f" {node['received']:9} {node['sent']:9} {node['failed']:7} {node['held']:5}"
            f" {_length(node['mean_wait_seconds']):>7} {_length(node['latency_p99_seconds']):>7}"
        )
    node, state, rate, received, sent, failed, held, wait, late = _COLUMNS
    header = f"  {node:{room}} {state:>8} {rate:>8} {received:>9} {sent:>9} {failed:>7} {held:>5} {wait:>7} {late:>7}"
    return [header, *lines]


def _length(seconds: float | None) -> str:
    """Format a duration with about two digits, as the dashboard's pages do."""
    if seconds is None:
        return "–"
    if seconds == 0:
        return "0"
    if seconds < 10:
        unit, factor, digits = ("µs", 1e6, 0) if seconds < 1e-3 else ("ms", 1e3, 0) if seconds < 1 else ("s", 1, 1)
        return f"{seconds * factor:.{digits}f} {unit}"
    unit, divisor = ("s", 1) if seconds < 120 else ("min", 60) if seconds < 7200 else ("h", 3600)
    return f"{seconds / divisor:.0f} {unit}"


def ask(address: str) -> dict[str, Any]:
    """Return the data of the dashboard at an address: a port, ``host:port``, or a URL.

    Raises
    ------
    OSError
        No dashboard answers there.
    ValueError
        The answer is not a dashboard's.

    Examples
    --------
    >>> import thalweg
    >>> from thalweg.view.top import ask
    >>> with thalweg.dashboard(port=0) as dashboard:
    ...     sorted(ask(str(dashboard.port)))[:3]
    ['dashboard_seconds', 'engines', 'failures']
    """
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    place = address if "//" in address else f"//{address if ':' in address else f'127.0.0.1:{address}'}"
    url = f"http://{urlsplit(place).netloc}/info"
    with urlopen(url, timeout=_PATIENCE) as answer:
        info = json.loads(answer.read())
    if not isinstance(info, dict) or "pipelines" not in info:
        raise ValueError(f"{url} is not a dashboard of thalweg's")
    return info


def run(address: str, interval: float, once: bool) -> int:
    """Show the table repeatedly, until the dashboard is gone or Ctrl-C; return the program's exit code."""
    import shutil
    from http.client import HTTPException

    is_terminal = sys.stdout.isatty()
    while True:
        try:
            info = ask(address)
        except (OSError, ValueError, HTTPException) as error:
            print(f"thalweg top: no dashboard at {address}: {error}", file=sys.stderr)  # noqa: T201
            return 1
        text = table(info, shutil.get_terminal_size().columns)
        # To the corner, and clear.
        print(f"\x1b[H\x1b[2J{text}" if is_terminal and not once else text, flush=True)  # noqa: T201
        if once:
            return 0
        time.sleep(interval)
