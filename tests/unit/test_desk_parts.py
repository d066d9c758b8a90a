"""Parts of the staff desk by themselves: hours, scripts, conditions, differences, summaries, figures of time."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path

import pytest

from assistant.desk.card import Card, assessment, card, facts_of
from assistant.desk.live import Hub
from assistant.desk.saying import acceptance, difference
from assistant.desk.scripts import Script, Step, applies, filled, following
from assistant.desk.settings import hours, quiet
from assistant.desk.summary import summary
from assistant.desk.values import Member
from assistant.log import SHANGHAI, Entry
from assistant.turn import Customer

FACTS = {"opens": "08:30", "closes": "17:30", "working_days": [1, 2, 3, 4, 5], "holidays": ["2026-11-24"]}
TODAY = date(2026, 11, 22)


def at(day: int, clock: str) -> datetime:
    """A moment of November 2026 in Shanghai."""
    return datetime.fromisoformat(f"2026-11-{day:02}T{clock}:00+08:00")


@pytest.mark.parametrize(
    ("moment", "open_", "next_"),
    [
        (at(23, "08:29"), False, at(23, "08:30")),
        (at(23, "08:30"), True, at(25, "08:30")),
        (at(23, "17:29"), True, at(25, "08:30")),
        (at(23, "17:30"), False, at(25, "08:30")),
        (at(24, "10:00"), False, at(25, "08:30")),
        (at(22, "10:00"), False, at(23, "08:30")),
    ],
)
def test_opening_hours_know_weekdays_bounds_and_holidays(moment: datetime, open_: bool, next_: datetime) -> None:
    """Open from the first minute to before the last, never on a holiday; the next opening is a working day."""
    found = hours(FACTS)
    assert found.open_at(moment) is open_
    assert found.next_opening(moment) == next_


def test_working_days_are_counted_over_weekends_and_holidays() -> None:
    """Two working days after a Friday before a holiday Tuesday end on Wednesday."""
    assert hours(FACTS).after(date(2026, 11, 20), 2) == date(2026, 11, 25)


def test_facts_that_cannot_be_read_give_way_to_defaults() -> None:
    """A broken fact of the firm never breaks the desk."""
    found = hours({"opens": "早上", "closes": None, "working_days": "工作日", "holidays": ["x", 3]})
    assert (found.opens.hour, found.closes.hour, sorted(found.days)) == (9, 17, [1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("clock", "ends"), [("19:59", None), ("20:00", 24), ("23:59", 24), ("08:59", 23), ("09:00", None)]
)
def test_quiet_hours_run_over_midnight(clock: str, ends: int | None) -> None:
    """From eight in the evening to nine in the morning nobody is written to first."""
    found = quiet({}, at(23, clock))
    assert found == (None if ends is None else at(ends, "09:00"))


def step(number: int, condition: str = "", say: str = "") -> Step:
    return Step(number, "", "", condition, say, f"p{number}")


KNOWN = card(
    Customer(id="K", risk_class="C1", lowest=True, assessed_on=date(2025, 1, 1), birth_date=date(1950, 5, 5)),
    {"name": "周桂兰"},
    TODAY,
)
NOBODY = card(None, {}, TODAY)


@pytest.mark.parametrize(
    ("condition", "found", "expected"),
    [
        ("", KNOWN, "yes"),
        ("客户65周岁以上", KNOWN, "yes"),
        ("测评已过期", KNOWN, "yes"),
        ("测评在有效期内", KNOWN, "no"),
        ("没有测评或测评已过期", KNOWN, "yes"),
        ("客户属于最低类别且产品高于R1", KNOWN, "yes"),
        ("客户问怎么做", KNOWN, "ask"),
        ("客户65周岁以上", NOBODY, "ask"),
        ("测评已过期", NOBODY, "ask"),
    ],
)
def test_conditions_of_steps_are_held_against_the_customer(condition: str, found: Card, expected: str) -> None:
    """What the records say decides; what they do not say, or what only a person can hear, is asked."""
    facts = facts_of(found, closed=False, waiting=False)
    assert applies(step(1, condition), facts) == expected


def test_the_next_step_skips_what_does_not_apply() -> None:
    """A step whose condition the records deny is not suggested."""
    script = Script("s", "1", "r", "t", (), "", (), (step(1), step(2, "测评在有效期内"), step(3)), ())
    facts = facts_of(KNOWN, closed=False, waiting=False)
    found = following(script, [1], facts)
    assert found
    assert found.number == 3
    assert following(script, [1, 3], facts) is None


def test_variables_are_filled_where_known_and_stay_blanks_where_not() -> None:
    """A blank is visible, and the send refuses it."""
    assert filled("{客户称呼}您好，{答案}", {"客户称呼": "周桂兰"}) == "周桂兰您好，{答案}"


def test_assessment_ends_after_twelve_months_or_as_recorded() -> None:
    """The last day counts; a given day wins; no class is no assessment."""
    assert assessment(Customer(risk_class="C2", assessed_on=date(2025, 11, 22)), TODAY) == (TODAY, "expiring")
    assert assessment(Customer(risk_class="C2", assessed_on=date(2025, 11, 21)), TODAY)[1] == "expired"
    given = Customer(risk_class="C2", assessed_on=date(2020, 1, 1), valid_until=date(2027, 1, 1))
    assert assessment(given, TODAY)[1] == "valid"
    assert assessment(Customer(assessed_on=TODAY), TODAY)[1] == "none"


def test_a_card_says_what_may_be_brought_up() -> None:
    """Lowest class R1 when assessed, nothing when expired, the class otherwise; an unknown customer is unknown."""
    assert KNOWN.fits == ""
    assert card(Customer(risk_class="C4", assessed_on=date(2026, 6, 1)), {}, TODAY).fits == "R4"
    assert card(Customer(risk_class="C1", lowest=True, assessed_on=date(2026, 6, 1)), {}, TODAY).fits == "R1"
    assert not NOBODY.known


def test_a_difference_can_be_put_together_again() -> None:
    """Pieces kept and taken out make the draft, pieces kept and put in make what was sent."""
    draft, sent = "费率为0.60%，请以公告为准。", "您好，费率为0.60%，以最新公告为准。"
    pieces = difference(draft, sent)
    assert "".join(piece for kind, piece in pieces if kind != "+") == draft
    assert "".join(piece for kind, piece in pieces if kind != "-") == sent
    assert acceptance(draft, f" {draft} ") == "as_is"
    assert acceptance(None, sent) == "none"


def entry(question: str, outcome: str, intent: str, slot: str | None = None) -> Entry:
    reply = {"outcome": outcome, "intent": intent, "citations": [], "products": [], "body": "…"}
    return Entry(1, "t", "c", 1, "turn", "2026-11-22T10:00:00+08:00", {"question": question, "reply": reply,
                 "trace": {"slot": slot}})  # fmt: skip


def test_a_summary_counts_what_was_not_found_and_what_was_refused() -> None:
    """The sentence at the top tells the next person what the assistant could not do."""
    found = summary([
        entry("火星基金", "refuse", "product", "not_found"), entry("买哪只", "refuse", "advice", "refuse_advice"),
        entry("转人工", "handoff", "human", "human"),
    ])  # fmt: skip
    told = "客户问了2个问题，最近一个是「买哪只」；1个没有查到资料；1个按规定未答（投资建议）；现在：找人工。"
    assert found["words"] == told
    assert summary([])["words"] == "客户还没有提问。"


def test_only_a_registered_adviser_speaks_as_one() -> None:
    """The role without a number is staff to the screening."""
    assert Member("a", "甲", "adviser", licence="S001").speaker == "adviser"
    assert Member("a", "甲", "adviser").speaker == "staff"
    assert Member("a", "甲", "staff", licence="S001").speaker == "staff"


def test_a_hub_wakes_listeners_from_other_threads_and_forgets_them() -> None:
    """What is told reaches each listener of the topic, none of another, none after they left."""

    async def listen() -> list[str]:
        hub = Hub()
        with hub.listening("a") as first, hub.listening("a") as second, hub.listening("b") as other:
            await asyncio.to_thread(hub.tell, "a", "news")
            heard = [await first.get(), await second.get()]
            assert other.empty()
            for number in range(1000):
                hub.tell("b", str(number))
            await asyncio.sleep(0)
            assert other.qsize() <= 256
        assert hub.count("a") == 0
        return heard

    assert asyncio.run(listen()) == ["news", "news"]


def test_the_shipped_scripts_read_as_steps_with_words_and_conditions() -> None:
    """Each script of the starter set has steps, words to say whose brackets match, and what must never be said."""
    from assistant.desk import scripts
    from knowledge.reading import cut, read

    folder = Path("knowledge/materials/scripts")
    found = 0
    for file in sorted(folder.glob("sop-*.md")):
        passages = cut(read(file), revision="r")
        steps = scripts._steps(scripts._under(passages, scripts.STEPS))
        never = scripts._items(scripts._under(passages, scripts.NEVER))
        assert len(steps) >= 8, file.name
        assert [one.number for one in steps] == list(range(1, len(steps) + 1))
        assert any(one.condition for one in steps), file.name
        assert len(never) >= 2, file.name
        assert all(one.say.count("「") == one.say.count("」") for one in steps)
        assert sum(bool(one.say) for one in steps) >= 5, file.name
        found += 1
    assert found >= 7


def test_times_are_local() -> None:
    """The clock of the desk is that of Shanghai."""
    assert at(23, "08:30").astimezone(SHANGHAI).hour == 8
