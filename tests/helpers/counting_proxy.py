"""A proxy before an S3 server that counts what is asked of it: requests by method and key, and bytes both ways."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import aiohttp
from aiohttp import web

BLOCK = 2**18
NOT_PASSED_ON = {"connection", "expect", "keep-alive", "transfer-encoding"}  # of one connection alone


class Request(NamedTuple):
    """What was asked: `key` from the bucket's name on, of a listing the prefix; bytes of both bodies."""

    method: str
    key: str
    listing: bool
    status: int
    sent: int
    received: int


class CountingProxy:
    """Passes requests on to `server` as they were signed, in a thread of its own, and keeps a list of them."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.requests: list[Request] = []
        # is told of each request once all of it came, by method and key, and says whether it is passed on
        self.before: Callable[[str, str], bool] = lambda method, key: True
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counting-proxy", daemon=True)
        self._thread.start()
        self._started.wait(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            runner = web.AppRunner(self._application(), access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=1)
            await site.start()
            port = runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{port}"
            self._started.set()
            await self._stop.wait()
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=2**40)
        application.router.add_route("*", "/{key:.*}", self._pass_on)
        return application

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        asked = parse_qs(query, keep_blank_values=True)
        key = unquote(path).strip("/")
        listing = "prefix" in asked or "list-type" in asked
        if listing:
            key += f"/{asked.get('prefix', [''])[0]}"
        body = await request.read()
        if not self.before(request.method, key):
            raise web.HTTPServiceUnavailable
        answer: Any
        async with self._session.request(
            request.method,
            aiohttp.client.URL(self._server + request.raw_path, encoded=True),
            headers=[(name, value) for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON],
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            data=body or None,
            allow_redirects=False,
        ) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in NOT_PASSED_ON]
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
            await response.prepare(request)
            received = 0
            async for block in answer.content.iter_chunked(BLOCK):
                received += len(block)
                await response.write(block)
            await response.write_eof()
        self.requests.append(Request(request.method, key, listing, answer.status, len(body), received))
        return response
