"""Streams whose functions run on a Dask cluster, through Dask's own client.

``scatter`` moves a stream onto the cluster, ``gather`` brings it back, in order. In between the elements are futures,
and functions are called where the values are. It needs Dask: ``pip install thalweg[dask]``.

Nothing is waited for between the two, but for what decides whether or where an element goes on: what `filter` says,
the key of `unique`, the length in `flatten`. How many elements are on their way at once is up to a `buffer` before
`gather`; without one, each `emit` waits for its result.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from operator import getitem
from typing import Any

from thalweg import core
from thalweg.core import Stream, no_default
from thalweg.functions import is_awaited

__all__ = ["DaskStream", "gather", "scatter"]


def _identity(x: Any) -> Any:
    return x


class DaskStream(Stream):
    """A stream of futures. What one calls on it is the same as on any stream.

    It comes from ``Stream.scatter``.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> client = Client(n_workers=1, processes=False, dashboard_address=None)
    >>> source = Stream()
    >>> results = source.scatter().map(pow, 2).accumulate(max).gather().sink_to_list()
    >>> for x in (2, -3, 1):
    ...     source.emit(x)
    >>> results
    [4, 9, 9]
    >>> client.close()
    """

    _dask_client: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A result arrives later than it is asked for, and someone has to wait for it.
        kwargs["ensure_io_loop"] = True
        super().__init__(*args, **kwargs)

    def frequencies(self, **kwargs: Any) -> Any:
        """Count how often each element has come, in a dictionary.

        Examples
        --------
        >>> from distributed import Client
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> with Client(n_workers=1, processes=False, dashboard_address=None):
        ...     L = source.scatter().frequencies().gather().sink_to_list()
        ...     for x in "aba":
        ...         source.emit(x)
        >>> L
        [{'a': 1}, {'a': 1, 'b': 1}, {'a': 2, 'b': 1}]
        """
        return self.accumulate(_count, start={}, **kwargs)

    def map_async(
        self, func: Callable[..., Any], *args: Any, parallelism: int = 1, stop_on_exception: bool = False, **kwargs: Any
    ) -> Any:
        """Call an asynchronous function on each element. It is the same as `map`: workers await what has to be.

        Examples
        --------
        >>> from distributed import Client
        >>> from thalweg import Stream
        >>> async def later(x):
        ...     return x + 1
        >>> source = Stream()
        >>> with Client(n_workers=1, processes=False, dashboard_address=None):
        ...     L = source.scatter().map_async(later).gather().sink_to_list()
        ...     for x in (1, 2):
        ...         source.emit(x)
        >>> L
        [2, 3]
        """
        return self.map(func, *args, **kwargs)

    def partition(self, n: int, timeout: Any = None, key: Any = None, **kwargs: Any) -> Any:
        """Make tuples of `n` elements, and of those with equal keys if there is a key.

        Examples
        --------
        >>> from distributed import Client
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> with Client(n_workers=1, processes=False, dashboard_address=None):
        ...     L = source.scatter().partition(2).gather().sink_to_list()
        ...     for x in range(4):
        ...         source.emit(x)
        >>> L
        [(0, 1), (2, 3)]
        """
        if key is None:
            return _partition(self, n, timeout=timeout, **kwargs)
        keyed = _partition(_with_key(self, _picker(key)), n, timeout=timeout, key=_key, **kwargs)
        return _without_keys(keyed)

    def partition_unique(self, n: int, key: Any = _identity, keep: str = "first", **kwargs: Any) -> Any:
        """Make tuples of `n` elements with different keys.

        Examples
        --------
        >>> from distributed import Client
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> with Client(n_workers=1, processes=False, dashboard_address=None):
        ...     L = source.scatter().partition_unique(2).gather().sink_to_list()
        ...     for x in (1, 1, 2):
        ...         source.emit(x)
        >>> L
        [(1, 2)]
        """
        keyed = _partition_unique(_with_key(self, _picker(key)), n, key=_key, keep=keep, **kwargs)
        return _without_keys(keyed)

    def timed_window_unique(self, interval: Any, key: Any = _identity, keep: str = "first", **kwargs: Any) -> Any:
        """Make a tuple of the elements with different keys that come in each interval.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> from thalweg.dask import DaskStream
        >>> window = DaskStream(loop=VirtualClock()).timed_window_unique("1s")
        >>> isinstance(window, DaskStream)
        True
        """
        keyed = _timed_window_unique(_with_key(self, _picker(key)), interval, key=_key, keep=keep, **kwargs)
        return _without_keys(keyed)

    def unique(
        self,
        maxsize: int | None = None,
        key: Any = _identity,
        hashable: bool = True,
        history: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Leave out elements with a key that has come before, among the last `maxsize` of them.

        Examples
        --------
        >>> from distributed import Client
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> with Client(n_workers=1, processes=False, dashboard_address=None):
        ...     L = source.scatter().unique().gather().sink_to_list()
        ...     for x in (1, 1, 2):
        ...         source.emit(x)
        >>> L
        [1, 2]
        """
        maxsize = history if maxsize is None else maxsize
        keyed = _unique(_with_key(self, _picker(key)), maxsize=maxsize, key=_key, hashable=hashable, **kwargs)
        return _without_key(keyed)

    def _client(self) -> Any:
        """The client that was given to `scatter`, or else the one that is active."""
        client = _given_client(self)
        if client is None:
            from distributed.client import default_client

            client = default_client()
        return client

    def _submit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Functions in a pipeline read clocks and count: equal calls are different ones.
        return self._client().submit(function, *args, **kwargs, pure=False)

    async def _value(self, future: Any) -> Any:
        return await _on_loop_of(self._client(), lambda client: client.gather(future, asynchronous=True))


def _given_client(node: Any) -> Any:
    """The client of the `scatter` upstream, if it was given one."""
    seen = set()
    unseen = [node]
    while unseen:
        current = unseen.pop()
        client = getattr(current, "_dask_client", None)
        if client is not None:
            return client
        seen.add(current)
        unseen.extend(up for up in current.upstreams if up is not None and up not in seen)
    return None


async def _on_loop_of(client: Any, ask: Callable[[Any], Any]) -> Any:
    """Await something of a client's on the event loop that the client runs on."""
    loop = client.loop.asyncio_loop
    if loop is asyncio.get_running_loop():
        return await ask(client)

    async def there() -> Any:
        return await ask(client)

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), loop))


async def _delivered(emitted: Any) -> None:
    """Wait until everything downstream has accepted what was emitted."""
    await asyncio.gather(*_awaitables(emitted))


def _awaitables(emitted: Any) -> Iterable[Any]:
    # What `update` returns is passed on as it is, through any number of nodes.
    if isinstance(emitted, list):
        for one in emitted:
            yield from _awaitables(one)
    elif emitted is not None:
        yield emitted


class _Waiting(Stream):
    """A node that has to wait before it knows what to pass on.

    Elements are taken up in the order they came, also by those who emit without waiting.
    """

    _last: asyncio.Future[None] | None = None

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        # At once, and not when the coroutine begins: until then nobody else might hold it.
        self._retain_refs(metadata)
        return self._in_turn(x, metadata)

    async def _in_turn(self, x: Any, metadata: Any) -> None:
        before, done = self._last, asyncio.get_running_loop().create_future()
        self._last = done
        try:
            if before is not None:
                await before
            await self._pass_on(x, metadata)
        finally:
            done.set_result(None)
        # Not after a failure: what was not delivered must not count as if it were.
        self._release_refs(metadata)

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        raise NotImplementedError


@Stream.register_api()
@DaskStream.register_api()
class scatter(_Waiting, DaskStream):
    """Move a stream onto a Dask cluster: each element is sent to a worker.

    Parameters
    ----------
    client
        The ``distributed.Client`` to use; left out, the one that is active when an element comes.
    backend
        ``"dask"``, which is what it is.

    Raises
    ------
    ValueError
        If another backend is asked for.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().gather().sink_to_list()
    ...     for x in range(3):
    ...         source.emit(x)
    >>> L
    [0, 1, 2]

    See Also
    --------
    gather
    """

    def __init__(self, upstream: Any, client: Any = None, backend: Any = "dask", **kwargs: Any) -> None:
        if backend not in (None, "dask"):
            raise ValueError(f"the backend is 'dask', and not {backend!r}")
        DaskStream.__init__(self, upstream, **kwargs)
        self._dask_client = client

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        # In a list, because the client takes lists and dictionaries apart. Without a hash, because equal elements are
        # different ones, and one that is dropped must not take the other with it.
        futures = await _on_loop_of(self._client(), lambda client: client.scatter([x], asynchronous=True, hash=False))
        await _delivered(self._emit(futures[0], metadata=metadata))


@DaskStream.register_api()
class gather(_Waiting):
    """Bring a stream back from the cluster: wait for each result, in order, and pass it on.

    An element that failed on the cluster fails here, with the exception from there.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().map(str).gather().sink_to_list()
    ...     for x in range(3):
    ...         source.emit(x)
    >>> L
    ['0', '1', '2']

    See Also
    --------
    scatter
    """

    def __init__(self, upstream: Any, **kwargs: Any) -> None:
        kwargs["ensure_io_loop"] = True
        super().__init__(upstream, **kwargs)

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        client = _given_client(self)
        if client is None:
            from distributed.client import default_client

            client = default_client()
        value = await _on_loop_of(client, lambda client: client.gather(x, asynchronous=True))
        await _delivered(self._emit(value, metadata=metadata))


@DaskStream.register_api()
class map(DaskStream):
    """Call a function on each element, on the cluster.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().map(pow, 2).gather().sink_to_list()
    ...     for x in range(3):
    ...         source.emit(x)
    >>> L
    [0, 1, 4]
    """

    def __init__(
        self, upstream: Any, func: Callable[..., Any], *args: Any, stream_name: str | None = None, **kwargs: Any
    ) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs
        super().__init__(upstream, stream_name=stream_name)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Hand the element over to the cluster."""
        call = _awaited_call if is_awaited(self.func) else _call
        return self._emit(self._submit(call, self.func, x, self.args, self.kwargs), metadata=metadata)


@DaskStream.register_api()
class starmap(map):
    """Call a function on each element, which is a tuple of arguments, on the cluster.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().starmap(pow).gather().sink_to_list()
    ...     for x in [(2, 3)]:
    ...         source.emit(x)
    >>> L
    [8]
    """

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Hand the element over to the cluster."""
        return self._emit(self._submit(_star_call, self.func, x, self.args, self.kwargs), metadata=metadata)


@DaskStream.register_api()
class pluck(DaskStream):
    """Take an item out of each element, on the cluster; given a list of keys, a tuple of items.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().pluck("a").gather().sink_to_list()
    ...     for x in [{"a": 1}]:
    ...         source.emit(x)
    >>> L
    [1]
    """

    def __init__(self, upstream: Any, pick: Any, **kwargs: Any) -> None:
        self.pick = pick
        super().__init__(upstream, **kwargs)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Hand the element over to the cluster."""
        return self._emit(self._submit(_pluck, x, self.pick), metadata=metadata)


@DaskStream.register_api()
class filter(_Waiting, DaskStream):
    """Pass on the elements for which a predicate, called on the cluster, is true; with None, those that are true.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().filter(None).gather().sink_to_list()
    ...     for x in range(3):
    ...         source.emit(x)
    >>> L
    [1, 2]
    """

    def __init__(
        self,
        upstream: Any,
        predicate: Callable[..., Any] | None,
        *args: Any,
        stream_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.predicate = predicate
        self.args = args
        self.kwargs = kwargs
        DaskStream.__init__(self, upstream, stream_name=stream_name)

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        if await self._value(self._submit(_is_true, self.predicate, x, self.args, self.kwargs)):
            await _delivered(self._emit(x, metadata=metadata))


@DaskStream.register_api()
class flatten(_Waiting, DaskStream):
    """Pass on the elements of each element, which is a list or the like; they stay on the cluster.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().flatten().gather().sink_to_list()
    ...     for x in ([1, 2], [3]):
    ...         source.emit(x)
    >>> L
    [1, 2, 3]
    """

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        items = self._submit(list, x)
        length = await self._value(self._submit(len, items))
        for i in range(length):
            # The acknowledgement of the whole is that of its last part.
            await _delivered(
                self._emit(self._submit(getitem, items, i), metadata=metadata if i == length - 1 else None)
            )


@DaskStream.register_api()
@DaskStream.register_api(attribute_name="scan")
class accumulate(DaskStream):
    """Call a function on a state and each element, on the cluster; what it returns is the next state.

    An element that the function fails on leaves the state as it was. One that failed before leaves it as it was too,
    but those that were on their way behind it fail with it.

    Examples
    --------
    >>> from distributed import Client
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> with Client(n_workers=1, processes=False, dashboard_address=None):
    ...     L = source.scatter().accumulate(max).gather().sink_to_list()
    ...     for x in (1, 3, 2):
    ...         source.emit(x)
    >>> L
    [1, 3, 3]
    """

    def __init__(
        self,
        upstream: Any,
        func: Callable[..., Any],
        start: Any = no_default,
        returns_state: bool = False,
        with_state: bool = False,
        stream_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.func = func
        self.returns_state = returns_state
        self.with_state = with_state
        self.kwargs = kwargs
        #: The latest states, from one that is known to be good on.
        self._states: deque[Any] = deque() if start is no_default else deque([start])
        super().__init__(upstream, stream_name=stream_name)

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Hand the element over to the cluster."""
        if not self._has_state():
            self._states.append(x)
            return self._emit((x, x) if self.with_state else x, metadata=metadata)
        step = self._submit(_step, self.func, self._states[-1], x, self.returns_state, self.kwargs)
        state, result = self._submit(getitem, step, 0), self._submit(_outcome, step)
        self._states.append(state)
        return self._emit((state, result) if self.with_state else result, metadata=metadata)

    def _has_state(self) -> bool:
        """Forget states that failed, and those that are not needed to go back to."""
        states = self._states
        while states and _status(states[-1]) in ("error", "cancelled", "lost"):
            states.pop()
        while len(states) > 1 and _status(states[1]) == "finished":
            states.popleft()
        return bool(states)


def _status(state: Any) -> str:
    from distributed import Future

    return str(state.status) if isinstance(state, Future) else "finished"


class _with_key(_Waiting, DaskStream):
    """Make pairs of each element's key, which is fetched, and the element, which stays where it is."""

    def __init__(self, upstream: Any, key: Callable[[Any], Any]) -> None:
        self.key = key
        DaskStream.__init__(self, upstream)

    async def _pass_on(self, x: Any, metadata: Any) -> None:
        key = await self._value(self._submit(self.key, x))
        await _delivered(self._emit((key, x), metadata=metadata))


class _without_key(DaskStream):
    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit(x[1], metadata=metadata)


class _without_keys(DaskStream):
    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        return self._emit(tuple(element for _, element in x), metadata=metadata)


class _partition(DaskStream, core.partition):
    pass


class _partition_unique(DaskStream, core.partition_unique):
    pass


class _timed_window_unique(DaskStream, core.timed_window_unique):
    pass


class _unique(DaskStream, core.unique):
    pass


def _in_both(kind: type) -> None:
    """Register an operator that is about elements as such, and never looks into them."""
    name = kind.__name__
    both = type(name, (DaskStream, kind), {"__doc__": f"The same as ``Stream.{name}``.", "__module__": __name__})
    DaskStream.register_api()(both)


for _kind in (
    core.buffer,
    core.collect,
    core.combine_latest,
    core.delay,
    core.latest,
    core.rate_limit,
    core.slice,
    core.sliding_window,
    core.timed_window,
    core.union,
    core.zip,
    core.zip_latest,
):
    _in_both(_kind)


# What follows runs on the workers.


def _call(func: Callable[..., Any], x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(x, *args, **kwargs)


async def _awaited_call(func: Callable[..., Any], x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await func(x, *args, **kwargs)


def _star_call(func: Callable[..., Any], x: Iterable[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*x, *args, **kwargs)


def _is_true(predicate: Callable[..., Any] | None, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return bool(x if predicate is None else predicate(x, *args, **kwargs))


def _pluck(x: Any, pick: Any) -> Any:
    return tuple(x[key] for key in pick) if isinstance(pick, list) else x[pick]


class _Failure:
    """An exception on its way as a value, so that the state beside it arrives."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _step(func: Callable[..., Any], state: Any, x: Any, returns_state: bool, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    try:
        result = func(state, x, **kwargs)
        if returns_state:
            new, result = result
            return new, result
    except Exception as error:
        return state, _Failure(error)
    return result, result


def _outcome(step: tuple[Any, Any]) -> Any:
    result = step[1]
    if isinstance(result, _Failure):
        raise result.error
    return result


def _count(counts: dict[Any, int], x: Any) -> dict[Any, int]:
    return {**counts, x: counts.get(x, 0) + 1}


def _key(pair: tuple[Any, Any]) -> Any:
    return pair[0]


class _picker:
    """The key of an element: what a function returns, or an item."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def __call__(self, x: Any) -> Any:
        return self.key(x) if callable(self.key) else x[self.key]
