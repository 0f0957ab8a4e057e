"""Secrets are files, which do not appear in the description of a pod or in a crash report."""

import posixpath
import re

from ..manifests import Problem, process_of

# User and password in a URL.
CREDENTIALS = re.compile(r"://[^/\s@]*:[^/\s@]+@")


def only_as_files(manifests, repository):
    for workload in manifests.workloads:
        for container in workload.containers:
            where = f"container {container.get('name')}"
            for source in container.get("envFrom") or []:
                if "secretRef" in source:
                    yield Problem(workload.object, f"{where}: envFrom has the secret {source['secretRef'].get('name')}: mount it")
            for variable in container.get("env") or []:
                if "secretKeyRef" in (variable.get("valueFrom") or {}):
                    yield Problem(workload.object, f"{where}: {variable['name']} has the value of a secret: use {variable['name']}_FILE")
            process = process_of(container)
            for name, value in manifests.environment(container):
                is_secret = process in repository.environment and repository.is_secret(process, name)
                if is_secret or re.search("(PASSWORD|SECRET|TOKEN)$", name):
                    yield Problem(workload.object, f"{where}: {name} is a secret: use {name}_FILE")
                if CREDENTIALS.search(value or ""):
                    yield Problem(workload.object, f"{where}: {name} has a password")
    for config in manifests.of_kind("ConfigMap"):
        for key, value in (config.get("data") or {}).items():
            if CREDENTIALS.search(value) or re.search(r"password\s*=\s*\S", value):
                yield Problem(config, f"{key} has a password")


def files_exist(manifests, repository):
    """The file of each X_FILE is in a mounted secret. Secrets that are created outside of git are listed in the README."""
    for workload in manifests.workloads:
        for container in workload.containers:
            files = set(mounted_files(workload, container))
            for name, value in manifests.environment(container):
                if name.endswith("_FILE") and value not in files:
                    yield Problem(workload.object, f"container {container.get('name')}: {name} is {value}, which no mounted secret has")
        for name, key in secret_keys(workload):
            secret = manifests.find("Secret", name)
            keys = {**((secret or {}).get("data") or {}), **((secret or {}).get("stringData") or {})}
            if secret and key not in keys:
                yield Problem(workload.object, f"Secret/{name} has no {key}")
            elif not secret and f"| `{name}` | `{key}` |" not in repository.readme:
                yield Problem(workload.object, f"{key} of Secret/{name} is neither in the manifests nor in README.md")
            if secret and not re.fullmatch("local|bodega", secret["metadata"].get("namespace", "")):
                yield Problem(secret, "is not in the namespace of the pods")


def secret_sources(volume):
    """Yields `(secret, items)` of a volume."""
    if "secret" in volume:
        yield volume["secret"].get("secretName"), volume["secret"].get("items") or []
    for source in (volume.get("projected") or {}).get("sources") or []:
        if "secret" in source:
            yield source["secret"].get("name"), source["secret"].get("items") or []


def secret_keys(workload):
    for volume in workload.pod.get("volumes") or []:
        for name, items in secret_sources(volume):
            if not items:
                yield name, "(all keys: name those that are needed)"
            yield from ((name, item["key"]) for item in items)


def mounted_files(workload, container):
    for mount in container.get("volumeMounts") or []:
        for _, items in secret_sources(workload.volume(mount["name"]) or {}):
            yield from (posixpath.join(mount["mountPath"], item["path"]) for item in items)
