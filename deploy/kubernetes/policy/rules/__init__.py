"""The rules. Each one takes the manifests and the repository's facts, and yields problems."""

from . import containers, database, environment, monitoring, network, resources, secrets, services, versions, workloads

ALL = [
    containers.security,
    containers.probes,
    containers.images,
    resources.requests_and_limits,
    resources.memory_of_processes,
    workloads.processes,
    workloads.selectors,
    workloads.disruption_budgets,
    workloads.spread,
    workloads.rollouts,
    workloads.autoscalers,
    workloads.namespaces,
    services.selectors_and_ports,
    services.kinds,
    services.routes,
    services.addresses_of_processes,
    environment.names,
    environment.required_names,
    environment.references,
    secrets.only_as_files,
    secrets.files_exist,
    network.isolation,
    network.edges,
    database.connections,
    database.pgbouncer,
    versions.same_everywhere,
    monitoring.pods,
    monitoring.alerts,
]
