"""Streams in notebooks: a cell shows the latest element, while it is displayed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from thalweg.view.live_drawing import show as show_drawing

if TYPE_CHECKING:
    from thalweg.stream import Stream

#: Sinks that update displays, while these exist.
_displays: set[Any] = set()


def display_stream(stream: Stream, **kwargs: Any) -> Any:
    """Show the latest element of a stream, by ipywidgets; without them, the pipeline as a live drawing."""
    output = _output()
    if output is None:
        return show_drawing(stream, repr_html)
    from IPython.display import display

    reference = weakref.ref(output)

    def show(x: Any) -> None:
        shown = reference()
        if shown is not None:
            shown.outputs = (_rendered(x),)

    updates = stream.sink(show)
    _displays.add(updates)
    known = weakref.ref(updates)

    def leave(change: Any) -> None:
        shown, sink = reference(), known()
        if shown is not None and sink is not None and shown._view_count == 0:
            sink.destroy()
            _displays.discard(sink)

    output.observe(leave, "_view_count")
    if hasattr(output, "_repr_mimebundle_"):
        return display(output._repr_mimebundle_(**kwargs), raw=True)
    return output._ipython_display_(**kwargs)


def _output() -> Any:
    """An output widget; None without ipywidgets."""
    try:
        import ipywidgets

        return ipywidgets.Output(_view_count=0)
    except ImportError:
        return None


def _rendered(x: Any) -> dict[str, Any]:
    from IPython.core.interactiveshell import InteractiveShell

    data, metadata = InteractiveShell.instance().display_formatter.format(x)
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def repr_html(stream: Stream) -> str:
    """Return a stream's name and its pipeline as a picture, in HTML."""
    import html

    return f"<p>{html.escape(str(stream))}</p>{stream._svg()}"
