"""The same random programs on streamz and on thalweg: same results, in the same order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, reject, settings

import thalweg
from differential.programs import UNARY, Program, programs, run

streamz = pytest.importorskip("streamz")

#: Takes about ten seconds.
MANY = settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)

OPERATORS = [*sorted({name for name, *_ in UNARY} - {"map", "sink"}), "combine_latest"]


def expected(program: Program) -> list[tuple[Any, ...]]:
    """Run on streamz, which may fail: it does not await the emits of a `partition` after another."""
    try:
        return run(program, streamz)
    except TypeError:
        reject()


def test_the_peer_is_the_real_streamz():
    assert streamz.Stream is not thalweg.Stream


@settings(MANY, max_examples=200)
@given(programs())
def test_a_program_is_deterministic(program):
    assert expected(program) == expected(program)


@MANY
@given(programs())
def test_thalweg_matches_streamz(program):
    assert run(program, thalweg) == expected(program)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_fault_in_any_operator_is_detected(operator, monkeypatch):
    monkeypatch.setattr(streamz.Stream, operator, lambda self, *args, **kwargs: self.map(lambda x: x))

    def differs(program: Program) -> bool:
        # The replacement operator has no `flush`.
        return all(not action.flush for action in program.actions) and run(program, thalweg) != expected(program)

    # The same programs each time: a rare operator might be in none of others.
    find(programs(), differs, settings=settings(MANY, phases=[Phase.generate], derandomize=True))
