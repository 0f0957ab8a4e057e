"""A store of its own, with an embedded Postgres, and its clients."""

import asyncio
import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from client import Client

PASSWORD = "a mug of tea at four"
ADMIN = "admin@bodega.local"
START_SECONDS = 90


class Store:
    """Runs `bodega`, as one process. `files` limits its file descriptors, as `ulimit -n` does."""

    def __init__(self, binary, variables=(), files=None):
        self.binary, self.variables, self.files = binary, dict(variables), files
        self.directory = tempfile.mkdtemp(prefix="bodega-attacks-")
        self.process = None
        self.port = self.mailbox = None
        self.log = ""
        self.names = itertools.count(1)

    def __enter__(self):
        inherited = {name: os.environ[name] for name in ["PATH", "HOME", "PG_BIN_DIR"] if name in os.environ}
        variables = {
            "BODEGA_DATA_DIR": f"{self.directory}/data",
            "BODEGA_HTTP": "127.0.0.1:0",
            "BODEGA_ADMIN_HTTP": "127.0.0.1:0",
            "BODEGA_ADMIN_PASSWORD": PASSWORD,
            "BODEGA_ACCESS_LOG": "off",
        }

        def limit_files():
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

        with open(f"{self.directory}/log", "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [self.binary],
                env=inherited | variables | self.variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.directory,
                preexec_fn=limit_files,  # pylint: disable=subprocess-popen-preexec-fn
            )
        started = time.monotonic()
        line = self.process.stdout.readline()
        prefix = "The store is open at http://127.0.0.1:"
        if not line.startswith(prefix) or time.monotonic() - started > START_SECONDS:
            self.__exit__()
            raise SystemExit(f"the store did not start: {line}{self.log}")
        self.port = int(line.removeprefix(prefix).strip())
        return self

    def __exit__(self, *_):
        with open(f"{self.directory}/log", encoding="utf-8", errors="replace") as log:
            self.log = log.read()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def mails(self):
        """The mails of the dev mailbox, whose address is among the next lines of the output."""
        while not self.mailbox:
            line = self.process.stdout.readline()
            if found := re.search(r"http://[0-9.:]+/mail", line):
                self.mailbox = found[0]
            elif not line:
                raise SystemExit("the store has no dev mailbox")
        with urllib.request.urlopen(f"{self.mailbox}.json", timeout=5) as response:
            return json.load(response)

    def client(self, source):
        return Client(self.port, source)

    async def user(self, source):
        """Registers a user and signs in, both from this address."""
        client = self.client(source)
        client.user = f"user{next(self.names)}-{os.getpid()}"
        body = {"name": "Ada", "email": f"{client.user}@shop.example", "username": client.user, "password": PASSWORD}
        await retry(lambda: client.post("/api/auth/register", body), 201)
        await sign_in(client, client.user)
        return client

    async def admin(self, source="127.0.0.1"):
        client = self.client(source)
        await sign_in(client, ADMIN)
        return client

    async def product(self, stock=1_000_000):
        """Creates a product; returns its id."""
        admin = await self.admin()
        created = await retry(lambda: admin.post("/api/products", {"name": "Mug", "price": "9.99", "stock": stock}), 201)
        return created["id"]

    def cpu_seconds(self):
        """The CPU time of the process, without its Postgres."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        """The resident memory of the process."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


async def sign_in(client, login):
    session = await retry(lambda: client.post("/api/auth/login", {"login": login, "password": PASSWORD}), 200)
    client.token, client.refresh_token = session["token"], session["refreshToken"]


async def retry(send, status):
    """Prepares a case: repeats a request until it succeeds, for a minute."""
    deadline = time.monotonic() + 60
    while True:
        response = await send()
        if response.status == status:
            return response.json()
        if response.status not in (0, 429, 503) or time.monotonic() > deadline:
            raise SystemExit(f"cannot prepare the case: {response}")
        await asyncio.sleep(0.3)
