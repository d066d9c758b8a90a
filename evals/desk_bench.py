"""Times the staff desk: drafts, screening as one types, and a full house of open conversations and people over HTTP.

`python -m evals.desk_bench [--seconds N]` prints {stage: figures} as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from assistant.assistant import Assistant
from assistant.desk.desk import Desk
from assistant.desk.values import Member
from assistant.desk.work import Work
from assistant.log import SHANGHAI
from assistant.turn import Asked
from evals.bench import percentiles
from evals.cases import answer_cases
from evals.workbench import STARTER

CONVERSATIONS = 200
PEOPLE = 20
TEXT = "您好，您的问题已经登记，我正在核对资料，稍后答复您，感谢您的耐心等待。"
RATES = {"customer writes": 4.0, "types": 20.0, "sends": 3.0, "opens": 5.0}


@dataclass
class Spent:
    """Milliseconds by stage."""

    values: dict[str, list[float]] = field(default_factory=dict)

    async def timed(self, stage: str, work: Awaitable[Any]) -> Any:
        begun = time.perf_counter()
        result = await work
        self.values.setdefault(stage, []).append((time.perf_counter() - begun) * 1000)
        return result


def measure(work: Path, seconds: float = 20.0) -> dict[str, dict[str, Any]]:
    """{stage: figures} over the starter materials."""
    installation = _installation(work)
    desk = Desk(installation.parts, installation.materials, installation.database, time.time)
    assistant = Assistant(installation.parts, installation.materials, desk=desk)
    figures = _alone(desk, assistant)
    today = datetime.now(SHANGHAI).date()
    talks = [f"house-{uuid4().hex[:8]}" for _ in range(CONVERSATIONS)]
    for talk in talks:
        assistant.answer(Asked("转人工", "web", today, conversation=talk))
    with _served(desk, assistant) as address:
        command = [sys.executable, "-m", "evals.desk_bench", "--client", address, "--seconds", str(seconds)]
        spent, begun = time.process_time(), time.monotonic()
        ran = subprocess.run(command, input="\n".join(talks), capture_output=True, text=True, check=True)
        share = (time.process_time() - spent) / (time.monotonic() - begun)
    house: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    house["desk:house"]["server_cores"] = round(share, 2)
    return figures | house


def _alone(desk: Desk, assistant: Assistant) -> dict[str, dict[str, Any]]:
    """Drafts and screening without anybody else at the desk."""
    work, member = Work(desk), Member("p0", "王芳", "staff", "p0")
    today = datetime.now(SHANGHAI).date()
    assistant.answer(Asked("转人工", "web", today, conversation="alone"))
    work.claim("alone", member)
    questions = [case.question for case in answer_cases("starter") if not case.history][:120]
    drafts = _each(lambda text: work.draft("alone", member, text), questions)
    long = "".join(TEXT for _ in range(8))
    typed = _each(lambda end: work.screen("alone", member, long[:end], ()), list(range(20, len(long), 2)))
    work.end("alone", member, "solved")
    return {"desk:draft": percentiles(drafts[10:]), "desk:typed": percentiles(typed[10:])}


async def _house(address: str, talks: Sequence[str], seconds: float) -> dict[str, dict[str, Any]]:
    """200 open conversations and 20 people, each with a live page, at the rates of a busy day."""
    people = [f"p{number}" for number in range(PEOPLE)]
    spent, stop = Spent(), asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        waiting: dict[str, float] = {}
        streams = [asyncio.create_task(_staff_page(client, one, stop)) for one in people]
        streams += [asyncio.create_task(_customer_page(client, one, stop, waiting, spent)) for one in talks]
        await asyncio.sleep(3)
        for number, talk in enumerate(talks):
            await spent.timed("desk:claim", _post(client, f"{talk}/claim", people[number % PEOPLE], {}))
        until = time.monotonic() + seconds
        acts = {kind: partial(_act, client, kind, talks, people, spent, waiting) for kind in RATES}
        await asyncio.gather(*(_at_rate(rate, until, acts[kind]) for kind, rate in RATES.items()))
        await asyncio.sleep(1)
        stop.set()
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    found = {stage: percentiles(values) | {"count": len(values)} for stage, values in spent.values.items()}
    return found | {"desk:house": {"conversations": len(talks), "people": PEOPLE, "lost": len(waiting)}}


async def _act(
    client: httpx.AsyncClient,
    kind: str,
    talks: Sequence[str],
    people: Sequence[str],
    spent: Spent,
    waiting: dict[str, float],
) -> None:
    number = random.randrange(len(talks))
    talk, who = talks[number], people[number % PEOPLE]
    if kind == "customer writes":
        body = {"message": f"请问进展如何？{uuid4().hex[:4]}", "conversation": talk, "key": str(uuid4())}
        await spent.timed("desk:customer_message", client.post("/v1/chat", json=body))
    elif kind == "types":
        await spent.timed("desk:typed_http", _post(client, f"{talk}/screen", who, {"text": TEXT}))
    elif kind == "opens":
        await spent.timed("desk:open", client.get(f"/v1/staff/conversations/{talk}", headers=_as(who)))
    else:
        view = (await client.get(f"/v1/staff/conversations/{talk}", headers=_as(who))).json()
        text = f"{TEXT}（{uuid4().hex[:6]}）"
        waiting[text] = time.perf_counter()
        body = {"text": text, "key": str(uuid4()), "answering": view["row"]["newest"], "override": "压力测试中的编号"}
        sent = await spent.timed("desk:send", _post(client, f"{talk}/send", who, body))
        if sent.json()["status"] != "sent":
            waiting.pop(text, None)


async def _at_rate(rate: float, until: float, act: Callable[[], Awaitable[None]]) -> None:
    running = set()
    while time.monotonic() < until:
        task = asyncio.ensure_future(act())
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.sleep(random.expovariate(rate))
    await asyncio.gather(*running)


async def _staff_page(client: httpx.AsyncClient, who: str, stop: asyncio.Event) -> None:
    async with client.stream("GET", "/v1/staff/events", headers=_as(who)) as response:
        async for _ in response.aiter_lines():
            if stop.is_set():
                return


async def _customer_page(
    client: httpx.AsyncClient, talk: str, stop: asyncio.Event, waiting: dict[str, float], spent: Spent
) -> None:
    async with client.stream("GET", f"/v1/conversations/{talk}/live") as response:
        async for line in response.aiter_lines():
            if stop.is_set():
                return
            if line.startswith("data:") and '"sequence"' in line:
                begun = waiting.pop(json.loads(line[5:])["text"], None)
                if begun is not None:
                    spent.values.setdefault("desk:send_to_page", []).append((time.perf_counter() - begun) * 1000)


def _post(client: httpx.AsyncClient, path: str, who: str, body: dict[str, Any]) -> Awaitable[httpx.Response]:
    return client.post(f"/v1/staff/conversations/{path}", json=body, headers=_as(who))


def _as(who: str) -> dict[str, str]:
    return {"cookie": f"heshi_session={who}", "x-csrf-token": "1"}


class _People:
    """People whose session is their login: what is measured is the desk, not the login."""

    def person(self, token: str | None) -> Any:
        from assistant.people.values import Person

        return Person(token, token, frozenset({"staff"})) if token else None


class _served:  # noqa: N801 - used as a function
    """The application on a free port."""

    def __init__(self, desk: Desk, assistant: Assistant) -> None:
        import uvicorn

        from assistant.channels.http import build
        from assistant.channels.settings import HttpSettings
        from assistant.channels.staff_page import ACCESS, OFFERED, StaffChannel
        from assistant.people.access import FILE

        settings = HttpSettings(address_per_minute=1e9, address_burst=10**9, conversation_per_minute=1e9,
                                conversation_burst=10**9)  # fmt: skip
        channel = StaffChannel(desk, assistant, settings)
        people: Any = _People()
        app = build(assistant, settings, (channel,), people, (OFFERED,), (FILE, ACCESS))
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(15)


def _installation(work: Path) -> Any:
    from app import Installation
    from assistant.settings import Settings

    installation = Installation(Settings(data=work))
    if not installation.materials.fact("starter"):
        from assistant.commands.firm import load_facts
        from assistant.commands.ingest import load

        load_facts(STARTER / "firm.yaml", installation)
        load([STARTER], installation)
        installation.materials.set_facts({"starter": True})
    return installation


def _each(call: Callable[[Any], Any], values: Sequence[Any]) -> list[float]:
    spent = []
    for value in values:
        begun = time.perf_counter()
        call(value)
        spent.append((time.perf_counter() - begun) * 1000)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--client", metavar="ADDRESS", help="load a server with the conversations on stdin")
    options = parser.parse_args()
    if options.client:
        print(json.dumps(asyncio.run(_house(options.client, sys.stdin.read().split(), options.seconds))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(options.work or Path(folder), options.seconds), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
