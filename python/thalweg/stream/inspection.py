"""Text, pictures and counters of a stream."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


#: Default that marks a missing argument.
no_default = "--no-default--"


class Inspected:
    """Methods of streams that only inspect."""

    name: str | None
    str_list: ClassVar[list[str]]
    _counters: Any
    _latency: Any
    _positions: Any

    def counters(self) -> dict[str, Any]:
        """Return how many elements this node has received, sent, failed on and holds, and for how
        many seconds elements have waited in it, as a dict.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> node = source.filter(None)
        >>> source.emit_many([0, 1, 2])
        >>> node.counters()["received"]
        3
        """
        names = ("received", "sent", "failed", "held", "waited")
        return dict(zip(names, self._counters(), strict=True))

    def latency(self) -> dict[str, Any]:
        """Return the latency at this node, as a dict.

        That is the time from an element's emission, by a source or by a user, to its arrival here; at a
        sink, to the end of the sink's work. Where it grows from one node to the next, elements wait, or
        a function is slow. For an element made of several, such as a window, the newest counts.

        The first call for any node of a pipeline begins the timing, by the pipeline's clock, of a sample:
        the next element, and then about a hundred a second, fewer in a pipeline of more than 12 nodes.
        Before that nothing is measured, and it costs nothing.

        Returns
        -------
        dict
            Number of elements timed here as `count`, and their latencies in seconds: `mean`, `p50` (the
            median), `p99` (the 99th percentile) and `max`. These are None if none has been timed, and at
            nodes where elements are emitted.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream(loop=clock)
        >>> sink = source.timed_window("2s").sink(lambda window: None)
        >>> sink.latency()["count"]
        0
        >>> source.emit(1)
        >>> clock.advance("2s")
        >>> sink.latency()["p99"]
        2.0
        """
        names = ("count", "mean", "p50", "p99", "max")
        values = self._latency() or (0, None, None, None, None)
        return dict(zip(names, values, strict=True))

    def positions(self) -> list[dict[str, Any]]:
        """Return how far the elements of this source have been acknowledged.

        Each partition, file or query that the source reads has a position. They are also on the dashboard
        and in its metrics.

        Returns
        -------
        list of dict
            The `name` of the position; the `value`, an offset or id as text, of the last element before
            which everything is acknowledged, or None; the number of elements read after it, as
            `unacknowledged`; and the seconds since the `oldest` of them was read, or None. Empty for other
            nodes, and for sources without positions.

        Examples
        --------
        >>> import asyncio, pathlib, tempfile
        >>> from thalweg import Database, Stream
        >>> async def read(path):
        ...     position = Database("sqlite::memory:").position("rivers")
        ...     rivers = Stream.from_csv(path, position=position, asynchronous=True)
        ...     rivers.sink(lambda river: None)
        ...     rivers.start()
        ...     await rivers.finished()
        ...     return rivers.positions()[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "rivers.csv")
        ...     size = path.write_text("name\\nOb\\n")
        ...     asyncio.run(read(path))
        {'name': 'rivers', 'value': '8', 'unacknowledged': 0, 'oldest': None}
        """
        names = ("name", "value", "unacknowledged", "oldest")
        return [dict(zip(names, position, strict=True)) for position in self._positions()]

    def __str__(self) -> str:
        parts = [f"{self.name}; {type(self).__name__}" if self.name else type(self).__name__]
        for attribute in self.str_list:
            value = getattr(self, attribute, None)
            text = getattr(value, "__name__", "") if callable(value) else str(value or "")
            if text:
                parts.append(f"{attribute}={text}")
        if len(parts) == 2:
            parts[1] = parts[1].split("=")[-1]
        head, *tail = parts
        return f"<{head}: {', '.join(tail)}>" if tail else f"<{head}>"

    def __repr__(self) -> str:
        return str(self)
