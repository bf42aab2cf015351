"""The names and arguments of streamz and rapidz exist here too."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

streamz = pytest.importorskip("streamz")

#: Modules of streamz; data frames are covered by the peer's own tests.
MODULES = [
    "batch",
    "collection",
    "core",
    "dask",
    "graph",
    "orderedweakset",
    "plugins",
    "river",
    "sinks",
    "sources",
    "utils",
    "utils_test",
]

#: Names missing in thalweg, with the reason.
MISSING = {
    "FromKafkaBatched": "what `from_kafka_batched` is made of there",
    "get_message_batch": "the same",
    "get_message_batch_cudf": "the same",
    "OperatorMixin": "a class that others derive from",
    "get_entry_point": "which of two versions of importlib.metadata there is",
}


def public_names(module: Any) -> list[str]:
    """The names that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


#: Internal run loops of streamz's nodes.
LOOPS = ("cb", "condition", "do_poll", "pack_literals", "poll", "poll_kafka", "work_callback")

NAMES = [
    (module, name)
    for module in MODULES
    for name in public_names(importlib.import_module(f"streamz.{module}"))
    if name not in MISSING
]


def parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def takes(function: Any, theirs: list[inspect.Parameter]) -> str:
    """Reason why a function does not accept all arguments of another; empty if it does."""
    ours = parameters(function)
    names = [each.name for each in ours]
    kinds = {each.kind for each in ours}
    positional = [each.name for each in ours if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    for place, each in enumerate(theirs):
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        is_in_place = positional[place : place + 1] == [each.name] or each.VAR_POSITIONAL in kinds
        if each.kind == each.POSITIONAL_OR_KEYWORD and not is_in_place:
            return f"{each.name} is argument {place} there, here they are {names}"
        if each.name not in names and each.VAR_KEYWORD not in kinds:
            return f"there is no {each.name} here, only {names}"
    return ""


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_name_of_streamz_exists_here(module, name):
    theirs = getattr(importlib.import_module(f"streamz.{module}"), name)
    ours = getattr(importlib.import_module(f"thalweg.{module}"), name)
    if inspect.isfunction(theirs) or (inspect.isclass(theirs) and "__init__" in vars(theirs)):
        assert not takes(ours, parameters(theirs))
    if inspect.isclass(theirs) and inspect.isclass(ours):
        methods = [each for each in vars(theirs) if not each.startswith("_") and each not in MISSING]
        lacking = [each for each in methods if each not in LOOPS and not hasattr(ours, each)]
        assert not lacking


def test_a_star_import_gives_every_name_of_streamz():
    theirs: dict[str, Any] = {}
    exec("from streamz import *", theirs)
    ours: dict[str, Any] = {}
    exec("from thalweg import *", ours)
    accidents = {"OrderedWeakrefSet"}
    named = {
        name
        for name, value in theirs.items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("streamz") and name not in MISSING
    }
    assert named - ours.keys() == accidents
    import thalweg

    assert named - set(dir(thalweg)) == accidents
