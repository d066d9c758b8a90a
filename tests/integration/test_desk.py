"""Conversations in people's hands: hand-over, claim, muteness, what is sent, what survives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from assistant.desk.outreach import reach
from assistant.desk.tables import messages
from assistant.desk.values import NotYours, Unknown
from assistant.desk.work import Words
from assistant.log import NotLogged
from assistant.turn import Customer
from knowledge.records.tables import customers
from tests.branch import Branch
from tests.desk import CLOSED, LI, OPEN, WANG, ZHAO, Counter

GREETING = "您好，我是王芳，已收到您的问题，马上为您核对。"
FORBIDDEN = "这款产品稳赚不赔"
SENIOR = Customer(id="K1", risk_class="C2", assessed_on=date(2026, 6, 1), birth_date=date(1950, 1, 1))


@pytest.fixture
def counter(own: Branch) -> Iterator[Counter]:
    made = Counter(own)
    yield made
    made.desk.stop()


def events(counter: Counter, conversation: str) -> list[str]:
    """What the log holds of a conversation, desk events by what was done."""
    entries = counter.desk.log.conversation(conversation)
    return [str(one.body["what"]) if one.event == "desk" else one.event for one in entries]


def test_the_whole_way_from_question_to_assistant_and_the_log_verifies(counter: Counter) -> None:
    """Ask, hand over, claim, draft with sources, blocked, corrected, delivered, handed back, answered by the assistant:
    the log has each step and proves whole."""
    counter.ask("科创板开通条件是什么", "c1")
    counter.hand_over("c1")
    counter.desk.presence.seen(WANG)
    counter.work.claim("c1", WANG)
    draft = counter.work.draft("c1", WANG, "科创板开通条件是什么")
    assert "50万元" in draft.drafted["body"]
    assert draft.drafted["citations"]
    blocked = counter.say("c1", FORBIDDEN)
    assert blocked.status == "blocked"
    assert blocked.said
    assert "证券法" in blocked.said.findings[0].clause
    assert counter.shown("c1") == []
    sent = counter.say("c1", draft.drafted["body"], draft=draft.id)
    assert sent.status == "sent"
    assert counter.shown("c1") == [draft.drafted["body"]]
    assert counter.ask("我还有问题", "c1").text == ""
    counter.work.end("c1", WANG, "handed_back")
    assert "50万元" in counter.ask("科创板开通条件是什么", "c1").body
    assert events(counter, "c1") == [
        "turn", "turn", "opened", "claimed", "withheld", "outbound", "inbound", "ended", "turn",
    ]  # fmt: skip
    assert counter.desk.log.verify()[1] == []


def test_the_summary_tells_what_was_asked_tried_and_found(counter: Counter) -> None:
    """Whoever takes over reads the questions, the outcomes, the titles and the sources without scrolling."""
    counter.ask("科创板开通条件是什么", "c1")
    counter.ask("火星上能不能买股票基金呢", "c1")
    counter.hand_over("c1")
    view = counter.work.view("c1", WANG)
    assert view.summary["asked"][0] == "科创板开通条件是什么"
    assert [one["found"] for one in view.summary["tried"]] == [True, False]
    assert view.summary["sources"][0]["title"] == "科创板权限开通条件"
    assert "《科创板权限开通条件》" in view.summary["words"]
    assert "没有查到资料" in view.summary["words"]
    assert view.ticket.status == "waiting"


def test_of_two_who_claim_at_once_exactly_one_wins(counter: Counter) -> None:
    """Twenty claims at the same moment: one person has it, the others are told who, the log names one claim."""
    counter.hand_over("c1")
    start = threading.Barrier(20)
    people = [WANG, LI] * 10

    def claim(member: Any) -> str:
        start.wait()
        try:
            return str(counter.work.claim("c1", member).owner)
        except NotYours as error:
            return f"not {error.owner}"

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(claim, people))
    owner = counter.work.ticket("c1").owner
    assert owner in ("wang", "li")
    assert set(results) == {owner, f"not {owner}"}
    assert events(counter, "c1").count("claimed") == 1


def test_only_who_has_the_conversation_may_speak_in_it(counter: Counter) -> None:
    """A colleague cannot answer in a conversation that is not theirs, nor anybody in one that waits."""
    counter.hand_over("c1")
    with pytest.raises(NotYours):
        counter.say("c1", GREETING)
    counter.work.claim("c1", LI)
    with pytest.raises(NotYours):
        counter.say("c1", GREETING)
    with pytest.raises(NotYours):
        counter.work.end("c1", WANG, "solved")
    assert counter.shown("c1") == []


def test_the_assistant_is_mute_while_a_person_is_in_charge(counter: Counter) -> None:
    """What the customer writes is logged and reaches the person; the same key is kept once; nothing is answered."""
    counter.claimed("c1")
    first = counter.ask("科创板开通条件是什么", "c1", key="k")
    again = counter.ask("科创板开通条件是什么", "c1", key="k")
    assert (first.outcome, first.text, first.body) == ("handoff", "", "")
    assert again == first
    assert events(counter, "c1").count("inbound") == 1
    ticket = counter.work.ticket("c1")
    assert (ticket.newest, ticket.preview, ticket.unread) == (first.turn, "科创板开通条件是什么", 1)


def test_personal_data_in_a_message_to_a_person_is_masked(counter: Counter) -> None:
    """The log and the desk hold the masked text only."""
    counter.claimed("c1")
    counter.ask("我的手机是13800138000", "c1")
    assert "13800138000" not in counter.work.ticket("c1").preview
    assert all("13800138000" not in str(one.body) for one in counter.desk.log.conversation("c1"))


def test_a_message_sent_twice_leaves_once(counter: Counter) -> None:
    """The same key, one after the other or at once, gives one message."""
    counter.claimed("c1")
    words = Words(GREETING, "key", counter.work.ticket("c1").newest)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: counter.work.send("c1", WANG, words), range(8)))
    assert {one.status for one in results} == {"sent"}
    assert len({one.message.id for one in results if one.message}) == 1
    assert counter.shown("c1") == [GREETING]
    assert events(counter, "c1").count("outbound") == 1


def test_a_crash_between_send_and_delivery_loses_and_doubles_nothing(counter: Counter) -> None:
    """The process dies after the message was logged and before any page fetched it: the next one delivers it, and a
    page that reloads in the middle gets it once by its sequence."""
    counter.claimed("c1")
    sent = counter.say("c1", GREETING, key="key")
    counter.open()
    counter.desk.recover()
    assert sent.message
    first = counter.desk.messages("c1", 0)
    assert [one.id for one in first] == [sent.message.id]
    assert counter.desk.messages("c1", first[-1].sequence) == []
    assert [one.id for one in counter.desk.messages("c1", 0)] == [sent.message.id]
    retried = counter.work.send("c1", WANG, Words(GREETING, "key", "whatever"))
    assert retried.message
    assert retried.message.id == sent.message.id
    assert counter.shown("c1") == [GREETING]


def test_no_log_row_no_message(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log cannot be written nothing is sent; trying again under the same key sends it once."""
    counter.claimed("c1")
    answering = counter.work.ticket("c1").newest
    heads = counter.desk.log._heads

    def full(_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(heads, "append", full)
    with pytest.raises(NotLogged):
        counter.work.send("c1", WANG, Words(GREETING, "key", answering))
    assert counter.shown("c1") == []
    monkeypatch.undo()
    assert counter.work.send("c1", WANG, Words(GREETING, "key", answering)).status == "sent"
    assert counter.shown("c1") == [GREETING]


def test_a_crash_while_another_channel_takes_a_message_is_shown_not_repeated(counter: Counter) -> None:
    """Whether WeCom took it nobody knows: after the restart it is marked failed for a person to look at."""
    taken: list[str] = []

    class Carrier:
        def deliver(self, conversation: str, text: str, **_: object) -> str | None:
            taken.append(text)
            return None

    counter.desk.carriers["wecom-kf"] = Carrier()
    counter.claimed("c1")
    with counter.desk.database.writing() as connection:
        from assistant.desk.tables import tickets

        connection.execute(update(tickets).values(channel="wecom-kf"))
    sent = counter.say("c1", GREETING)
    assert sent.message
    assert (sent.status, taken, sent.message.status) == ("sent", [GREETING], "ready")
    with counter.desk.database.writing() as connection:
        connection.execute(update(messages).values(status="sending"))
    counter.open()
    counter.desk.recover()
    assert taken == [GREETING]
    item = next(one for one in counter.work.view("c1", WANG).items if one.who == "staff")
    assert item.detail["status"] == "failed"


def test_a_reply_to_an_older_message_is_stale(counter: Counter) -> None:
    """The customer writes between draft and send: nothing leaves, the newest message is named, the draft says so."""
    counter.claimed("c1")
    draft = counter.work.draft("c1", WANG, "科创板开通条件是什么")
    seen = counter.work.ticket("c1").newest
    newest = counter.ask("不用了，我想问银证转账时间", "c1").turn
    result = counter.say("c1", draft.drafted["body"], draft=draft.id, answering=seen)
    assert (result.status, result.newest) == ("stale", newest)
    kept = counter.work.view("c1", WANG).draft
    assert kept
    assert kept.stale
    assert counter.shown("c1") == []


def test_revise_yields_to_a_reason_and_block_never_does(counter: Counter) -> None:
    """A number without a source leaves with a stated reason only; a promise of returns leaves with none whatever."""
    counter.claimed("c1")
    claim = "这项业务的费率是0.37%。"
    assert counter.say("c1", claim).status == "needs_reason"
    assert counter.say("c1", claim, override="  短 ").status == "needs_reason"
    assert counter.say("c1", FORBIDDEN, override="客户要求这样说，已请示主管").status == "blocked"
    assert counter.say("c1", claim, override="费率见客户合同第三条").status == "sent"
    body = counter.desk.messages("c1", 0)[0].body
    assert body["override"] == "费率见客户合同第三条"
    assert {one["check"] for one in body["findings"]} == {"ungrounded"}


def test_a_source_that_was_inserted_bears_the_text_out(counter: Counter) -> None:
    """The same number is free when an approved passage that holds it is among the sources, which the message names."""
    counter.claimed("c1")
    passage = next(one for one in counter.work.find("银证转账 转出限额") if "300万元" in one.text)
    text = "通过APP办理证券转银行，单日限额为300万元。"
    assert counter.say("c1", text).status == "needs_reason"
    assert counter.say("c1", text, sources=(passage.id,)).status == "sent"
    body = counter.desk.messages("c1", 0)[0].body
    assert [one["passage"] for one in body["citations"]] == [passage.id]
    assert counter.say("c1", text, sources=("no-such-passage",)).status == "needs_reason"


def test_advice_needs_a_registered_adviser_and_shows_the_licence(counter: Counter) -> None:
    """What is advice is blocked for staff and for an adviser without a number; a registered one says it by name."""
    advice = "我建议您买入这只股票。"
    counter.claimed("c1")
    assert counter.say("c1", advice).status == "blocked"
    counter.claimed("c2", ZHAO)
    screened = counter.work.screen("c2", ZHAO, advice, ())
    assert screened.advice
    assert not any(one.check == "stock_tip" for one in screened.findings)
    sent = counter.say("c2", advice, ZHAO, override="依据研究部今日意见，已作风险提示")
    assert sent.status == "sent"
    body = counter.desk.messages("c2", 0)[0].body
    assert (body["licence"], body["intent"], body["speaker"]) == ("S0010620010001", "advice", "adviser")


def test_the_log_keeps_draft_and_sent_with_their_difference(counter: Counter) -> None:
    """What was changed in a draft can be read in the log, and whether it was taken as it was."""
    counter.claimed("c1")
    draft = counter.work.draft("c1", WANG, "科创板开通条件是什么")
    edited = f"您好。{draft.drafted['body']}"
    counter.say("c1", edited, draft=draft.id)
    kept = counter.desk.log.conversation("c1")[-1].body["draft"]
    assert (kept["body"], kept["acceptance"]) == (draft.drafted["body"], "edited")
    assert kept["difference"][0] == ["+", "您好。"]
    assert "".join(piece for kind, piece in kept["difference"] if kind != "-") == edited


def test_blanks_of_a_script_do_not_leave(counter: Counter) -> None:
    """A text with a variable nobody filled in is not sent."""
    counter.claimed("c1")
    result = counter.say("c1", "您好，您问的是{问题摘要}吗？")
    assert result.status == "unfilled"
    assert result.said
    assert result.said.unfilled == ("{问题摘要}",)


def test_who_is_served_first(counter: Counter) -> None:
    """Distress before fraud before complaint before the rest; a senior one step earlier; then who waits longest."""
    counter.hand_over("human")
    counter.clock.pass_(5)
    counter.hand_over("senior", customer=SENIOR)
    counter.clock.pass_(5)
    counter.hand_over("complaint", "我要投诉")
    counter.clock.pass_(5)
    counter.hand_over("fraud", "我被骗了")
    counter.clock.pass_(5)
    counter.hand_over("distress", "我不想活了")
    found = [one.conversation for one in counter.desk.tickets.inbox()]
    assert found == ["distress", "fraud", "complaint", "senior", "human"]
    assert counter.desk.standing("senior").ahead == 3
    counter.ask("我不想活了", "human")
    assert counter.desk.tickets.inbox()[0].conversation in ("human", "distress")


def test_the_queue_is_told_in_hours_and_a_message_may_be_left_after(counter: Counter) -> None:
    """In hours with people on duty: position and minutes. At night: when the desks open, and what is left is kept for
    whoever takes it, over a restart."""
    counter.desk.presence.seen(WANG)
    counter.hand_over("c1")
    standing = counter.desk.standing("c1")
    assert (standing.state, standing.ahead, standing.open) == ("waiting", 0, True)
    assert standing.minutes
    counter.clock.set(CLOSED)
    counter.hand_over("night")
    standing = counter.desk.standing("night")
    assert (standing.open, standing.minutes, standing.opens_at) == (False, None, "2026-11-23T09:00+08:00")
    assert "位" not in counter.ask("转人工", "night").body
    from assistant.turn import Asked
    from tests.branch import TODAY

    left = counter.assistant.leave(Asked("请明天给我回电话", "web", TODAY, "night", key="k"))
    assert left
    assert counter.assistant.leave(Asked("请明天给我回电话", "web", TODAY, "night", key="k")) == left
    counter.open()
    counter.clock.set(OPEN)
    view = counter.work.view("night", LI)
    assert "请明天给我回电话" in [one.text for one in view.items]
    assert not view.ticket.in_hours
    assert counter.assistant.leave(Asked("有人吗", "web", TODAY, "nobody", key="k")) is None


def test_a_hand_over_lost_in_a_crash_is_found_again(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reply was logged and the process died before the ticket: the next start opens it, once, and an ended one is
    not opened again."""
    monkeypatch.setattr(counter.desk, "turned", lambda asked, reply: None)
    counter.hand_over("c1")
    assert counter.desk.tickets.latest("c1") is None
    counter.open()
    counter.desk.recover()
    counter.desk.recover()
    ticket = counter.work.ticket("c1")
    assert ticket.status == "waiting"
    counter.work.claim("c1", WANG)
    counter.work.end("c1", WANG, "solved")
    counter.desk.recover()
    assert counter.desk.tickets.current("c1") is None


def test_what_an_absent_colleague_held_goes_back_to_the_queue(counter: Counter) -> None:
    """Somebody's page has been gone for ten minutes: the customer waits again, the assistant answers meanwhile."""
    counter.claimed("c1")
    counter.clock.pass_(300)
    counter.desk.sweep()
    assert counter.desk.in_charge("c1")
    counter.clock.pass_(600)
    counter.desk.sweep()
    assert counter.work.ticket("c1").status == "waiting"
    assert "50万元" in counter.ask("科创板开通条件是什么", "c1").body
    assert events(counter, "c1").count("abandoned") == 1


def test_transfer_needs_a_colleague_on_duty(counter: Counter) -> None:
    """A conversation goes to somebody who is there, or back to the queue; the new owner alone may speak."""
    counter.claimed("c1")
    with pytest.raises(Unknown):
        counter.work.transfer("c1", WANG, "li", "")
    counter.desk.presence.seen(LI)
    counter.work.transfer("c1", WANG, "li", "客户问的是李强办的业务")
    with pytest.raises(NotYours):
        counter.say("c1", GREETING)
    assert counter.say("c1", "您好，我是李强，我来接着为您办理。", LI).status == "sent"
    counter.work.requeue("c1", LI)
    assert counter.work.ticket("c1").status == "waiting"


def test_notes_are_for_colleagues(counter: Counter) -> None:
    """A note is in the view and the log, masked, and never on the customer's page."""
    counter.claimed("c1")
    counter.work.note("c1", WANG, "客户手机13800138000，请下午回电")
    note = next(one for one in counter.work.view("c1", LI).items if one.who == "note")
    assert "13800138000" not in note.text
    assert "请下午回电" in note.text
    assert counter.shown("c1") == []


def test_a_complaint_is_in_the_ledger_under_the_number_the_customer_was_told(counter: Counter) -> None:
    """Number, deadlines in working days, owner, steps, answer, satisfaction; overdue until answered; in the log too."""
    reply = counter.ask("我要投诉", "c1")
    complaint = counter.desk.complaints.of_conversation("c1")[0]
    assert complaint.number in reply.body
    assert (complaint.contact_by, complaint.due_on) == (date(2026, 11, 25), date(2026, 12, 14))
    assert complaint.overdue(date(2026, 11, 25)) == ""
    assert complaint.overdue(date(2026, 11, 26)) == "contact"
    ledger = counter.desk.complaints
    ledger.take(complaint.number, "contacted", "已电话联系", WANG)
    assert ledger.one(complaint.number).overdue(date(2026, 11, 26)) == ""
    assert ledger.one(complaint.number).overdue(date(2026, 12, 15)) == "answer"
    ledger.take(complaint.number, "owner", "", WANG, owner="wang")
    ledger.take(complaint.number, "answered", "已退还多收的费用", WANG)
    done = ledger.satisfied(complaint.number, 4, "客户表示满意", WANG)
    assert (done.status, done.satisfaction, done.owner) == ("closed", 4, "wang")
    assert [one.what for one in done.steps] == ["opened", "contacted", "owner", "answered", "closed"]
    assert [one.event for one in counter.desk.log.conversation("c1")].count("complaint") == 5


def test_a_rating_is_taken_once_and_only_after_a_person_answered(counter: Counter) -> None:
    """One tap after the conversation; the figures count it."""
    counter.claimed("c1")
    ticket = counter.work.ticket("c1").id
    assert not counter.desk.rate("c1", ticket, 5, "")
    counter.say("c1", GREETING)
    counter.work.end("c1", WANG, "solved")
    assert counter.desk.standing("c1").can_rate
    assert counter.desk.rate("c1", ticket, 5, "谢谢")
    assert not counter.desk.rate("c1", ticket, 1, "")
    assert counter.desk.standing("c1").rating == 5


def test_what_a_customer_erased_is_gone_from_page_and_desk(counter: Counter) -> None:
    """After erasing, people's words are not shown again and nobody has the conversation; the log keeps all."""
    counter.claimed("c1")
    counter.say("c1", GREETING)
    counter.assistant.erase("c1")
    assert counter.shown("c1") == []
    assert counter.desk.tickets.current("c1") is None
    assert all(GREETING not in one.text for one in counter.work.view("c1", WANG).items)
    assert "outbound" in events(counter, "c1")


def test_people_write_first_only_to_whom_they_may(counter: Counter) -> None:
    """On the firm's initiative: not in quiet hours, not without consent, not what does not suit; then with somebody in
    charge, so that the answer finds a person."""
    profile = {"risk_class": "C2", "assessed_on": "2026-06-01"}
    with counter.desk.database.writing() as connection:
        connection.execute(customers.insert().values(id="K1", profile=profile, recorded_at=OPEN))
        connection.execute(customers.insert().values(id="K2", profile=profile | {"contact": False}, recorded_at=OPEN))
    for name in ("K1", "K2"):
        counter.claimed(name, text="转人工")
        counter.work.end(name, WANG, "solved")
        with counter.desk.database.writing() as connection:
            from assistant.desk.tables import tickets

            connection.execute(update(tickets).where(tickets.c.conversation == name).values(customer=name))
    text = "您好，我是王芳，想提醒您查看最近的账户通知。"
    assert reach(counter.work, "K2", text, "a", WANG).status == "no_consent"
    counter.clock.set(CLOSED)
    quiet = reach(counter.work, "K1", text, "b", WANG)
    assert (quiet.status, quiet.until and quiet.until.hour) == ("quiet_hours", 9)
    counter.clock.set(OPEN)
    assert reach(counter.work, "K1", FORBIDDEN, "c", WANG).status == "refused"
    done = reach(counter.work, "K1", text, "d", WANG)
    assert (done.status, counter.shown("K1")) == ("sent", [text])
    assert reach(counter.work, "K1", text, "d", WANG).status == "sent"
    assert counter.shown("K1") == [text]
    assert counter.desk.in_charge("K1")
    with pytest.raises(Unknown):
        reach(counter.work, "K9", text, "e", WANG)
