"""Customers who read and buy at a bounded rate, and retry what fails."""

import collections
import http.client
import json
import random
import sys
import threading
import time
import uuid

from store import PASSWORD, PORTS, REPLICAS, address

ATTEMPTS = 6


class Customer(threading.Thread):
    """Sends a request, and the same one again to another gateway if it fails."""

    def __init__(self, product, interval, stop):
        super().__init__(daemon=True)
        self.product, self.interval, self.stop = product, interval, stop
        self.token = None
        self.requests = 0
        self.durations = []
        # By method and status: first attempts, and requests that failed in spite of retries.
        self.first_failures, self.failures = collections.Counter(), []

    def send(self, method, path, body=None, key=None, timeout=5):
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        connection = http.client.HTTPConnection(address("gateway", random.choice(REPLICAS)), PORTS["gateway"], timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def request(self, method, path, body=None, key=None):
        self.requests += 1
        started = time.monotonic()
        seen = []
        for attempt in range(ATTEMPTS):
            try:
                status, text = self.send(method, path, body, key)
            except OSError as error:
                status, text = 0, str(error).encode()
            if 200 <= status < 300:
                self.durations.append(time.monotonic() - started)
                return json.loads(text) if text else {}
            seen.append(f"{status} {text[:200]!r}")
            if attempt == 0:
                self.first_failures[method] += 1
                if method == "GET":
                    print(f"read failed at first: {path}: {seen[0]}", file=sys.stderr, flush=True)
            if status not in (0, 429, 503):
                break
            time.sleep(0.2)
        self.failures.append(f"{method} {path}: {seen}")
        if len(self.failures) == 1:
            print(f"failure: {self.failures[0]}", flush=True)
        return None

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
