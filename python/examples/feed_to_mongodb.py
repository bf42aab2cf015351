"""A feed of JSON events into MongoDB, or a server of its protocol: each event becomes one document.

This program also serves the feed, which cuts its connections and splits characters across chunks.
"""

from __future__ import annotations

import asyncio
import json
import sys

from thalweg import Stream

EDITS = 300


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send 70 events after the last one that the client has."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    last = int(request.partition("last-event-id: ")[2].partition("\r\n")[0] or 0)
    if last == EDITS:
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    else:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        events = [
            f"id: {id}\ndata: {json.dumps({'title': f'Straße {id}', 'bot': id % 3 == 0}, ensure_ascii=False)}\n\n"
            for id in range(last + 1, min(last + 70, EDITS) + 1)
        ]
        data = "".join(events).encode()
        for at in range(0, len(data), 37):
            writer.write(data[at : at + 37])
            await writer.drain()
    writer.close()


async def save(url: str, uri: str) -> None:
    """Save the edits of the feed: a repeated one replaces itself."""
    feed = Stream.from_sse(url, wait="1ms", on_error="skip", asynchronous=True)
    edits = feed.map(lambda event: {"_id": int(event.id), **json.loads(event.data)})
    edits.to_mongodb(uri, "feed", "edits", key="_id")
    feed.start()
    await feed.finished()
    await feed.drain()


async def count(uri: str) -> tuple[int, int]:
    """Return the number of edits, and of those by bots."""
    edits = Stream.from_mongodb(uri, "feed", "edits", cursor="_id", asynchronous=True)
    bots = edits.filter(lambda edit: edit["bot"]).sink_to_list()
    everything = edits.sink_to_list()
    edits.start()
    await edits.finished()
    await edits.drain()
    return len(everything), len(bots)


async def main(uri: str) -> tuple[int, int]:
    """Serve the feed, save it, and count the saved edits."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await save(f"http://127.0.0.1:{port}/", uri)
    return await count(uri)


if __name__ == "__main__":
    edits, bots = asyncio.run(main(sys.argv[1]))
    print(f"{edits} edits, of which {bots} by bots")
