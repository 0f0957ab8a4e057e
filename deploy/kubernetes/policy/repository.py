"""What the manifests must agree with: the version, the environment variables and connections of the processes, the alerts."""

import dataclasses
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENVIRONMENT = "deploy/environment.txt"
PROCESSES = ["identity", "catalog", "cart", "order", "gateway"]
SERVICES = ["identity", "catalog", "cart", "order"]

# The variable that makes a process connect to something other than a process.
CONNECTION_BY_VARIABLE = {
    "DATABASE_URL": "Postgres or PgBouncer",
    "BODEGA_NATS_URL": "NATS",
    "BODEGA_S3_BUCKET": "image storage",
    "STRIPE_SECRET_KEY": "payment provider",
    "BODEGA_SMTP_URL": "SMTP server",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector",
}


@dataclasses.dataclass
class Repository:
    """The facts of this commit."""

    version: str
    # Command, such as "serve cart": its variables, and whether each is a secret.
    environment: dict
    # Pairs of names, from the table in ARCHITECTURE.md.
    connections: set
    readme: str
    # `None` while there are no alerts.
    alert_groups: list
    search_connections: int

    @staticmethod
    def read():
        rules = ROOT / "deploy/observability/rules.yml"
        listing = (ROOT / "services/catalog/src/listing/list.rs").read_text()
        return Repository(
            version=re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1],
            environment=environment((ROOT / ENVIRONMENT).read_text()),
            connections=set(connections((ROOT / "ARCHITECTURE.md").read_text())),
            readme=(ROOT / "deploy/kubernetes/README.md").read_text(),
            alert_groups=yaml.safe_load(rules.read_text())["groups"] if rules.exists() else None,
            search_connections=int(re.search(r"SEARCH_CONNECTIONS: u32 = (\d+)", listing)[1]),
        )

    def is_secret(self, command, variable):
        return self.environment[command].get(variable, False)

    def problems(self):
        """Compares the table of connections with the variables of the processes."""
        for process in PROCESSES:
            variables = self.environment.get(f"serve {process}")
            if variables is None:
                yield f"{ENVIRONMENT}: has no `serve {process}`"
                continue
            code = {upstream for upstream in SERVICES if f"BODEGA_{upstream.upper()}_URL" in variables}
            code |= {peer for variable, peer in CONNECTION_BY_VARIABLE.items() if variable in variables}
            table = {to for source, to in self.connections if source == process}
            for peer in sorted(code - table):
                yield f"ARCHITECTURE.md: {process} can connect to {peer}, which the table of connections does not have"
            for peer in sorted(table - code):
                yield f"ARCHITECTURE.md: the table of connections has {process} to {peer}, but {process} has no setting for it"


def environment(text):
    """Parses lines of `serve cart: DB_PASSWORD secret`."""
    commands = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            command, variable = line.split(": ")
            name, *kind = variable.split(" ")
            commands.setdefault(command, {})[name] = kind == ["secret"]
    return commands


def connections(text):
    """Parses the table below the heading "Connections between processes"."""
    section = text.split("## Connections between processes", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in section.splitlines() if row.startswith("|")]
    for row in rows[2:]:
        sources, targets = (cell.split(", ") for cell in row.strip("| ").split(" | ")[:2])
        yield from ((source, target) for source in sources for target in targets)
