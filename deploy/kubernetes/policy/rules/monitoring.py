"""What Prometheus reads, and its alerts."""

from ..manifests import Problem
from ..repository import PROCESSES


def pods(manifests, _):
    """A PodMonitor selects the five processes, at a port that they have."""
    for monitor in manifests.of_kind("PodMonitor"):
        selected = manifests.selected_by(monitor["spec"]["selector"])
        names = sorted(workload.app for workload in selected)
        if names != sorted(PROCESSES):
            yield Problem(monitor, f"selects {', '.join(names) or 'no pods'}, not the five processes")
        for endpoint in monitor["spec"].get("podMetricsEndpoints") or []:
            for workload in selected:
                if endpoint.get("port") not in workload.ports():
                    yield Problem(monitor, f"{workload.name} has no port {endpoint.get('port')}")
            if endpoint.get("path") != "/metrics":
                yield Problem(monitor, f"the path {endpoint.get('path')} is not /metrics")


def alerts(manifests, repository):
    """The PrometheusRule is a copy of deploy/observability/rules.yml."""
    for rule in manifests.of_kind("PrometheusRule"):
        if repository.alert_groups is not None and rule["spec"].get("groups") != repository.alert_groups:
            yield Problem(rule, "is not deploy/observability/rules.yml: run `deploy/kubernetes/check --write-rules`")
