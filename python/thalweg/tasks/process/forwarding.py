"""The part of the client that forwards logs and output of worker processes to this process."""

from __future__ import annotations

import io
import logging
import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

from thalweg._thalweg.tasks import is_worker
from thalweg.tasks.process import requests
from thalweg.tasks.process.plugins import Plugins, WorkerPlugin

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["Forwarding"]

#: Maximum characters of a line that are sent in one piece.
_LONGEST = 64 << 10

#: Attributes of a record that are needed here; others are optional.
_USUAL = frozenset(vars(logging.makeLogRecord({})))


class Forwarding(Plugins):
    """Forwards logs and output of worker processes."""

    def forward_logging(
        self,
        logger_name: str | None = None,
        level: int = logging.INFO,
        *,
        output: bool = False,
        asynchronous: bool | None = None,
    ) -> Any:
        """Handle log records of worker processes in this process, by the loggers of the same names.

        A record keeps its level, its text and that of its exception; its attribute ``worker`` names the worker, such as
        ``worker 0``. A worker's records arrive in order, and it continues when its record has been handled here, so
        that none is lost at its end. Loggers of this process decide by their own levels what is shown. Tasks on threads
        log here anyway.

        Parameters
        ----------
        logger_name
            The logger whose records are forwarded, with those of its children; None for the root.
        level
            The lowest level to forward. In the workers, the logger's own level is lowered to it.
        output
            Whether to forward ``sys.stdout`` and ``sys.stderr`` of workers as well, line by line, with the worker's
            name as a prefix: to see them in a notebook, for example. Without it, they go where this process's own
            output went when the workers were started.

        Examples
        --------
        >>> import logging
        >>> from thalweg.tasks import Client
        >>> class Kept(logging.Handler):
        ...     def emit(self, record):
        ...         print(record.worker, record.levelname, record.getMessage())
        >>> logging.getLogger("payments").addHandler(Kept())
        >>> with Client(processes=True, n_workers=1) as client:
        ...     told = client.forward_logging("payments", logging.WARNING)
        ...     client.submit(logging.getLogger("payments").warning, "no route to %s", "the bank").result()
        worker 0 WARNING no route to the bank
        """
        if is_worker():
            raise RuntimeError("forward_logging: it is for the process that has the client, and this is a worker")
        if not isinstance(level, int) or isinstance(level, bool):
            raise TypeError(f"forward_logging: level: a number such as logging.INFO, and not {level!r}")
        if self._engine.kind != "processes":
            return self.run(_nothing, asynchronous=asynchronous)
        return self.register_plugin(_Forward(logger_name, level, output), asynchronous=asynchronous)

    def unforward_logging(self, logger_name: str | None = None, *, asynchronous: bool | None = None) -> Any:
        """Undo `forward_logging` for a logger.

        Raises
        ------
        ValueError
            It was not forwarded.
        """
        if self._engine.kind != "processes":
            return self.run(_nothing, asynchronous=asynchronous)
        return self.unregister_worker_plugin(_name(logger_name), asynchronous=asynchronous)


def _name(logger_name: str | None) -> str:
    return f"thalweg-forward-logging-{logger_name or ''}"


def _nothing() -> None:
    """Wait as long as a worker may take to answer."""


class _Forward(WorkerPlugin):
    """Forwards records of a logger, and output, from a worker."""

    def __init__(self, logger_name: str | None, level: int, output: bool) -> None:
        self.name = _name(logger_name)
        self._logger_name, self._level, self._output = logger_name, level, output
        self._handler: _Handler | None = None
        self._before = logging.NOTSET

    def setup(self, worker: Any) -> None:
        """Begin."""
        logger = logging.getLogger(self._logger_name)
        self._handler = _Handler(self._level)
        logger.addHandler(self._handler)
        self._before = logger.level
        if not logger.isEnabledFor(self._level):
            logger.setLevel(self._level)
        if self._output:
            sys.stdout, sys.stderr = _Lines(sys.stdout, False), _Lines(sys.stderr, True)

    def teardown(self, worker: Any) -> None:
        """End."""
        logger = logging.getLogger(self._logger_name)
        if self._handler is not None:
            logger.removeHandler(self._handler)
        logger.setLevel(self._before)
        for name in ("stdout", "stderr"):
            lines = getattr(sys, name)
            if isinstance(lines, _Lines):
                lines.flush()
                setattr(sys, name, lines.inner)


def _tell(request: requests.Request[Any]) -> bool:
    """Send a message to the parent; return whether it arrives: not in a fork of a worker, or while it starts."""
    if not is_worker():
        return False
    from thalweg.tasks.process.engine_proxy import engine

    engine().ask(request)
    return True


class _Handler(logging.Handler):
    """Sends records to the parent, which handles them before this returns."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if not _tell(requests.LogRecord(_portable(record))) and logging.lastResort is not None:
                logging.lastResort.handle(record)
        except Exception:
            self.handleError(record)


def _portable(record: logging.LogRecord) -> dict[str, Any]:
    """The record's attributes, with text in place of its exception, and of additions that cannot be pickled."""
    attributes = {**vars(record), "msg": record.getMessage(), "args": None, "exc_info": None}
    if record.exc_info and not record.exc_text:
        attributes["exc_text"] = logging.Formatter().formatException(record.exc_info)
    for name in attributes.keys() - _USUAL:
        try:
            pickle.dumps(attributes[name])
        except Exception:
            attributes[name] = repr(attributes[name])
    return attributes


class _Lines(io.TextIOBase):
    """Sends each line to the parent as soon as it is complete, or flushed."""

    def __init__(self, inner: TextIO, is_error: bool) -> None:
        self.inner: TextIO = inner.inner if isinstance(inner, _Lines) else inner
        self._is_error = is_error
        self._lock = threading.Lock()
        #: The incomplete line of each thread.
        self._begun: dict[int, str] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.inner.fileno()

    def write(self, text: str) -> int:
        with self._lock:
            whole = self._begun.pop(threading.get_ident(), "") + text
            lines, _, rest = whole.rpartition("\n")
            if len(rest) > _LONGEST:
                lines, rest = whole, ""
            if rest:
                self._begun[threading.get_ident()] = rest
        if lines or whole.startswith("\n"):
            self._send(lines)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            rest = self._begun.pop(threading.get_ident(), "")
        if rest:
            self._send(rest)

    def _send(self, lines: str) -> None:
        if not _tell(requests.Output(os.getpid(), lines, self._is_error)):
            self.inner.write(f"{lines}\n")
            self.inner.flush()
