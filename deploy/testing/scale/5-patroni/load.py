"""Customers who place orders, and remember which ones were acknowledged."""

import dataclasses
import json
import threading
import time
import urllib.error
import urllib.request
import uuid


@dataclasses.dataclass
class Acknowledged:
    """An order with a 2xx response."""

    order: str
    key: str
    at: float


class Customer(threading.Thread):
    """Repeats a request with the same key until it is acknowledged."""

    def __init__(self, api, product, number, stop):
        super().__init__(daemon=True)
        self.api, self.product, self.number, self.stop = api, product, number, stop
        self.orders, self.rejected, self.retries = [], [], 0
        self.token = None

    def call(self, method, path, body=None, key=None):
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def insist(self, method, path, body=None, key=None):
        """Retries what may succeed later. Returns `None` for another rejection."""
        while True:
            try:
                return self.call(method, path, body, key)
            except urllib.error.HTTPError as error:
                if error.code not in (503, 429):
                    self.rejected.append(f"{path}: {error.code} {error.read().decode()[:200]}")
                    return None
            except OSError:
                pass
            self.retries += 1
            if self.stop.is_set():
                return None
            time.sleep(0.2)

    def sign_in(self):
        user = {"name": "Ada", "email": f"ada+{uuid.uuid4()}@example.com", "password": "correct horse battery"}
        self.token = self.insist("POST", "/auth/register", user)["token"]

    def run(self):
        signed_in = 0
        while not self.stop.is_set():
            if time.monotonic() - signed_in > 600:
                # The token is valid for 15 minutes.
                self.token = None
                self.sign_in()
                signed_in = time.monotonic()
            if not self.insist("POST", "/cart/add", {"productId": self.product, "quantity": 1}):
                continue
            key = str(uuid.uuid4())
            order = self.insist("POST", "/orders", {}, key)
            if order:
                self.orders.append(Acknowledged(order["id"], key, time.monotonic()))
            time.sleep(0.05)


def acknowledged(customers):
    """All acknowledged orders, in the order of their responses."""
    return sorted((order for customer in customers for order in list(customer.orders)), key=lambda order: order.at)
