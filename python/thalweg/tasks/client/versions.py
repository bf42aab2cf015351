"""Versions of Python and of packages in a process."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Awaitable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: Packages that are always included.
PACKAGES = ("python", "thalweg", "dask", "distributed", "numpy", "pandas", "cloudpickle")


def here(packages: Iterable[str]) -> dict[str, Any]:
    """Return the versions in this process.

    Examples
    --------
    >>> from thalweg.tasks.client import versions
    >>> versions.here(["no such package"])["packages"]
    {'no such package': None}
    """
    return {
        "host": {
            "python": platform.python_version(),
            "python-bits": 64 if sys.maxsize > 2**32 else 32,
            "OS": platform.system(),
            "OS-release": platform.release(),
            "machine": platform.machine(),
            "byteorder": sys.byteorder,
            "pid": os.getpid(),
        },
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str | None:
    if package == "python":
        return platform.python_version()
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def gathered(workers: dict[Any, Any], packages: list[str], check: bool) -> dict[str, Any]:
    """Combine the workers' versions with this process's."""
    mine = here(packages)
    for name, theirs in workers.items():
        for package, wanted in mine["packages"].items():
            if check and theirs["packages"].get(package) != wanted:
                raise ValueError(
                    f"get_versions: the worker {name} has {package} {theirs['packages'].get(package)}, and the client "
                    f"has {wanted}"
                )
    return {"scheduler": mine, "workers": workers, "client": mine}


async def gather_later(workers: Awaitable[dict[Any, Any]], packages: list[str], check: bool) -> dict[str, Any]:
    """The same as `gathered`, once the workers have answered."""
    return gathered(await workers, packages, check)
