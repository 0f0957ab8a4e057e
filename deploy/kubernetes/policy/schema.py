"""Strict validation against the schemas of several versions of Kubernetes, and of the custom resources that are used."""

import functools
import json
import pathlib

import jsonschema
import kubernetes_validate

from .manifests import Problem

VERSIONS = ["1.30", "1.32", "1.35"]
# The fields that the manifests use of custom resources; others are rejected.
CUSTOM = pathlib.Path(__file__).parent / "schemas"


def validate(manifests):
    """Yields a problem for each object that some version rejects."""
    seen = set()
    for thing in manifests.objects:
        for error in errors(json.dumps(thing, sort_keys=True)):
            yield Problem(thing, error)
        name = (thing.get("kind"), thing.get("metadata", {}).get("namespace"), thing.get("metadata", {}).get("name"))
        if name in seen:
            yield Problem(thing, "exists twice")
        seen.add(name)


@functools.lru_cache(maxsize=None)
def errors(text):
    thing = json.loads(text)
    schema = CUSTOM / f"{thing.get('kind', '').lower()}.json"
    if schema.exists():
        return custom_errors(thing, json.loads(schema.read_text()))
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"Kubernetes {version}: {describe(error)}")
        except (kubernetes_validate.SchemaNotFoundError, KeyError):
            found.append(f"Kubernetes {version} has no {thing.get('apiVersion')} {thing.get('kind')}")
    return found


def custom_errors(thing, schema):
    validator = jsonschema.validators.Draft202012Validator(schema)
    return [describe(error) for error in validator.iter_errors(thing)]


def describe(error):
    path = ".".join(str(part) for part in error.absolute_path)
    return f"{path or 'object'}: {error.message[:300]}"
