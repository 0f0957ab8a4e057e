"""What a normal client observes, and attackers in processes of their own."""

import asyncio
import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import time


class Samples:
    """Statuses and latencies of requests."""

    def __init__(self):
        self.statuses = collections.Counter()
        self.seconds = []

    def add(self, response):
        self.statuses[response.status] += 1
        self.seconds.append(response.seconds)

    def count(self):
        return sum(self.statuses.values())

    def share(self, *statuses):
        return sum(self.statuses[status] for status in statuses) / max(1, self.count())

    def percentile(self, part):
        return sorted(self.seconds)[int(len(self.seconds) * part)] * 1000 if self.seconds else float("nan")

    def summary(self):
        parts = [f"{count} x {status or 'none'}" for status, count in sorted(self.statuses.items())]
        return f"{', '.join(parts)}, p50 {self.percentile(0.5):.0f} ms, p99 {self.percentile(0.99):.0f} ms"


async def observe(send, seconds, interval):
    """Sends a request every `interval` seconds, one at a time."""
    samples = Samples()
    ends = time.monotonic() + seconds
    while (started := time.monotonic()) < ends:
        samples.add(await send())
        await asyncio.sleep(max(0, started + interval - time.monotonic()))
    return samples


async def _bounded(attack, seconds, arguments):
    """Runs an attack, an async function that counts what happens in its first argument, and cancels it at the end."""
    counts = collections.Counter()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await attack(counts, *arguments)
    return counts


def _process(attack, seconds, arguments):
    # Real attackers do not use the processors of the store.
    os.nice(5)
    return asyncio.run(_bounded(attack, seconds, arguments))


@contextlib.asynccontextmanager
async def attacked(attack, seconds, *arguments, ramp=1.5):
    """Runs an attack in a process of its own during the block. Yields a function that returns what it has counted."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        running = asyncio.get_running_loop().run_in_executor(pool, _process, attack, seconds + ramp + 1, arguments)
        await asyncio.sleep(ramp)
        yield lambda: running
        await running


async def parallel(count, worker):
    """Runs `worker(number)` this many times at once."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(worker(number))
