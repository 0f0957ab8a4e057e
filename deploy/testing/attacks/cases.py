"""The cases: each availability attack of the threat model, and its goal."""

import asyncio
import struct
import time
import zlib

import attacks
from case import Result, case
from measure import Samples, attacked, observe
from store import PASSWORD

ATTEMPT_SECONDS = 0.33
# Keys of Stripe's form. Nothing listens at this address: an order without a payment needs no provider.
CARDS = {
    "STRIPE_SECRET_KEY": "sk_test_attacks",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_attacks",
    "STRIPE_WEBHOOK_SECRET": "whsec_attacks",
    "BODEGA_STRIPE_URL": "http://127.0.0.1:9",
}
WINDOW_SECONDS = 5


def login(client, password=PASSWORD):
    """A login of the client's user over a new connection."""

    async def send():
        client.close()
        return await client.post("/api/auth/login", {"login": client.user, "password": password})

    return send


def refresh(client):
    async def send():
        response = await client.post("/api/auth/refresh", {"refreshToken": client.refresh_token})
        if response.status == 200:
            client.refresh_token = response.json()["refreshToken"]
        return response

    return send


def at_least(samples, part, *statuses):
    """At least this part of the requests has one of these statuses."""
    figure = f"{samples.share(*statuses):.1%} of {samples.count()} ({samples.summary()})"
    return Result(figure, samples.count() > 0 and samples.share(*statuses) >= part)


def at_most(counts, status, most):
    total = sum(counts.values())
    return Result(f"{counts[status]} of {total} ({dict(counts)})", total > 0 and counts[status] <= most)


@case("16 sockets of half-sent logins: owner's logins that succeed", ">= 95 %", short=False)
async def half_sent_logins(setting):
    return await logins_during_half_sent_ones(setting, 16)


@case("500 sockets of half-sent logins: owner's logins that succeed", ">= 95 %")
async def many_half_sent_logins(setting):
    return await logins_during_half_sent_ones(setting, 500)


async def logins_during_half_sent_ones(setting, sockets):
    owner = await setting.owner()
    arguments = (setting.port, setting.case.attacker, sockets, "/api/auth/login")
    async with attacked(attacks.half_sent, setting.seconds, *arguments):
        samples = await observe(login(owner), setting.seconds, ATTEMPT_SECONDS)
    return at_least(samples, 0.95, 200)


@case("500 half-sent logins a second in one HTTP/2 connection: owner's logins that succeed", ">= 95 %", short=False)
async def half_sent_logins_http2(setting):
    owner = await setting.owner()
    arguments = (setting.port, setting.case.attacker, 500, "/api/auth/login")
    async with attacked(attacks.half_sent_http2, setting.seconds, *arguments):
        samples = await observe(login(owner), setting.seconds, ATTEMPT_SECONDS)
    return at_least(samples, 0.95, 200)


@case("500 sockets of half-sent guests' cart additions: other guests' that succeed", ">= 95 %", short=False)
async def half_sent_cart_additions(setting):
    product = await setting.store.product()
    guest = setting.store.client(setting.case.owner)
    line = {"productId": product, "quantity": 1}
    arguments = (setting.port, setting.case.attacker, 500, "/api/cart/add")
    async with attacked(attacks.half_sent, setting.seconds, *arguments):
        samples = await observe(lambda: guest.post("/api/cart/add", line), setting.seconds, ATTEMPT_SECONDS)
    return at_least(samples, 0.95, 200)


@case("500 sockets of half-sent checkouts: others' checkouts that succeed", ">= 95 %", short=False)
async def half_sent_checkouts(setting):
    product = await setting.store.product()
    owner, attacker = await setting.owner(), await setting.attacker()
    arguments = (setting.port, setting.case.attacker, 500, "/api/orders", attacker.token)
    async with attacked(attacks.half_sent, setting.seconds, *arguments):
        samples = await observe(buy_and_cancel(owner, product), setting.seconds, ATTEMPT_SECONDS)
    return at_least(samples, 0.95, 201)


def buy_and_cancel(client, product):
    """A checkout. The order is cancelled at once, so that the number of pending orders is no limit."""

    async def send():
        await client.post("/api/cart/add", {"productId": product, "quantity": 1})
        response = await client.post("/api/orders", {})
        if response.status == 201:
            await client.post(f"/api/orders/{response.json()['id']}/cancel", {})
        return response

    return send


@case("500 sockets of half-sent webhooks: others' webhooks that get their 400", ">= 95 %", short=False, variables=CARDS)
async def half_sent_webhooks(setting):
    provider = setting.store.client(setting.case.owner)
    headers = {"stripe-signature": "t=1,v1=00"}
    arguments = (setting.port, setting.case.attacker, 500, "/api/webhooks/stripe")
    async with attacked(attacks.half_sent, setting.seconds, *arguments):
        send = lambda: provider.post("/api/webhooks/stripe", {"id": "evt_1"}, headers=headers)  # pylint: disable=unnecessary-lambda-assignment
        samples = await observe(send, setting.seconds, ATTEMPT_SECONDS)
    return at_least(samples, 0.95, 400)


@case("200 connections guessing: owner's logins, refreshes", ">= 95 %, >= 99 %")
async def guessing_flood(setting):
    owner, victim, reader = await setting.owner(), await setting.other(), await setting.other()
    body = {"login": victim.user, "password": "not the password"}
    arguments = (setting.port, setting.case.attacker, 200, "POST", "/api/auth/login", body)
    async with attacked(attacks.flood, setting.seconds, *arguments):
        logins, refreshes = await asyncio.gather(
            observe(login(owner), setting.seconds, ATTEMPT_SECONDS),
            observe(refresh(reader), setting.seconds, ATTEMPT_SECONDS),
        )
    logins, refreshes = at_least(logins, 0.95, 200), at_least(refreshes, 0.99, 200)
    return Result(f"logins {logins.figure}; refreshes {refreshes.figure}", logins.passed and refreshes.passed)


@case("64 connections aborting checkouts: others' GET /api/orders p50", "<= 3x or 10 ms, and no 503")
async def aborted_checkouts(setting):
    product = await setting.store.product()
    owner, attacker = await setting.owner(), await setting.attacker()
    before = await observe(lambda: owner.get("/api/orders"), setting.seconds / 2, 0.02)
    arguments = (setting.port, setting.case.attacker, 64, attacker.token, product)
    async with attacked(attacks.abort_checkouts, setting.seconds, *arguments):
        during = await observe(lambda: owner.get("/api/orders"), setting.seconds, 0.02)
    return slower(before, during, 0.5, 3, noise=10)


@case("64 connections aborting cart additions: others' GET /api/cart p50", "<= 3x or 10 ms, and no 503", short=False)
async def aborted_cart_additions(setting):
    product = await setting.store.product()
    owner, attacker = await setting.owner(), await setting.attacker()
    before = await observe(lambda: owner.get("/api/cart"), setting.seconds / 2, 0.02)
    line = {"productId": product, "quantity": 1}
    arguments = (setting.port, setting.case.attacker, 64, "POST", "/api/cart/add", attacker.token, line)
    async with attacked(attacks.abort, setting.seconds, *arguments):
        during = await observe(lambda: owner.get("/api/cart"), setting.seconds, 0.02)
    return slower(before, during, 0.5, 3, noise=10)


def slower(before, during, percentile, factor, noise=0):
    """The percentile grows by at most this factor, or stays below `noise` ms, and 99 % of the requests succeed."""
    then, now = before.percentile(percentile), during.percentile(percentile)
    figure = f"{then:.1f} -> {now:.1f} ms, {now / then:.1f}x ({during.summary()})"
    return Result(figure, now <= max(factor * then, noise) and during.share(200) >= 0.99)


@case("200 connections on the product list: others' reads that get a 503", "<= 5 %")
async def product_list_flood(setting):
    reader = setting.store.client(setting.case.owner)
    arguments = (setting.port, setting.case.attacker, 200, "GET", "/api/products")
    async with attacked(attacks.flood, setting.seconds, *arguments):
        samples = await observe(lambda: reader.get("/api/products"), setting.seconds, 0.1)
    figure = f"{1 - samples.share(200):.1%} of {samples.count()} ({samples.summary()})"
    return Result(figure, samples.share(200) >= 0.95)


async def guesses(setting, sources, forwarded=False):
    """How many guesses are evaluated (401), and whether the owner can still sign in from an address that is known."""
    owner = await setting.owner()
    tries = round(setting.seconds * 333)
    arguments = (setting.port, sources, 16, owner.user, tries, forwarded)
    async with attacked(attacks.guess, setting.seconds * 4, *arguments, ramp=0) as counted:
        counts = await counted()
    signed_in = (await login(owner)()).status
    result = at_most(counts, 401, 100)
    return Result(f"{result.figure} evaluated; owner's login {signed_in}", result.passed and signed_in == 200)


@case("guesses at one account from one address", "<= 100 evaluated, owner signs in")
async def guesses_from_one_address(setting):
    return await guesses(setting, [setting.case.attacker])


@case("guesses at one account from 1,000 addresses", "<= 100 evaluated, owner signs in", short=False)
async def guesses_from_many_addresses(setting):
    return await guesses(setting, attacks.addresses(1000))


@case("guesses at one account with made-up X-Forwarded-For", "<= 100 evaluated, owner signs in", short=False)
async def guesses_with_forged_addresses(setting):
    return await guesses(setting, [setting.case.attacker], forwarded=True)


@case("a password of each of 200 accounts x 5, from one address", "<= 100 evaluated", short=False)
async def spraying(setting):
    counts = Samples()
    attacker = setting.store.client(setting.case.attacker)
    for turn in range(1000):
        attacker.user = f"sprayed{turn % 200}"
        counts.add(await login(attacker, f"Summer{turn // 200}! and more")())
    return at_most(counts.statuses, 401, 100)


async def guess_current_password(setting):
    samples = Samples()
    attacker = await setting.attacker()
    body = {"currentPassword": "not the password", "newPassword": "a mug of tea at nine"}
    for _ in range(300):
        samples.add(await attacker.post("/api/users/me/password", body))
    evaluated = sum(count for status, count in samples.statuses.items() if status not in (0, 429, 503))
    return Result(f"{evaluated} of {samples.count()} ({samples.summary()})", evaluated <= 100)


case("guesses at the current password with a stolen token", "<= 100 evaluated", short=False)(guess_current_password)


@case("probes of email addresses by changing one's own", "<= 100 of 300 evaluated", short=False)
async def email_probes(setting):
    samples = Samples()
    owner, attacker = await setting.owner(), await setting.attacker()
    for _ in range(300):
        samples.add(await attacker.send("PATCH", "/api/users/me", {"email": f"{owner.user}@shop.example"}))
    evaluated = samples.statuses[409] + samples.statuses[200]
    return Result(f"{evaluated} of {samples.count()} ({samples.summary()})", evaluated <= 100)


async def hoard(setting):
    """Orders the whole stock, does not pay, and waits until it is back."""
    product = await setting.store.product(stock=100)
    attacker = await setting.attacker()
    await attacker.post("/api/cart/add", {"productId": product, "quantity": 100})
    ordered = await attacker.post("/api/orders", {})
    started = time.monotonic()
    goal = WINDOW_SECONDS + 10
    reader = setting.store.client(setting.case.owner)
    stock = 0
    while stock < 100 and time.monotonic() - started < goal:
        stock = (await reader.get(f"/api/products/{product}")).json()["stock"]
        await asyncio.sleep(0.2)
    held = time.monotonic() - started
    figure = f"order {ordered.status}, {stock} of 100 back after {held:.1f} s (window {WINDOW_SECONDS} s)"
    return Result(figure, ordered.status == 201 and stock == 100)


@case(
    "one order for all stock, unpaid, with cards", "back within the window + 10 s",
    variables=CARDS | {"BODEGA_PAYMENT_WINDOW": str(WINDOW_SECONDS)},
)
async def stock_hoarding(setting):
    return await hoard(setting)


@case(
    "one order for all stock, unpaid, offline payment", "back within the window + 10 s", short=False,
    variables={"BODEGA_OFFLINE_WINDOW": str(WINDOW_SECONDS)},
)
async def stock_hoarding_offline(setting):
    return await hoard(setting)


@case("768 idle connections under `ulimit -n 1024`: a normal client's requests", "5 of 5", files=1024)
async def idle_connections(setting):
    statuses = []
    async with attacked(attacks.idle, 3, setting.port, setting.case.attacker, 768, ramp=3) as counted:
        for _ in range(5):
            reader = setting.store.client(setting.case.owner)
            statuses.append((await reader.get("/api/products?limit=1")).status)
            reader.close()
        counts = await counted()
    figure = f"{statuses.count(200)} of 5 ({counts['open']} idle connections are open)"
    return Result(figure, statuses.count(200) == 5)


@case("8 slow uploads of a user: another user's upload", "served within 5 s")
async def slow_uploads(setting):
    owner, attacker = await setting.owner(), await setting.attacker()
    arguments = (setting.port, setting.case.attacker, 8, attacker.token, png(256, 256))
    async with attacked(attacks.slow_uploads, setting.seconds, *arguments):
        uploaded = await upload(owner, png(64, 64))
    figure = f"{uploaded.status} after {uploaded.seconds:.1f} s"
    return Result(figure, uploaded.status == 200 and uploaded.seconds < 5)


async def upload(client, image):
    kind, body = attacks.multipart(image)
    return await client.send("PUT", "/api/users/me/avatar", body, {"content-type": kind}, timeout=70)


def png(width, height):
    """A black image, which compresses to a thousandth."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = zlib.compress((b"\0" + b"\0" * 3 * width) * height)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@case("84 avatars of 8192 x 8192 pixels: growth of memory, seconds each", "rejected: <= 64 MiB, <= 0.1 s", short=False)
async def large_avatars(setting):
    attacker = await setting.attacker()
    image = png(8192, 8192)
    before, peak = setting.store.memory_mib(), 0
    samples = Samples()
    for _ in range(84 if setting.seconds > 10 else 10):
        samples.add(await upload(attacker, image))
        peak = max(peak, setting.store.memory_mib())
    figure = f"{len(image) // 1024} KiB each, +{peak - before:.0f} MiB ({samples.summary()})"
    return Result(figure, peak - before <= 64 and samples.percentile(0.5) <= 100 and not samples.statuses[200])


async def catalog_during(setting, login):
    """Reads a product meanwhile. Unknown accounts cost the same as others, and come from as many addresses as real users have."""
    reader = setting.store.client(setting.case.owner)
    product = await setting.store.product()
    before = await observe(lambda: reader.get(f"/api/products/{product}"), setting.seconds, 0.01)
    arguments = (setting.port, attacks.addresses(500, 64 + setting.case.number), 500, login, 1_000_000)
    async with attacked(attacks.guess, setting.seconds, *arguments) as counted:
        during = await observe(lambda: reader.get(f"/api/products/{product}"), setting.seconds, 0.01)
        counts = await counted()
    result = slower(before, during, 0.99, 2)
    return Result(f"{result.figure}; logins: {dict(counts)}", result.passed)


@case("p99 of catalog reads during 500 parallel logins", "<= 2x", short=False)
async def catalog_during_logins(setting):
    return await catalog_during(setting, "unknown{}")


@case("p99 of catalog reads during 500 parallel guesses at one account", "<= 2x", short=False)
async def catalog_during_guesses(setting):
    return await catalog_during(setting, "unknown")


@case("1,500 connections on the public keys: GET /api/users/me p50", "<= 100 ms", short=False)
async def public_keys_flood(setting):
    owner = await setting.owner()
    arguments = (setting.port, setting.case.attacker, 1500, "GET", "/.well-known/jwks.json")
    async with attacked(attacks.flood, setting.seconds, *arguments, ramp=4):
        samples = await observe(lambda: owner.get("/api/users/me"), setting.seconds, 0.05)
    return Result(samples.summary(), samples.percentile(0.5) <= 100 and samples.share(200) >= 0.95)


@case("1,000 unfinished heads of 120 kB: growth of memory", "<= 48 KiB each", short=False)
async def unfinished_heads(setting):
    before = setting.store.memory_mib()
    async with attacked(attacks.unfinished_heads, 6, setting.port, setting.case.attacker, 1000, ramp=3):
        growth = (setting.store.memory_mib() - before) * 1024 / 1000
    return Result(f"{growth:.0f} KiB each", growth <= 48)


async def rows(send, count, goal):
    """How many of these requests create a row, and how many a second."""
    samples = Samples()
    started = time.monotonic()
    for _ in range(count):
        samples.add(await send())
    created = samples.statuses[200] + samples.statuses[201]
    figure = f"{created} of {count} in {time.monotonic() - started:.0f} s ({samples.summary()})"
    return Result(figure, created <= goal)


@case("2,000 guests' carts from one address", "<= 500 created", short=False)
async def guest_carts(setting):
    product = await setting.store.product()
    guest = setting.store.client(setting.case.attacker)
    return await rows(lambda: guest.post("/api/cart/add", {"productId": product}), 2000, 500)


@case("700 registrations from one address", "<= 330 created", short=False)
async def registrations(setting):
    guest = setting.store.client(setting.case.attacker)

    async def send():
        user = f"row{time.monotonic_ns()}"
        body = {"name": "Row", "email": f"{user}@shop.example", "password": PASSWORD}
        return await guest.post("/api/auth/register", body)

    return await rows(send, 700, 330)


@case("2,000 refreshes with the same token", "<= 500 with a new refresh token", short=False)
async def repeated_refreshes(setting):
    attacker = await setting.attacker()
    tokens = set()

    async def send():
        response = await attacker.post("/api/auth/refresh", {"refreshToken": attacker.refresh_token})
        if response.status == 200:
            tokens.add(response.json()["refreshToken"])
        return response

    result = await rows(send, 2000, 2000)
    return Result(f"{len(tokens)} refresh tokens; {result.figure}", len(tokens) <= 500)
