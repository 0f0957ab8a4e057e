"""Three nodes with etcd and Patroni, and HAProxy in front of the leader. Node N has the address 10.93.0.N."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

NODES = [1, 2, 3]
HUB = "10.93.0.10"
PASSWORD = "not-a-secret"
PG_BIN_DIR = os.environ.get("PG_BIN_DIR") or max(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")))


def address(node):
    return f"10.93.0.{node}"


class Cluster:
    """Starts, breaks and repairs the nodes."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.processes = {}
        for node in NODES:
            self.configure(node)

    def spawn(self, node, name, command, user=None):
        """Starts a process in the namespace of a node (or of the hub: `None`)."""
        log = open(self.work / f"{name}.log", "ab")  # pylint: disable=consider-using-with
        if node:
            prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
            command = ["ip", "netns", "exec", f"bodega-p-{node}", *prefix, *command]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.processes[name] = process
        return process

    def configure(self, node):
        directory = self.work / f"node{node}"
        directory.mkdir()
        subprocess.run(["chown", "-R", "postgres:postgres", directory], check=True)
        settings = {
            "scope": "bodega",
            "name": f"node{node}",
            "restapi": {"listen": f"{address(node)}:8008", "connect_address": f"{address(node)}:8008"},
            "etcd3": {"hosts": [f"{address(n)}:2379" for n in NODES]},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 2,
                    "retry_timeout": 3,
                    "synchronous_mode": True,
                    # A leader whose Postgres has crashed is replaced, not waited for.
                    "primary_start_timeout": 0,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 60, "wal_log_hints": "on"}},
                },
                "initdb": ["data-checksums", {"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
            },
            "postgresql": {
                "listen": f"{address(node)},127.0.0.1:5432",
                "connect_address": f"{address(node)}:5432",
                "data_dir": str(directory / "data"),
                "bin_dir": PG_BIN_DIR,
                "pgpass": str(directory / "pgpass"),
                "authentication": {
                    "superuser": {"username": "postgres", "password": PASSWORD},
                    "replication": {"username": "replicator", "password": PASSWORD},
                },
                "parameters": {"unix_socket_directories": str(directory), "shared_buffers": "64MB"},
                "pg_hba": ["host all all 10.93.0.0/24 scram-sha-256", "host replication replicator 10.93.0.0/24 scram-sha-256", "host replication replicator 127.0.0.1/32 scram-sha-256", "local all all peer", "host all all 127.0.0.1/32 scram-sha-256"],
            },
        }
        # JSON is YAML.
        (self.work / f"patroni{node}.yml").write_text(json.dumps(settings))

    def start(self):
        for node in NODES:
            self.start_node(node)
        checks = "\n".join(f"  server node{n} {address(n)}:5432 check port 8008" for n in NODES)
        (self.work / "haproxy.cfg").write_text(
            "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1h\n  timeout server 1h\n"
            "  timeout check 2s\n"
            f"frontend postgres\n  bind {HUB}:5432\n  default_backend leader\n"
            "backend leader\n  option httpchk OPTIONS /primary\n  http-check expect status 200\n"
            f"  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n{checks}\n"
        )
        self.spawn(None, "haproxy", ["haproxy", "-db", "-f", str(self.work / "haproxy.cfg")])

    def start_node(self, node):
        peers = ",".join(f"node{n}=http://{address(n)}:2380" for n in NODES)
        data = self.work / f"etcd{node}"
        own = address(node)
        self.spawn(
            node,
            f"etcd-{node}",
            ["etcd", "--name", f"node{node}", "--data-dir", str(data), "--initial-cluster", peers, "--initial-cluster-token", "bodega"]
            + ["--listen-peer-urls", f"http://{own}:2380", "--initial-advertise-peer-urls", f"http://{own}:2380"]
            + ["--listen-client-urls", f"http://{own}:2379", "--advertise-client-urls", f"http://{own}:2379"]
            + ["--logger", "zap", "--log-level", "warn"],
        )
        self.spawn(node, f"patroni-{node}", ["patroni", str(self.work / f"patroni{node}.yml")], user="postgres")

    def kill(self, node):
        """Kills all processes of a node, as a power failure does."""
        pids = subprocess.run(["ip", "netns", "pids", f"bodega-p-{node}"], capture_output=True, text=True, check=True)
        for pid in pids.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass

    @staticmethod
    def partition(node):
        """Loses all packets from and to a node: its port leaves the bridge."""
        subprocess.run(["ip", "-n", "bodega-p-hub", "link", "set", f"node{node}", "nomaster"], check=True)

    def repair(self, node, fault):
        if fault == "partition":
            subprocess.run(["ip", "-n", "bodega-p-hub", "link", "set", f"node{node}", "master", "bridge0"], check=True)
        else:
            self.start_node(node)

    @staticmethod
    def request(node, path):
        """Requests Patroni's API; `None` without a 2xx response."""
        try:
            with urllib.request.urlopen(f"http://{address(node)}:8008{path}", timeout=1) as response:
                return json.load(response)
        except (OSError, ValueError):
            return None

    def leader(self):
        """The node that holds the lock and accepts writes, as HAProxy sees it."""
        return next((node for node in NODES if self.request(node, "/primary")), None)

    def members(self, node):
        found = (self.request(node, "/cluster") or {}).get("members", [])
        return {member["name"]: (member["role"], member["state"], member.get("timeline")) for member in found}

    def wait_until_healthy(self, seconds):
        """Waits until all nodes agree on a leader, a synchronous standby, and a third node that streams from it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            views = [self.members(node) for node in NODES]
            roles = sorted(role for role, _, _ in views[0].values())
            states = {state for role, state, _ in views[0].values() if role != "leader"}
            timelines = {timeline for _, _, timeline in views[0].values()}
            agreed = all(view == views[0] for view in views) and self.leader() is not None
            if agreed and roles == ["leader", "replica", "sync_standby"] and states == {"streaming"} and len(timelines) == 1:
                return
            time.sleep(0.5)
        raise TimeoutError(f"the cluster is not healthy after {seconds} s: {[self.members(node) for node in NODES]}")
