"""All parts of an overlay are of the same version, the one of this repository."""

from ..manifests import Problem, process_of


def same_everywhere(manifests, repository):
    version = repository.version
    for workload in manifests.workloads:
        for container in workload.containers:
            if process_of(container) is None:
                continue
            tag = container["image"].partition("@")[0].rsplit("/", 1)[-1].partition(":")[2]
            if tag != version:
                yield Problem(workload.object, f"container {container.get('name')}: image {container['image']} is not {version}")
            label = workload.labels.get("app.kubernetes.io/version", version)
            if label != version:
                yield Problem(workload.object, f"app.kubernetes.io/version is {label}, not {version}")
            # A job cannot be changed: the one of the next version needs another name.
            if workload.kind == "Job" and not workload.name.endswith("-" + version.replace(".", "-")):
                yield Problem(workload.object, f"its name does not end with the version {version}")
