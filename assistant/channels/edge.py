"""The outermost layer of the HTTP channel: security headers, a bound on request bodies, no failure shown raw."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.channels import problems
from assistant.channels.problems import ProblemError

logger = logging.getLogger(__name__)


def security_headers(frame_ancestors: tuple[str, ...]) -> Mapping[str, str]:
    """Everything comes from ourselves; only `frame_ancestors` may embed a page; no address leaves in a Referer."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'; "
        f"frame-ancestors {' '.join(frame_ancestors) or chr(39) + 'none' + chr(39)}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if frame_ancestors in (("'self'",), ("'none'",), ()):
        headers["X-Frame-Options"] = "SAMEORIGIN" if frame_ancestors == ("'self'",) else "DENY"
    return headers


class Edge:
    """ASGI middleware. `hotline` gives the number that a failure is answered with, or ""."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        headers: Mapping[str, str],
        max_body: int,
        body_timeout_s: float,
        hotline: Callable[[], str],
    ) -> None:
        self._app = app
        self._headers = headers
        self._max_body = max_body
        self._timeout = body_timeout_s
        self._hotline = hotline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                found = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    found.setdefault(name, value)
                found.setdefault("Cache-Control", "no-store")
            await send(message)

        openai = scope["path"] == problems.INTERFACE
        try:
            body = await self._read(scope, receive)
            await self._app(scope, _replay(body, receive), sending)
        except ProblemError as raised:
            headers = {"Connection": "close"} if raised.code in ("body_too_large", "slow_body") else None
            await problems.respond(raised, openai=openai, headers=headers)(scope, receive, sending)
        except Exception as error:
            report(error, str(scope["path"]).split("/")[1:3])
            if started:
                raise
            failure = ProblemError("unavailable", retry_after=5, hotline=await asyncio.to_thread(self._hotline))
            await problems.respond(failure, openai=openai)(scope, receive, sending)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, counted while it arrives. Raises ProblemError when it is too large or too slow."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._max_body:
            raise ProblemError("body_too_large", max_body=self._max_body)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._collect(receive)
        except TimeoutError:
            raise ProblemError("slow_body") from None

    async def _collect(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                raise ProblemError("body_too_large", max_body=self._max_body)
            if not message.get("more_body", False):
                return b"".join(parts)


def report(error: BaseException, where: object) -> None:
    """Log a failure by its type and places; its message may hold a customer's words and stays out."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("failed at %s: %s\n  %s", where, type(error).__name__, "\n  ".join(frames[-12:]))


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then whatever comes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
