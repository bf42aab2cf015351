"""A feed of JSON events into a database: killed at any moment and restarted, it neither loses nor duplicates any.

This program also serves the feed, which cuts its connections and splits characters across chunks.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys

from thalweg import Database, Stream

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


async def save(url: str, path: str) -> None:
    """Save the edits of the feed."""
    database = Database(f"sqlite:{path}")
    feed = Stream.from_sse(url, wait="1ms", position=database.position("edits"), on_error="skip", asynchronous=True)
    edits = feed.map(lambda event: {"id": int(event.id), **json.loads(event.data)})
    edits.to_sql(database, "edits", key="id", create=True)
    feed.start()
    await feed.finished()
    await feed.drain()


async def main(path: str) -> None:
    """Serve the feed and save it."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await save(f"http://127.0.0.1:{port}/", path)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    count = sqlite3.connect(sys.argv[1]).execute("SELECT count(*), sum(bot) FROM edits").fetchone()
    print(f"{count[0]} edits, of which {count[1]} by bots")
