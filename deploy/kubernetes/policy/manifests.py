"""The rendered objects, and the questions that rules ask about them."""

import dataclasses
import re

WORKLOADS = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"]
LONG_RUNNING = ["Deployment", "StatefulSet", "DaemonSet"]
UNITS = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclasses.dataclass
class Problem:
    """A violated rule, with the object that violates it."""

    object: dict
    message: str

    def __str__(self):
        return f"{name_of(self.object)}: {self.message}"


def name_of(thing):
    return f"{thing.get('kind')}/{thing.get('metadata', {}).get('name')}"


def quantity(text):
    """Parses a quantity such as 250m, 64Mi."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * UNITS[unit]


def selects(selector, labels):
    """Whether a label selector matches. An empty one matches everything."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        value, values = labels.get(expression["key"]), expression.get("values") or []
        matches = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not matches[expression["operator"]]:
            return False
    return True


class Workload:
    """An object that creates pods."""

    def __init__(self, thing):
        self.object = thing
        self.kind = thing["kind"]
        self.name = thing["metadata"]["name"]
        spec = thing.get("spec") or {}
        job = spec.get("jobTemplate", {}).get("spec", {}) if self.kind == "CronJob" else spec
        self.template = job.get("template") or {}
        self.labels = self.template.get("metadata", {}).get("labels") or {}
        self.pod = self.template.get("spec") or {}
        self.is_long_running = self.kind in LONG_RUNNING

    @property
    def app(self):
        return self.labels.get("app.kubernetes.io/name", self.name)

    @property
    def containers(self):
        return (self.pod.get("initContainers") or []) + (self.pod.get("containers") or [])

    def ports(self):
        """Port numbers by name."""
        ports = [port for container in self.containers for port in container.get("ports") or []]
        return {port.get("name"): port["containerPort"] for port in ports}

    def volume(self, name):
        return next((volume for volume in self.pod.get("volumes") or [] if volume.get("name") == name), None)


class Manifests:
    """The objects of one overlay."""

    def __init__(self, objects):
        self.objects = objects
        self.workloads = [Workload(thing) for thing in objects if thing.get("kind") in WORKLOADS]

    def of_kind(self, kind):
        return [thing for thing in self.objects if thing.get("kind") == kind]

    def find(self, kind, name):
        return next((thing for thing in self.of_kind(kind) if thing["metadata"]["name"] == name), None)

    def workload(self, app):
        """The workload that runs `app`, such as cart."""
        return next((workload for workload in self.workloads if workload.app == app), None)

    def selected_by(self, selector):
        return [workload for workload in self.workloads if selects(selector, workload.labels)]

    def environment(self, container):
        """Yields `(name, value)` of a container; the value is `None` if it is not in the manifests."""
        for source in container.get("envFrom") or []:
            reference = source.get("configMapRef") or {}
            config = self.find("ConfigMap", reference.get("name")) or {}
            yield from (config.get("data") or {}).items()
        for variable in container.get("env") or []:
            yield variable.get("name"), variable.get("value")


def process_of(container):
    """Returns the command that a container of our own image runs, such as `serve cart`; `None` for other images."""
    image = container.get("image", "").rsplit("/", 1)[-1]
    if re.split("[:@]", image)[0] != "bodega":
        return None
    arguments = container.get("args") or []
    return " ".join(arguments[:2] if arguments[:1] == ["serve"] else arguments[:1])
