"""Chains of nodes as Python functions: straight runs, branches and joins, written out and compiled.

An operator writes its part of the code in a method `_written`, which gets a :class:`Code`; an operator without one ends
the chain, and the engine continues from there. The function is a generator: it gets an element, calls every function on
the element's way, and waits for the next one. Whatever it cannot do itself it passes to the engine by a signal, see
``crates/thalweg-python/src/compiled``.
"""

from __future__ import annotations

import os

from thalweg import _thalweg
from thalweg.stream.compiled.chain import Chain, chains_of
from thalweg.stream.compiled.code import Code
from thalweg.stream.compiled.parts import parts_of
from thalweg.stream.compiled.writer import comment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg.stream.node import Stream

__all__ = ["Chain", "Code", "compile_chains", "explain"]


def compile_chains(pipeline: _thalweg.Pipeline) -> list[Chain]:
    """The chains of a pipeline, for the engine; none if ``THALWEG_COMPILE=0`` disables compilation.

    Those downstream come first: the exits of a chain lead to what is there when it takes the place of its nodes.
    """
    if os.environ.get("THALWEG_COMPILE") == "0":
        return []
    return chains_of(parts_of(pipeline))[::-1]


def explain(node: Stream) -> str:
    """Explain how a node's pipeline runs: its compiled chains, and what the engine runs."""
    parts = parts_of(node._pipeline)
    is_off = os.environ.get("THALWEG_COMPILE") == "0"
    chains = [] if is_off else chains_of(parts)
    written = {
        id(node) for chain in chains for node, kind in zip(chain.nodes, chain.kinds, strict=True) if kind != "fork"
    }
    texts = [chain.source for chain in chains]
    left = []
    for part in parts:
        if id(part.node) in written:
            continue
        reason = part.reason
        if is_off:
            reason = "compilation is turned off by THALWEG_COMPILE=0"
        elif not reason and not part.ways:
            reason = "elements come in here"
        elif not reason:
            reason = "its policy needs the engine where more comes after it"
        left.append(f"# {comment(part.node)}: left to the engine, {reason}")
    return "\n".join([*texts, *left])
