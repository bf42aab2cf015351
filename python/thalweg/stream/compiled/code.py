"""How a node is written in Python."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Code"]


class Code:
    """The code of one node in a chain, written by its operator.

    Attributes
    ----------
    x:
        The variable that holds the element.
    y:
        The variable for the result.
    """

    x: str
    y: str
    lines: list[str]

    def __init__(self, place: int, x: str) -> None:
        self.x, self.y = x, f"x{place + 1}"
        self.place = place
        self.objects: dict[str, Any] = {}
        self.kind: str = ""
        self.unevenness: list[bool] = []
        self.lines: list[str] = []

    def name(self, prefix: str, value: Any) -> str:
        """Return the name of a variable that holds an object."""
        name = f"{prefix}{self.place + 1}"
        while name in self.objects:
            name += "_"
        self.objects[name] = value
        return name

    def call(self, function: Any, *first: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> str:
        """Return an expression that calls a function with variables and constant arguments."""
        parts = [*first, *(self.name("a", value) for value in args)]
        if kwargs:
            parts.append(f"**{self.name('k', kwargs)}")
        return f"{self.name('f', function)}({', '.join(parts)})"

    def sends(self, value: str, *before: str) -> bool:
        """Emit the value of an expression, after some lines."""
        last = [] if value == self.y else [f"{self.y} = {value}"]
        return self._is("sends", *before, *last)

    def keeps(self, condition: str) -> bool:
        """Emit the element if a condition holds."""
        return self._is("keeps", condition)

    def each(self) -> bool:
        """Emit every element of an iterable element."""
        return self._is("each")

    def ends(self, call: str) -> bool:
        """Call a function, and emit nothing."""
        return self._is("ends", call)

    def joins(self, value: str, unevenness: list[bool]) -> bool:
        """Emit the value of an expression of the elements of all upstreams: ``{0}``, ``{1}`` and so on.

        If they do not come together, that is noted in `unevenness`, and the engine joins them.
        """
        self.unevenness = unevenness
        return self._is("joins", value)

    def _is(self, kind: str, *lines: str) -> bool:
        self.kind, self.lines = kind, list(lines)
        return True
