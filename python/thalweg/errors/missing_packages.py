"""Packages that some operators need, and that need not be installed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def need(module: str, extra: str, user: str) -> Any:
    """Import a module of a package that `user` needs; say how to get the package if it is missing.

    Raises
    ------
    ImportError
        It is not installed.

    Examples
    --------
    >>> from thalweg.errors.missing_packages import need
    >>> need("json", "all", "an example").dumps([1])
    '[1]'
    >>> need("no_such_package.client", "http", "to_http")
    Traceback (most recent call last):
    ImportError: to_http needs the package `no_such_package`: pip install 'thalweg[http]'
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            # The package is there, and lacks something itself.
            raise
        raise ImportError(
            f"{user} needs the package `{package}`: pip install 'thalweg[{extra}]'", name=package
        ) from None
