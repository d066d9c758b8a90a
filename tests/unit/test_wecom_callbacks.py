"""The callback addresses: what is turned away, what is acknowledged, and how soon."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from assistant.channels.wecom.tables import callbacks
from tests.wecom_kit import LABEL, Kit, longer
from tests.wecom_server import (
    AES_KEY,
    AGENT,
    CORP,
    TOKEN,
    echo_callback,
    json_callback,
    member_message,
    unsealed,
    xml_callback,
)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.close()


def post(kit: Kit, channel: str, plain: str, **changed: Any) -> Any:
    query, body = xml_callback(plain, kit.clock(), **changed)
    return kit.http.post(f"/wecom/callback/{channel}", params=query, content=body)


def kept(kit: Kit) -> int:
    with kit.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(callbacks)).scalar() or 0)


@pytest.mark.parametrize(("channel", "receiver"), [("kf", CORP), ("app", CORP), ("bot", "")])
def test_url_check_is_answered_bare(kit: Kit, channel: str, receiver: str) -> None:
    """The plaintext of the echo, without quotes, mark or line end."""
    answer = kit.http.get(f"/wecom/callback/{channel}", params=echo_callback("16161403175", kit.clock(), receiver))
    assert (answer.status_code, answer.content) == (200, b"16161403175")


def test_acknowledged_and_kept_before_anything_is_done(kit: Kit) -> None:
    """微信客服 gets "success"; nothing was read or answered yet; the work comes afterwards."""
    kit.world.write("wm1", "你好")
    answer = post(kit, "kf", kit.world.announce())
    assert (answer.status_code, answer.text) == (200, "success")
    assert kept(kit) == 1
    assert kit.world.seen == []
    kit.drain()
    assert len(kit.world.texts("wm1")) == 1


def test_fault_work_inside_the_callback_and_retries_double_the_reply(kit: Kit) -> None:
    """WeCom retries what it thinks unanswered, sealed anew: the reply is given once all the same."""
    kit.world.write("wm1", "你好")
    announced = kit.world.announce()
    for _ in range(4):
        assert post(kit, "kf", announced, nonce=f"n{_}").status_code == 200
    message = member_message("zhang", "年假怎么请", kit.clock(), "7001")
    for _ in range(3):
        assert post(kit, "app", message).status_code == 200
    assert kept(kit) == 2
    kit.drain()
    assert len(kit.world.sent) == 1
    assert len(kit.world.members) == 1


def test_replay_of_an_old_callback_is_dropped(kit: Kit) -> None:
    """A callback older than three days is acknowledged and forgotten, whoever sends it; a younger one is known."""
    old = member_message("zhang", "转账", kit.clock() - 4 * 86400, "7001")
    assert post(kit, "app", old).status_code == 200
    assert kept(kit) == 0
    message = member_message("zhang", "你好", kit.clock(), "7002")
    post(kit, "app", message)
    kit.drain()
    kit.clock.now += 2 * 86400
    post(kit, "app", message)
    kit.drain()
    assert len(kit.answers.asked) == 1


def test_callbacks_that_are_not_ours_are_turned_away(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Signature, corp, form, size, address: 4xx with an empty body, the reason in the program's log, nothing secret."""
    plain = member_message("zhang", "机密内容", kit.clock(), "7001")
    query, body = xml_callback(plain, kit.clock())
    other_query, other_body = xml_callback(plain, kit.clock(), receiver="wwanother")
    entity, entity_body = xml_callback('<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>', kit.clock())
    url = "/wecom/callback/app"
    caplog.set_level(logging.INFO)
    tried = [
        (kit.http.post(url, params=query | {"msg_signature": "0" * 40}, content=body), 403),
        (kit.http.post(url, params=query | {"nonce": "other"}, content=body), 403),
        (kit.http.post(url, params=other_query, content=other_body), 403),
        (kit.http.post(url, content=body), 400),
        (kit.http.post(url, params=query, content=b"<xml>"), 400),
        (kit.http.post(url, params=query | {"timestamp": "x"}, content=body), 400),
        (kit.http.post(url, params=entity, content=entity_body), 400),
        (kit.http.post(url, params=query, content=body + " " * 50_000), 413),
        (kit.http.post("/wecom/callback/none", params=query, content=body), 404),
        (kit.http.get(url, params=query), 403),
    ]
    assert [answer.status_code for answer, _ in tried] == [status for _, status in tried]
    assert {answer.content for answer, _ in tried} == {b""}
    assert kept(kit) == 0
    for reason in ("signature", "receiver", "malformed", "entities", "oversized", "unknown_address"):
        assert f"turned away: {reason}" in caplog.text
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("assistant"))
    for secret in (TOKEN, AES_KEY, "机密内容", query["msg_signature"]):
        assert secret not in ours


def test_locked_database_does_not_hold_up_the_acknowledgement(kit: Kit) -> None:
    """Somebody else holds the write lock: the callback goes to disk beside the database, is acknowledged while the lock
    is held, and is worked on once it is gone."""
    _ = kit.http
    locker = sqlite3.connect(kit.folder / "heshi.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    answer = post(kit, "app", member_message("zhang", "你好", kit.clock(), "7001"))
    assert (answer.status_code, kept(kit)) == (200, 0)
    locker.execute("ROLLBACK")
    locker.close()
    assert "你好" not in (kit.folder / "wecom" / "callbacks.journal").read_text()
    kit.drain()
    assert len(kit.world.members) == 1
    assert kit.wecom.inbox.recover() == 0


def test_slow_disk_holds_up_no_acknowledgement_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk hangs, 微信客服 is acknowledged, for it is read by cursor, and others are asked to send again;
    what was given is kept once the disk goes on."""
    kit = Kit(tmp_path, patience_s=0.02)
    _ = kit.http
    keep, disk = kit.wecom.inbox.keep, threading.Event()

    def hanging(given: Any) -> None:
        disk.wait()
        keep(given)

    monkeypatch.setattr(kit.wecom.inbox, "keep", hanging)
    assert post(kit, "kf", kit.world.announce()).status_code == 200
    assert post(kit, "app", member_message("zhang", "你好", kit.clock(), "7001")).status_code == 503
    disk.set()
    kit.wecom.intake.stop()
    kit.wecom.intake.start()
    assert kept(kit) == 2
    kit.close()


def test_disk_that_takes_nothing_asks_to_send_again(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be kept is not acknowledged."""

    def full(_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(kit.wecom.inbox, "keep", full)
    assert post(kit, "app", member_message("zhang", "你好", kit.clock(), "7001")).status_code == 503


def test_what_is_old_and_done_is_forgotten(kit: Kit) -> None:
    """After a week the tables hold nothing of what was answered; the log has it."""
    post(kit, "app", member_message("zhang", "你好", kit.clock(), "7001"))
    kit.drain()
    kit.clock.now += 8 * 86400
    kit.wecom.worker._keep_house()
    with kit.database.reading() as connection:
        for table in ("wecom_callbacks", "wecom_messages", "wecom_outbox"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    assert len(kit.events("outbound")) == 1


def test_words_are_sealed_while_they_wait_and_wiped_afterwards(kit: Kit) -> None:
    """Until it is answered a message is on disk encrypted only; afterwards its table does not have it at all."""
    post(kit, "app", member_message("zhang", "我的身份证问题", kit.clock(), "7001"))
    with kit.database.reading() as connection:
        body = connection.execute(select(callbacks.c.body)).scalar()
    assert body
    assert "身份证" not in body
    kit.drain()
    with kit.database.reading() as connection:
        assert connection.execute(select(callbacks.c.body)).scalar() == ""
        assert connection.exec_driver_sql("SELECT text FROM wecom_messages").scalar() == ""
        assert connection.exec_driver_sql("SELECT text FROM wecom_outbox").scalar() == ""


# --- the self-built app --------------------------------------------------------------------------------------------


def test_member_is_answered_by_an_active_message(kit: Kit) -> None:
    """A member's messages are put in order and answered; what is no text is asked for in words."""
    post(kit, "app", member_message("zhang", "第二句", kit.clock() + 1, "7002"))
    post(kit, "app", member_message("zhang", "第一句", kit.clock(), "7001"))
    kit.drain()
    assert [asked.text for asked in kit.answers.asked] == ["第一句\n第二句"]
    assert kit.answers.asked[0].channel == "wecom-app"
    post(kit, "app", member_message("li", "", kit.clock(), "7003", "voice"))
    kit.drain()
    assert kit.world.members[1].text.startswith("我目前只能看懂文字")


def test_first_visit_is_greeted_in_the_acknowledgement(kit: Kit) -> None:
    """A passive reply, sealed, logged before it leaves, the same when WeCom retries; other events get nothing."""
    for _ in range(2):
        answer = post(kit, "app", _event("subscribe", kit.clock()))
        assert answer.status_code == 200
        assert "<Encrypt>" in answer.text
    assert [(one["kind"], one["text"]) for one in kit.events("outbound")] == [
        ("passive", f"您好，我是智能助手。\n{LABEL}")
    ]
    assert post(kit, "app", _event("enter_agent", kit.clock())).text == ""
    kit.drain()
    assert kit.world.members == []


def test_limits_a_member_are_kept_by_queueing(tmp_path: Path) -> None:
    """Forty answers within a minute all arrive, thirty now and ten a minute later; WeCom dropped none."""
    kit = Kit(tmp_path, merge_s=0.0)
    for n in range(40):
        post(kit, "app", member_message("zhang", f"第{n}问", kit.clock(), f"{7000 + n}"))
        kit.clock.now += 0.01
        kit.drain(0)
    assert len(kit.world.members) == 30
    kit.drain(70, 5)
    assert [one.text.split("\n")[0] for one in kit.world.members] == [f"答：第{n}问" for n in range(40)]
    assert kit.world.dropped == []
    kit.close()


def test_lost_answer_of_message_send_is_not_sent_twice(kit: Kit) -> None:
    """The second try asks WeCom to check for a duplicate."""
    kit.world.fail("message/send", "lost")
    post(kit, "app", member_message("zhang", "你好", kit.clock(), "7001"))
    kit.drain(30)
    assert len(kit.world.members) == 1


def test_member_who_left_is_recorded_as_not_reached(kit: Kit) -> None:
    """A receiver WeCom does not know is said in the log."""
    post(kit, "app", member_message("gone1", "你好", kit.clock(), "7001"))
    kit.drain()
    assert [(one["reason"], one["errcode"]) for one in kit.events("undelivered")] == [("gone", 81013)]


# --- 智能机器人 ----------------------------------------------------------------------------------------------------


def robot(kit: Kit, message: dict[str, Any]) -> Any:
    query, body = json_callback(message, kit.clock())
    return kit.http.post("/wecom/callback/bot", params=query, content=body)


def asks(text: str, msgid: str = "b1", **more: Any) -> dict[str, Any]:
    return {"msgid": msgid, "aibotid": "BOT", "chattype": "single", "from": {"userid": "zhang"}, "msgtype": "text",
            "text": {"content": text}, **more}  # fmt: skip


def refresh(kit: Kit, stream: str) -> dict[str, Any]:
    shown: dict[str, Any] = unsealed(robot(kit, {"msgid": "r", "msgtype": "stream", "stream": {"id": stream}}).json())
    return shown["stream"]  # type: ignore[no-any-return]


def test_robot_shows_a_placeholder_then_the_whole_text(kit: Kit) -> None:
    """Until the answer is screened and logged every refresh shows the placeholder, then all of it, finished."""
    first = unsealed(robot(kit, asks("@合适 年假怎么请")).json())
    waiting = f"正在查找经审核的资料，请稍候。\n{LABEL}"
    assert first == {"msgtype": "stream", "stream": {**first["stream"], "finish": False, "content": waiting}}
    stream = first["stream"]["id"]
    assert refresh(kit, stream) == first["stream"]
    assert unsealed(robot(kit, asks("@合适 年假怎么请")).json()) == first
    kit.drain()
    assert refresh(kit, stream) == {"id": stream, "finish": True, "content": f"答：年假怎么请\n{LABEL}"}
    assert [one["text"] for one in kit.events("outbound")] == [f"答：年假怎么请\n{LABEL}"]
    assert len(kit.answers.asked) == 1


def test_robot_reads_voice_mixed_and_group_messages(kit: Kit) -> None:
    """Words in voice and mixed messages count; in a group each member has a conversation of their own."""
    robot(kit, {**asks("", "b1"), "msgtype": "voice", "voice": {"content": "语音里的话"}})
    mixed = {
        "msg_item": [{"msgtype": "text", "text": {"content": "图里这个"}}, {"msgtype": "image", "image": {"url": "u"}}]
    }
    group = {"chattype": "group", "chatid": "G"}
    robot(kit, {**asks("", "b2", **group), "msgtype": "mixed", "mixed": mixed})
    robot(kit, asks("@合适 第三问", "b3", **group) | {"from": {"userid": "li"}})
    kit.drain()
    assert sorted(asked.text for asked in kit.answers.asked) == ["图里这个", "第三问", "语音里的话"]
    assert len({asked.conversation for asked in kit.answers.asked}) == 3


def test_answer_of_a_robot_fits_into_its_stream(kit: Kit) -> None:
    """At most 20,480 bytes, whole sentences, label kept."""
    kit.answers.make = longer(800)
    stream = unsealed(robot(kit, asks("全部")).json())["stream"]["id"]
    kit.drain()
    shown = refresh(kit, stream)["content"]
    assert 15_000 < len(shown.encode()) <= 20_480
    assert shown.endswith(LABEL)


def test_answer_that_takes_too_long_comes_to_its_own_address(kit: Kit) -> None:
    """Before WeCom stops asking, the stream ends with a text that says so; the answer follows to the response_url."""
    url = kit.server.response_url()
    stream = unsealed(robot(kit, asks("很难的问题", response_url=url)).json())["stream"]["id"]
    kit.wecom.worker._account("bot", "BOT")
    kit.clock.now += 340
    assert refresh(kit, stream)["finish"]
    assert refresh(kit, stream)["content"].startswith("处理的时间比较长")
    kit.drain()
    assert kit.world.answered == [{"msgtype": "markdown", "markdown": {"content": f"答：很难的问题\n{LABEL}"}}]
    assert [one["text"].split("\n")[0] for one in kit.events("outbound")] == [
        "处理的时间比较长，请稍后再问一次。",
        "答：很难的问题",
    ]


def test_robot_greets_who_enters_and_ignores_the_rest(kit: Kit) -> None:
    """enter_chat is greeted; other events and unknown messages are acknowledged with nothing."""
    event = {"msgid": "e1", "aibotid": "BOT", "from": {"userid": "zhang"}, "msgtype": "event"}
    greeted = unsealed(robot(kit, event | {"event": {"eventtype": "enter_chat"}}).json())
    assert greeted == {"msgtype": "text", "text": {"content": f"您好，我是智能助手。\n{LABEL}"}}
    assert robot(kit, event | {"event": {"eventtype": "feedback_event"}}).text == "success"
    assert robot(kit, {"msgtype": "text"}).text == "success"
    assert unsealed(robot(kit, {"msgtype": "stream", "stream": {"id": "none"}}).json())["stream"]["finish"] is False


def _event(name: str, at: float) -> str:
    return (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[zhang]]></FromUserName>"
        f"<CreateTime>{int(at)}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>"
        f"<AgentID>{AGENT}</AgentID></xml>"
    )


def test_journal_survives_a_torn_last_line(kit: Kit) -> None:
    """A crash in the middle of a journal line costs only that line, which was never acknowledged."""
    folder = kit.folder / "wecom"
    folder.mkdir()
    row = {"key": "k1", "channel": "app", "account": str(AGENT), "body": "", "received_at": 1.0}
    (folder / "callbacks.journal").write_text(json.dumps(row) + "\n" + json.dumps(row)[:20])
    assert kit.wecom.inbox.recover() == 1
    assert kept(kit) == 1
