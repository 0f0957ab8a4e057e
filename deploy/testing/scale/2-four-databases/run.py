"""Stops one cluster after another, inside the namespaces that `run` has made, and prints a table."""

import random
import sys
import threading
import time
import uuid

from customers import Customer, Window, create_product, finish, start_customers
from processes import PORTS, SERVICES, Store, wait_for

CUSTOMERS = 12
# Customers retry for longer than an outage lasts, also at a time limit of two seconds for each attempt.
ATTEMPTS = 150
OUTAGE_SECONDS = 10
# A service notices within this time that its cluster is gone or back.
RECOVERY_SECONDS = 10
PROBE_SECONDS = 0.5
DATABASE_PORTS = {"identity": 5431, "catalog": 5432, "cart": 5433, "order": 5434}
SCHEMAS = {"identity": "identity", "catalog": "catalog", "cart": "cart", "order": "orders"}

ROUTES = {
    "search": ("GET", "/api/products?q=mug{random}"),
    "profile": ("GET", "/api/users/me"),
    "cart": ("GET", "/api/cart"),
    "add to cart": ("POST", "/api/cart/add"),
    "orders": ("GET", "/api/orders"),
    "checkout": ("POST", "/api/orders"),
}
# Without its own cluster, a service fails at least here.
OWN = {"identity": "profile", "catalog": "search", "cart": "cart", "order": "orders"}
# The routes that need no data of the service. Prices in a cart are those of the catalog; a checkout needs all but identity.
OTHERS = {
    "identity": ["search", "cart", "add to cart", "orders", "checkout"],
    "catalog": ["profile", "orders"],
    "cart": ["search", "profile", "orders"],
    "order": ["search", "profile", "cart", "add to cart"],
}


class Probe(Customer):
    """Sends one request to a route at a time, without retries, and records when which succeeded."""

    def __init__(self, product, stop, gateways, route):
        super().__init__(product, PROBE_SECONDS, stop, gateways)
        self.route = route
        self.results = []

    def buy(self):
        method, path = ROUTES[self.route]
        body = {} if self.route == "checkout" else {"productId": self.product, "quantity": 1}
        if self.route == "checkout":
            self.try_send("POST", "/api/cart/add", {"productId": self.product, "quantity": 1})
        sent = time.monotonic()
        key = str(uuid.uuid4()) if self.route == "checkout" else None
        status, text = self.try_send(method, path.format(random=random.randrange(10**9)), body if method == "POST" else None, key)
        # A conflict, such as an empty cart, is a response of the service.
        succeeded = 200 <= status < 300 or status == 409
        self.results.append((sent, time.monotonic(), succeeded, f"{status} {text[:200]!r}"))
        time.sleep(PROBE_SECONDS)

    def between(self, start, end):
        return [result for result in list(self.results) if start <= result[0] and result[1] <= end]


def probe_all(product, stop, gateways):
    probes = {route: Probe(product, stop, gateways, route) for route in ROUTES}
    for probe in probes.values():
        probe.sign_up()
    for probe in probes.values():
        probe.start()
    return probes


def back_after(probe, started):
    """The seconds after `started` from which on all requests have succeeded; `None` if the last one has failed."""
    results = [result for result in list(probe.results) if result[1] > started]
    if not results or not results[-1][2]:
        return None
    failed = [result[1] for result in results if not result[2]]
    return max(failed, default=started) - started


def outage(store, probes, customers, service, problems):
    window = Window(customers)
    cluster = f"postgres-{service}"
    stopped = time.monotonic()
    store.stop_cluster(cluster)
    time.sleep(OUTAGE_SECONDS)
    started = time.monotonic()
    store.start_cluster(cluster, DATABASE_PORTS[service])
    time.sleep(RECOVERY_SECONDS + 2)
    cells = []
    for route, probe in probes.items():
        results = probe.between(stopped, started)
        succeeded = sum(result[2] for result in results)
        back = back_after(probe, started)
        cells.append(f"{succeeded} of {len(results)}")
        errors = [result[3] for result in results if not result[2]][:3]
        if route in OTHERS[service] and (errors or not results):
            problems.append(f"without the database of {service}: {route}: {cells[-1]} succeeded: {errors}")
        if route == OWN[service] and results and succeeded == len(results):
            problems.append(f"without the database of {service}: {route} did not need it: the outage had no effect")
        if back is None or back > RECOVERY_SECONDS:
            problems.append(f"{route} was not back {RECOVERY_SECONDS} s after the database of {service}")
    slowest = max((back_after(probe, started) or 0 for probe in probes.values()), default=0)
    total = len(window.samples())
    print(f"| {service} | {' | '.join(cells)} | {slowest:.1f} s | {total} | {window.failed()} |", flush=True)


def check_schemas(store, problems):
    """Each cluster has the schema of its service, and no other."""
    names = ", ".join(f"'{name}'" for name in SCHEMAS.values())
    for service, port in DATABASE_PORTS.items():
        found = store.psql(port, f"select string_agg(nspname, ' ') from pg_namespace where nspname in ({names})").stdout.strip()
        if found != SCHEMAS[service]:
            problems.append(f"the cluster of {service} has the schemas {found}")


def main():
    binary, work, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    problems = []
    store = Store(binary, work, DATABASE_PORTS)
    for service, port in DATABASE_PORTS.items():
        store.create_cluster(f"postgres-{service}", port)
    store.migrate()
    check_schemas(store, problems)
    store.publish(dict.fromkeys(SERVICES, [1]))
    for service in PORTS:
        store.start(service, 1)
    wait_for("all processes", lambda: all(store.is_ready(service, 1) for service in PORTS))
    time.sleep(2)

    gateways = [store.address("gateway", 1)]
    product = create_product(gateways)
    stop = threading.Event()
    probes = probe_all(product, stop, gateways)
    customers = start_customers(CUSTOMERS, rate, product, stop, gateways, ATTEMPTS)
    time.sleep(5)
    window = Window(customers)
    time.sleep(10)
    print(f"with all clusters: {Window.HEADER}: {window.columns()}", flush=True)
    window.check("with all clusters", problems)

    print(f"\n| stopped | {' | '.join(ROUTES)} | back after | requests | failed after retries |", flush=True)
    print(f"|---|{'---|' * len(ROUTES)}---|---|---|", flush=True)
    for service in SERVICES:
        outage(store, probes, customers, service, problems)
    for probe in probes.values():
        problems += probe.failures
    stop.set()
    for probe in probes.values():
        probe.join(timeout=30)
    sys.exit(finish(store, customers, stop, problems))


if __name__ == "__main__":
    main()
