"""Customers who read and buy at a bounded rate, and retry what fails."""

import http.client
import json
import random
import threading
import time
import typing
import uuid

from processes import PASSWORD, PORTS

TEMPORARY = (0, 429, 503)
RETRY_SECONDS = 0.2


class Sample(typing.NamedTuple):
    """A request with its retries."""

    method: str
    path: str
    duration: float
    # `None` if the first attempt succeeded.
    first_error: str | None
    failed: bool


class Customer(threading.Thread):
    """Sends a request, and the same one again, to any gateway, if it fails. `gateways` are addresses, and may change."""

    def __init__(self, product, interval, stop, gateways, attempts=6):
        super().__init__(daemon=True)
        self.product, self.interval, self.stop, self.gateways, self.attempts = product, interval, stop, gateways, attempts
        self.token = None
        self.samples, self.failures = [], []

    def send(self, method, path, body=None, key=None, timeout=5):
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        connection = http.client.HTTPConnection(random.choice(self.gateways), PORTS["gateway"], timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def try_send(self, *request):
        """Returns the status 0 without a response."""
        try:
            return self.send(*request)
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()

    def request(self, method, path, body=None, key=None):
        started = time.monotonic()
        seen = []
        result = None
        for _ in range(self.attempts):
            status, text = self.try_send(method, path, body, key)
            if 200 <= status < 300:
                result = json.loads(text) if text else {}
                break
            seen.append(f"{status} {text[:200]!r}")
            if status not in TEMPORARY:
                break
            time.sleep(RETRY_SECONDS)
        self.samples.append(Sample(method, path, time.monotonic() - started, seen[0] if seen else None, result is None))
        if result is None:
            self.failures.append(f"{method} {path}: {len(seen)} attempts: {seen[-6:]}")
            if len(self.failures) == 1:
                print(f"failure: {self.failures[0]}", flush=True)
        return result

    def sign_up(self):
        """Before the measurements: hashing passwords takes most of the time of a small machine."""
        while not self.token:
            body = {"name": "Ada", "email": f"ada+{uuid.uuid4()}@example.com", "password": PASSWORD}
            status, text = self.send("POST", "/api/auth/register", body, timeout=10)
            if status == 201:
                self.token = json.loads(text)["token"]
            else:
                time.sleep(0.5)

    def run(self):
        try:
            while not self.stop.is_set():
                self.buy()
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(f"customer: {error!r}")

    def pause(self):
        time.sleep(random.uniform(0.5, 1.5) * self.interval)

    def buy(self):
        """Seven requests."""
        self.request("GET", f"/api/products?q=mug{random.randrange(10**9)}")
        self.pause()
        self.request("GET", "/api/users/me")
        self.pause()
        self.request("POST", "/api/cart/add", {"productId": self.product, "quantity": 1})
        self.pause()
        self.request("GET", "/api/cart")
        self.pause()
        self.request("POST", "/api/orders", {}, str(uuid.uuid4()))
        self.pause()
        self.request("GET", "/api/orders")
        self.pause()
        self.request("GET", "/api/users/me")
        self.pause()


class Window:
    """The requests that have ended since it was made."""

    HEADER = "requests | reads failed at first | writes failed at first | failed after retries | p99 | longest"

    def __init__(self, customers):
        self.customers = customers
        self.marks = [len(customer.samples) for customer in customers]

    def samples(self):
        return [sample for customer, mark in zip(self.customers, self.marks) for sample in customer.samples[mark:]]

    def failed_reads(self):
        """The errors of the reads that failed at their first attempt: the transport may retry all calls of a read."""
        found = [sample for sample in self.samples() if sample.first_error is not None and sample.method == "GET"]
        return [f"{sample.path}: {sample.first_error}" for sample in found]

    def failed(self):
        return sum(sample.failed for sample in self.samples())

    def check(self, name, problems):
        reads, failed = self.failed_reads(), self.failed()
        if reads:
            problems.append(f"{name}: {len(reads)} reads failed at their first attempt: {reads[:3]}")
        if failed:
            problems.append(f"{name}: {failed} requests failed after retries")

    def columns(self):
        """Returns the cells of a table's row."""
        samples = self.samples()
        first = sum(sample.first_error is not None for sample in samples)
        reads = len(self.failed_reads())
        failed = self.failed()
        slow = sorted(sample.duration for sample in samples if not sample.failed) or [0]
        p99, longest = slow[int(len(slow) * 0.99)], slow[-1]
        cells = f"{len(samples)} | {reads} | {first - reads} | {failed} | {p99 * 1000:.0f} ms | {longest * 1000:.0f} ms"
        return cells


def create_product(gateways, stock=1_000_000):
    """Signs in as the admin. Returns the id of a product with more stock than the load can sell."""
    admin = Customer(None, 0, None, gateways)
    admin.token = admin.request("POST", "/api/auth/login", {"login": "admin@bodega.local", "password": PASSWORD})["token"]
    return admin.request("POST", "/api/products", {"name": "Mug", "price": "19.99", "stock": stock})["id"]


def start_customers(count, rate, product, stop, gateways, attempts=6):
    """Starts customers that send `rate` requests a second together."""
    customers = [Customer(product, count / rate, stop, gateways, attempts) for _ in range(count)]
    for customer in customers:
        customer.sign_up()
    for customer in customers:
        customer.start()
    return customers


def finish(store, customers, stop, problems, binaries=None):
    """Stops the customers, runs `bodega verify` of each binary, and prints the problems. Returns the exit code."""
    stop.set()
    for customer in customers:
        customer.join(timeout=60)
        if customer.is_alive():
            problems.append("a customer has not ended")
    time.sleep(5)
    for binary in binaries or [store.binary]:
        verify = store.run("verify", binary=binary)
        lines = (verify.stdout + verify.stderr).strip().splitlines()
        print("\nbodega verify:", lines[-1] if lines else "", flush=True)
        if verify.returncode:
            problems.append(f"bodega verify reports an inconsistency: {lines}")
    for customer in customers:
        problems += customer.failures
    print(f"\n{sum(len(customer.samples) for customer in customers)} requests, {len(problems)} problems", flush=True)
    for problem in problems:
        print(f"PROBLEM {problem}", flush=True)
    if problems:
        for error in store.unexpected_errors():
            print(error, flush=True)
    store.terminate_all()
    return 1 if problems else 0
