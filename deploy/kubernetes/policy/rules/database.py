"""The database connections of all replicas fit into Postgres' max_connections."""

import configparser
import math
import re

from ..manifests import Problem
from ..repository import SERVICES
from .workloads import replicas

ANNOTATION = "bodega/postgres-max-connections"
DEFAULT_CONNECTIONS = 10
# The connection of the readiness check.
OUTSIDE_OF_POOL = 1
# Jobs (migrate, verify), and what Postgres reserves for superusers.
JOBS, RESERVED = 5, 3


def limit(manifests):
    """Returns `(object, max_connections)`: of the Postgres in the cluster, or as stated for an external one."""
    postgres = manifests.workload("postgres")
    if postgres:
        arguments = " ".join(postgres.containers[0].get("args") or [])
        found = re.search(r"max_connections=(\d+)", arguments)
        return postgres.object, int(found[1]) if found else 100
    namespace = manifests.find("Namespace", "bodega") or {"kind": "Namespace", "metadata": {"name": "bodega"}}
    stated = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
    return namespace, int(stated) if stated else None


def of_services(manifests, repository):
    """Yields `(service, maximum number of connections)`, with the one more replica of a rollout."""
    for service in SERVICES:
        deployment = manifests.find("Deployment", service)
        if deployment is None:
            continue
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        environment = dict(manifests.environment(container))
        each = int(environment.get("BODEGA_DB_CONNECTIONS") or DEFAULT_CONNECTIONS) + OUTSIDE_OF_POOL
        if service == "catalog":
            each += repository.search_connections
        surge = deployment["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 1)
        most = replicas(manifests, deployment)[1]
        surge = surge if isinstance(surge, int) else math.ceil(most * int(surge.rstrip("%")) / 100)
        yield service, (most + surge) * each


def parts(manifests, repository):
    """Returns the connections to Postgres by client."""
    numbers = dict(of_services(manifests, repository))
    pgbouncer = manifests.workload("pgbouncer")
    if pgbouncer:
        pool = int(pgbouncer_settings(manifests, pgbouncer).get("default_pool_size", 20))
        # One more instance during a rollout.
        instances = replicas(manifests, pgbouncer.object)[1] + 1
        numbers = {service: pool * instances for service in SERVICES}
    return {**numbers, "jobs": JOBS, "reserved": RESERVED}


def connections(manifests, repository):
    where, maximum = limit(manifests)
    if maximum is None:
        yield Problem(where, f"the annotation {ANNOTATION} is missing")
        return
    numbers = parts(manifests, repository)
    total = sum(numbers.values())
    if total > maximum:
        text = " + ".join(f"{client} {number}" for client, number in numbers.items())
        yield Problem(where, f"{text} = {total} connections are more than max_connections = {maximum}")


def pgbouncer(manifests, repository):
    """PgBouncer accepts the connections of all services, and keeps prepared statements."""
    workload = manifests.workload("pgbouncer")
    if workload is None:
        return
    settings = pgbouncer_settings(manifests, workload)
    clients = sum(dict(of_services(manifests, repository)).values())
    if clients > int(settings.get("max_client_conn", 100)):
        yield Problem(workload.object, f"{clients} connections of the services are more than max_client_conn")
    if settings.get("pool_mode") != "transaction":
        yield Problem(workload.object, "pool_mode is not transaction")
    if int(settings.get("max_prepared_statements", 0)) == 0:
        yield Problem(workload.object, "max_prepared_statements is 0: statements of the services fail")
    for service in SERVICES:
        deployment = manifests.find("Deployment", service)
        container = deployment["spec"]["template"]["spec"]["containers"][0] if deployment else {}
        environment = dict(manifests.environment(container))
        if (environment.get("DB_HOST"), environment.get("BODEGA_DB_POOLER")) != ("pgbouncer", "true"):
            yield Problem(deployment or workload.object, "does not connect to PgBouncer with BODEGA_DB_POOLER=true")
    for job in manifests.workloads:
        for container in [] if job.is_long_running else job.containers:
            if dict(manifests.environment(container)).get("DB_HOST") == "pgbouncer":
                yield Problem(job.object, "connects to PgBouncer: jobs lock the database for a session")


def pgbouncer_settings(manifests, workload):
    for volume in workload.pod.get("volumes") or []:
        config = manifests.find("ConfigMap", (volume.get("configMap") or {}).get("name"))
        text = ((config or {}).get("data") or {}).get("pgbouncer.ini")
        if text:
            parser = configparser.ConfigParser(interpolation=None, comment_prefixes=(";", "%"))
            parser.read_string(text)
            return parser["pgbouncer"]
    return {}
