"""A small HTTP/1.1 client whose connections come from a given source address."""

import asyncio
import json
import time
import typing

TIMEOUT_SECONDS = 6


class Response(typing.NamedTuple):
    # 0 without a response.
    status: int
    headers: dict
    body: bytes
    seconds: float

    def json(self):
        return json.loads(self.body)


def encode(method, path, body=None, token=None, headers=()):
    """Returns the bytes of a request. `body` is bytes, or is sent as JSON."""
    lines = [f"{method} {path} HTTP/1.1", "host: shop.example"]
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        lines.append("content-type: application/json")
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


async def read_response(reader):
    """Returns the status, the headers and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return status, headers, body


class Client:
    """Sends requests one after the other over a connection that it keeps, from the address `source`."""

    def __init__(self, port, source):
        self.port, self.source = port, source
        self.token = self.refresh_token = self.user = None
        self.reader = self.writer = None

    async def open(self):
        """Opens a connection of its own."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0), limit=1 << 22)

    async def send(self, method, path, body=None, headers=(), timeout=TIMEOUT_SECONDS):
        """Returns the response; its status is 0 if there is none in time. Never retries."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                if not self.writer or self.writer.is_closing() or self.reader.at_eof():
                    self.reader, self.writer = await self.open()
                self.writer.write(encode(method, path, body, self.token, headers))
                status, response_headers, content = await read_response(self.reader)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            return Response(0, {}, b"", time.monotonic() - started)
        if response_headers.get("connection") == "close":
            self.close()
        return Response(status, response_headers, content, time.monotonic() - started)

    async def get(self, path):
        return await self.send("GET", path)

    async def post(self, path, body=None, **options):
        return await self.send("POST", path, body, **options)

    def close(self):
        """Resets the connection."""
        if self.writer:
            self.writer.transport.abort()
        self.reader = self.writer = None
