"""What all limits cost on an ordinary read, measured side by side."""

import statistics

import attacks
from case import Result, case
from measure import attacked
from store import Store

ROUNDS = 12
CONNECTIONS = 16


@case("CPU time of a product read with all limits, beside BODEGA_RATE_LIMITS=off", "<= 3 % more", short=False)
async def cost_of_limits(setting):
    # Two new stores: other cases have attacked the common one.
    binary = setting.store.binary
    with Store(binary, {}) as limited, Store(binary, {"BODEGA_RATE_LIMITS": "off"}) as without:
        ratios = []
        for turn in range(ROUNDS):
            stores = [limited, without] if turn % 2 else [without, limited]
            costs = {store: await cost(store, "/api/products/1", setting.seconds / 5) for store in stores}
            ratios.append(costs[limited] / costs[without])
    middle = statistics.median(ratios)
    spread = f"{min(ratios) - 1:+.1%} to {max(ratios) - 1:+.1%}"
    return Result(f"{middle - 1:+.1%} (median of {ROUNDS}; {spread})", middle <= 1.03)


async def cost(store, path, seconds):
    """CPU seconds of the process for each response."""
    before = store.cpu_seconds()
    arguments = (store.port, "127.0.0.9", CONNECTIONS, "GET", path)
    async with attacked(attacks.flood, seconds, *arguments, ramp=0) as counted:
        counts = await counted()
    return (store.cpu_seconds() - before) / counts[200]
