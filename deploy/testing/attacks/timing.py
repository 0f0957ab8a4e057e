"""What the time of a response reveals: whether an account exists, and in which state it is."""

import asyncio
import itertools
import quopri
import random
import re
import statistics

import attacks
from case import Result, case
from client import Client
from store import PASSWORD

# Samples of a class. The AUC of two equal classes has a standard deviation of 0.017.
SAMPLES = 600
# Accounts of a class: the limits allow 14 guesses at each, and 7 from one client.
ACCOUNTS = 60
LOWEST, HIGHEST = 0.45, 0.55
GOAL = f"AUC {LOWEST} to {HIGHEST}"


def auc(one, other):
    """The probability that a sample of `other` is greater than one of `one`; equal samples count a half."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    rank, total = 0, 0.0
    for _, group in itertools.groupby(ranked, lambda sample: sample[0]):
        classes = [number for _, number in group]
        total += sum(classes) * (rank + (len(classes) + 1) / 2)
        rank += len(classes)
    return (total - len(other) * (len(other) + 1) / 2) / (len(one) * len(other))


async def seconds_of(port, source, path, body, status):
    """How long a response takes, without the time to connect."""
    client = Client(port, source)
    client.reader, client.writer = await client.open()
    response = await client.post(path, body)
    client.close()
    if response.status != status:
        raise SystemExit(f"{path}: {response.status} instead of {status}: {response.body[:200]}")
    return response.seconds


async def compare(setting, path, classes, status, samples=SAMPLES):
    """Sends requests of all classes in turn, each from an address of its own. `classes` are functions from the number of a
    sample to a body. The first class is compared with each of the others."""
    number = setting.case.number
    sources = iter(attacks.addresses(65_000, 100 + number))
    seconds = {name: [] for name in classes}
    for turn in range(-20, samples):
        for name in random.sample(list(classes), len(classes)):
            took = await seconds_of(setting.port, next(sources), path, classes[name](turn), status)
            if turn >= 0:
                seconds[name].append(took)
    first, *others = seconds
    areas = {name: auc(seconds[first], seconds[name]) for name in others}
    medians = ", ".join(f"{name} {statistics.median(values) * 1000:.1f} ms" for name, values in seconds.items())
    figure = f"{', '.join(f'{name} {area:.3f}' for name, area in areas.items())} beside {first}, {samples} each; p50 {medians}"
    return Result(figure, all(LOWEST <= area <= HIGHEST for area in areas.values()))


async def used_token(setting, client):
    """Resets the password of an account; returns the token of the mail."""
    await client.post("/api/auth/password/forgot", {"email": f"{client.user}@shop.example"})
    token = await mailed_token(setting, client)
    changed = await client.post("/api/auth/password/reset", {"token": token, "password": "ten cups of tea at nine"})
    assert changed.status == 204, changed
    return token


async def mailed_token(setting, client):
    """Waits for the mail of a password reset."""
    for _ in range(100):
        for mail in setting.store.mails():
            text = quopri.decodestring(mail["source"].encode()).decode()
            if client.user in mail["to"] and (token := re.search(r"reset-password#token=([\w-]+)", text)):
                return token[1]
        await asyncio.sleep(0.1)
    raise SystemExit(f"no mail for {client.user}")


async def accounts(setting, count):
    """Registers accounts from an address of their own; returns their clients."""
    return [await setting.store.user(setting.case.owner) for _ in range(count)]


def guesses_at(names):
    return lambda turn: {"login": names[turn % len(names)], "password": f"a wrong guess {turn}"}


@case("time of failed logins to known accounts beside unknown and disabled ones", GOAL, short=False)
async def time_of_failed_logins(setting):
    names = {
        "unknown": [f"nobody{number}" for number in range(ACCOUNTS)],
        "known": [client.user for client in await accounts(setting, ACCOUNTS)],
        "disabled": [client.user for client in await accounts(setting, ACCOUNTS)],
    }
    admin = await setting.store.admin(setting.case.other)
    for name in names["disabled"]:
        users = (await admin.get(f"/api/users?q={name}")).json()["items"]
        changed = await admin.send("PATCH", f"/api/users/{users[0]['id']}", {"disabled": True})
        assert changed.status == 200, changed
    classes = {name: guesses_at(logins) for name, logins in names.items()}
    # The right password of a disabled account is rejected like a wrong one.
    classes["right password, disabled"] = lambda turn: classes["disabled"](turn + 30) | {"password": PASSWORD}
    # Two classes guess at the disabled accounts, which allow 14 guesses each.
    return await compare(setting, "/api/auth/login", classes, 401, samples=min(SAMPLES, 6 * ACCOUNTS))


@case("time of logins rejected by the rate limit: known accounts beside unknown ones", GOAL, short=False)
async def time_of_limited_logins(setting):
    known = (await setting.owner()).user
    client = setting.store.client(setting.case.attacker)
    sources = attacks.addresses(100, 99)
    for login in [known, "nobody"]:
        for source in sources:
            client.close()
            client.source = source
            if (await client.post("/api/auth/login", guesses_at([login])(0))).status == 429:
                break
    classes = {"unknown": guesses_at(["nobody"]), "known": guesses_at([known])}
    return await compare(setting, "/api/auth/login", classes, 429)


@case("time of requests for a password reset: known addresses beside unknown ones", GOAL, short=False)
async def time_of_forgotten_passwords(setting):
    known = [client.user for client in await accounts(setting, ACCOUNTS)]
    classes = {
        "unknown": lambda turn: {"email": f"nobody{turn % ACCOUNTS}@shop.example"},
        "known": lambda turn: {"email": f"{known[turn % ACCOUNTS]}@shop.example"},
    }
    return await compare(setting, "/api/auth/password/forgot", classes, 202)


@case("time of wrong tokens of a password reset: those of an earlier mail beside random ones", GOAL, short=False)
async def time_of_used_tokens(setting):
    used = [await used_token(setting, client) for client in await accounts(setting, 10)]
    password = "nine cups of tea at ten"
    classes = {
        "random": lambda turn: {"token": f"{random.getrandbits(256):043x}"[:43], "password": password},
        "used": lambda turn: {"token": used[turn % len(used)], "password": password},
    }
    return await compare(setting, "/api/auth/password/reset", classes, 400)
