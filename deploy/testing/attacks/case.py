"""What a case is, and the list of all."""

import asyncio
import dataclasses
import typing

CASES = []


class Result(typing.NamedTuple):
    figure: str
    passed: bool


@dataclasses.dataclass
class Case:
    """A repeatable attack with its figure and the goal."""

    name: str
    measures: str
    goal: str
    run: typing.Callable
    # Whether it is part of the short version.
    short: bool
    variables: dict
    files: int | None
    number: int

    @property
    def attacker(self):
        """An address of its own, so that cases do not use up each other's limits."""
        return f"127.0.{self.number}.66"

    @property
    def owner(self):
        return f"127.0.{self.number}.2"

    @property
    def other(self):
        return f"127.0.{self.number}.3"


class Setting(typing.NamedTuple):
    """What a case runs with."""

    store: typing.Any
    case: Case
    seconds: float

    @property
    def port(self):
        return self.store.port

    async def owner(self):
        """A normal user, signed in, at an address that is not the attacker's."""
        return await self.store.user(self.case.owner)

    async def other(self):
        return await self.store.user(self.case.other)

    async def attacker(self):
        return await self.store.user(self.case.attacker)


def case(measures, goal, short=True, variables=(), files=None):
    """Registers a case. Cases with the same variables and limit of files share a store."""

    def register(run):
        name = run.__name__.replace("_", "-")
        CASES.append(Case(name, measures, goal, run, short, dict(variables), files, len(CASES) + 1))
        return run

    return register


async def calm(setting):
    """Waits until the store responds as fast as usual, so that a case does not see the end of the one before."""
    client = setting.store.client("127.0.0.1")
    for _ in range(100):
        if (await client.get("/api/products?limit=1")).seconds < 0.02:
            break
        await asyncio.sleep(0.1)
    client.close()
