"""Upgrades a store and rolls it back under load, inside the namespaces that `run` has made, and prints a table."""

import re
import sys
import threading
import time

from customers import Window, create_product, finish, start_customers
from processes import PORTS, SERVICES, Store, wait_for

CUSTOMERS = 12
HOLD_SECONDS = 15
# As in deploy/kubernetes.
DRAIN_SECONDS = 5
# Processes 1 and 2 of a service run this version, 3 and 4 the next one.
CURRENT, NEXT = [1, 2], [3, 4]
# What the next version writes: columns that this one does not know.
WRITES = """
    update catalog.products set sku = 'MUG-' || id;
    update orders.orders set channel = 'app';
    update cart.carts set note = 'a note';
    update identity.users set nickname = name;
"""


class Versions:
    """The running processes, and the replacement of one by another."""

    def __init__(self, store, binaries):
        self.store, self.binaries = store, binaries
        self.running = {service: [] for service in PORTS}
        # For the customers.
        self.gateways = []
        self.problems = []

    def start(self, service, number):
        self.store.start(service, number, self.binaries[number in NEXT])
        wait_for(f"{service} {number}", lambda: self.store.is_ready(service, number))
        self.running[service].append(number)
        self.publish()

    def stop(self, service, number):
        """Removes its address, as Kubernetes does while it sends SIGTERM."""
        self.running[service].remove(number)
        self.publish()
        code = self.store.terminate(service, number)
        if code:
            self.problems.append(f"{service} {number} ended with {code}")

    def publish(self):
        self.store.publish(self.running)
        self.gateways[:] = [self.store.address("gateway", number) for number in self.running["gateway"]]

    def replace(self, old, new):
        """Replaces the process `old` of each service by `new`."""
        for service in PORTS:
            self.start(service, new)
            self.stop(service, old)

    def served(self):
        """The calls of each service that the two versions have served."""
        return {
            (service, number): self.store.served(service, number) for service in SERVICES for number in self.running[service]
        }

    def builds(self, service):
        """The builds of the running processes."""
        found = set()
        for number in self.running[service]:
            found |= set(re.findall(r'build_info\{[^}]*commit="([^"]*)"', self.store.get(service, number, "/metrics")))
        return found

    def has_tolerated(self, service, number):
        """Whether the process has logged that its schema is newer than it is."""
        return "of a newer version" in self.store.log(f"{service}-{number}").read_text()


class Phases:
    """Runs the phases, and prints a row for each."""

    def __init__(self, versions, customers, problems):
        self.versions, self.customers, self.problems = versions, customers, problems
        print(f"| phase | seconds | {Window.HEADER} | calls of N | calls of N+1 |\n|---|---|---|---|---|---|---|---|---|---|", flush=True)

    def run(self, name, work, expected=None):
        """`expected` are the versions that must serve calls of each service: only where the work replaces no process."""
        window, started, before = Window(self.customers), time.monotonic(), self.versions.served()
        work()
        seconds = time.monotonic() - started
        cells = ["", ""]
        if expected is not None:
            after = self.versions.served()
            calls = {version: dict.fromkeys(SERVICES, 0) for version in [False, True]}
            for (service, number), count in after.items():
                calls[number in NEXT][service] += count - before[service, number]
            cells = [str(sum(calls[version].values())) for version in [False, True]]
            for version in expected:
                idle = [service for service, count in calls[version].items() if not count]
                if idle:
                    self.problems.append(f"{name}: no calls of {'N+1' if version else 'N'} in {', '.join(idle)}")
        print(f"| {name} | {seconds:.0f} | {window.columns()} | {' | '.join(cells)} |", flush=True)
        window.check(name, self.problems)


def hold():
    time.sleep(HOLD_SECONDS)


def write(store):
    result = store.psql(5432, WRITES, check=False)
    if result.returncode:
        raise SystemExit(f"the columns of the next version cannot be written: {result.stderr}")


def main():
    binaries, work, rate = sys.argv[1:3], sys.argv[3], float(sys.argv[4])
    current, following = binaries
    store = Store(current, work, variables={"BODEGA_DRAIN_DELAY": str(DRAIN_SECONDS)})
    store.create_cluster("postgres", 5432)
    store.migrate()
    versions = Versions(store, binaries)
    versions.publish()
    for service in PORTS:
        for number in CURRENT:
            versions.start(service, number)
    time.sleep(3)
    product = create_product(versions.gateways)
    stop = threading.Event()
    customers = start_customers(CUSTOMERS, rate, product, stop, versions.gateways)
    time.sleep(5)

    problems = versions.problems
    phases = Phases(versions, customers, problems)
    phases.run("N", hold, [False])
    phases.run("`bodega migrate` of N+1", lambda: store.migrate(following))
    phases.run("N on the schemas of N+1", hold, [False])
    phases.run("half of the processes replaced", lambda: versions.replace(1, 3))
    phases.run("N and N+1", hold, [False, True])
    if any(len(versions.builds(service)) != 2 for service in PORTS):
        problems.append(f"not two builds of each service: {[versions.builds(service) for service in PORTS]}")
    phases.run("the other half", lambda: versions.replace(2, 4))
    phases.run("N+1", hold, [True])
    phases.run("N+1 writes its columns", lambda: write(store))
    phases.run("rollback of one half", lambda: versions.replace(3, 1))
    phases.run("N and N+1 again", hold, [False, True])
    phases.run("rollback of the other half", lambda: versions.replace(4, 2))
    phases.run("N after the rollback", hold, [False])
    for service in SERVICES:
        for number in CURRENT:
            if not versions.has_tolerated(service, number):
                problems.append(f"{service} {number} did not find its schema newer: its binary is not the earlier version")
    sys.exit(finish(store, customers, stop, problems, binaries))


if __name__ == "__main__":
    main()
