"""Security, probes and images of containers."""

import re

from ..manifests import Problem, process_of

VOLUMES = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"}
PROBES = ["startupProbe", "readinessProbe", "livenessProbe"]
HANDLERS = ["httpGet", "tcpSocket", "exec", "grpc"]
# The paths of the admin listener of our own processes.
PATHS = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def security(manifests, _):
    """The restricted profile of pod security, and a read-only root file system."""
    for workload in manifests.workloads:
        for message in pod_problems(workload.pod):
            yield Problem(workload.object, message)
        for container in workload.containers:
            for message in container_problems(workload.pod, container):
                yield Problem(workload.object, f"container {container.get('name')}: {message}")


def pod_problems(pod):
    for field in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"]:
        if pod.get(field):
            yield f"{field} is set"
    context = pod.get("securityContext") or {}
    if context.get("fsGroup") == 0 or 0 in (context.get("supplementalGroups") or []):
        yield "fsGroup or supplementalGroups is 0"
    if context.get("sysctls"):
        yield "sysctls are set"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"
    if pod.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false"
    for volume in pod.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume.get('name')} is of the kind {', '.join(sorted(kinds))}"
        for source in (volume.get("projected") or {}).get("sources") or []:
            if "serviceAccountToken" in source:
                yield f"volume {volume.get('name')} has a service account token"


def container_problems(pod, container):
    own = container.get("securityContext") or {}
    of_pod = pod.get("securityContext") or {}
    effective = {**of_pod, **own}
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    for field in ["runAsUser", "runAsGroup"]:
        if not effective.get(field):
            yield f"{field} is missing or 0"
    if effective.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile is not RuntimeDefault"
    if own.get("privileged"):
        yield "it is privileged"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is set"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    capabilities = own.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "it has capabilities: drop ALL, and add none"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']} is set"


def probes(manifests, _):
    """Three probes for each container; a database that is down must not restart pods."""
    for workload in manifests.workloads:
        for container in workload.containers if workload.is_long_running else []:
            for message in probe_problems(workload, container):
                yield Problem(workload.object, f"container {container.get('name')}: {message}")


def probe_problems(workload, container):
    names = {port.get("name") for port in container.get("ports") or []}
    numbers = {port.get("containerPort") for port in container.get("ports") or []}
    is_process = process_of(container) is not None
    for name in PROBES:
        probe = container.get(name) or {}
        handlers = [handler for handler in HANDLERS if handler in probe]
        if not handlers:
            yield f"{name} is missing"
            continue
        port = (probe[handlers[0]] or {}).get("port")
        if handlers[0] != "exec" and port not in names | numbers:
            yield f"{name} uses the port {port}, which the container does not have"
        if is_process and probe.get("httpGet", {}).get("path") != PATHS[name]:
            yield f"{name} does not request {PATHS[name]}"
        if is_process and port != "admin":
            yield f"{name} does not use the port admin"
    liveness, readiness = (handler(container.get(name)) for name in ["livenessProbe", "readinessProbe"])
    if liveness and liveness == readiness:
        yield "livenessProbe is the same as readinessProbe"


def handler(probe):
    return {name: probe[name] for name in HANDLERS if name in probe} if probe else None


def images(manifests, _):
    """A tag that names a version, or a digest."""
    for workload in manifests.workloads:
        for container in workload.containers:
            image = container.get("image", "")
            tag = image.rsplit("/", 1)[-1].partition(":")[2]
            if re.search("@sha256:[0-9a-f]{64}$", image):
                continue
            if not re.search("[0-9]", tag) or "latest" in tag:
                yield Problem(workload.object, f"container {container.get('name')}: image {image} has no version")
            if container.get("imagePullPolicy") == "Always":
                yield Problem(workload.object, f"container {container.get('name')}: a pull at each start needs the registry")
