"""Breaks the leader under load, and compares the acknowledged orders with the database. Started by `run`."""

import os
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg2

from cluster import HUB, PASSWORD, PG_BIN_DIR, Cluster
from load import Customer, acknowledged

CUSTOMERS = 8
# Promised: writes are back within this time.
LIMIT = 30
API = f"http://{HUB}:8080/api"


def connect(user, database):
    return psycopg2.connect(host=HUB, user=user, password=PASSWORD, dbname=database, connect_timeout=2)


def wait_for(what, check, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            result = check()
            if result is not None:
                return result
        except (OSError, psycopg2.Error):
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{what}: not within {seconds} s")


def create_database():
    connection = connect("postgres", "postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create role bodega login createrole password '{PASSWORD}'")
        cursor.execute("create database bodega owner bodega")
    connection.close()


def query(sql):
    with connect("bodega", "bodega") as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def environment(work):
    inherited = {name: os.environ[name] for name in ["PATH", "HOME"] if name in os.environ}
    return inherited | {
        "DATABASE_URL": f"postgres://bodega:{PASSWORD}@{HUB}/bodega",
        "BODEGA_DATA_DIR": f"{work}/store",
        "BODEGA_HTTP": f"{HUB}:8080",
        "BODEGA_ADMIN_HTTP": f"{HUB}:9464",
        "BODEGA_ADMIN_PASSWORD": "correct horse battery",
        "BODEGA_DEMO": "true",
        "BODEGA_RATE_LIMITS": "off",
    }


def start_store(binary, work):
    log = open(f"{work}/store.log", "ab")  # pylint: disable=consider-using-with
    return subprocess.Popen([binary], env=environment(work), cwd=work, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def stock_up():
    """Returns a product with more stock than the load can sell."""
    admin = Customer(API, None, 0, threading.Event())
    admin.token = admin.call("POST", "/auth/login", {"login": "admin@bodega.local", "password": "correct horse battery"})["token"]
    return admin.call("POST", "/products", {"name": "Mug", "price": 19.99, "stock": 1_000_000})["id"]


def break_leader(cluster, customers, fault):
    """Returns the seconds without an acknowledged order after the fault."""
    leader = cluster.leader()
    getattr(cluster, fault)(leader)
    at = time.monotonic()
    # Acknowledged orders are continuous again: five after a new leader has been elected.
    wait_for("a new leader", lambda: cluster.leader() not in (None, leader) or None, 60)
    elected = time.monotonic() - at
    wait_for("writes", lambda: sum(order.at > at + elected for order in acknowledged(customers)) >= 5 or None, 60)
    times = [at, *(order.at for order in acknowledged(customers) if order.at > at)]
    gap = max(after - before for before, after in zip(times, times[1:]))
    cluster.repair(leader, fault)
    cluster.wait_until_healthy(90)
    return leader, cluster.leader(), elected, gap


def main():
    binary, work, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    cluster = Cluster(work)
    cluster.start()
    cluster.wait_until_healthy(60)
    wait_for("the database", lambda: create_database() or True, 20)
    store = start_store(binary, work)
    wait_for("the store", lambda: urllib.request.urlopen(f"http://{HUB}:8080/readyz", timeout=2).status, 60)
    product = stock_up()
    stop = threading.Event()
    customers = [Customer(API, product, number, stop) for number in range(CUSTOMERS)]
    for customer in customers:
        customer.start()
    time.sleep(5)

    version = subprocess.run([f"{PG_BIN_DIR}/postgres", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    print(f"Postgres {version}, {CUSTOMERS} customers", flush=True)
    print("| round | fault | leader | elected after s | writes back after s | orders so far |\n|---|---|---|---|---|---|", flush=True)
    slow = []
    for number in range(1, rounds + 1):
        fault = "kill" if number % 2 else "partition"
        old, new, elected, gap = break_leader(cluster, customers, fault)
        print(f"| {number} | {fault} | {old} to {new} | {elected:.1f} | {gap:.1f} | {len(acknowledged(customers))} |", flush=True)
        if gap > LIMIT:
            slow.append(number)
        time.sleep(3)

    stop.set()
    for customer in customers:
        customer.join(30)
    failed = compare(customers) + [f"round {number}: writes were not back within {LIMIT} s" for number in slow]
    if store.poll() is not None:
        failed.append(f"the store ended with {store.returncode}")
    verify = subprocess.run([binary, "verify"], env=environment(work), cwd=work, capture_output=True, text=True, check=False)
    print(f"bodega verify: exit {verify.returncode}")
    if verify.returncode != 0:
        failed.append(verify.stdout + verify.stderr)
    store.terminate()
    for problem in failed:
        print(problem, file=sys.stderr)
    print("passed" if not failed else "FAILED", flush=True)
    return 1 if failed else 0


def compare(customers):
    """Every acknowledged order is in the database, and there are no others."""
    orders = acknowledged(customers)
    stored = {str(row[0]): row[1] for row in wait_for("the orders", lambda: query("select id, status::text from orders.orders"), 30)}
    lost = [order for order in orders if stored.get(order.order) in (None, "placing", "rejected")]
    seconds = orders[-1].at - orders[0].at
    print(
        f"{len(orders)} acknowledged orders in {seconds:.0f} s, {len(lost)} lost; {len(stored)} in the database;"
        f" {sum(customer.retries for customer in customers)} retries"
    )
    rejected = [text for customer in customers for text in customer.rejected]
    problems = [f"lost: {order}" for order in lost[:10]] + [f"rejected: {text}" for text in rejected[:10]]
    # Each key is for one cart, so that two of them must not get the same order.
    if len({order.order for order in orders}) < len(orders):
        problems.append("an order was acknowledged for two keys")
    # At most one order for each customer, whose last request was interrupted.
    if not len(orders) <= len(stored) <= len(orders) + len(customers):
        problems.append("the database has more orders than were placed, or fewer")
    return problems


sys.exit(main())
