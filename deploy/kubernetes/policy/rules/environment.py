"""Environment variables."""

from ..manifests import Problem, process_of
from ..repository import ENVIRONMENT, SERVICES

# Variables that the libraries of our processes read: the OpenTelemetry SDK and the database driver.
OF_LIBRARIES = {
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "PGSSLMODE",
    "PGSSLROOTCERT",
}
# Variables of other images, by the name of the image.
OF_IMAGES = {
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "PGDATA"},
    "nats": {"POD_NAME"},
    "pgbouncer": set(),
}


def known(repository, container):
    """Returns the variables that a container reads."""
    process = process_of(container)
    if process is None:
        return OF_IMAGES.get(container.get("image", "").rsplit("/", 1)[-1].split(":")[0], set())
    variables = repository.environment.get(process, {})
    return set(variables) | OF_LIBRARIES | {f"{name}_FILE" for name, is_secret in variables.items() if is_secret}


def names(manifests, repository):
    """Each name is one that the process knows, and is set once."""
    for workload in manifests.workloads:
        for container in workload.containers:
            variables, seen = known(repository, container), set()
            for name, _ in manifests.environment(container):
                if name not in variables:
                    reader = process_of(container) or container.get("image")
                    yield Problem(workload.object, f"container {container.get('name')}: {name} is unknown to `{reader}` (see {ENVIRONMENT})")
                if name in seen:
                    yield Problem(workload.object, f"container {container.get('name')}: {name} is set twice")
                seen.add(name)


def required_names(manifests, repository):
    """A process has the addresses of its upstreams, of the database and of itself."""
    for workload in manifests.workloads:
        for container in workload.containers:
            process = process_of(container)
            if process is None or not process.startswith("serve "):
                continue
            variables = repository.environment.get(process, {})
            needed = {"BODEGA_LISTEN", "BODEGA_ADMIN_HTTP", "BODEGA_SERVICE_TOKEN_FILE"}
            needed |= {f"BODEGA_{name.upper()}_URL" for name in SERVICES} & set(variables)
            if "DATABASE_URL" in variables:
                needed |= {"DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD_FILE"}
            if "JWT_SECRET_KEY" in variables:
                needed.add("JWT_SECRET_KEY_FILE")
            present = {name for name, _ in manifests.environment(container)}
            if "DATABASE_URL_FILE" in present:
                needed = {name for name in needed if not name.startswith("DB_")}
            for name in sorted(needed - present):
                yield Problem(workload.object, f"container {container.get('name')}: {name} is missing")


def same_values(manifests, _):
    """Settings that must be the same for several processes are."""
    for variable in ["BODEGA_CURRENCY", "BODEGA_MEDIA_DIR"]:
        values = {}
        for workload in manifests.workloads:
            for container in workload.containers:
                for name, value in manifests.environment(container):
                    if name == variable:
                        values[workload.app] = (workload, value)
        expected = values.get("gateway", next(iter(values.values()), None))
        for workload, value in values.values():
            if value != expected[1]:
                yield Problem(workload.object, f"{variable} is {value}, not {expected[1]} as in {expected[0].app}")


def references(manifests, _):
    """ConfigMaps and volumes that containers refer to exist."""
    for workload in manifests.workloads:
        for container in workload.containers:
            for source in container.get("envFrom") or []:
                name = (source.get("configMapRef") or {}).get("name")
                if name and not manifests.find("ConfigMap", name):
                    yield Problem(workload.object, f"ConfigMap/{name} does not exist")
            claims = {c["metadata"]["name"] for c in workload.object["spec"].get("volumeClaimTemplates") or []}
            for mount in container.get("volumeMounts") or []:
                if workload.volume(mount["name"]) is None and mount["name"] not in claims:
                    yield Problem(workload.object, f"volume {mount['name']} does not exist")
        for volume in workload.pod.get("volumes") or []:
            for field, kind, key in [("configMap", "ConfigMap", "name"), ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName")]:
                name = (volume.get(field) or {}).get(key)
                if name and not manifests.find(kind, name):
                    yield Problem(workload.object, f"{kind}/{name} does not exist")
