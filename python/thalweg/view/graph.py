"""Pictures of pipelines.

With networkx and graphviz installed graphviz draws them; without, thalweg draws them itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from thalweg import errors
from thalweg.stream import no_default

__all__ = ["build_node_set", "create_graph", "readable_graph", "to_graphviz", "visualize"]

#: Formats of `visualize`, by file extension.
_FORMATS = ("png", "pdf", "dot", "svg", "jpeg", "jpg")


def _clean_text(text: str, match: str | None = None) -> str:
    """Replace characters that are syntax in graphviz.

    Examples
    --------
    >>> from thalweg.graph import _clean_text
    >>> _clean_text("<map: f(x)>")
    ' map; f x '
    """
    text = re.sub("[^a-zA-Z0-9_:]+" if match is None else match, " ", text)
    # After a node's name graphviz takes a colon for the beginning of a port's.
    return text.replace(":", ";")


def build_node_set(node: Any, s: set[Any] | None = None) -> set[Any]:
    """Find all nodes connected with one, itself included.

    Parameters
    ----------
    node
        The first node.
    s
        The set to add them to; by default a new one.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.graph import build_node_set
    >>> source = Stream()
    >>> doubled = source.map(lambda x: 2 * x)
    >>> build_node_set(doubled) == {source, doubled}
    True
    """
    found = set() if s is None else s
    found.update(_nodes(node))
    return found


def _nodes(node: Any) -> list[Any]:
    """All nodes connected with one, always in the same order."""
    if not hasattr(node, "upstreams"):
        raise TypeError(f"a node of a pipeline is needed, and not {node!r}")
    found = {node: None}
    unseen = [node]
    while unseen:
        current = unseen.pop()
        for neighbour in [*current.upstreams, *current.downstreams]:
            # A node that is built before its upstreams has a place reserved for them.
            if neighbour is not None and neighbour not in found:
                found[neighbour] = None
                unseen.append(neighbour)
    return list(found)


def create_graph(node: Any, graph: Any) -> None:
    """Fill a networkx graph with all nodes connected with one.

    Its nodes are the hashes of ours, with attributes of graphviz: `label`, `shape`, `orientation`, `style`,
    `fillcolor`. If a node has several downstreams, its edges are labelled with their order. An edge into a join is
    dashed if it is one of those that make the join emit, and there are others that do not.

    Parameters
    ----------
    node
        The first node.
    graph
        The graph to fill, a ``networkx.DiGraph``.

    Examples
    --------
    >>> import networkx as nx
    >>> from thalweg import Stream
    >>> from thalweg.graph import create_graph
    >>> source = Stream()
    >>> doubled = source.map(lambda x: 2 * x)
    >>> graph = nx.DiGraph()
    >>> create_graph(source, graph)
    >>> list(graph.edges) == [(hash(source), hash(doubled))]
    True
    """
    nodes = _nodes(node)
    for n in nodes:
        graph.add_node(
            hash(n),
            label=_clean_text(str(n)),
            shape=n._graphviz_shape,
            orientation=str(n._graphviz_orientation),
            style=n._graphviz_style,
            fillcolor=n._graphviz_fillcolor,
        )
    for n in nodes:
        for upstream in n.upstreams:
            if upstream is not None:
                graph.add_edge(hash(upstream), hash(n))
    for n in nodes:
        downstreams = list(n.downstreams)
        for i, downstream in enumerate(downstreams):
            attributes = {"label": str(i)} if len(downstreams) > 1 else {}
            if _sets_off(n, downstream):
                attributes["style"] = "dashed"
            graph.add_edge(hash(n), hash(downstream), **attributes)


def _sets_off(upstream: Any, join: Any) -> bool:
    """Whether a join emits on elements of this upstream, but not on those of every other."""
    emit_on = getattr(join, "emit_on", None)
    if emit_on is None:
        return False
    chosen = list(emit_on) if isinstance(emit_on, Iterable) else [emit_on]
    upstreams = list(join.upstreams)
    streams = [upstreams[one] if hasattr(one, "__index__") else one for one in chosen]
    return any(one is upstream for one in streams) and len(streams) < len(upstreams)


def readable_graph(graph: Any) -> Any:
    """Rename the nodes of a networkx graph to their labels; equal labels are numbered.

    Parameters
    ----------
    graph
        A graph filled by `create_graph`.

    Returns
    -------
    networkx.DiGraph
        The same graph, with these names.

    Examples
    --------
    >>> import networkx as nx
    >>> from thalweg import Stream
    >>> from thalweg.graph import create_graph, readable_graph
    >>> source = Stream(stream_name="in")
    >>> last = source.map(abs).map(abs)
    >>> graph = nx.DiGraph()
    >>> create_graph(source, graph)
    >>> list(readable_graph(graph))[1:]
    [' map; abs ', ' map; abs -1']
    """
    import networkx as nx

    names = {}
    seen: dict[str, int] = {}
    for node in graph:
        label = graph.nodes[node]["label"]
        names[node] = f"{label}-{seen[label]}" if label in seen else label
        seen[label] = seen.get(label, 0) + 1
    return nx.relabel_nodes(graph, names, copy=True)


#: Arguments of `graphviz.Digraph`; anything else is an attribute of the graph.
_DIGRAPH_OPTIONS = {
    *("name", "comment", "filename", "directory", "format", "engine", "encoding"),
    *("graph_attr", "node_attr", "edge_attr", "body", "strict"),
}


def to_graphviz(graph: Any, **graph_attr: Any) -> Any:
    """Convert a networkx graph to a graphviz graph.

    Parameters
    ----------
    graph
        A graph returned by `readable_graph`.
    **graph_attr
        Options of ``graphviz.Digraph``, or attributes of the graph such as ``rankdir="LR"``.

    Returns
    -------
    graphviz.Digraph

    Examples
    --------
    >>> import networkx as nx
    >>> from thalweg import Stream
    >>> from thalweg.graph import create_graph, readable_graph, to_graphviz
    >>> graph = nx.DiGraph()
    >>> create_graph(Stream(stream_name="in"), graph)
    >>> "rankdir=LR" in to_graphviz(readable_graph(graph), rankdir="LR").source
    True
    """
    import graphviz

    options = graph_attr if _DIGRAPH_OPTIONS.intersection(graph_attr) else {"graph_attr": graph_attr}
    drawing = graphviz.Digraph(**options)
    for node, attributes in graph.nodes.items():
        drawing.node(node, **attributes)
    for (start, end), attributes in graph.edges.items():
        drawing.edge(start, end, **attributes)
    return drawing


#: Default file name under the names of streamz and rapidz.
_PEERS_FILE = "mystream.png"


def visualize(node: Any, filename: str | os.PathLike[str] | None = no_default, **kwargs: Any) -> Any:
    """Draw the pipeline that a node belongs to.

    Graphviz draws if networkx, graphviz and its program ``dot`` are installed; otherwise thalweg does.

    Parameters
    ----------
    node
        Any node of it.
    filename
        The file to write. Its extension is the format: png, svg, pdf, jpeg, jpg, or dot for graphviz's language;
        ``.png`` is added if there is none of these. With None, the default, nothing is written, and the picture is
        shown in the notebook. (Under the names of streamz and rapidz the default is ``mystream.png``, as there.)
    **kwargs
        Attributes of the graph, such as ``rankdir="LR"``, or options of ``graphviz.Digraph``.

    Returns
    -------
    IPython.display.Image, IPython.display.SVG or None
        The picture for a notebook; None if IPython is not installed, or cannot show the format.

    Raises
    ------
    ImportError
        The request needs graphviz, or, for a pdf, cairosvg; nothing is written then.

    Warns
    -----
    UserWarning
        Attributes of the graph were given, and graphviz is missing.

    Examples
    --------
    >>> import os, tempfile
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> doubled = source.map(lambda x: 2 * x)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     picture = doubled.visualize(os.path.join(directory, "pipeline.svg"))
    ...     os.listdir(directory)
    ['pipeline.svg']
    """
    if filename is no_default:
        filename = _PEERS_FILE if errors.logger_name in errors.PEERS else None
    path, form = _place(filename)
    data = _draw_by_graphviz(node, form, kwargs)
    if data is None:
        form, data = _draw(node, path, form, kwargs)
    if path is not None:
        with open(path, "wb") as file:
            file.write(data)
    return _display(data, form)


def _place(filename: str | os.PathLike[str] | None) -> tuple[str | None, str]:
    """Path and format of a picture."""
    if filename is None:
        return None, "png"
    path = os.fspath(filename)
    form = os.path.splitext(path)[1][1:].lower()
    if form in _FORMATS:
        return path, form
    return f"{path}.png", "png"


def _draw_by_graphviz(node: Any, form: str, options: dict[str, Any]) -> bytes | None:
    try:
        import graphviz
        import networkx as nx
    except ImportError:
        return None
    graph = nx.DiGraph()
    create_graph(node, graph)
    drawing = to_graphviz(readable_graph(graph), **options)
    try:
        data: bytes = drawing.pipe(format=form)
    except graphviz.ExecutableNotFound:
        # The language can be written without the program, only without a layout.
        return drawing.source.encode() if form == "dot" else None
    return data


def _draw(node: Any, path: str | None, form: str, options: dict[str, Any]) -> tuple[str, bytes]:
    """Draw without graphviz, in the requested format."""
    if form == "dot":
        attributes = "".join(f'{name}="{value}"; ' for name, value in options.items() if name not in _DIGRAPH_OPTIONS)
        return form, node._dot().replace("{", "{ " + attributes, 1).encode()
    if options:
        _warn(f"graphviz is not installed: drawn without {', '.join(options)}")
    if form == "svg" or path is None:
        return "svg", node._svg().encode()
    data = node._png() if form == "png" else None
    if data is None:
        data = _convert(node._svg().encode(), form)
    if data is None:
        raise ImportError(
            f"visualize: a file of the format {form} needs graphviz: pip install 'thalweg[graph]', and the system's "
            "package with the program `dot`; svg and dot need neither"
        )
    return form, data


def _convert(svg: bytes, form: str) -> bytes | None:
    if form not in ("png", "pdf"):
        return None
    try:
        import cairosvg
    # Without the system's cairo library it is an OSError.
    except (ImportError, OSError):
        return None
    convert = cairosvg.svg2png if form == "png" else cairosvg.svg2pdf
    data: bytes = convert(bytestring=svg)
    return data


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, stacklevel=4)


def _display(data: bytes, form: str) -> Any:
    if form in ("dot", "pdf"):
        return None
    try:
        from IPython import display
    except ImportError:
        return None
    if form == "svg":
        return display.SVG(data=data)
    return display.Image(data=data, format="jpeg" if form == "jpg" else form)


def _repr_html(node: Any) -> str:
    """Show a node in a notebook: its description, and its pipeline.

    Examples
    --------
    >>> from thalweg.graph import _repr_html
    >>> class Node:
    ...     def __str__(self):
    ...         return "<map: f>"
    ...     def _svg(self):
    ...         return "<svg/>"
    >>> _repr_html(Node())
    '<div><code>&lt;map: f&gt;</code><br><svg/></div>'
    """
    from html import escape

    return f"<div><code>{escape(str(node))}</code><br>{node._svg()}</div>"
