"""微信客服 from a customer's message to the answer they see, against a WeCom that behaves as documented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.channels.wecom.staff import NotSent
from assistant.turn import Customer
from tests.wecom_kit import CITED, LABEL, Kit, longer
from tests.wecom_server import KFID

MakeKit = Callable[..., Kit]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeKit]:
    """Makes kits and proves their logs at the end."""
    made: list[Kit] = []

    def build(**settings: Any) -> Kit:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Kit(folder, **settings))
        return made[-1]

    yield build
    for kit in made:
        kit.close()


@pytest.fixture
def kit(make: MakeKit) -> Kit:
    return make()


def test_customer_is_answered_once_and_all_is_logged(kit: Kit) -> None:
    """A message is answered, in state 1, with its label; turn and outbound text stand in the log before it left."""
    kit.gate.customers["wm1"] = Customer("k1", risk_class="C3")
    kit.say("wm1", "开户要带什么")
    kit.drain()
    assert kit.world.texts("wm1") == [f"答：开户要带什么\n{LABEL}"]
    assert kit.world.states["wm1"] == 1
    asked = kit.answers.asked[0]
    assert (asked.channel, asked.customer) == ("wecom-kf", Customer("k1", risk_class="C3"))
    outbound = kit.events("outbound")
    assert [(one["text"], one["turn"]) for one in outbound] == [
        (f"答：开户要带什么\n{LABEL}", kit.events("turn")[0]["reply"]["turn"])
    ]
    kit.announce()
    kit.drain()
    assert len(kit.world.sent) == 1


def test_pages_are_read_to_the_end_by_cursor(make: MakeKit) -> None:
    """has_more is followed; the next reading starts where the last ended, after a restart too."""
    kit = make(page=3)
    kit.say("wm1", *(f"第{n}问" for n in range(8)))
    kit.drain()
    assert [asked.text for asked in kit.answers.asked] == ["\n".join(f"第{n}问" for n in range(8))]
    kit.wecom = kit.open()
    kit.say("wm1", "再问")
    kit.drain()
    assert [asked.text for asked in kit.answers.asked][1:] == ["再问"]


def test_stale_replay_is_dropped(make: MakeKit) -> None:
    """Without a cursor WeCom replays three days: what is old is kept as read and not answered."""
    kit = make()
    kit.world.write("wm1", "前天的问题", at=kit.clock() - 2 * 86400)
    kit.world.write("wm2", "刚才的问题")
    kit.announce()
    kit.drain()
    assert [asked.text for asked in kit.answers.asked] == ["刚才的问题"]


def test_what_came_in_while_down_is_answered_at_the_start(kit: Kit) -> None:
    """A message whose callback never arrived is read at the next start."""
    kit.say("wm1", "第一问")
    kit.drain()
    kit.world.write("wm1", "停机时的问题")
    kit.clock.now += 3600
    kit.wecom = kit.open()
    kit.wecom.worker._keep_house()
    kit.drain()
    assert [asked.text for asked in kit.answers.asked] == ["第一问", "停机时的问题"]


def test_message_taken_back_in_time_is_not_answered(kit: Kit) -> None:
    """A recalled message that was not taken up yet is dropped."""
    msgid = kit.world.write("wm1", "发错了")
    kit.world.happen("wm1", "user_recall_msg", recall_msgid=msgid)
    kit.announce()
    kit.drain()
    assert kit.answers.asked == []


@pytest.mark.parametrize(
    "kind", ["image", "voice", "video", "file", "location", "miniprogram", "link", "business_card"]
)
def test_other_message_types_are_asked_for_in_words(kit: Kit, kind: str) -> None:
    """What the assistant cannot read it says it cannot read."""
    kit.world.write("wm1", kind=kind)
    kit.announce()
    kit.drain()
    assert kit.world.texts("wm1") == [f"{kit.gate.texts['wecom_text_only']}\n{LABEL}"]
    assert kit.answers.asked == []
    assert kit.events("inbound")[0]["kinds"] == [kind]


def test_picture_among_texts_is_not_passed_over(kit: Kit) -> None:
    """The texts are answered, and a second message says that the picture was not read."""
    kit.world.write("wm1", "这个怎么办")
    kit.world.write("wm1", kind="image")
    kit.announce()
    kit.drain()
    assert [text.split("\n")[0] for text in kit.world.texts("wm1")] == [
        "答：这个怎么办",
        "我目前只能看懂文字，请用文字告诉我。",
    ]


# --- states --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [2, 3, 4])
def test_assistant_is_mute_outside_its_states(kit: Kit, state: int) -> None:
    """In the queue, with a person, after the end: nothing is sent, what was written is read and logged."""
    kit.say("wm1", "你好")
    kit.drain()
    kit.world.states["wm1"] = state
    kit.world.wrote_at["wm1"] = kit.clock()
    kit.world.listed.append({**kit.world.listed[0], "msgid": "m-next", "send_time": int(kit.clock())})
    kit.announce()
    kit.drain()
    assert len(kit.world.sent) == 1
    assert len(kit.answers.asked) == 1
    assert [one["to"] for one in kit.events("inbound")] == ["archive"]


def test_words_of_a_servicer_are_archived(kit: Kit) -> None:
    """What a person says in WeCom's own client is read into the log, personal data masked, and not answered."""
    kit.say("wm1", "你好")
    kit.drain()
    kit.world.write("wm1", "请拨13800138000", origin=5, servicer_userid="zhang")
    kit.announce()
    kit.drain()
    assert [(one["to"], one["text"]) for one in kit.events("inbound")] == [("servicer", "请拨138****8000")]
    assert len(kit.answers.asked) == 1


def test_ended_conversation_starts_anew(kit: Kit) -> None:
    """When the customer writes after the end, WeCom opens a new session and the assistant takes it."""
    kit.say("wm1", "第一问")
    kit.drain()
    kit.world.states["wm1"] = 4
    kit.say("wm1", "第二问")
    kit.drain()
    assert [text.split("\n")[0] for text in kit.world.texts("wm1")] == ["答：第一问", "答：第二问"]


def test_welcome_goes_out_with_its_code_in_time(kit: Kit) -> None:
    """A welcome code is used once, at once; one that ran out is not tried."""
    kit.world.happen("wm1", "enter_session", welcome_code=kit.world.code(20))
    kit.announce()
    kit.drain(2)
    assert [(one.text, bool(one.code)) for one in kit.world.sent] == [(f"您好，我是智能助手。\n{LABEL}", True)]
    kit.world.happen("wm2", "enter_session", welcome_code=kit.world.code(20))
    kit.clock.now += 30
    kit.announce()
    kit.drain(2)
    assert len(kit.world.sent) == 1
    assert kit.events("withheld")[0]["reason"] == "expired"


def test_code_that_was_used_is_not_used_again(kit: Kit) -> None:
    """When the answer to the first try was lost, the second finds the code used and stops."""
    kit.world.happen("wm1", "enter_session", welcome_code=kit.world.code(20))
    kit.world.fail("kf/send_msg_on_event", "lost")
    kit.announce()
    kit.drain(8)
    assert len(kit.world.sent) == 1
    assert kit.world.calls["kf/send_msg_on_event"] == 2
    assert kit.events("undelivered") == []


def test_end_of_service_is_said_with_its_code(kit: Kit) -> None:
    """When a person ends the conversation the closing text goes out with the code of that event."""
    kit.say("wm1", "你好")
    kit.drain()
    kit.world.states["wm1"] = 4
    kit.world.happen("wm1", "session_status_change", change_type=3, msg_code=kit.world.code(20))
    kit.announce()
    kit.drain(2)
    assert kit.world.sent[-1].text.startswith("本次人工服务已经结束。")
    assert kit.world.sent[-1].code


def test_handoff_stays_in_state_1_with_our_desk(kit: Kit) -> None:
    """Handed to our desk, the conversation stays where the API can send, and the desk is told."""
    kit.say("wm1", "转人工")
    kit.drain()
    assert kit.world.states["wm1"] == 1
    assert kit.desk.handed == [kit.conversation("wm1")]


def test_handoff_into_wecoms_queue(make: MakeKit) -> None:
    """Where the firm answers in WeCom's client, the reply goes out first, then the customer is queued and told with the
    code that came back; from then on the assistant is mute."""
    kit = make(handoff="wecom")
    kit.say("wm1", "转人工")
    kit.drain()
    assert [one.text.split("\n")[0] for one in kit.world.sent] == ["答：转人工", "已为您转到人工服务。"]
    assert kit.world.states["wm1"] == 2
    assert kit.events("state")[0]["to"] == "queue"
    kit.say("wm1", "还在吗")
    kit.drain()
    assert len(kit.world.sent) == 2


# --- budget --------------------------------------------------------------------------------------------------------


def test_long_answer_keeps_to_three_messages_and_its_notices(kit: Kit) -> None:
    """At most three messages of 2048 bytes, cut at sentence ends; WeCom cut nothing; label and source remain."""
    kit.answers.make = longer(200)
    kit.say("wm1", "全部规则")
    kit.drain()
    seen = kit.world.texts("wm1")
    assert len(seen) == 3
    assert [one["text"] for one in kit.events("outbound")] == seen
    assert all(text.endswith("。") for text in seen[:2])
    assert seen[2].endswith(f"（内容较长，后面的部分没有列出。）\n来源：《开户指引》\n{LABEL}")


def test_two_messages_stay_in_reserve(kit: Kit) -> None:
    """However much the assistant said, a person can still say two things before the customer writes again."""
    kit.answers.make = longer(200)
    kit.say("wm1", "全部规则")
    kit.drain()
    for text in ("您好，我是客服小张。", "已经为您处理。"):
        assert kit.wecom.send("wm1", text, staff="zhang").statuses == (("sent", None),)
    assert kit.world.used["wm1"] == 5
    with pytest.raises(NotSent, match="budget"):
        kit.wecom.send("wm1", "还有", staff="zhang")
    kit.clock.now += 2
    kit.say("wm1", "好的")
    kit.drain()
    assert kit.world.used["wm1"] == 3


def test_message_beyond_the_budget_is_answered_with_the_next(kit: Kit) -> None:
    """When the assistant may say no more, a message is not lost: the desk is told, and it is answered together with
    what the customer writes next."""
    kit.answers.make = longer(200)
    kit.say("wm1", "全部规则")
    kit.drain(3)
    kit.world.listed.append({**kit.world.listed[0], "msgid": "late", "text": {"content": "还有一问"}})
    kit.announce()
    kit.drain(60)
    assert len(kit.answers.asked) == 1
    assert [text for _, _, text in kit.desk.told] == ["还有一问"]
    kit.answers.make = lambda reply, asked: reply
    kit.say("wm1", "在吗")
    kit.drain()
    assert kit.answers.asked[-1].text == "还有一问\n在吗"
    assert len(kit.world.texts("wm1")) == 4


def test_answer_that_cannot_be_shortened_hands_over(kit: Kit) -> None:
    """When a shortened text would not pass, the approved hand-over goes out instead and the desk is told."""
    kit.answers.make = longer(200, "第{n}条并非稳赚不赔，请看公告中的说明和提示。")
    kit.say("wm1", "全部规则")
    kit.drain()
    assert kit.world.texts("wm1") == [f"这个问题需要请工作人员确认。\n{LABEL}"]
    assert kit.desk.handed == [kit.conversation("wm1")]


def test_after_48_hours_nothing_is_tried(kit: Kit) -> None:
    """A person's message after the window is refused here already, and logged."""
    kit.say("wm1", "你好")
    kit.drain()
    kit.clock.now += 48 * 3600
    calls = kit.world.calls["kf/send_msg"]
    with pytest.raises(NotSent, match="late"):
        kit.wecom.send("wm1", "在吗", staff="zhang")
    assert kit.world.calls["kf/send_msg"] == calls
    assert kit.events("withheld")[0]["text"] == "在吗"


# --- errors of WeCom -----------------------------------------------------------------------------------------------


def test_95018_asks_for_the_state_and_stops_when_a_person_has_it(kit: Kit) -> None:
    """A person took over in WeCom's client between answering and sending: nothing more is said."""
    kit.answers.before = lambda asked: kit.world.states.__setitem__("wm1", 3)
    kit.say("wm1", "你好")
    kit.drain()
    assert kit.world.sent == []
    assert [(one["reason"], one["errcode"]) for one in kit.events("undelivered")] == [("state", 95018)]


def test_95018_in_a_new_session_is_taken_and_sent(kit: Kit) -> None:
    """When the state allows it after all, the message goes out at the second try."""
    kit.world.fail("kf/send_msg", 95018)
    kit.say("wm1", "你好")
    kit.drain()
    assert len(kit.world.texts("wm1")) == 1


def test_95001_withholds_the_rest(kit: Kit) -> None:
    """WeCom counts otherwise than we do: its word holds, the rest of the answer stays back and the log says so."""
    kit.answers.make = longer(60)
    kit.world.fail("kf/send_msg", 95001)
    kit.say("wm1", "全部规则")
    kit.drain()
    assert kit.world.sent == []
    assert len([path for path in kit.world.seen if "kf/send_msg" in path]) == 1
    assert [one["reason"] for one in kit.events("undelivered")] == ["count"]


@pytest.mark.parametrize(
    "faults",
    [[45009], [-1, -1, -1, -1], ["refused"], ["lost"], ["lost", "lost"], [40014], [42001], [42001, 42001], [60020]],
)
def test_passing_trouble_delays_and_never_doubles(kit: Kit, faults: list[Any]) -> None:
    """Rate limits, busy servers, closed doors, lost answers, dead tokens: the answer arrives once."""
    kit.world.fail("kf/send_msg", *faults)
    kit.say("wm1", "你好")
    kit.drain(240, 2)
    assert kit.world.texts("wm1") == [f"答：你好\n{LABEL}"]
    assert len(kit.events("outbound")) == 1
    assert kit.events("undelivered") == []


@pytest.mark.parametrize("faults", [[45009], ["lost"], [95007], [-1, -1, -1, -1]])
def test_reading_is_tried_again(kit: Kit, faults: list[Any]) -> None:
    """What could not be read now is read later."""
    kit.world.fail("kf/sync_msg", *faults)
    kit.say("wm1", "你好")
    kit.drain(60, 2)
    assert len(kit.world.texts("wm1")) == 1


def test_message_wecom_could_not_show_is_recorded(kit: Kit) -> None:
    """msg_send_fail turns a sent message into a failed one, with its type."""
    kit.say("wm1", "你好")
    kit.drain()
    kit.world.happen("wm1", "msg_send_fail", fail_msgid=kit.world.sent[0].msgid, fail_type=10)
    kit.announce()
    kit.drain()
    assert kit.events("undelivered") == [{"outbound": kit.world.sent[0].msgid, "reason": "fail_type_10"}]
    assert kit.wecom.outbox.statuses([kit.world.sent[0].msgid]) == {kit.world.sent[0].msgid: ("failed", "fail_type_10")}


def test_log_that_takes_nothing_keeps_everything_back(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a log row nothing leaves; when the log is back the answer does, once."""
    append = kit.log.append

    def refuse(conversation: str, event: str, *rest: Any, **more: Any) -> str:
        if event == "outbound":
            raise OSError("disk full")
        return append(conversation, event, *rest, **more)

    with monkeypatch.context() as full:
        full.setattr(kit.log, "append", refuse)
        kit.say("wm1", "你好")
        kit.drain(20)
        assert kit.world.sent == []
    kit.drain(600, 5)
    assert len(kit.world.texts("wm1")) == 1


def test_product_answers_are_a_switch(kit: Kit) -> None:
    """Switched off on this channel, a product answer is replaced by the approved text, and the log shows which."""
    kit.gate.off.add("wecom-kf")
    kit.answers.make = lambda reply, asked: replace(reply, intent="product") if "基金" in asked.text else reply
    kit.say("wm1", "这只基金怎么样")
    kit.drain()
    kit.say("wm1", "怎样开户")
    kit.drain()
    assert [text.split("\n")[0] for text in kit.world.texts("wm1")] == [
        "这个渠道暂不提供具体产品的咨询。",
        "答：怎样开户",
    ]
    assert kit.events("outbound")[0]["instead_of"] == kit.events("turn")[0]["reply"]["turn"]


# --- staff ---------------------------------------------------------------------------------------------------------


def test_handoff_and_staff_reply_end_to_end(kit: Kit) -> None:
    """Asked, handed over, answered by a person through the same gate, handed back, answered by the assistant again."""
    kit.say("wm1", "转人工")
    kit.drain()
    conversation = kit.conversation("wm1")
    kit.desk.taken.add(conversation)
    kit.say("wm1", "我的手机13800138000")
    kit.drain()
    assert kit.desk.told == [(conversation, kit.wecom.messages.newest(conversation), "我的手机138****8000")]
    with pytest.raises(NotSent) as caught:
        kit.wecom.send("wm1", "这款产品稳赚不赔", staff="zhang")
    assert [found.check for found in caught.value.findings] == ["guaranteed_return"]
    delivered = kit.wecom.send("wm1", "您好，我来为您查询。", staff="zhang", answering=kit.desk.told[0][1])
    assert delivered.statuses == (("sent", None),)
    kit.desk.taken.clear()
    kit.say("wm1", "谢谢，开户要带什么")
    kit.drain()
    seen = [text.split("\n")[0] for text in kit.world.texts("wm1")]
    assert seen == ["答：转人工", "您好，我来为您查询。", "答：谢谢，开户要带什么"]
    assert [one["speaker"] for one in kit.events("outbound")] == ["assistant", "staff", "assistant"]


def test_revise_needs_a_reason_and_block_has_none(kit: Kit) -> None:
    """A person may send in spite of "revise" with a reason, which is logged; never in spite of "block"."""
    kit.say("wm1", "转人工")
    kit.drain()
    with pytest.raises(NotSent, match="findings"):
        kit.wecom.send("wm1", "大概三天", staff="zhang")
    kit.wecom.send("wm1", "大概三天", staff="zhang", override="客户已看过公告")
    assert kit.events("outbound")[-1]["override"] == "客户已看过公告"
    with pytest.raises(NotSent, match="findings"):
        kit.wecom.send("wm1", "稳赚不赔", staff="zhang", override="客户要求")


def test_nobody_writes_to_a_stranger(kit: Kit) -> None:
    """A customer who never wrote, and an empty text, are refused."""
    with pytest.raises(NotSent, match="unknown_customer"):
        kit.wecom.send("wm9", "您好", staff="zhang")
    kit.say("wm1", "你好")
    kit.drain()
    with pytest.raises(NotSent, match="empty"):
        kit.wecom.send("wm1", " \n", staff="zhang")


# --- faults met in the field by others -----------------------------------------------------------------------------


def test_fault_events_without_open_kfid(kit: Kit) -> None:
    """An event that names no account, or nobody at all, or nothing known, stops nothing."""
    kit.world.happen("wm1", "enter_session", kfid=None, welcome_code=kit.world.code(20))
    kit.world.happen("", "servicer_status_change", kfid=None, status=1)
    kit.world.listed += [
        {"msgtype": "event", "send_time": int(kit.clock()), "event": {}},
        {"msgtype": "event", "send_time": int(kit.clock())},
        {"send_time": int(kit.clock())},
    ]
    kit.world.write("wm1", "你好")
    kit.announce()
    kit.drain()
    assert [one.text.split("\n")[0] for one in kit.world.sent] == ["您好，我是智能助手。", "答：你好"]


def test_fault_only_the_last_message_of_a_burst_handled(kit: Kit) -> None:
    """Messages written in one breath are answered together, in the order they were written."""
    for text in ("我想", "开户", "要带什么"):
        kit.say("wm1", text)
        kit.drain(0.5)
    kit.drain()
    assert [asked.text for asked in kit.answers.asked] == ["我想\n开户\n要带什么"]
    assert len(kit.world.texts("wm1")) == 1


def test_burst_that_never_ends_is_answered_all_the_same(kit: Kit) -> None:
    """Somebody who keeps writing is answered after a few seconds, and nothing they wrote is lost."""
    texts = [f"第{n}句" for n in range(12)]
    for text in texts:
        kit.say("wm1", text)
        kit.drain(1)
    kit.drain()
    assert "\n".join(asked.text for asked in kit.answers.asked).split("\n") == texts
    assert 1 < len(kit.answers.asked) < 6


def test_fault_bot_talking_over_the_agent(kit: Kit) -> None:
    """A person takes over while the answer is being made: what the assistant had ready stays unsaid, and is logged."""
    kit.say("wm1", "你好")
    kit.drain()
    conversation = kit.conversation("wm1")
    kit.answers.before = lambda asked: kit.desk.taken.add(conversation)
    kit.say("wm1", "在吗")
    kit.drain()
    assert len(kit.world.texts("wm1")) == 1
    assert [(one["reason"], one["text"]) for one in kit.events("withheld")] == [
        ("person_in_charge", f"答：在吗\n{LABEL}")
    ]


def test_fault_blocked_reply_logged_empty(kit: Kit) -> None:
    """What was held back stands in the log in full, with what was found in it; personal data masked."""
    kit.say("wm1", "转人工")
    kit.drain()
    with pytest.raises(NotSent):
        kit.wecom.send("wm1", "稳赚不赔，详询13800138000", staff="zhang")
    (withheld,) = kit.events("withheld")
    assert withheld["text"] == "稳赚不赔，详询138****8000"
    assert withheld["findings"][0]["check"] == "guaranteed_return"
    assert withheld["staff"] == "zhang"


def test_fault_preset_refusal_fails_the_screening(kit: Kit) -> None:
    """A fixed text that does not pass is not sent; the customer's message goes to people, and the log has it."""
    kit.gate.texts["wecom_text_only"] = "稳赚不赔的图片我看不到。"
    kit.world.write("wm1", kind="image")
    kit.announce()
    kit.drain()
    assert kit.world.sent == []
    assert kit.desk.handed == [kit.conversation("wm1")]
    assert len(kit.events("inbound")) == 1
    assert kit.events("withheld")[0]["reason"] == "nothing_to_say"


def test_fault_deleted_document_still_answers(kit: Kit) -> None:
    """A source withdrawn between answering and sending: the old answer stays back and the question is answered anew."""
    first = True

    def rest(reply: Any, asked: Any) -> Any:
        nonlocal first
        if first:
            first = False
            kit.gate.withdrawn.add(CITED.document)
            return reply
        return replace(reply, body="没有查到", text="没有查到", citations=())

    kit.answers.make = rest
    kit.say("wm1", "开户要带什么")
    kit.drain()
    assert kit.world.texts("wm1") == ["没有查到"]
    assert kit.events("withheld")[0]["reason"] == "source_withdrawn"
    assert kit.events("withheld")[0]["text"].startswith("答：开户要带什么")


def test_fault_draft_sent_although_the_conversation_moved_on(kit: Kit) -> None:
    """A draft that answers an earlier message than the customer's last is stopped, and the log says why."""
    kit.say("wm1", "转人工")
    kit.drain()
    conversation = kit.conversation("wm1")
    kit.desk.taken.add(conversation)
    seen = kit.wecom.messages.newest(conversation)
    kit.clock.now += 5
    kit.say("wm1", "不用了，我要投诉")
    kit.drain()
    with pytest.raises(NotSent, match="moved_on"):
        kit.wecom.send("wm1", "好的，给您开户。", staff="zhang", answering=seen)
    assert kit.events("withheld")[-1]["text"] == "好的，给您开户。"
    kit.wecom.send("wm1", "收到，马上处理。", staff="zhang", answering=kit.wecom.messages.newest(conversation))
    assert kit.world.texts("wm1")[-1] == "收到，马上处理。"


def test_accounts_are_kept_apart(kit: Kit) -> None:
    """The same customer at another account is another conversation, with another name nobody can guess."""
    ids = {kit.wecom.messages.conversation_id("wecom-kf", account, "wm1") for account in (KFID, "wk2")}
    assert len(ids) == 2
    assert all("wm1" not in one for one in ids)
