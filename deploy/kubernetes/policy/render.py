"""Renders overlays with kustomize."""

import pathlib
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROMETHEUS_RULE = ROOT / "components/monitoring/prometheus-rule.yaml"


class RenderError(SystemExit):
    """Kustomize is missing or reports an error."""


def overlays():
    return sorted(path.parent.name for path in ROOT.glob("overlays/*/kustomization.yaml"))


def unused_components():
    """A component that no overlay uses would not be checked."""
    used = set()
    for path in ROOT.glob("overlays/*/kustomization.yaml"):
        kustomization = yaml.safe_load(path.read_text())
        used |= {pathlib.PurePath(component).name for component in kustomization.get("components", [])}
    for path in sorted(ROOT.glob("components/*")):
        if path.name not in used:
            yield f"components/{path.name}: no overlay uses it, so it is not checked"


def render(overlay):
    """Returns the objects of an overlay, rendered in a copy that has secrets: the check needs none and leaves none."""
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory) / "kubernetes"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("keys.d", "policy"))
        keys = copy / "overlays" / overlay / "keys"
        if keys.exists():
            subprocess.run([keys], check=True)
        return list(filter(None, yaml.safe_load_all(kustomize(copy / "overlays" / overlay))))


def kustomize(directory):
    if shutil.which("kustomize"):
        command = ["kustomize", "build", directory]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize", directory]
    else:
        raise RenderError("kubectl or kustomize is required")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RenderError(f"{directory.name}: does not render: {result.stderr.strip()}")
    return result.stdout


def write_prometheus_rule(repository):
    rule = yaml.safe_load(PROMETHEUS_RULE.read_text())
    rule["spec"] = {"groups": repository.alert_groups}
    header = "# Made from deploy/observability/rules.yml by `deploy/kubernetes/check --write-rules`.\n"
    PROMETHEUS_RULE.write_text(header + yaml.safe_dump(rule, sort_keys=False, width=120))
