"""A storm over 微信客服: many callbacks, duplicated, retried and out of order; tokens that die, lost answers, and a
server killed in the middle. Every customer message must be answered exactly once, in order, within budget, all logged.

`python -m tests.wecom_storm [CALLBACKS]` runs it with 10,000 callbacks and prints what came of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from assistant.channels.wecom.channel import Environment, Wecom
from assistant.log import Log
from knowledge.records.database import Database
from tests.wecom_kit import FakeAnswers, FakeGate, wecom_settings
from tests.wecom_server import WecomServer, xml_callback

ROOT = Path(__file__).parents[1]
DUPLICATES = 0.3
WINDOW = 40
AT_ONCE = 8
QUIET_S = 90


@dataclass(frozen=True)
class Outcome:
    """What came of a storm. `answered`: how often each customer message stands in an answer the customer saw."""

    messages: int
    callbacks: int
    seconds: float
    killed: int
    token_calls: int
    answered: Counter[int]
    out_of_order: int
    most_between: int
    unlogged: int
    turns: int
    broken: int
    withheld: dict[str, int]


def storm(folder: Path, messages: int, customers: int, seed: int = 7) -> Outcome:
    """Run one storm with its server in a process of its own, killed once halfway."""
    dice = random.Random(seed)
    wecom = WecomServer(page=100)
    port = _free_port()
    servers = [_serve(folder, wecom.url, port)]
    begun = time.monotonic()
    try:
        plan = _plan(messages, customers, dice)
        callbacks = asyncio.run(_blow(plan, wecom, f"http://127.0.0.1:{port}", dice, servers, folder))
        _settle(wecom, messages, folder)
    finally:
        servers[-1].terminate()
        servers[-1].wait()
        wecom.close()
    return _judge(wecom, folder, messages, callbacks, time.monotonic() - begun, len(servers) - 1)


def _plan(messages: int, customers: int, dice: random.Random) -> list[tuple[str, str]]:
    """(customer, text) in the order they are written; each text is a number of its own."""
    return [(f"wm{dice.randrange(customers)}", f"n{number}") for number in range(messages)]


async def _blow(
    plan: list[tuple[str, str]],
    wecom: WecomServer,
    url: str,
    dice: random.Random,
    servers: list[subprocess.Popen[bytes]],
    folder: Path,
) -> int:
    """Write and announce; a callback that finds nobody is retried, as WeCom does. How many callbacks were posted."""
    count = 0
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=5, limits=httpx.Limits(max_connections=AT_ONCE)) as client:

        async def post(plain: str) -> None:
            nonlocal count
            async with gate:
                for attempt in range(60):
                    count += 1
                    query, body = xml_callback(plain, time.time(), nonce=f"n{dice.random()}")
                    try:
                        answer = await client.post(f"{url}/wecom/callback/kf", params=query, content=body)
                        if answer.status_code == 200 and not (attempt == 0 and dice.random() < 0.05):
                            return  # one in twenty answers is taken for lost, and retried
                    except httpx.HTTPError:
                        await asyncio.sleep(0.5)

        for start in range(0, len(plan), WINDOW):
            announced = []
            for customer, text in plan[start : start + WINDOW]:
                wecom.world.write(customer, text)
                announced.append(wecom.world.announce())
            announced += [one for one in announced if dice.random() < DUPLICATES]
            dice.shuffle(announced)
            if (start // WINDOW) % 3 == 1:
                wecom.world.kill_tokens(dice.choice((40014, 42001)))
            if dice.random() < 0.5 and not wecom.world.faults["kf/send_msg"]:
                wecom.world.fail("kf/send_msg", *dice.choice((["lost"], [-1, -1], ["refused"], ["lost", -1])))
            if dice.random() < 0.2 and not wecom.world.faults["kf/sync_msg"]:
                wecom.world.fail("kf/sync_msg", "lost")
            if len(servers) == 1 and start >= len(plan) // 2:
                servers[0].kill()
                servers[0].wait()
                servers.append(_serve(folder, wecom.url, int(url.rsplit(":", 1)[1]), wait=False))
            await asyncio.gather(*(post(one) for one in announced))
    return count


def _settle(wecom: WecomServer, messages: int, folder: Path) -> None:
    """Wait until everything is answered, or nothing more happens."""
    last, quiet = -1, time.monotonic()
    while time.monotonic() - quiet < QUIET_S:
        seen = sum(text.count("n") for one in list(wecom.world.sent) for text in one.text.split("\n") if "n" in text)
        if seen >= messages and not _open(folder):
            return
        if seen != last:
            last, quiet = seen, time.monotonic()
        time.sleep(0.2)


def _open(folder: Path) -> int:
    database = Database(f"sqlite:///{folder / 'heshi.db'}")
    try:
        with database.reading() as connection:
            waiting = "SELECT (SELECT count(*) FROM wecom_outbox WHERE status IN ('waiting', 'sending')) + "
            pending = "(SELECT count(*) FROM wecom_messages WHERE status IN ('pending', 'taken', 'answered'))"
            return int(connection.exec_driver_sql(waiting + pending).scalar() or 0)
    finally:
        database.close()


def _judge(wecom: WecomServer, folder: Path, messages: int, callbacks: int, seconds: float, killed: int) -> Outcome:
    world = wecom.world
    answered: Counter[int] = Counter()
    order: dict[str, list[int]] = defaultdict(list)
    for one in world.sent:
        numbers = [int(line.removeprefix("答：")[1:]) for line in one.text.split("\n") if line.strip("答：")[:1] == "n"]
        answered.update(numbers)
        order[one.to] += numbers
    database = Database(f"sqlite:///{folder / 'heshi.db'}")
    log = Log(database, folder / "heads.log", folder / "keys" / "log.key")
    unlogged = sum(1 for one in world.sent if log.entry(one.msgid) is None)
    turns, broken = log.verify()
    with database.reading() as connection:
        reasons = "SELECT coalesce(reason, status), count(*) FROM wecom_outbox WHERE status != 'sent' GROUP BY 1"
        withheld = {str(row[0]): int(row[1]) for row in connection.exec_driver_sql(reasons)}
        held = "SELECT status, count(*) FROM wecom_messages WHERE status != 'done' GROUP BY 1"
        withheld |= {f"message_{row[0]}": int(row[1]) for row in connection.exec_driver_sql(held)}
    database.close()
    return Outcome(
        messages, callbacks, round(seconds, 1), killed, world.token_calls["kf"], answered,
        sum(1 for seen in order.values() if seen != sorted(seen)),
        max((world.used[customer] for customer in world.used), default=0), unlogged, turns, len(broken), withheld,
    )  # fmt: skip


def _serve(folder: Path, api_url: str, port: int, *, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.wecom_storm", "serve", str(folder), api_url, str(port)], cwd=ROOT
    )
    while wait:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    return process


def serve(folder: Path, api_url: str, port: int) -> None:
    """The channels as a process of their own; the conversation behind them answers at once."""
    database = Database(f"sqlite:///{folder / 'heshi.db'}")
    log = Log(database, folder / "heads.log", folder / "keys" / "log.key")
    settings = wecom_settings(api_url, merge_s=0.1, merge_most_s=0.5, patience_s=0.7)
    wecom = Wecom(settings, FakeAnswers(log), FakeGate(), log, database, folder, environment=Environment())
    app = FastAPI()
    for router in wecom.routers:
        app.include_router(router)
    wecom.start()
    try:
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
    finally:
        wecom.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:
        serve(Path(arguments[1]), arguments[2], int(arguments[3]))
        return 0
    callbacks = int(arguments[0]) if arguments else 10_000
    messages = round(callbacks / (1 + DUPLICATES))
    with tempfile.TemporaryDirectory() as folder:
        found = storm(Path(folder), messages, customers=max(10, messages // 25))
    once = sum(1 for times in found.answered.values() if times == 1)
    figures = {**found.__dict__, "answered": None, "answered_once": once, "answered_twice": len(found.answered) - once}
    print(json.dumps({name: value for name, value in figures.items() if value is not None}))
    good = once == found.messages and not found.out_of_order and not found.unlogged and not found.broken
    return 0 if good and found.most_between <= 5 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
