"""Text, pictures and counters of a stream."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, ClassVar, TextIO

    from typing_extensions import Self

#: Value of an argument that was not given.
no_default = "--no-default--"


class Inspected:
    """Methods of streams that only look."""

    name: str | None
    str_list: ClassVar[list[str]]
    _counters: Any

    def visualize(self, filename: str | PathLike[str] | None = no_default, **kwargs: Any) -> Any:
        """Draw the pipeline, into a file or for the notebook; see :func:`thalweg.graph.visualize`.

        Examples
        --------
        >>> import os, tempfile
        >>> from thalweg import Stream
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     picture = Stream().map(str).visualize(os.path.join(directory, "pipeline.svg"))
        ...     os.listdir(directory)
        ['pipeline.svg']
        """
        from thalweg.view.graph import visualize

        return visualize(self, filename, **kwargs)

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

    def progress(self, total: int | None = None, label: str = "", file: TextIO | None = None) -> Self:
        """Show how many elements come to this node, how fast, and how many are left; return the node.

        It ends when the pipeline has been drained, or `total` have come.

        In a terminal it is a line on ``sys.stderr``, in a notebook a widget; nothing where the output is neither. An
        element costs nothing: the node's counters are looked at ten times a second.

        Parameters
        ----------
        total: int
            How many there will be, if that is known.
        label: str
            What stands before it.
        file:
            Where to write to instead.

        Examples
        --------
        >>> import io
        >>> from thalweg import Stream
        >>> output = io.StringIO()
        >>> with Stream() as source:
        ...     L = source.progress(total=3, file=output).map(abs).sink_to_list()
        ...     source.emit_many([-1, -2, -3])
        >>> "3 of 3" in output.getvalue()
        True
        """
        from thalweg.view.progress import bar, of_stream

        shown = bar(file, label)
        if shown is not None:
            of_stream(self, total, shown)  # type: ignore[arg-type]
        return self

    def explain(self: Any) -> str:
        """Return how the pipeline is run: the Python functions that chains of its nodes are compiled to, and why other
        nodes are left to the engine. ``THALWEG_COMPILE=0`` in the environment turns compilation off.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> L = source.map(str).sink_to_list()
        >>> print(source.explain())  # doctest: +ELLIPSIS
        def chain(DONE, MANY, FAILED, ENDED, LEFT, left, f1, f2):
            # x1: map(str)
            # x2: sink(append)
        ...
                    x1 = f1(x0)
                    end = f2(x1)
        ...
        # Stream: left to the engine, elements come in here
        """
        from thalweg.stream.compiled import explain

        return explain(self)

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

    def _repr_html_(self: Any) -> str:
        from thalweg.view.notebook import repr_html

        return repr_html(self)

    def _ipython_display_(self: Any, **kwargs: Any) -> Any:
        from thalweg.view.notebook import display_stream

        return display_stream(self, **kwargs)
