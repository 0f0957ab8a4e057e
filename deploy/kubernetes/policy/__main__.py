"""Checks the overlays: prints each problem in one line, and exits with 1 if there is one."""

import argparse
import sys

from . import check, render, schema
from .manifests import Manifests
from .repository import Repository
from .rules import database


def main():
    parser = argparse.ArgumentParser(prog="deploy/kubernetes/check", description=__doc__)
    parser.add_argument("overlays", nargs="*", help="overlays to check [default: all]")
    parser.add_argument(
        "--write-rules",
        action="store_true",
        help="rewrite the PrometheusRule from deploy/observability/rules.yml first",
    )
    arguments = parser.parse_args()
    repository = Repository.read()
    if arguments.write_rules:
        render.write_prometheus_rule(repository)
    problems = list(repository.problems())
    if not arguments.overlays:
        problems += render.unused_components()
    for overlay in arguments.overlays or render.overlays():
        manifests = Manifests(render.render(overlay))
        found = [f"{overlay}: {problem}" for problem in check.problems(manifests, repository)]
        problems += found
        _, maximum = database.limit(manifests)
        total = sum(database.parts(manifests, repository).values())
        print(
            f"{overlay}: {len(manifests.objects)} objects, Kubernetes {', '.join(schema.VERSIONS)},"
            f" at most {total} of {maximum} database connections: {len(found)} problems"
        )
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


sys.exit(main())
