"""The WeCom channels over the real assistant: its materials, its screening, the shipped fixed texts, its server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert
from starlette.testclient import TestClient

from assistant.channels import http
from assistant.channels.settings import HttpSettings
from assistant.channels.wecom.answering import BYE, MORE, TEXT_ONLY, WELCOME
from assistant.channels.wecom.callbacks import LATE, WAIT
from assistant.channels.wecom.channel import Environment, Wecom
from assistant.channels.wecom.gate import Screened
from assistant.channels.wecom.inbox import Callback
from assistant.channels.wecom.kf import QUEUE
from assistant.channels.wecom.staff import NotSent
from assistant.channels.wecom.tables import customers as links
from assistant.log import new_id
from assistant.turn import Citation
from knowledge.records.tables import customers as profiles
from tests.branch import TODAY, Branch
from tests.wecom_kit import wecom_settings
from tests.wecom_server import KFID, Clock, WecomServer, xml_callback

QUESTION = "科创板的开通条件是什么"


class Real:
    """WeCom over one installation of the fictional broker."""

    def __init__(self, branch: Branch, folder: Path) -> None:
        self.clock = Clock()
        self.server = WecomServer(self.clock)
        self.world = self.server.world
        self.branch = branch
        self.client = httpx.Client(timeout=5)
        installation = branch.installation
        self.database = installation.database
        self.gate = Screened(installation.assistant, self.database, lambda: TODAY)
        environment = Environment(self.client, self.clock, self.clock.sleep, lambda: TODAY, CollectorRegistry())
        self.wecom = Wecom(
            wecom_settings(self.server.url), installation.assistant, self.gate, installation.log, self.database, folder,
            environment=environment,
        )  # fmt: skip

    def say(self, customer: str, text: str) -> list[str]:
        """A customer writes; all they see afterwards."""
        self.clock.now += 5
        self.world.write(customer, text)
        self.wecom.inbox.keep([Callback(new_id(), "kf", KFID, self.world.announce(), self.clock())])
        for _ in range(8):
            while self.wecom.worker.step():
                pass
            self.clock.now += 0.5
        return self.world.texts(customer)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def open_real(own: Branch, tmp_path: Path) -> Iterator[Callable[[], Real]]:
    made: list[Real] = []

    def make() -> Real:
        made.append(Real(own, tmp_path / "wecom"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def real(open_real: Callable[[], Real]) -> Real:
    return open_real()


def test_customer_gets_the_answer_the_page_would_give(real: Real) -> None:
    """The same function answers here and on the page; what WeCom shows is what was screened and logged, label and
    sources included."""
    (seen,) = real.say("wm1", QUESTION)
    entries = real.branch.installation.log.conversation(real.wecom.messages.conversation_id("wecom-kf", KFID, "wm1"))
    assert [entry.event for entry in entries] == ["turn", "outbound"]
    assert seen == entries[0].body["reply"]["text"] == entries[1].body["text"]
    assert entries[0].body["channel"] == "wecom-kf"
    assert "来源：" in seen
    assert "人工智能" in seen
    assert real.branch.installation.log.verify()[1] == []


@pytest.mark.parametrize("slot", [WELCOME, TEXT_ONLY, QUEUE, BYE, MORE, WAIT, LATE, "product_off", "check_failed"])
def test_shipped_fixed_texts_pass_their_own_screening(real: Real, slot: str) -> None:
    """Each fixed text of these channels is approved, passes, and carries the label."""
    said = real.gate.fixed(slot, "wecom-kf", None)
    assert said is not None
    assert said.body
    assert "人工智能" in said.text


def test_preset_text_that_fails_is_not_said(real: Real) -> None:
    """A broker's own fixed text that promises what may not be promised is withheld."""
    sources = real.branch.folder.parent / "sources"
    (sources / "bad.md").write_text(
        "---\nid: own-text-only\ntitle: 自定\nkind: notice\nslot: wecom_text_only\nversion: '9'\nstatus: approved\n"
        "author: 甲\napproved_by: 乙\napproved_on: 2026-01-01\neffective_from: 2026-01-01\naudience: public\n"
        "source: 自定\n---\n\n请放心，我们的产品保本保收益，稳赚不赔。\n",
        encoding="utf-8",
    )
    real.branch.json("ingest", str(sources / "bad.md"), "--json")
    assert real.gate.fixed(TEXT_ONLY, "wecom-kf", None) is None


def test_staff_text_goes_through_the_same_gate(real: Real) -> None:
    """A promise and a private number are blocked with their clause; a plain sentence leaves without the AI label."""
    real.say("wm1", QUESTION)
    for text in ("这款产品稳赚不赔，放心买", "加我私人微信13912345678"):
        with pytest.raises(NotSent) as caught:
            real.wecom.send("wm1", text, staff="zhang")
        assert caught.value.findings[0].clause
    delivered = real.wecom.send("wm1", "您好，我是人工客服，请您稍等。", staff="zhang")
    assert delivered.statuses == (("sent", None),)
    assert real.world.texts("wm1")[-1] == "您好，我是人工客服，请您稍等。"
    with pytest.raises(NotSent):
        real.wecom.send("wm1", "佣金是万分之0.7", staff="zhang")


def test_identity_is_the_brokers_word(real: Real) -> None:
    """Only a link in the records makes a customer known; a profile that cannot be read stays unknown."""
    assert real.gate.customer("wm1") is None
    with real.database.writing() as connection:
        for key, profile in (("k1", {"risk_class": "C3"}), ("k2", {"risk_class": "C9"})):
            values = {"id": key, "profile": profile, "recorded_at": real.branch.installation.assistant._now()}
            connection.execute(insert(profiles).values(**values))
        for external, key in (("wm1", "k1"), ("wm2", "k2")):
            connection.execute(insert(links).values(external_userid=external, customer=key, recorded_at=0.0))
    found = real.gate.customer("wm1")
    assert found is not None
    assert (found.id, found.risk_class) == ("k1", "C3")
    assert real.gate.customer("wm2") is None


def test_withdrawn_document_no_longer_holds(real: Real) -> None:
    """The sources of an answer are checked against the records, by document and version, on the day."""
    real.say("wm1", QUESTION)
    log = real.branch.installation.log
    (turn,) = (entry for entry in log.conversation(real.wecom.messages.conversation_id("wecom-kf", KFID, "wm1"))
               if entry.event == "turn")  # fmt: skip
    cited = [Citation(one["document"], one["version"], "", None, "", "") for one in turn.body["reply"]["citations"]]
    assert cited
    assert real.gate.holds(cited)
    for path in (real.branch.folder.parent / "sources").rglob("*"):
        if path.suffix in (".md", ".yaml") and f"id: {cited[0].document}\n" in (text := path.read_text("utf-8")):
            path.write_text(text.replace("status: approved", "status: retired"), "utf-8")
    real.branch.run("ingest", str(real.branch.folder.parent / "sources"))
    assert not real.gate.holds(cited)


def test_product_answers_are_switched_by_a_fact(real: Real) -> None:
    """Compliance decides in the firm's facts, channel by channel."""
    assert not real.gate.products_off("wecom-kf")
    real.branch.installation.materials.set_facts({"product_off": ["wecom-kf"]})
    assert real.gate.products_off("wecom-kf")
    assert not real.gate.products_off("wecom-app")


def test_mounted_in_the_server_and_left_out_of_its_schema(real: Real) -> None:
    """The callbacks live in the same application, behind the same edge, and start and stop with it."""
    real.clock.now = time.time()
    assistant = real.branch.installation.assistant
    app = http.build(assistant, HttpSettings(today=lambda: date(2026, 11, 22)), [real.wecom])
    with TestClient(app) as client:
        assert not [path for path in client.get("/openapi.json").json()["paths"] if "wecom" in path]
        query, body = xml_callback(real.world.announce(), real.clock())
        answer = client.post("/wecom/callback/kf", params=query, content=body)
        assert (answer.status_code, answer.text) == (200, "success")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.post("/wecom/callback/kf", params=query, content=b"x" * 70_000).status_code == 413
        away: Any = client.get("/wecom/sidebar", follow_redirects=False)
        assert away.status_code == 302
