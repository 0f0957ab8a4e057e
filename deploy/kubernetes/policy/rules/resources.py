"""Requests and limits."""

from ..manifests import Problem, process_of, quantity

MIB = 2**20
# What any process uses, with a margin: a whole store used 39.5 MiB idle, and 68 MiB under overload (deploy/testing/bench/RESULTS.md).
BASE = 64 * MIB
# Defaults of BODEGA_CACHE_BYTES and BODEGA_IMAGE_MAX_SIDE, and the rest of services/shared/media/src/memory.rs.
CACHE_BYTES, MAX_SIDE = 64 * MIB, 8192
BYTES_PER_PIXEL, ENCODED_BYTES = 12, 256 * MIB
WITH_CACHE, WITH_IMAGES = ["serve gateway", "serve cart"], ["serve identity", "serve catalog"]


def requests_and_limits(manifests, _):
    for workload in manifests.workloads:
        for container in workload.containers:
            resources = container.get("resources") or {}
            for message in problems(resources.get("requests") or {}, resources.get("limits") or {}):
                yield Problem(workload.object, f"container {container.get('name')}: {message}")


def problems(requests, limits):
    for resource in ["cpu", "memory"]:
        if resource not in requests:
            yield f"requests.{resource} is missing"
    if "memory" not in limits:
        yield "limits.memory is missing"
    elif "memory" in requests and quantity(requests["memory"]) > quantity(limits["memory"]):
        yield "requests.memory is more than limits.memory"
    if "cpu" in limits:
        yield "limits.cpu is set: it delays requests while the node is idle"


def memory_of_processes(manifests, _):
    """The limit covers the cache, and an image of the maximum size."""
    for workload in manifests.workloads:
        for container in workload.containers:
            process = process_of(container)
            limit = (container.get("resources") or {}).get("limits", {}).get("memory")
            if process is None or limit is None:
                continue
            needed = needs(process, dict(manifests.environment(container)))
            if quantity(limit) < needed:
                message = f"container {container.get('name')}: limits.memory {limit} is less than {needed // MIB} MiB"
                yield Problem(workload.object, f"{message}, which {process} may use")


def needs(process, environment):
    needed = BASE
    if process in WITH_CACHE:
        needed += int(environment.get("BODEGA_CACHE_BYTES") or CACHE_BYTES)
    if process in WITH_IMAGES:
        side = int(environment.get("BODEGA_IMAGE_MAX_SIDE") or MAX_SIDE)
        needed += side**2 * BYTES_PER_PIXEL + ENCODED_BYTES
    return needed
