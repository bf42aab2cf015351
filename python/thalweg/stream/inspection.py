"""Text, pictures and counters of a stream."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


#: Value of an argument that was not given.
no_default = "--no-default--"


class Inspected:
    """Methods of streams that only look."""

    name: str | None
    str_list: ClassVar[list[str]]
    _counters: Any

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
