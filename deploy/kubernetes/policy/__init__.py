"""Checks of the Kubernetes manifests. `rules` has one module for each topic."""
