client = await Client(asynchronous=True)

future = client.submit(lambda x: x + 1, 10)

result = await future

print(result)

result = await client.gather(future)
