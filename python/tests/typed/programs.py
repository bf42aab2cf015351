"""Programs as users write them, with the types that a checker infers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg import Stream
from thalweg.tasks import Client, Future

if TYPE_CHECKING:
    # Type checkers know it even if it is not installed.
    from typing_extensions import assert_type


def length(text: str, start: int = 0) -> int:
    """Return the length of the rest of a text."""
    return len(text) - start


def lambdas_on_streams() -> list[int]:
    """Return the results of a pipeline of lambdas for two texts."""
    source: Stream[str] = Stream()
    lengths = source.map(lambda text: text.upper()).filter(lambda text: text.isalpha()).map(lambda text: len(text))
    collected = lengths.sink_to_list()
    if TYPE_CHECKING:
        assert_type(lengths, Stream[int])
        assert_type(collected, list[int])
    for text in ["one", "2", "three"]:
        source.emit(text)
    return collected


def functions_of_a_client() -> tuple[int, int, int, list[int], list[int]]:
    """Return the results of functions and lambdas submitted to a client."""
    with Client(n_workers=1) as client:
        three = client.submit(length, "three", start=2)
        four = client.submit(lambda number: number + 1, 3)
        limited = client.submit(length, "three", time_limit="5s")
        of_a_future = client.submit(length, client.submit(str, 12345))
        mapped = client.map(lambda number: number * 2, [1, 2])
        added = client.map(lambda text, number: len(text) + number, ["a", "bc"], [1, 2])
        if TYPE_CHECKING:
            assert_type(three, Future[int])
            assert_type(four, Future[int])
            assert_type(limited, Future[int])
            assert_type(of_a_future, Future[int])
            assert_type(mapped, list[Future[int]])
            assert_type(added, list[Future[int]])
        results = [future.result() for future in mapped]
        sums = [future.result() for future in added]
        return three.result() + limited.result(), four.result(), of_a_future.result(), results, sums
