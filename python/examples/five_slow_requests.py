"""Five slow requests, answered in the time of one: the service waits without being busy."""

from __future__ import annotations

import asyncio
import time
import urllib.request

from thalweg import Stream
from thalweg.http import HttpRequest

PAUSE = 0.2


async def greet(request: HttpRequest) -> dict[str, str]:
    """Wait, and respond."""
    await asyncio.sleep(PAUSE)
    return {"hello": request.query["name"]}


def get(port: int, name: str) -> str:
    """Send a request to the service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/?name={name}") as response:
        text: str = response.read().decode()
        return text


async def main() -> None:
    """Serve, and send five requests at once."""
    requests = Stream.from_http_requests(0, asynchronous=True)
    requests.map_async(greet, parallelism=100).respond()
    requests.start()
    begin = time.monotonic()
    answers = await asyncio.gather(*[asyncio.to_thread(get, requests.port, name) for name in "abcde"])
    took = time.monotonic() - begin
    await requests.drain()
    print(*answers, sep="\n")
    print("in the time of", "one" if took < 3 * PAUSE else f"{took / PAUSE:.0f}")


if __name__ == "__main__":
    asyncio.run(main())
