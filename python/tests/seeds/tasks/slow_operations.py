# Run slow operations in parallel using threads.
# Instead of taking 5 seconds, this should only take 1 second.

import time
import concurrent.futures

def slow_operation():
    time.sleep(1)

# make a futures executor that launches 5 worker threads
with concurrent.futures.ThreadPoolExecutor(max_workers=5) as executor:
    # queue the operations
    queue_operations = [executor.submit(slow_operation) for _ in range(5)]
    for future in queue_operations:
        try:
            # wait for this one to finish
            future.result()
        except Exception:
            pass
