"""A store with three processes of each service and of the gateway, each in a network namespace of its own."""

import os
import signal
import subprocess

from processes import PORTS, Store

REPLICAS = [1, 2, 3]


def node(service, number):
    return f"{list(PORTS).index(service) + 1}{number}"


class ReplicatedStore(Store):
    """Breaks and repairs single replicas."""

    database_host = "10.94.0.254"
    network = "10.94.0.0/24"

    def address(self, service, number):
        return f"10.94.0.{node(service, number)}"

    def command(self, service, number, binary):
        return ["ip", "netns", "exec", f"n{node(service, number)}", binary, "serve", service]

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
