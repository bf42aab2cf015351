"""The function :func:`link`, in a module of its own as in rapidz."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from thalweg.stream.wiring import link

__all__ = ["link"]


class _Callable(ModuleType):
    """Lets ``rapidz.link`` be the function still, once this module has been imported and has taken its name."""

    def __call__(self, *funcs: Any, **kwargs: Any) -> dict[str, Any]:
        return link(*funcs, **kwargs)


sys.modules[__name__].__class__ = _Callable
