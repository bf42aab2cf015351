"""Models of the library river, which learn from one element after the other: streamz's module of this name."""

from __future__ import annotations

from typing import Any

from thalweg.stream import Stream

__all__ = ["RiverPredict", "RiverTrain", "RiverTransform"]


class RiverTransform(Stream):
    """Send what ``model.transform_one(*x)`` gives for each element.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.compat.streamz.river import RiverTransform
    >>> class Doubled:
    ...     def transform_one(self, x):
    ...         return {name: 2 * value for name, value in x.items()}
    >>> source = Stream()
    >>> L = RiverTransform(Doubled(), upstream=source).sink_to_list()
    >>> source.emit(({"a": 1},))
    >>> L
    [{'a': 2}]
    """

    def __init__(self, model: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Transform an element: a tuple of the model's arguments."""
        return self._emit(self.model.transform_one(*x), metadata)


class RiverTrain(Stream):
    """Have a model learn from each element: ``model.learn_one(*x)``.

    Parameters
    ----------
    model:
        A model of river's, or a pipeline of them.
    metric:
        One of river's: what it comes to after each element is sent.
    pass_model: bool
        Whether to send the model after each element instead.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.compat.streamz.river import RiverTrain
    >>> class Last:
    ...     def learn_one(self, x, y):
    ...         self.y = y
    >>> source = Stream()
    >>> L = RiverTrain(Last(), pass_model=True, upstream=source).map(lambda model: model.y).sink_to_list()
    >>> source.emit(({"a": 1}, 2))
    >>> L
    [2]
    """

    def __init__(self, model: Any, metric: Any = None, pass_model: bool = False, **kwargs: Any) -> None:
        if pass_model and metric is not None:
            raise TypeError("RiverTrain: the `metric` or the model can be sent, not both")
        super().__init__(**kwargs)
        self.model: Any = model
        self.metric: Any = metric
        self.pass_model: Any = pass_model

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Learn from an element: a tuple of features, a result, and perhaps a weight."""
        self.model.learn_one(*x)
        if self.metric is not None:
            predicted = self.model.predict_one(x[0])
            weight = x[2] if len(x) > 2 else 1.0
            # It returns nothing in the newest versions, and itself in those before.
            self.metric.update(x[1], predicted, weight)
            return self._emit(self.metric.get(), metadata)
        return self._emit(self.model, metadata) if self.pass_model else None


class RiverPredict(Stream):
    """Send what ``model.predict_one(x)`` gives for each element.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.compat.streamz.river import RiverPredict
    >>> class Sum:
    ...     def predict_one(self, x):
    ...         return sum(x.values())
    >>> source = Stream()
    >>> L = RiverPredict(Sum(), upstream=source).sink_to_list()
    >>> source.emit({"a": 1, "b": 2})
    >>> L
    [3]
    """

    def __init__(self, model: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Predict for the features that an element is."""
        return self._emit(self.model.predict_one(x), metadata)
