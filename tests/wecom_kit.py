"""The WeCom channels over a WeCom on the loopback interface, with a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from assistant import record
from assistant.channels import problems
from assistant.channels.wecom.channel import Environment, Wecom
from assistant.channels.wecom.gate import StaffText
from assistant.channels.wecom.inbox import Callback
from assistant.channels.wecom.settings import WecomSettings
from assistant.log import Log, new_id
from assistant.turn import Asked, Citation, Customer, Finding, Passage, Reply, Speaker
from knowledge.records.database import Database
from tests.wecom_server import AES_KEY, AGENT, CORP, KFID, SECRETS, TOKEN, Clock, WecomServer

LABEL = "本回复由人工智能生成，仅供参考。"
CITED = Citation("doc-1", "2026.1", "开户指引", None, "doc-1#1", "需要身份证")
BLOCKED = "稳赚不赔"


class FakeGate:
    """Fixed texts by slot; a staff text with 稳赚不赔 is blocked, one with 大概 is to be revised."""

    def __init__(self) -> None:
        self.texts = {
            "wecom_welcome": "您好，我是智能助手。",
            "wecom_text_only": "我目前只能看懂文字，请用文字告诉我。",
            "wecom_queue": "已为您转到人工服务。",
            "wecom_ended": "本次人工服务已经结束。",
            "wecom_more": "（内容较长，后面的部分没有列出。）",
            "wecom_wait": "正在查找经审核的资料，请稍候。",
            "wecom_late": "处理的时间比较长，请稍后再问一次。",
            "product_off": "这个渠道暂不提供具体产品的咨询。",
            "check_failed": "这个问题需要请工作人员确认。",
        }
        self.withdrawn: set[str] = set()
        self.off: set[str] = set()
        self.customers: dict[str, Customer] = {}

    def today(self) -> date:
        return date(2026, 11, 22)

    def fixed(self, slot: str, channel: str, customer: Customer | None) -> Reply | None:
        if slot not in self.texts or BLOCKED in self.texts[slot]:
            return None
        body = self.texts[slot]
        return Reply("", "", "answer", "smalltalk", f"{body}\n{LABEL}", body, (LABEL,))

    def staff(self, text: str, speaker: Speaker, customer: Customer | None, passages: Sequence[Passage]) -> StaffText:
        found = []
        if BLOCKED in text:
            found.append(Finding("guaranteed_return", "block", "承诺收益", "证券法 第135条", (0, 1)))
        if "大概" in text:
            found.append(Finding("ungrounded", "revise", "没有依据", "内部", (0, 1)))
        return StaffText(text, tuple(found))

    def passes(self, text: str, customer: Customer | None) -> bool:
        return BLOCKED not in text

    def holds(self, citations: Sequence[Citation]) -> bool:
        return not any(one.document in self.withdrawn for one in citations)

    def masked(self, text: str) -> str:
        return text.replace("13800138000", "138****8000")

    def products_off(self, channel: str) -> bool:
        return channel in self.off

    def customer(self, external_userid: str) -> Customer | None:
        return self.customers.get(external_userid)


class FakeAnswers:
    """Answers 「问」 with 「答：问」, logged, and the same again for the same key. `make` shapes the reply;
    `before` runs while the turn is under way."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.asked: list[Asked] = []
        self.make: Callable[[Reply, Asked], Reply] = lambda reply, asked: reply
        self.before: Callable[[Asked], None] = lambda asked: None

    def answer(self, asked: Asked) -> Reply:
        assert asked.conversation is not None
        for entry in self._log.conversation(asked.conversation):
            if entry.event == "turn" and asked.key and entry.body["key"] == asked.key:
                return record.reply_from(entry.body["reply"])
        self.asked.append(asked)
        self.before(asked)
        body = f"答：{asked.text}"
        intent, outcome = ("human", "handoff") if "转人工" in asked.text else ("education", "answer")
        reply = Reply(
            new_id(),
            asked.conversation,
            outcome,
            intent,
            f"{body}\n{LABEL}",
            body,
            (LABEL,),
            (CITED,),  # type: ignore[arg-type]
        )
        reply = self.make(reply, asked)
        body_of_turn = {"question": asked.text, "key": asked.key, "channel": asked.channel}
        self._log.append(
            asked.conversation, "turn", body_of_turn | {"reply": record.reply_json(reply)}, turn=reply.turn
        )
        return reply


@dataclass
class FakeDesk:
    """A desk at which tests put people in charge."""

    taken: set[str] = field(default_factory=set)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)

    def in_charge(self, conversation: str) -> bool:
        return conversation in self.taken

    def wrote(self, conversation: str, message: str, text: str) -> None:
        self.told.append((conversation, message, text))

    def handoff(self, conversation: str, reply: Reply) -> None:
        self.handed.append(conversation)


class Kit:
    """Everything of one test."""

    def __init__(self, folder: Path, page: int = 1000, **settings: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.server = WecomServer(self.clock, page)
        self.world = self.server.world
        self.settings = wecom_settings(self.server.url, **settings)
        self.gate, self.desk = FakeGate(), FakeDesk()
        self.database = Database(f"sqlite:///{folder / 'heshi.db'}")
        self.log = Log(self.database, folder / "heads.log", folder / "keys" / "log.key")
        self.answers = FakeAnswers(self.log)
        self.clients: list[httpx.Client] = []
        self.wecom = self.open()
        self._http: TestClient | None = None

    def open(self) -> Wecom:
        """The channels as a process makes them at its start."""
        self.clients.append(httpx.Client(timeout=5))
        environment = Environment(
            self.clients[-1], self.clock, self.clock.sleep, lambda: date(2026, 11, 22), CollectorRegistry()
        )
        return Wecom(
            self.settings, self.answers, self.gate, self.log, self.database, self.folder, self.desk, environment
        )

    @property
    def http(self) -> TestClient:
        """A client of the mounted routes; callbacks are kept, and worked on by `drain`."""
        if self._http is None:
            self.wecom.intake.start()
            app = FastAPI()
            problems.install(app)
            for router in self.wecom.routers:
                app.include_router(router)
            self._http = TestClient(app, base_url="https://heshi.example")
            self._http.__enter__()
        return self._http

    def announce(self, account: str = KFID) -> None:
        """微信客服 announces that there is something to read."""
        self.wecom.inbox.keep([Callback(new_id(), "kf", account, self.world.announce(), self.clock())])

    def say(self, customer: str, *texts: str) -> None:
        """A customer writes, and it is announced."""
        for text in texts:
            self.world.write(customer, text)
        self.announce()

    def drain(self, seconds: float = 10, step: float = 0.5) -> None:
        """Work through everything that becomes due in this time."""
        until = self.clock.now + seconds
        while True:
            while self.wecom.worker.step():
                pass
            if self.clock.now >= until:
                return
            self.clock.now += step

    def conversation(self, customer: str, channel: str = "wecom-kf") -> str:
        found = self.wecom.messages.of_customer(customer, channel)
        assert found is not None
        return found.id

    def events(self, name: str) -> list[Any]:
        """The bodies of the logged events of a name, in order."""
        with self.database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT id FROM log_turns WHERE event = ? ORDER BY number", (name,))
            ids = [row[0] for row in rows]
        return [entry.body for one in ids if (entry := self.log.entry(one)) is not None]

    def close(self) -> None:
        if self._http is not None:
            self._http.__exit__(None, None, None)
            self.wecom.intake.stop()
        for client in self.clients:
            client.close()
        self.server.close()
        count, broken = self.log.verify()
        self.database.close()
        assert broken == [], count


def wecom_settings(api_url: str, **changed: Any) -> WecomSettings:
    """Settings with every channel on."""
    values: dict[str, Any] = {
        "corp_id": CORP, "api_url": api_url, "public_url": "https://heshi.example", "kf_secret": SECRETS["kf"],
        "kf_token": TOKEN, "kf_aes_key": AES_KEY, "app_agent_id": AGENT, "app_secret": SECRETS["app"],
        "app_token": TOKEN, "app_aes_key": AES_KEY, "bot_token": TOKEN, "bot_aes_key": AES_KEY, "patience_s": 60,
    }  # fmt: skip
    return WecomSettings(**(values | changed))


def longer(
    sentences: int, sentence: str = "这是第{n}条说明，申购和赎回的时间以公告为准。"
) -> Callable[[Reply, Asked], Reply]:
    """A reply of many sentences."""

    def make(reply: Reply, asked: Asked) -> Reply:
        body = "".join(sentence.format(n=n) for n in range(1, sentences + 1))
        return replace(reply, body=body, text=f"{body}\n来源：《开户指引》\n{LABEL}")

    return make
