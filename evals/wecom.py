"""How soon WeCom's callbacks are acknowledged while the worker answers: a bench stage.

`acknowledgement` serves the callbacks of 微信客服 and of the self-built app in this process, with the installation's
own assistant at work behind them, and posts to them from a process of its own at a given rate.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from assistant.channels.settings import shanghai_today
from assistant.channels.wecom.channel import Environment, Wecom
from assistant.channels.wecom.crypto import Envelope
from assistant.channels.wecom.gate import Screened
from assistant.channels.wecom.settings import WecomSettings
from evals.bench import percentiles

CORP, TOKEN, KEY = "wwbench", "bench", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
QUESTIONS = ("开户要带什么", "科创板的开通条件是什么", "货币基金赎回多久到账", "卖股票要交多少税", "你好")
Posted = tuple[str, Mapping[str, str], str]


def acknowledgement(installation: Any, per_second: int = 200, seconds: int = 10) -> dict[str, Any]:
    """{"p50_ms", "p95_ms", "max_ms", "per_second", "acknowledged", "fsync_ms"} at `per_second` callbacks a second."""
    with tempfile.TemporaryDirectory() as folder:
        disk = _fsync_ms(Path(folder) / "disk")
        wecom = _wecom(installation, Path(folder))
        app = FastAPI()
        for router in wecom.routers:
            app.include_router(router)
        port = _free_port()
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, daemon=True)
        wecom.start()
        thread.start()
        while not server.started:
            time.sleep(0.05)
        try:
            spent, lasted = _post(f"http://127.0.0.1:{port}", _callbacks(per_second * seconds), per_second)
        finally:
            server.should_exit = True
            thread.join()
            wecom.stop()
    good = [ms for ms in spent if ms is not None]
    figures = {"per_second": round(len(spent) / lasted, 1), "acknowledged": len(good), "fsync_ms": disk}
    return {**percentiles(good), **figures}


def _wecom(installation: Any, folder: Path) -> Wecom:
    secret = SecretStr("bench")
    settings = WecomSettings(
        corp_id=CORP,
        api_url="https://wecom.invalid",
        kf_token=SecretStr(TOKEN),
        kf_aes_key=SecretStr(KEY),
        kf_secret=secret,
        app_agent_id=1,
        app_token=SecretStr(TOKEN),
        app_aes_key=SecretStr(KEY),
        app_secret=secret,
    )
    assistant = installation.assistant
    environment = Environment(httpx.Client(transport=httpx.MockTransport(_api)), registry=CollectorRegistry())
    gate = Screened(assistant, installation.database, shanghai_today)
    return Wecom(settings, assistant, gate, installation.log, installation.database, folder, environment=environment)


def _api(request: httpx.Request) -> httpx.Response:
    """A WeCom that takes everything."""
    answer = {
        "errcode": 0,
        "access_token": "bench",
        "expires_in": 7200,
        "next_cursor": "1",
        "has_more": 0,
        "msg_list": [],
    }
    return httpx.Response(200, json=answer)


def _callbacks(count: int) -> list[Posted]:
    """Half announce something at 微信客服, half carry a member's question; one in three comes twice."""
    envelope, at = Envelope(TOKEN, KEY, CORP), int(time.time())
    made: list[Posted] = []
    for number in range(count):
        one = number - number % 3 // 2
        if number % 2:
            channel, plain = (
                "kf",
                _xml(Event="kf_msg_or_event", MsgType="event", CreateTime=at, Token=one, OpenKfId="wk"),
            )
        else:
            text = QUESTIONS[one % len(QUESTIONS)]
            member = f"m{one % 50}"
            plain = _xml(FromUserName=member, MsgType="text", Content=text, MsgId=one, AgentID=1, CreateTime=at)
            channel = "app"
        sealed, nonce = envelope.encrypt(plain), str(number)
        query = {"msg_signature": envelope.signature(str(at), nonce, sealed), "timestamp": str(at), "nonce": nonce}
        made.append((channel, query, f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"))
    return made


def _xml(**fields: object) -> str:
    return "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items()) + "</xml>"


def _post(url: str, posted: Sequence[Posted], per_second: int) -> tuple[list[float | None], float]:
    """Milliseconds of each acknowledgement, None for one that was refused; and how long it all took."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_poster, (url, list(posted), per_second))


def _poster(url: str, posted: list[Posted], per_second: int) -> tuple[list[float | None], float]:
    return asyncio.run(_at_rate(url, posted, per_second))


async def _at_rate(url: str, posted: list[Posted], per_second: int) -> tuple[list[float | None], float]:
    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=None)) as client:

        async def one(number: int, channel: str, query: Mapping[str, str], body: str) -> float | None:
            await asyncio.sleep(max(0.0, number / per_second - (time.perf_counter() - begun)))
            sent = time.perf_counter()
            answer = await client.post(f"{url}/wecom/callback/{channel}", params=query, content=body)
            return (time.perf_counter() - sent) * 1000 if answer.status_code == 200 else None

        spent = await asyncio.gather(*(one(number, *post) for number, post in enumerate(posted)))
    return list(spent), time.perf_counter() - begun


def _fsync_ms(file: Path) -> float:
    """The median time one write takes to reach this disk: what every acknowledgement waits for at least once."""
    spent = []
    with file.open("wb", buffering=0) as opened:
        for _ in range(20):
            begun = time.perf_counter()
            opened.write(b"x")
            os.fsync(opened.fileno())
            spent.append((time.perf_counter() - begun) * 1000)
    return round(sorted(spent)[len(spent) // 2], 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure over the installation named by HESHI_DATA and print."""
    from app import Installation
    from assistant.settings import Settings

    print(json.dumps({"wecom_ack": acknowledgement(Installation(Settings()))}))


if __name__ == "__main__":
    main()
