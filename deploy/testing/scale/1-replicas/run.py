"""Runs the phases inside the namespaces that `run` has made, and prints a table."""

import os
import subprocess
import sys
import threading
import time

from load import Customer
from store import PASSWORD, PORTS, REPLICAS, SERVICES, Store, address, wait_for

CUSTOMERS = 16
FAULT_SECONDS = 7
SHARE_SECONDS = 60
TOLERANCE = 0.2
BROKEN = 2


class Measurement:
    """What happened since it was made."""

    def __init__(self, store, customers):
        self.store, self.customers = store, customers
        self.served = self.count()
        self.started = time.monotonic()
        self.marks = [(c.requests, len(c.durations), sum(c.first_failures.values()), c.first_failures["GET"], len(c.failures)) for c in customers]

    def count(self):
        counts = {}
        for service in SERVICES:
            for number in REPLICAS:
                try:
                    counts[service, number] = self.store.served(service, number)
                except OSError:
                    counts[service, number] = None
        return counts

    def shares(self):
        """The share of each replica in the calls of its service."""
        now = self.count()
        shares = {}
        for service in SERVICES:
            calls = [(now[service, number] or 0) - (self.served[service, number] or 0) for number in REPLICAS]
            shares[service] = [count / max(1, sum(calls)) for count in calls], sum(calls)
        return shares

    def row(self, name):
        requests = durations = retried = reads = failed = 0
        slow = []
        for customer, (request, duration, first, read, failure) in zip(self.customers, self.marks):
            requests += customer.requests - request
            slow += customer.durations[duration:]
            retried += sum(customer.first_failures.values()) - first
            reads += customer.first_failures["GET"] - read
            failed += len(customer.failures) - failure
        slow.sort()
        percentile = slow[int(len(slow) * 0.99)] if slow else 0
        longest = slow[-1] if slow else 0
        print(
            f"| {name} | {requests} | {reads} | {retried - reads} | {failed} | {percentile * 1000:.0f} ms | {longest * 1000:.0f} ms |",
            flush=True,
        )
        return reads, failed


def check_shares(problems, phase, shares):
    for service, (parts, calls) in shares.items():
        print(f"{phase}: {service}: {', '.join(f'{part:.1%}' for part in parts)} of {calls} calls", flush=True)
        for number, part in zip(REPLICAS, parts):
            if abs(part * len(REPLICAS) - 1) > TOLERANCE:
                problems.append(f"{phase}: {service} {number} has {part:.1%} of the calls")


def add_third_replicas(store, customers, problems):
    """Starts them, and measures their shares from ten seconds after their addresses are known."""
    for service in SERVICES:
        store.start(service, 3)
    wait_for("third replicas", lambda: all(store.is_listening(service, 3) for service in SERVICES))
    time.sleep(1)
    store.publish(REPLICAS)
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
    measurement = Measurement(store, customers)
    time.sleep(SHARE_SECONDS)
    check_shares(problems, "10 s after the third replicas were added", measurement.shares())


def faults(store, customers, problems):
    print("\n| fault | requests | reads failed at first | writes failed at first | failed after retries | p99 | longest |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    cases = [([service], fault) for fault in ["killed", "frozen", "cut off"] for service in SERVICES]
    cases += [(SERVICES, fault) for fault in ["killed", "frozen", "cut off"]]
    for services, fault in cases:
        measurement = Measurement(store, customers)
        for service in services:
            store.break_replica(service, BROKEN, fault)
        time.sleep(FAULT_SECONDS)
        for service in services:
            store.repair(service, BROKEN, fault)
        wait_for("repair", lambda: all(store.is_listening(service, BROKEN) for service in services))
        time.sleep(3)
        name = f"{', '.join(services)} {fault}"
        reads, failed = measurement.row(name)
        if reads:
            problems.append(f"{name}: {reads} reads failed at their first attempt")
        if failed:
            problems.append(f"{name}: {failed} requests failed after retries")


def stock_up(product_stock=1_000_000):
    admin = Customer(None, 0, None)
    admin.token = admin.request("POST", "/api/auth/login", {"login": "admin@bodega.local", "password": PASSWORD})["token"]
    product = admin.request("POST", "/api/products", {"name": "Mug", "price": "19.99", "stock": product_stock})
    return product["id"]


def main():
    binary, work, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    problems = []
    store = Store(binary, work)
    store.start_postgres()
    store.publish([1, 2])
    for service in PORTS:
        for number in REPLICAS if service == "gateway" else [1, 2]:
            store.start(service, number)
    wait_for("all processes", lambda: all(store.is_listening(s, n) for s in PORTS for n in [1, 2]) and store.is_listening("gateway", 3))
    time.sleep(3)
    product = stock_up()

    stop = threading.Event()
    customers = [Customer(product, CUSTOMERS / rate, stop) for _ in range(CUSTOMERS)]
    for customer in customers:
        customer.sign_up()
    for customer in customers:
        customer.start()
    time.sleep(5)
    add_third_replicas(store, customers, problems)
    faults(store, customers, problems)
    time.sleep(5)
    measurement = Measurement(store, customers)
    time.sleep(SHARE_SECONDS)
    print()
    check_shares(problems, "after the faults", measurement.shares())

    stop.set()
    for customer in customers:
        customer.join(timeout=20)
    time.sleep(5)
    verify = store.run("verify")
    print("\nbodega verify:", (verify.stdout + verify.stderr).strip().splitlines()[-1], flush=True)
    if verify.returncode:
        problems.append("bodega verify reports an inconsistency")
    for customer in customers:
        problems += customer.failures
    print(f"\n{sum(customer.requests for customer in customers)} requests, {len(problems)} problems", flush=True)
    for problem in problems:
        print(f"PROBLEM {problem}", flush=True)
    for process in store.processes.values():
        process.terminate()
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
