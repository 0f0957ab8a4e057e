"""All checks of one overlay."""

from . import rules, schema
from .manifests import Problem


def problems(manifests, repository):
    """Yields the problems of an overlay."""
    yield from schema.validate(manifests)
    for rule in rules.ALL:
        try:
            yield from list(rule(manifests, repository))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # An object without a field that the rule reads; its schema does not require it.
            where = {"kind": "rule", "metadata": {"name": f"{rule.__module__.rsplit('.', 1)[-1]}.{rule.__name__}"}}
            yield Problem(where, f"cannot read the objects: {type(error).__name__} {error}")
