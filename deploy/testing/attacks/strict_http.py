"""Requests that a server must reject, byte by byte."""

import asyncio

from case import Result, case
from client import read_response

REQUESTS = {
    "HTTP/1.1 without Host": (b"GET /api/tags HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /api/tags HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    "Expect with a large body": (
        b"POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n",
        413,
    ),
    "a large body": (
        b"POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n{",
        413,
    ),
    "a header with NUL": (b"GET /api/tags HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n", 400),
    "a long target": (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 431),
    "many headers": (b"GET /api/tags HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 300 + b"\r\n", 431),
    "length and chunked": (
        b"POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
}


@case("malformed requests: rejected at once, as problems", "all")
async def strict_http(setting):
    wrong = []
    for name, (request, expected) in REQUESTS.items():
        try:
            async with asyncio.timeout(3):
                client = setting.store.client(setting.case.attacker)
                reader, writer = await client.open()
                writer.write(request)
                status, headers, _ = await read_response(reader)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            status, headers = 0, {}
        writer.close()
        kind = headers.get("content-type", "none")
        if (status, kind) != (expected, "application/problem+json"):
            wrong.append(f"{name}: {status} {kind}")
    return Result("; ".join(wrong) or f"{len(REQUESTS)} of {len(REQUESTS)}", not wrong)
