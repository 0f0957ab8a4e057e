"""Postgres, and three processes of each service and of the gateway, each in a network namespace of its own."""

import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

HUB = "10.94.0.254"
SERVICES = ["identity", "catalog", "cart", "order"]
PORTS = {"identity": 7001, "catalog": 7002, "cart": 7003, "order": 7004, "gateway": 8080}
REPLICAS = [1, 2, 3]
PASSWORD = "correct horse battery"
SECRET = "a-secret-of-the-test-that-is-long-enough"


def installed_postgres():
    found = [*pathlib.Path("/usr/lib/postgresql").glob("*/bin")]
    return max(map(str, found), default="/usr/local/bin")


PG_BIN_DIR = os.environ.get("PG_BIN_DIR") or installed_postgres()


def node(service, number):
    return f"{list(PORTS).index(service) + 1}{number}"


def address(service, number):
    return f"10.94.0.{node(service, number)}"


def wait_for(what, check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out: {what}")
        time.sleep(0.1)


class Store:
    """Starts, breaks and repairs the processes."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, pathlib.Path(work)
        self.processes = {}
        self.hosts = (self.work / "hosts").read_text()

    def start_postgres(self):
        data = self.work / "postgres"
        data.mkdir()
        subprocess.run(["chown", "postgres:postgres", data], check=True)
        run = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        subprocess.run(
            [*run, f"{PG_BIN_DIR}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, stdout=subprocess.DEVNULL,
        )
        with open(data / "pg_hba.conf", "a", encoding="utf-8") as hba:
            hba.write("host all all 10.94.0.0/24 trust\n")
        options = ["-c", f"listen_addresses={HUB}", "-c", "max_connections=200", "-c", "fsync=off", "-k", data]
        self.spawn("postgres", [*run, f"{PG_BIN_DIR}/postgres", "-D", data, *options])
        psql = ["psql", "-h", HUB, "-U", "postgres", "-qc"]
        wait_for("Postgres", lambda: subprocess.run([*psql, "select 1"], capture_output=True, check=False).returncode == 0)
        self.run("migrate")

    def environment(self, service=None, number=None):
        inherited = {name: os.environ[name] for name in ["PATH", "HOME"] if name in os.environ}
        variables = inherited | {
            "DATABASE_URL": f"postgres://{f'bodega_{service}' if service else 'postgres'}@{HUB}/postgres",
            "BODEGA_ADMIN_PASSWORD": PASSWORD,
            "BODEGA_SERVICE_TOKEN": SECRET,
            "JWT_SECRET_KEY": SECRET,
            "BODEGA_MEDIA_DIR": str(self.work / "media"),
            "BODEGA_DATA_DIR": str(self.work / "data"),
        }
        if not service:
            return variables | {f"BODEGA_{name.upper()}_DB_PASSWORD": SECRET for name in SERVICES}
        own = address(service, number)
        urls = {f"BODEGA_{name.upper()}_URL": f"http://{name}:{PORTS[name]}" for name in SERVICES}
        return variables | urls | {"BODEGA_LISTEN": f"{own}:{PORTS[service]}", "BODEGA_ADMIN_HTTP": f"{own}:9464"}

    def run(self, *arguments):
        command = [self.binary, *arguments]
        return subprocess.run(command, env=self.environment(), cwd=self.work, capture_output=True, text=True, check=False)

    def spawn(self, name, command, environment=None):
        with open(self.work / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work
            )

    def start(self, service, number):
        command = ["ip", "netns", "exec", f"n{node(service, number)}", self.binary, "serve", service]
        self.spawn(f"{service}-{number}", command, self.environment(service, number))

    def pid(self, service, number):
        return self.processes[f"{service}-{number}"].pid

    def is_listening(self, service, number):
        try:
            self.metrics(service, number)
            return True
        except OSError:
            return False

    def publish(self, replicas):
        """Sets the addresses that the names of the services resolve to."""
        lines = [f"{address(service, number)} {service}\n" for service in SERVICES for number in replicas]
        # In place: it is mounted.
        (self.work / "hosts").write_text(self.hosts + "".join(lines))

    def break_replica(self, service, number, fault):
        if fault == "killed":
            os.kill(self.pid(service, number), signal.SIGKILL)
            self.processes[f"{service}-{number}"].wait()
        elif fault == "frozen":
            os.kill(self.pid(service, number), signal.SIGSTOP)
        else:
            self.forward(service, number, False)

    def repair(self, service, number, fault):
        if fault == "killed":
            self.start(service, number)
        elif fault == "frozen":
            os.kill(self.pid(service, number), signal.SIGCONT)
        else:
            self.forward(service, number, True)

    @staticmethod
    def forward(service, number, is_forwarding):
        """Drops all packets in both directions, or forwards them."""
        state = "3" if is_forwarding else "0"
        subprocess.run(["bridge", "link", "set", "dev", f"v{node(service, number)}", "state", state], check=True)

    @staticmethod
    def metrics(service, number):
        url = f"http://{address(service, number)}:9464/metrics"
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.read().decode()

    def served(self, service, number):
        """The number of calls that a replica has served: no streams, no health checks."""
        calls = 0
        for line in self.metrics(service, number).splitlines():
            found = re.match(r'rpc_server_duration_seconds_count\{.*method="([^"]*)".*\} (\d+)', line)
            if found and "Watch" not in found[1] and found[1].startswith("/bodega."):
                calls += int(found[2])
        return calls
