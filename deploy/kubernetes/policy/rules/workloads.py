"""Deployments: what exists, disruption budgets, spread over nodes, rollouts and autoscaling."""

from ..manifests import Problem, process_of, quantity, selects
from ..repository import PROCESSES

# Replicas that production has at least.
MINIMUM = {"gateway": 3, "identity": 2, "catalog": 2, "cart": 2, "order": 2}
# Seconds that a process takes to stop, after the drain delay: open requests, and uploads of the gateway.
STOP = {"serve gateway": 62}
STOP_OF_SERVICE = 10


def processes(manifests, _):
    """The five processes and the migration exist, and each runs what its name says."""
    for process in PROCESSES:
        deployment = manifests.find("Deployment", process)
        if deployment is None:
            yield Problem({"kind": "Deployment", "metadata": {"name": process}}, "is missing")
    if not any(process_of(c) == "migrate" for w in manifests.workloads if w.kind == "Job" for c in w.containers):
        yield Problem({"kind": "Job", "metadata": {"name": "migrate"}}, "is missing")
    for workload in manifests.workloads:
        for container in workload.containers:
            process = process_of(container)
            if process is not None and (not process or process.split()[-1] != workload.app):
                yield Problem(workload.object, f"container {container.get('name')} runs `{process}`")
            if process is not None and "command" in container:
                yield Problem(workload.object, f"container {container.get('name')}: command replaces the program of the image")
        if not workload.is_long_running and workload.pod.get("restartPolicy") not in ["Never", "OnFailure"]:
            yield Problem(workload.object, "restartPolicy is neither Never nor OnFailure")
        if workload.is_long_running and workload.object["spec"].get("replicas", 1) < 1:
            yield Problem(workload.object, "has no replicas")


def selectors(manifests, _):
    """The selector of a workload matches its pods, and no pods of another one."""
    for workload in manifests.workloads:
        if workload.is_long_running:
            selected = manifests.selected_by(workload.object["spec"].get("selector") or {})
            if workload not in selected:
                yield Problem(workload.object, "its selector does not match its pods")
            for other in selected:
                if other is not workload:
                    yield Problem(workload.object, f"its selector matches the pods of {other.kind}/{other.name}")
        account = workload.pod.get("serviceAccountName")
        if account and not manifests.find("ServiceAccount", account):
            yield Problem(workload.object, f"ServiceAccount/{account} does not exist")
    for account in manifests.of_kind("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield Problem(account, "automountServiceAccountToken is not false")


def disruption_budgets(manifests, _):
    """Each deployment has exactly one, which allows evictions, but not of all pods at once."""
    budgets = manifests.of_kind("PodDisruptionBudget")
    for workload in manifests.workloads:
        if workload.kind == "Deployment" or (workload.kind == "StatefulSet" and workload.object["spec"].get("replicas", 1) > 1):
            own = [budget for budget in budgets if selects(budget["spec"].get("selector") or {}, workload.labels)]
            if len(own) != 1:
                yield Problem(workload.object, f"has {len(own)} PodDisruptionBudgets")
    for budget in budgets:
        if len(manifests.selected_by(budget["spec"].get("selector") or {})) != 1:
            yield Problem(budget, "does not select the pods of one workload")
        if budget["spec"].get("maxUnavailable") != 1:
            yield Problem(budget, "maxUnavailable is not 1")


def spread(manifests, _):
    """The replicas of a deployment are spread over nodes, and those of our processes also over zones."""
    for workload in manifests.workloads:
        if workload.kind != "Deployment":
            continue
        constraints = workload.pod.get("topologySpreadConstraints") or []
        keys = {c["topologyKey"] for c in constraints if counts_own_pods(manifests, workload, c)}
        needed = {"kubernetes.io/hostname"}
        if workload.app in PROCESSES:
            needed.add("topology.kubernetes.io/zone")
        for key in sorted(needed - keys):
            yield Problem(workload.object, f"its pods are not spread over {key}")


def counts_own_pods(manifests, workload, constraint):
    """Whether a constraint counts the pods of the workload, and of no other."""
    selector = constraint.get("labelSelector") or {"matchLabels": {"": ""}}
    if "app.kubernetes.io/name" in (constraint.get("matchLabelKeys") or []):
        return selects(selector, workload.labels)
    return manifests.selected_by(selector) == [workload]


def rollouts(manifests, _):
    """A rollout takes no replica away before its successor is ready, and leaves time to stop."""
    for workload in manifests.workloads:
        if workload.kind == "Deployment":
            strategy = workload.object["spec"].get("strategy") or {}
            rolling = strategy.get("rollingUpdate") or {}
            if strategy.get("type") != "RollingUpdate" or rolling.get("maxUnavailable") != 0 or rolling.get("maxSurge") != 1:
                yield Problem(workload.object, "its strategy is not a rolling update with maxUnavailable 0 and maxSurge 1")
        for container in workload.containers:
            process = process_of(container)
            if process is None or not workload.is_long_running:
                continue
            delay = int(dict(manifests.environment(container)).get("BODEGA_DRAIN_DELAY") or 0)
            if delay < 3:
                yield Problem(workload.object, "BODEGA_DRAIN_DELAY is less than 3: callers learn later that a pod is leaving")
            needed = delay + STOP.get(process, STOP_OF_SERVICE)
            if workload.pod.get("terminationGracePeriodSeconds", 30) < needed:
                yield Problem(workload.object, f"terminationGracePeriodSeconds is less than {needed}")


def replicas(manifests, deployment):
    """Returns the minimum and maximum number of replicas."""
    name = deployment["metadata"]["name"]
    for autoscaler in manifests.of_kind("HorizontalPodAutoscaler"):
        if autoscaler["spec"]["scaleTargetRef"].get("name") == name:
            return autoscaler["spec"].get("minReplicas", 1), autoscaler["spec"]["maxReplicas"]
    number = deployment["spec"].get("replicas", 1)
    return number, number


def autoscalers(manifests, _):
    """Autoscalers find their deployment; where there are any, each process has one and enough replicas."""
    scalers = manifests.of_kind("HorizontalPodAutoscaler")
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        deployment = manifests.find("Deployment", target.get("name"))
        if target.get("kind") != "Deployment" or target.get("apiVersion") != "apps/v1" or not deployment:
            yield Problem(scaler, f"{target.get('kind')}/{target.get('name')} does not exist")
        elif "replicas" in deployment["spec"]:
            yield Problem(deployment, "replicas is set: each apply would reset the number of the autoscaler")
        utilization = [m for m in scaler["spec"].get("metrics") or [] if m.get("resource", {}).get("name") == "cpu"]
        if not utilization:
            yield Problem(scaler, "does not scale by CPU time")
        window = scaler["spec"].get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds")
        if window is None or quantity(window) < 300:
            yield Problem(scaler, "scaleDown.stabilizationWindowSeconds is less than 300")
    for process in PROCESSES if scalers else []:
        deployment = manifests.find("Deployment", process)
        if deployment:
            low, high = replicas(manifests, deployment)
            if low < MINIMUM[process] or high < low:
                yield Problem(deployment, f"has {low} to {high} replicas, less than {MINIMUM[process]}")


def namespaces(manifests, _):
    """All objects are in one namespace, which enforces the restricted profile."""
    namespace = manifests.find("Namespace", "bodega")
    labels = (namespace or {}).get("metadata", {}).get("labels") or {}
    for mode in ["enforce", "audit", "warn"]:
        if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
            yield Problem(namespace or {"kind": "Namespace", "metadata": {"name": "bodega"}}, f"pod security: {mode} is not restricted")
    for thing in manifests.objects:
        if thing.get("kind") != "Namespace" and thing["metadata"].get("namespace") != "bodega":
            yield Problem(thing, "is not in the namespace bodega")
