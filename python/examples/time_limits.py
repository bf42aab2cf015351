"""A time limit for a function that may take too long: its worker process is killed and replaced."""

from __future__ import annotations

from thalweg import Stream
from thalweg.tasks import Client, TaskTimeout


def digits(number: int) -> int:
    """Count the digits of a power; higher powers take longer."""
    return len(str(7**number))


def main() -> None:
    """Count the digits, with half a second for each number."""
    with Client(processes=True, n_workers=2) as client:
        numbers = Stream()
        counted = numbers.scatter(client).map(digits, time_limit="500ms")
        results = counted.buffer(4).gather().sink_to_list()
        failures = counted.on_exception().sink_to_list()
        numbers.emit_many([10, 100, 10_000_000, 1000])
        numbers.drain()
    print(results)
    for failure in failures:
        print(failure.element, "took too long" if isinstance(failure.exception, TaskTimeout) else failure.exception)


if __name__ == "__main__":
    main()
