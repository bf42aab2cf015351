"""What streams on engines call by name."""

from thalweg.parallel.waiting import awaited, result, run_until_done

__all__ = ["awaited", "result", "run_until_done"]
