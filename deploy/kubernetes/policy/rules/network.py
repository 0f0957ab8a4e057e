"""The connections that the NetworkPolicies allow are exactly those of the table in ARCHITECTURE.md.

The policies are evaluated, not compared as text: for each pair of endpoints and each port, whether the egress policies of
the source allow it, and whether the ingress policies of the target do. Both sets must be the table.
"""

import dataclasses
import ipaddress

from ..manifests import Problem, selects

NAMESPACE = {"kubernetes.io/metadata.name": "bodega"}
SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
OBSERVABILITY = {"kubernetes.io/metadata.name": "observability"}
ADMIN_PORT = 9464
# The port of each target by its name in the table. Prometheus reads the admin port instead.
PORTS = {"gateway": 8080, "identity": 7001, "catalog": 7002, "cart": 7003, "order": 7004}
PORTS |= {"Postgres": 5432, "PgBouncer": 6432, "NATS": 4222, "collector": 4317}
# Targets outside of the cluster, and their ports: 465 is SMTP in TLS, 587 is SMTP with STARTTLS.
EXTERNAL = {"image storage": [443], "payment provider": [443], "SMTP server": [465, 587]}
INTERNET = "the internet"
# What nothing may reach by a policy for the internet.
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"]


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A pod, by its name in the table."""

    name: str
    labels: tuple
    namespace: tuple = tuple(NAMESPACE.items())
    # Names of ports, for policies that use them.
    ports: tuple = ()

    def matches(self, peer):
        """Whether a peer of a policy selects this pod."""
        if "ipBlock" in peer:
            return False
        namespace = dict(self.namespace)
        in_namespace = selects(peer["namespaceSelector"] or {}, namespace) if "namespaceSelector" in peer else namespace == NAMESPACE
        return in_namespace and selects(peer.get("podSelector") or {}, dict(self.labels))


def labels(**values):
    return tuple((f"app.kubernetes.io/{key}", value) for key, value in values.items())


# Pods of other namespaces that have a connection with the store, with the labels that their charts give them.
OUTSIDE = [
    Endpoint("DNS", (("k8s-app", "kube-dns"),), tuple(SYSTEM.items())),
    Endpoint("ingress controller", labels(component="controller"), (("kubernetes.io/metadata.name", "ingress-nginx"),)),
    Endpoint("Prometheus", labels(name="prometheus"), tuple(OBSERVABILITY.items())),
    Endpoint("collector", labels(name="opentelemetry-collector"), tuple(OBSERVABILITY.items())),
]
# Pods that must not have any: policies that are too wide select one of them.
FOREIGN = [
    Endpoint("another pod of kube-system", labels(name="other"), tuple(SYSTEM.items())),
    Endpoint("another pod of observability", labels(name="other"), tuple(OBSERVABILITY.items())),
    Endpoint("another pod of ingress-nginx", labels(name="other"), (("kubernetes.io/metadata.name", "ingress-nginx"),)),
    *(Endpoint(f"a pod named {name} of another namespace", labels(name=name), (("kubernetes.io/metadata.name", "other"),)) for name in PORTS),
    Endpoint("another pod of the namespace", labels(name="other")),
]
TITLES = {"postgres": "Postgres", "pgbouncer": "PgBouncer", "nats": "NATS"}


def workload_endpoints(manifests):
    for workload in manifests.workloads:
        name = TITLES.get(workload.app, workload.app)
        yield Endpoint(name, tuple(workload.labels.items()), ports=tuple(workload.ports().items()))


def expected(manifests, repository, names):
    """Returns the allowed `(source, target, port)`, from the table."""
    edges = {(name, "DNS", (port, 53)) for name in names for port in ["UDP", "TCP"]}
    for source, target in repository.connections:
        target = ("PgBouncer" if "PgBouncer" in names else "Postgres") if target == "Postgres or PgBouncer" else target
        if target in EXTERNAL:
            edges |= {(source, INTERNET, ("TCP", port)) for port in EXTERNAL[target]}
        elif source == "Prometheus":
            edges.add((source, target, ("TCP", ADMIN_PORT)))
        else:
            port = 6222 if (source, target) == ("NATS", "NATS") else PORTS[target]
            edges.add((source, target, ("TCP", port)))
    outside = {endpoint.name for endpoint in OUTSIDE}
    # Only what this overlay has. An external Postgres is an address.
    present = names | outside | {INTERNET, "Postgres"}
    return {edge for edge in edges if edge[0] in names | outside and edge[1] in present}


def ports_of(rule, target):
    """Yields `(protocol, port)` that a rule allows; the port is `any` if it does not say."""
    if not rule.get("ports"):
        yield "TCP", "any"
    for port in rule.get("ports") or []:
        number = port.get("port", "any")
        if "endPort" in port:
            number = f"{number} to {port['endPort']}"
        yield port.get("protocol", "TCP"), dict(target.ports).get(number, number) if target else number


def allowed(policies, direction, peers_field, selected, others):
    """Yields `(selected pod, peer, port)` that the policies of one direction allow."""
    for policy in policies:
        spec = policy["spec"]
        if not selects(spec.get("podSelector") or {}, dict(selected.labels)) or direction not in types(spec):
            continue
        for rule in spec.get(direction.lower()) or []:
            peers = rule.get(peers_field)
            for other in others:
                if not peers or any(other.matches(peer) for peer in peers):
                    yield from ((other.name, port) for port in ports_of(rule, other if direction == "Egress" else selected))
            for peer in peers or [{"ipBlock": {"cidr": "0.0.0.0/0"}}]:
                if "ipBlock" in peer:
                    yield from ((address(peer["ipBlock"]), port) for port in ports_of(rule, None))


def types(spec):
    return spec.get("policyTypes") or (["Ingress", "Egress"] if "egress" in spec else ["Ingress"])


def address(block):
    """Names the addresses of a block: the internet, without private addresses; an external Postgres; or others."""
    network = ipaddress.ip_network(block["cidr"])
    exceptions = [ipaddress.ip_network(part) for part in block.get("except") or []]
    private = [ipaddress.ip_network(part) for part in PRIVATE]
    if network.prefixlen == 0:
        same = [part for part in private if part.version == network.version]
        missing = [str(part) for part in same if not any(part.version == e.version and part.subnet_of(e) for e in exceptions)]
        return f"any address, with {', '.join(missing)}" if missing else INTERNET
    if network.prefixlen >= 16 and any(part.version == network.version and network.subnet_of(part) for part in private):
        return "Postgres"
    return f"addresses {network}"


def isolation(manifests, _):
    """Every pod of the namespace, known or not, denies what no policy allows, in both directions."""
    policies = manifests.of_kind("NetworkPolicy")
    pods = [*workload_endpoints(manifests), FOREIGN[-1]]
    for direction in ["Ingress", "Egress"]:
        for pod in pods:
            matching = [p for p in policies if selects(p["spec"].get("podSelector") or {}, dict(pod.labels)) and direction in types(p["spec"])]
            if not matching:
                where = {"kind": "NetworkPolicy", "metadata": {"name": "default-deny"}}
                yield Problem(where, f"{direction} of {pod.name} is not denied by default")


def edges(manifests, repository):
    pods = list(workload_endpoints(manifests))
    names = {pod.name for pod in pods}
    others = [*pods, *OUTSIDE, *FOREIGN]
    table = expected(manifests, repository, names)
    policies = manifests.of_kind("NetworkPolicy")
    egress = {(pod.name, peer, port) for pod in pods for peer, port in allowed(policies, "Egress", "to", pod, others)}
    ingress = {(peer, pod.name, port) for pod in pods for peer, port in allowed(policies, "Ingress", "from", pod, others)}
    foreign = {(FOREIGN[-1].name, "DNS", ("UDP", 53)), (FOREIGN[-1].name, "DNS", ("TCP", 53))}
    yield from compare("egress", {e for e in table if e[0] in names}, egress - foreign, policies)
    yield from compare("ingress", {e for e in table if e[1] in names}, ingress, policies)


def compare(direction, table, found, policies):
    for source, target, (protocol, port) in sorted(found - table, key=str):
        yield Problem(responsible(policies, direction, source, target), f"allows {direction} from {source} to {target}, {protocol} {port}, which the table in ARCHITECTURE.md does not have")
    for source, target, (protocol, port) in sorted(table - found, key=str):
        yield Problem(responsible([], direction, source, target), f"no policy allows {direction} from {source} to {target}, {protocol} {port}")


def responsible(policies, direction, source, target):
    """Names the policy of the pod, for the message: several may be in effect."""
    pod = source if direction == "egress" else target
    name = next((p["metadata"]["name"] for p in policies if p["metadata"]["name"] == pod.lower()), pod.lower())
    return {"kind": "NetworkPolicy", "metadata": {"name": name}}
