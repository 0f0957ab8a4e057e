"""Postgres clusters and the processes of a store, inside the namespaces that a script has made."""

import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

SERVICES = ["identity", "catalog", "cart", "order"]
PORTS = {"identity": 7001, "catalog": 7002, "cart": 7003, "order": 7004, "gateway": 8080}
PASSWORD = "correct horse battery"
SECRET = "a-secret-of-the-test-that-is-long-enough"
STOP_SECONDS = 30


def installed_postgres():
    found = [*pathlib.Path("/usr/lib/postgresql").glob("*/bin")]
    return max(map(str, found), default="/usr/local/bin")


PG_BIN_DIR = os.environ.get("PG_BIN_DIR") or installed_postgres()
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def wait_for(what, check, seconds=60):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out: {what}")
        time.sleep(0.1)


class Store:
    """Starts and stops the processes. Process I of the service S has the address 127.0.S.I: all of 127.0.0.0/8 is loopback."""

    database_host = "127.0.0.1"
    # The addresses of the processes.
    network = "127.0.0.0/8"

    def __init__(self, binary, work, database_ports=None, variables=None):
        self.binary, self.work = binary, pathlib.Path(work)
        # By service; the same for all if they share a cluster.
        self.database_ports = database_ports or dict.fromkeys(SERVICES, 5432)
        self.variables = variables or {}
        self.processes = {}
        self.hosts = (self.work / "hosts").read_text()

    def address(self, service, number):
        return f"127.0.{list(PORTS).index(service) + 1}.{number}"

    def command(self, service, number, binary):  # pylint: disable=unused-argument
        return [binary, "serve", service]

    def create_cluster(self, name, port):
        """Creates a Postgres cluster and starts it."""
        data = self.work / name
        data.mkdir()
        subprocess.run(["chown", "postgres:postgres", data], check=True)
        initdb = [f"{PG_BIN_DIR}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*AS_POSTGRES, *initdb], check=True, stdout=subprocess.DEVNULL)
        with open(data / "pg_hba.conf", "a", encoding="utf-8") as hba:
            hba.write(f"host all all {self.network} trust\n")
        self.start_cluster(name, port)

    def start_cluster(self, name, port):
        data = self.work / name
        options = ["-c", f"listen_addresses={self.database_host}", "-c", "max_connections=200", "-c", "fsync=off", "-k", data]
        self.spawn(name, [*AS_POSTGRES, f"{PG_BIN_DIR}/postgres", "-D", data, "-p", str(port), *options])
        wait_for(name, lambda: self.psql(port, "select 1", check=False).returncode == 0)

    def stop_cluster(self, name):
        """Shuts it down immediately: all its processes end, and nothing is flushed."""
        self.processes[name].send_signal(signal.SIGQUIT)
        self.processes[name].wait(timeout=STOP_SECONDS)

    def psql(self, port, sql, check=True):
        command = ["psql", "-h", self.database_host, "-p", str(port), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    def database_url(self, service, role):
        return f"postgres://{role}@{self.database_host}:{self.database_ports[service]}/postgres"

    def environment(self, service=None, number=None):
        """The variables of a process, or of a command of the owner."""
        inherited = {name: os.environ[name] for name in ["PATH", "HOME"] if name in os.environ}
        variables = inherited | self.variables | {
            "BODEGA_ADMIN_PASSWORD": PASSWORD,
            "BODEGA_SERVICE_TOKEN": SECRET,
            "JWT_SECRET_KEY": SECRET,
            "BODEGA_RATE_LIMITS": "off",
            "BODEGA_MEDIA_DIR": str(self.work / "media"),
            "BODEGA_DATA_DIR": str(self.work / "data"),
        }
        if not service:
            for name in SERVICES:
                variables[f"BODEGA_{name.upper()}_DB_PASSWORD"] = SECRET
                variables[f"BODEGA_{name.upper()}_DATABASE_URL"] = self.database_url(name, "postgres")
            return variables
        own = self.address(service, number)
        if service != "gateway":
            variables["DATABASE_URL"] = self.database_url(service, f"bodega_{service}")
        urls = {f"BODEGA_{name.upper()}_URL": f"http://{name}:{PORTS[name]}" for name in SERVICES}
        return variables | urls | {"BODEGA_LISTEN": f"{own}:{PORTS[service]}", "BODEGA_ADMIN_HTTP": f"{own}:9464"}

    def run(self, *arguments, binary=None):
        command = [binary or self.binary, *arguments]
        return subprocess.run(command, env=self.environment(), cwd=self.work, capture_output=True, text=True, check=False)

    def migrate(self, binary=None):
        """Migrates, and creates the services' roles and the first admin."""
        migrated = self.run("migrate", binary=binary)
        if migrated.returncode:
            raise SystemExit(f"bodega migrate: {migrated.stdout}{migrated.stderr}")

    def spawn(self, name, command, environment=None):
        with open(self.log(name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work
            )

    def log(self, name):
        return self.work / f"{name}.log"

    def unexpected_errors(self, limit=10):
        """The first errors that the processes have logged, other than those of something unavailable."""
        errors = []
        for name in self.processes:
            lines = self.log(name).read_text(errors="replace").splitlines()
            errors += [f"{name}: {line}" for line in lines if " ERROR " in line and "unavailable" not in line]
        return errors[:limit]

    def start(self, service, number, binary=None):
        command = self.command(service, number, binary or self.binary)
        self.spawn(f"{service}-{number}", command, self.environment(service, number))

    def pid(self, service, number):
        return self.processes[f"{service}-{number}"].pid

    def terminate(self, service, number):
        """Sends SIGTERM, waits for the end, and returns the exit code."""
        process = self.processes[f"{service}-{number}"]
        process.terminate()
        return process.wait(timeout=STOP_SECONDS)

    def terminate_all(self):
        for process in self.processes.values():
            process.terminate()

    def get(self, service, number, path):
        url = f"http://{self.address(service, number)}:9464{path}"
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.read().decode()

    def is_listening(self, service, number):
        try:
            self.get(service, number, "/metrics")
            return True
        except OSError:
            return False

    def is_ready(self, service, number):
        try:
            self.get(service, number, "/readyz")
            return True
        except OSError:
            return False

    def publish(self, replicas):
        """Sets the addresses that the names of the services resolve to: `replicas` are the numbers of each service."""
        lines = [f"{self.address(service, number)} {service}\n" for service in SERVICES for number in replicas[service]]
        # In place: it is mounted.
        (self.work / "hosts").write_text(self.hosts + "".join(lines))

    def served(self, service, number):
        """The number of calls that a replica has served: no streams, no health checks."""
        calls = 0
        for line in self.get(service, number, "/metrics").splitlines():
            found = re.match(r'rpc_server_duration_seconds_count\{.*method="([^"]*)".*\} (\d+)', line)
            if found and "Watch" not in found[1] and found[1].startswith("/bodega."):
                calls += int(found[2])
        return calls
