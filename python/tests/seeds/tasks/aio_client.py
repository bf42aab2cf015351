from distributed.asyncio import AioClient
client = await AioClient()

future = client.submit(lambda x: x + 1, 10)
result = await future
# or
result = await client.gather(future)
