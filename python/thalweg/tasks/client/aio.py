"""The asynchronous client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.tasks.client.client import Client

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AioClient"]


class AioClient(Client):
    """A client that is asynchronous by default.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.tasks import AioClient
    >>> async def main():
    ...     client = await AioClient()
    ...     result = await client.submit(abs, -1)
    ...     await client.close()
    ...     return result
    >>> asyncio.run(main())
    1
    """

    def __new__(cls, address: object = None, *args: Any, asynchronous: bool = True, **kwargs: Any) -> Self:
        """Connect by Dask's client if there is an address."""
        return super().__new__(cls, address, *args, asynchronous=asynchronous, **kwargs)

    def __init__(self, address: Any = None, *, asynchronous: bool = True, **kwargs: Any) -> None:
        super().__init__(address, asynchronous=asynchronous, **kwargs)
