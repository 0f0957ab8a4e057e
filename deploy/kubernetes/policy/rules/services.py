"""Services, routes, and the addresses that processes use."""

from ..manifests import Problem, process_of
from ..repository import SERVICES


def selectors_and_ports(manifests, _):
    """A Service selects the pods of one workload, and its ports exist there."""
    for service in manifests.of_kind("Service"):
        spec = service["spec"]
        selected = manifests.selected_by({"matchLabels": spec.get("selector") or {"": ""}})
        if len(selected) != 1:
            names = ", ".join(workload.name for workload in selected) or "no pods"
            yield Problem(service, f"selects {names}, not the pods of one workload")
            continue
        ports = selected[0].ports()
        for port in spec.get("ports") or []:
            target = port.get("targetPort", port["port"])
            if target not in ports and target not in ports.values():
                yield Problem(service, f"port {port.get('name')}: {selected[0].name} has no port {target}")
            elif spec.get("clusterIP") == "None" and port["port"] != ports.get(target, target):
                yield Problem(service, f"port {port['port']} is not the container's: without a cluster address there is no mapping")


def kinds(manifests, _):
    """The four services are headless, so that clients see each replica; the gateway has a cluster address."""
    for name in SERVICES + ["gateway"]:
        service = manifests.find("Service", name)
        if service is None:
            yield Problem({"kind": "Service", "metadata": {"name": name}}, "is missing")
            continue
        spec, port = service["spec"], (service["spec"].get("ports") or [{}])[0]
        if spec.get("type", "ClusterIP") != "ClusterIP":
            yield Problem(service, f"is of the type {spec['type']}")
        if spec.get("publishNotReadyAddresses"):
            yield Problem(service, "publishes pods that are not ready")
        if name in SERVICES:
            if spec.get("clusterIP") != "None":
                yield Problem(service, "is not headless: a client would use one replica only")
            if (port.get("name"), port.get("targetPort"), port.get("appProtocol")) != ("grpc", "grpc", "kubernetes.io/h2c"):
                yield Problem(service, "its port is not grpc with the appProtocol kubernetes.io/h2c")
        elif spec.get("clusterIP") == "None" or port.get("targetPort") != "http":
            yield Problem(service, "has no cluster address for its port http")


def routes(manifests, _):
    """Ingresses and HTTPRoutes lead to the gateway's port. No other process is reachable from outside."""
    for ingress in manifests.of_kind("Ingress"):
        paths = [path for rule in ingress["spec"].get("rules") or [] for path in rule.get("http", {}).get("paths") or []]
        backends = [path["backend"] for path in paths] + [ingress["spec"].get("defaultBackend")]
        for backend in filter(None, backends):
            service = backend.get("service") or {}
            port = service.get("port") or {}
            yield from route_problems(manifests, ingress, service.get("name"), port.get("name") or port.get("number"))
        if not ingress["spec"].get("tls"):
            yield Problem(ingress, "has no TLS")
    for route in manifests.of_kind("HTTPRoute"):
        for rule in route["spec"].get("rules") or []:
            for backend in rule.get("backendRefs") or []:
                yield from route_problems(manifests, route, backend.get("name"), backend.get("port"))


def route_problems(manifests, route, name, port):
    service = manifests.find("Service", name)
    ports = [value for item in (service or {}).get("spec", {}).get("ports", []) for value in (item.get("name"), item["port"])]
    if service is None or port not in ports:
        yield Problem(route, f"Service/{name} has no port {port}")
    elif name != "gateway":
        yield Problem(route, f"leads to {name}, not to the gateway")


def addresses_of_processes(manifests, _):
    """Processes listen on the ports of their containers, and call the ports of Services that exist."""
    for workload in manifests.workloads:
        ports = workload.ports()
        for container in workload.containers:
            if process_of(container) is None:
                continue
            for variable, value in manifests.environment(container):
                for message in address_problems(manifests, ports, variable, value or ""):
                    yield Problem(workload.object, f"{variable} is {value}: {message}")


def address_problems(manifests, ports, variable, value):
    port = value.rpartition(":")[2]
    if variable in ["BODEGA_LISTEN", "BODEGA_ADMIN_HTTP"]:
        name = "admin" if variable == "BODEGA_ADMIN_HTTP" else "http" if "http" in ports else "grpc"
        if str(ports.get(name)) != port:
            yield f"the port {name} of the container is {ports.get(name)}"
        if not value.startswith(("0.0.0.0:", "[::]:")):
            yield "it must listen on all addresses of the pod"
    elif variable.endswith("_URL") and variable.startswith("BODEGA_") and "://" in value:
        host = value.split("://", 1)[1].split("/", 1)[0].rpartition(":")[0]
        service = manifests.find("Service", host)
        expected = variable.removeprefix("BODEGA_").removesuffix("_URL").lower()
        if expected in SERVICES + ["nats"] and (host != expected or service is None):
            yield f"it is not the Service {expected}"
        elif service and port not in [str(item["port"]) for item in service["spec"]["ports"]]:
            yield f"Service/{host} has no port {port}"
