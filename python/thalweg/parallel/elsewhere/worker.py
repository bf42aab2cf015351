"""What is done with groups of elements where an engine runs them: in a thread, or on a worker far away."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter, sleep
from typing import Any

from thalweg.errors.reprs import short

__all__ = [
    "DROPPED",
    "Call",
    "Chain",
    "Failed",
    "Filter",
    "Fold",
    "Parcel",
    "Pick",
    "Policy",
    "Ref",
    "Report",
    "Result",
    "Shape",
    "Step",
    "Tell",
    "TellKey",
    "TellLength",
    "accumulate",
    "report",
    "run",
    "state_of",
]


class _Dropped:
    """What an element comes to that does not go on."""

    def __reduce__(self) -> str:
        return "DROPPED"

    def __repr__(self) -> str:
        return "DROPPED"


DROPPED = _Dropped()


class _Traceback(Exception):
    """A traceback that was written down where the exception was raised."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Failed:
    """What an element comes to that a function failed on.

    Attributes
    ----------
    exception:
        What the function raised.
    site:
        The number of the node whose function it was; None if it was none.
    element:
        What the function was called with.
    number:
        What tells this failure from others, also where there are several copies of it.
    """

    __slots__ = ("element", "exception", "number", "site")

    def __init__(
        self, exception: BaseException, site: int | None = None, element: Any = None, number: bytes | None = None
    ) -> None:
        self.exception = exception
        self.site = site
        self.element = element
        self.number = os.urandom(12) if number is None else number

    def __reduce__(self) -> Any:
        from traceback import format_exception

        text = "".join(format_exception(self.exception))
        exception, element = _sendable_exception(self.exception), _sendable(self.element)
        return _failed, (exception, self.site, element, self.number, text)


def _failed(exception: BaseException, site: int | None, element: Any, number: bytes, text: str) -> Failed:
    if exception.__cause__ is None:
        # Tracebacks do not travel; this is how executors show them, too.
        exception.__cause__ = _Traceback(f'\n"""\n{text}"""')
    return Failed(exception, site, element, number)


def _sendable_exception(exception: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(exception))
    except Exception:
        return RuntimeError(f"{type(exception).__name__}: {exception}")
    return exception


def _sendable(x: Any) -> Any:
    try:
        pickle.dumps(x)
    except Exception:
        return short(x)
    return x


# Steps.


class Policy:
    """How often a function is called again with an element it failed on, and whether the element is dropped then."""

    __slots__ = ("at_most", "backoff", "skips", "times")

    def __init__(
        self, times: int = 0, backoff: float | None = None, at_most: float | None = None, skips: bool = False
    ) -> None:
        self.times = times
        self.backoff = backoff
        self.at_most = at_most
        self.skips = skips

    def pause(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        if self.backoff is None:
            return 0.0
        longest = 60.0 if self.at_most is None else self.at_most
        return float(min(self.backoff * 2 ** (attempts - 1), max(longest, self.backoff)))


class Step:
    """One function of a chain: that of the node with the number `site`."""

    def __init__(self, site: int, policy: Policy) -> None:
        self.site = site
        self.policy = policy

    def __call__(self, x: Any) -> Any:
        """What an element comes to at this step."""
        raise NotImplementedError

    def again(self, x: Any, error: Exception) -> Any:
        """Do what the policy says when the function has failed on `x`."""
        policy = self.policy
        for attempt in range(1, policy.times + 1):
            pause = policy.pause(attempt)
            if pause:
                sleep(pause)
            try:
                return self(x)
            except Exception as another:
                error = another
        return DROPPED if policy.skips else Failed(error, self.site, x)


class Call(Step):
    """Calls a function; awaits what it returns if that is what it is for."""

    def __init__(
        self,
        site: int,
        policy: Policy,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        is_splayed: bool,
        is_awaited: bool,
    ) -> None:
        super().__init__(site, policy)
        self.function, self.args, self.kwargs = function, args, kwargs
        self.is_splayed, self.is_awaited = is_splayed, is_awaited

    def __call__(self, x: Any) -> Any:
        """Call the function."""
        if self.is_splayed:
            result = self.function(*x, *self.args, **self.kwargs)
        else:
            result = self.function(x, *self.args, **self.kwargs)
        return _wait_for(result) if self.is_awaited else result


class Filter(Step):
    """Drops what a predicate is not true of."""

    def __init__(
        self,
        site: int,
        policy: Policy,
        predicate: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        is_awaited: bool,
    ) -> None:
        super().__init__(site, policy)
        self.predicate, self.args, self.kwargs = predicate, args, kwargs
        self.is_awaited = is_awaited

    def __call__(self, x: Any) -> Any:
        """Ask the predicate."""
        if self.predicate is None:
            return x if x else DROPPED
        verdict = self.predicate(x, *self.args, **self.kwargs)
        return x if (_wait_for(verdict) if self.is_awaited else verdict) else DROPPED


class Pick(Step):
    """Takes an item out of each element; given a list of keys, a tuple of items."""

    def __init__(self, site: int, policy: Policy, pick: Any) -> None:
        super().__init__(site, policy)
        self.pick = pick

    def __call__(self, x: Any) -> Any:
        """Take the item."""
        return tuple(x[key] for key in self.pick) if isinstance(self.pick, list) else x[self.pick]


class Tell(Step):
    """Returns an element, and what its own side is told of it."""


class TellKey(Tell):
    """Tells the key of an element: what a function returns, or an item."""

    def __init__(self, site: int, policy: Policy, key: Any) -> None:
        super().__init__(site, policy)
        self.key = key

    def __call__(self, x: Any) -> Any:
        """Find the key."""
        return x, self.key(x) if callable(self.key) else x[self.key]


class TellLength(Tell):
    """Makes a list of an element, and tells its length."""

    def __call__(self, x: Any) -> Any:
        """Make a list."""
        items = list(x)
        return items, len(items)


_threads = threading.local()


def _wait_for(awaitable: Any) -> Any:
    # One loop per thread, and not one per call: what a function has opened on it is good for its next call.
    import asyncio

    loop = getattr(_threads, "loop", None)
    if loop is None or loop.is_closed():
        loop = _threads.loop = asyncio.new_event_loop()

    async def wait() -> Any:
        return await awaitable

    return loop.run_until_complete(wait())


# Groups.


class Chain:
    """Steps, and what the engine's side is told of each result besides whether there is one."""

    __slots__ = ("_pickled", "steps", "tell")

    def __init__(self, steps: Sequence[Step], tell: Tell | None = None) -> None:
        self.steps = tuple(steps)
        self.tell = tell
        self._pickled: tuple[bytes, bytes] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps) or self.tell is not None

    def __reduce__(self) -> Any:
        if self._pickled is None:
            from hashlib import blake2b

            data = _dumps((self.steps, self.tell))
            self._pickled = blake2b(data, digest_size=16).digest(), data
        return _chain, self._pickled


def _dumps(x: Any) -> bytes:
    try:
        import cloudpickle  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return pickle.dumps(x, protocol=5)
    data: bytes = cloudpickle.dumps(x, protocol=5)
    return data


#: The chains that came last, by their digests: functions are unpickled once, and not once per group.
_chains: OrderedDict[bytes, Chain] = OrderedDict()
_chains_lock = threading.Lock()
_CHAINS_KEPT = 64


def _chain(digest: bytes, data: bytes) -> Chain:
    with _chains_lock:
        known = _chains.get(digest)
        if known is not None:
            _chains.move_to_end(digest)
            return known
    steps, tell = pickle.loads(data)
    chain = Chain(steps, tell)
    chain._pickled = digest, data
    with _chains_lock:
        _chains[digest] = chain
        while len(_chains) > _CHAINS_KEPT:
            _chains.popitem(last=False)
    return chain


class Ref:
    """Stands for what an element of another group came to, or for an item of that."""

    __slots__ = ("group", "item", "place")

    def __init__(self, group: int, place: int, item: int | None) -> None:
        self.group = group
        self.place = place
        self.item = item

    def __reduce__(self) -> Any:
        return Ref, (self.group, self.place, self.item)


class Shape:
    """Tuples, lists and dictionaries with `Ref`s in them."""

    __slots__ = ("tree",)

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def __reduce__(self) -> Any:
        return Shape, (self.tree,)


class Parcel:
    """A chain and the elements to put through it: engines don't look into it."""

    __slots__ = ("chain", "extra", "is_linked", "values")

    def __init__(self, chain: Chain, values: list[Any], is_linked: bool, extra: Any = None) -> None:
        self.chain = chain
        self.values = values
        #: Whether there are a `Ref` or a `Shape` among the values.
        self.is_linked = is_linked
        self.extra = extra

    def __reduce__(self) -> Any:
        return Parcel, (self.chain, self.values, self.is_linked, self.extra)


class Result:
    """What the elements of a group came to."""

    __slots__ = ("outcomes", "seconds", "state", "told")

    def __init__(self, outcomes: list[Any], seconds: float, told: list[Any] | None = None, state: Any = None) -> None:
        self.outcomes = outcomes
        self.seconds = seconds
        self.told = told
        self.state = state

    def __reduce__(self) -> Any:
        return Result, (self.outcomes, self.seconds, self.told, self.state)


class Report:
    """A result without its values: True stands for one."""

    __slots__ = ("outcomes", "seconds", "told")

    def __init__(self, outcomes: list[Any], seconds: float, told: list[Any] | None) -> None:
        self.outcomes = outcomes
        self.seconds = seconds
        self.told = told

    def __reduce__(self) -> Any:
        return Report, (self.outcomes, self.seconds, self.told)


def report(result: Result) -> Report:
    """Say what became of a group's elements, but not what they are."""
    outcomes = [x if x is DROPPED or type(x) is Failed else True for x in result.outcomes]
    return Report(outcomes, result.seconds, result.told)


def run(parcel: Parcel, *results: Result) -> Result:
    """Put elements through a chain, one by one. One that fails, fails alone.

    Parameters
    ----------
    parcel:
        The chain and the elements.
    *results:
        What the groups came to that the elements refer to.

    Examples
    --------
    >>> from thalweg.parallel.elsewhere.worker import Call, Chain, Filter, Parcel, Policy, run
    >>> policy = Policy()
    >>> steps = [Filter(0, policy, lambda x: x != 2, (), {}, False), Call(1, policy, pow, (-1,), {}, False, False)]
    >>> chain = Chain(steps)
    >>> result = run(Parcel(chain, [1, 2, 0], False))
    >>> result.outcomes[:2], type(result.outcomes[2].exception).__name__
    ([1.0, DROPPED], 'ZeroDivisionError')
    """
    start = perf_counter()
    chain = parcel.chain
    steps, tell = chain.steps, chain.tell
    told: list[Any] | None = None if tell is None else []
    outcomes = []
    for x in _values(parcel, results):
        if x is not DROPPED and type(x) is not Failed:
            for step in steps:
                try:
                    x = step(x)
                except Exception as error:
                    x = step.again(x, error)
                if x is DROPPED or type(x) is Failed:
                    break
        if told is not None and tell is not None:
            x, word = _tell(tell, x)
            told.append(word)
        outcomes.append(x)
    return Result(outcomes, perf_counter() - start, told)


def _tell(tell: Tell, x: Any) -> tuple[Any, Any]:
    if x is DROPPED or type(x) is Failed:
        return x, None
    try:
        told = tell(x)
    except Exception as error:
        told = tell.again(x, error)
    return told if type(told) is tuple else (told, None)


def _values(parcel: Parcel, results: Sequence[Result]) -> Iterable[Any]:
    if not parcel.is_linked:
        return parcel.values
    return (_linked(x, results) for x in parcel.values)


def _linked(x: Any, results: Sequence[Result]) -> Any:
    if type(x) is Ref:
        return _look_up(x, results)
    if type(x) is Shape:
        missing: list[Any] = []
        tree = _filled(x.tree, results, missing)
        return missing[0] if missing else tree
    return x


def _look_up(ref: Ref, results: Sequence[Result]) -> Any:
    outcome = results[ref.group].outcomes[ref.place]
    return outcome if ref.item is None or type(outcome) is Failed else outcome[ref.item]


def _filled(tree: Any, results: Sequence[Result], missing: list[Any]) -> Any:
    kind = type(tree)
    if kind is Ref:
        value = _look_up(tree, results)
        if value is DROPPED or type(value) is Failed:
            missing.append(value)
        return value
    if tree is DROPPED or kind is Failed:
        missing.append(tree)
        return tree
    if kind is tuple or kind is list:
        return kind(_filled(x, results, missing) for x in tree)
    if kind is dict:
        return {key: _filled(x, results, missing) for key, x in tree.items()}
    return tree


class Fold:
    """What `accumulate` is to do with a group.

    Attributes
    ----------
    state:
        The state to begin with, in a tuple; None to take that of the last group; empty if there is none yet.
    resets:
        The places of the elements before which the state is set back to `start`.
    """

    __slots__ = ("resets", "returns_state", "start", "state", "with_state")

    def __init__(
        self,
        state: tuple[Any, ...] | None,
        start: tuple[Any, ...],
        resets: list[int],
        returns_state: bool,
        with_state: bool,
    ) -> None:
        self.state = state
        self.start = start
        self.resets = resets
        self.returns_state = returns_state
        self.with_state = with_state


def accumulate(parcel: Parcel, *results: Result) -> Result:
    """Call a function on a state and each element; a function that fails leaves the state as it was.

    The first of `results` is that of the group before, if the state is there.
    """
    start = perf_counter()
    fold: Fold = parcel.extra
    state = results[0].state if fold.state is None else fold.state
    if fold.state is None:
        results = results[1:]
    (step,) = parcel.chain.steps
    resets = set(fold.resets)
    outcomes = []
    for place, x in enumerate(_values(parcel, results)):
        if place in resets:
            state = fold.start
        if x is not DROPPED and type(x) is not Failed:
            state, x = _fold(step, fold, state, x)
        outcomes.append(x)
    return Result(outcomes, perf_counter() - start, None, state)


def _fold(step: Step, fold: Fold, state: tuple[Any, ...], x: Any) -> tuple[tuple[Any, ...], Any]:
    if not state:
        return (x,), (x, x) if fold.with_state else x
    pair = (state[0], x)
    try:
        result = step(pair)
    except Exception as error:
        result = step.again(pair, error)
    if type(result) is Failed:
        result.element = x
    if result is DROPPED or type(result) is Failed:
        return state, result
    new = result
    if fold.returns_state:
        try:
            new, result = result
        except Exception as error:
            return state, DROPPED if step.policy.skips else Failed(error, step.site, x)
    return (new,), (new, result) if fold.with_state else result


def state_of(result: Result) -> Any:
    """The state that a group left behind."""
    return result.state


def size_of(x: Any) -> int:
    """Roughly how many bytes a value has: no more than that of what is plainly large is asked for."""
    size = getattr(x, "nbytes", None)
    return size if type(size) is int else sys.getsizeof(x, 64)
