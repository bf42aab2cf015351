"""The functions that every contender calls."""

from __future__ import annotations


def increment(x: int) -> int:
    return x + 1


def is_even(x: int) -> bool:
    return x % 2 == 0


def add(total: int, x: int) -> int:
    return total + x


def ignore(x: object) -> None:
    pass
