"""The asynchronous client, where programs look for it.

>>> import asyncio
>>> from thalweg.distributed.asyncio import AioClient
>>> async def main():
...     async with AioClient() as client:
...         return await client.submit(lambda x: x + 1, 10)
>>> asyncio.run(main())
11
"""

from thalweg.tasks.client.aio import AioClient
from thalweg.tasks.client.completion import as_completed
from thalweg.tasks.client.waiting import wait

__all__ = ["AioClient", "as_completed", "wait"]
