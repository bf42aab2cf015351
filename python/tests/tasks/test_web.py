"""Slow functions in web handlers: as many run at once as there are workers, and the loop stays free."""

from __future__ import annotations

import asyncio
import threading

import pytest

from thalweg.tasks import AioClient, Client


async def request(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2]


async def five_requests(port):
    return await asyncio.wait_for(asyncio.gather(*(request(port) for _ in range(5))), 60)


def slow(barrier):
    # Passes only when all five run at once.
    barrier.wait(60)
    return threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize("by", ["future", "gather", "executor"])
def test_an_asyncio_server(by):
    async def main():
        async with AioClient(n_workers=5) as client:
            barrier = threading.Barrier(5)
            executor = client.get_executor()

            async def handle(reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                if by == "executor":
                    result = await asyncio.get_running_loop().run_in_executor(executor, slow, barrier)
                elif by == "gather":
                    (result,) = await client.gather([client.submit(slow, barrier)])
                else:
                    result = await client.submit(slow, barrier)
                writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + str(result).encode())
                writer.close()

            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            async with server:
                return await five_requests(server.sockets[0].getsockname()[1])

    assert asyncio.run(main()) == [b"False"] * 5


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("older", [True, False])
def test_a_tornado_server(asynchronous, older):
    web = pytest.importorskip("tornado.web")
    from tornado import gen
    from tornado.ioloop import IOLoop

    barrier = threading.Barrier(5)
    client = Client(n_workers=5, asynchronous=asynchronous)

    class Handler(web.RequestHandler):
        if older:

            @gen.coroutine
            def get(self):
                future = client.submit(slow, barrier)
                results = yield client.gather([future], asynchronous=True)
                self.write(str(results[0]))

        else:

            async def get(self):
                self.write(str(await client.submit(slow, barrier)))

    async def main():
        server = web.Application([(r"/.*", Handler)]).listen(0, address="127.0.0.1")
        (socket,) = server._sockets.values()
        bodies = await five_requests(socket.getsockname()[1])
        server.stop()
        await client.close(asynchronous=True)
        return bodies

    loop = IOLoop(make_current=False)
    assert loop.run_sync(main, timeout=60) == [b"False"] * 5
    loop.close()
