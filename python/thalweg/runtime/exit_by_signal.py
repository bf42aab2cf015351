"""Programs that Ctrl-C has ended end by that signal, so that shells do not go on."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["exit_if_interrupted", "note_cut_short"]

#: Whether Ctrl-C has ended a wait at the end of the program: something was lost.
_was_cut_short = False


def note_cut_short() -> None:
    """Record that Ctrl-C has ended a wait at the end of the program."""
    global _was_cut_short
    _was_cut_short = True


def exit_if_interrupted() -> None:
    """Have the interpreter end by the signal if Ctrl-C has ended the program, or a wait at its end.

    Python notes it when a program raises, and forgets it when other code is run from text, as by imports of
    `collections.namedtuple` in functions that have been called since.
    """
    was_interrupted = _was_cut_short or getattr(sys, "last_type", None) is KeyboardInterrupt
    if was_interrupted and not (sys.flags.interactive or hasattr(sys, "ps1")):
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt", {})
