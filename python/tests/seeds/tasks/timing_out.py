import asyncio
import time
from concurrent.futures import ProcessPoolExecutor

def block_then_print():
    time.sleep(10)
    print("done")

@asyncio.coroutine
def coro(loop, ex):
    
    yield from loop.run_in_executor(ex, block_then_print)  # This can be interrupted.

ex = ProcessPoolExecutor(2)
loop = asyncio.get_event_loop()
loop.run_until_complete(asyncio.wait_for(coro(loop, ex), 1))
