"""Runs the phases inside the namespaces that `run` has made, and prints a table."""

import sys
import threading
import time

from customers import Window, create_product, finish, start_customers
from processes import PORTS, SERVICES, wait_for
from replicas import REPLICAS, ReplicatedStore

CUSTOMERS = 16
FAULT_SECONDS = 7
SHARE_SECONDS = 60
TOLERANCE = 0.2
BROKEN = 2


class Shares:
    """The calls that each replica has served since it was made."""

    def __init__(self, store):
        self.store = store
        self.served = self.count()

    def count(self):
        counts = {}
        for service in SERVICES:
            for number in REPLICAS:
                try:
                    counts[service, number] = self.store.served(service, number)
                except OSError:
                    counts[service, number] = 0
        return counts

    def check(self, phase, problems):
        now = self.count()
        for service in SERVICES:
            calls = [now[service, number] - self.served[service, number] for number in REPLICAS]
            parts = [count / max(1, sum(calls)) for count in calls]
            print(f"{phase}: {service}: {', '.join(f'{part:.1%}' for part in parts)} of {sum(calls)} calls", flush=True)
            for number, part in zip(REPLICAS, parts):
                if abs(part * len(REPLICAS) - 1) > TOLERANCE:
                    problems.append(f"{phase}: {service} {number} has {part:.1%} of the calls")


def add_third_replicas(store, problems):
    """Starts them, and measures their shares from ten seconds after their addresses are known."""
    for service in SERVICES:
        store.start(service, 3)
    wait_for("third replicas", lambda: all(store.is_listening(service, 3) for service in SERVICES))
    time.sleep(1)
    store.publish(dict.fromkeys(SERVICES, REPLICAS))
    published = time.monotonic()
    first = {}
    while len(first) < len(SERVICES) and time.monotonic() - published < 10:
        time.sleep(0.2)
        for service in SERVICES:
            if service not in first and store.served(service, 3):
                first[service] = time.monotonic() - published
    for service in SERVICES:
        print(f"new replica of {service}: its first call after {first.get(service, float('inf')):.1f} s", flush=True)
    time.sleep(max(0, published + 10 - time.monotonic()))
    shares = Shares(store)
    time.sleep(SHARE_SECONDS)
    shares.check("10 s after the third replicas were added", problems)


def faults(store, customers, problems):
    print(f"\n| fault | {Window.HEADER} |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    cases = [([service], fault) for fault in ["killed", "frozen", "cut off"] for service in SERVICES]
    cases += [(SERVICES, fault) for fault in ["killed", "frozen", "cut off"]]
    for services, fault in cases:
        window = Window(customers)
        for service in services:
            store.break_replica(service, BROKEN, fault)
        time.sleep(FAULT_SECONDS)
        for service in services:
            store.repair(service, BROKEN, fault)
        wait_for("repair", lambda: all(store.is_listening(service, BROKEN) for service in services))
        time.sleep(3)
        name = f"{', '.join(services)} {fault}"
        print(f"| {name} | {window.columns()} |", flush=True)
        window.check(name, problems)


def main():
    binary, work, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    problems = []
    store = ReplicatedStore(binary, work)
    store.create_cluster("postgres", 5432)
    store.migrate()
    store.publish(dict.fromkeys(SERVICES, [1, 2]))
    for service in PORTS:
        for number in REPLICAS if service == "gateway" else [1, 2]:
            store.start(service, number)
    wait_for("all processes", lambda: all(store.is_listening(s, n) for s in PORTS for n in [1, 2]) and store.is_listening("gateway", 3))
    time.sleep(3)

    gateways = [store.address("gateway", number) for number in REPLICAS]
    stop = threading.Event()
    customers = start_customers(CUSTOMERS, rate, create_product(gateways), stop, gateways)
    time.sleep(5)
    add_third_replicas(store, problems)
    faults(store, customers, problems)
    time.sleep(5)
    shares = Shares(store)
    time.sleep(SHARE_SECONDS)
    print()
    shares.check("after the faults", problems)
    sys.exit(finish(store, customers, stop, problems))


if __name__ == "__main__":
    main()
