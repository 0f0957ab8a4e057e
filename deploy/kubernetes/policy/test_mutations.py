"""Checks the check: the manifests pass, and each of many wrong ones is rejected for the right reason."""

import copy
import functools
import unittest

from . import check, render
from .manifests import Manifests
from .mutations import MUTATIONS
from .repository import Repository

repository = functools.lru_cache(Repository.read)
rendered = functools.lru_cache(render.render)


def problems(objects):
    return [str(problem) for problem in check.problems(Manifests(objects), repository())]


class Check(unittest.TestCase):
    """Accepts and rejects manifests."""

    maxDiff = None

    def test_accepts_the_manifests(self):
        for overlay in render.overlays():
            with self.subTest(overlay):
                self.assertEqual(problems(rendered(overlay)), [])

    def test_accepts_the_table_of_connections(self):
        self.assertEqual(list(repository().problems()), [])
        self.assertEqual(list(render.unused_components()), [])

    def test_rejects_mutations(self):
        for mutation in MUTATIONS:
            with self.subTest(mutation.name):
                objects = copy.deepcopy(rendered(mutation.overlay))
                mutation.change(Manifests(objects))
                objects = [thing for thing in objects if thing]
                self.assertNotEqual(objects, rendered(mutation.overlay), "the mutation changes nothing")
                found = problems(objects)
                expected = f"{mutation.object}: "
                matching = [line for line in found if line.startswith(expected) and mutation.reason in line]
                self.assertTrue(matching, f"expected {expected}…{mutation.reason}…, found {found}")

    def test_mutations_are_many_and_distinct(self):
        names = {mutation.name for mutation in MUTATIONS}
        self.assertEqual(len(names), len(MUTATIONS))
        self.assertGreaterEqual(len(names), 30)

    def test_rejects_a_table_that_the_code_contradicts(self):
        facts = copy.deepcopy(repository())
        facts.connections -= {("order", "cart")}
        facts.connections |= {("identity", "cart")}
        found = " ".join(facts.problems())
        self.assertIn("order can connect to cart", found)
        self.assertIn("has identity to cart", found)
