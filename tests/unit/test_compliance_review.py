"""The review queue: what comes onto it, who may decide, and that nothing decided is ever changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from assistant.compliance.cases import cases
from assistant.compliance.reading import rules, sampled
from assistant.compliance.review import BadReview, Reviews
from assistant.compliance.tables import verdicts
from tests.unit.compliance_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def ids(start: str, *, drawn: bool) -> str:
    """An id that the sample draws, or does not."""
    return next(one for n in range(10_000) if sampled(one := f"{start}{n}") is drawn)


def risky(desk: Desk, name: str = "r", **more: object) -> str:
    found = {"findings": (("guaranteed_return", "block"),), **more}
    return desk.turn("稳赚吗", turn=ids(name, drawn=False), **found)  # type: ignore[arg-type]


def test_what_is_risky_comes_first_and_the_sample_besides(desk: Desk) -> None:
    """By weight of findings, intent and outcome; a harmless turn only when the sample draws it."""
    desk.turn("普通", turn=ids("a", drawn=False))
    drawn = desk.turn("普通", turn=ids("b", drawn=True))
    light = desk.turn("投诉", turn=ids("c", drawn=False), intent="complaint", outcome="handoff")
    heavy = risky(desk, "d", intent="complaint")
    queue = Reviews(desk.database, desk.log).queue()
    assert [(one.turn, one.why) for one in queue] == [(heavy, "risk"), (light, "risk"), (drawn, "sample")]
    assert queue[0].hit is not None
    assert queue[0].hit.findings == ("guaranteed_return",)


def test_sample_has_the_stated_rate_and_is_the_same_for_everybody() -> None:
    """The draw depends on seed and id only, and takes the share that the data file states."""
    names = [f"{n:032x}" for n in range(20_000)]
    drawn = [name for name in names if sampled(name)]
    assert drawn == [name for name in names if sampled(name)]
    assert abs(len(drawn) / len(names) - rules()["sample_rate"]) < 0.005


def test_a_bad_word_of_the_customer_puts_a_turn_on_the_queue(desk: Desk) -> None:
    """Feedback raises the weight; what was not queued comes onto the queue."""
    turn = desk.turn("普通", turn=ids("a", drawn=False))
    assert Reviews(desk.database, desk.log).queue() == ()
    desk.feedback(turn, "down")
    assert [one.turn for one in Reviews(desk.database, desk.log).queue()] == [turn]


def test_violation_needs_a_reason_and_a_second_person(desk: Desk) -> None:
    """A violation goes to somebody else, whose word settles it; both verdicts stay, each an event of the log."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    with pytest.raises(BadReview, match="理由"):
        reviews.decide(turn, "violation", by="he")
    assert reviews.decide(turn, "violation", by="he", reason="承诺收益", codes=["guaranteed_return"]) == "second"
    with pytest.raises(BadReview, match="另一人"):
        reviews.decide(turn, "violation", by="he", reason="再看一遍")
    with pytest.raises(BadReview, match="复核"):
        reviews.decide(turn, "doubtful", by="she", reason="说不好")
    assert reviews.decide(turn, "fine", by="she", reason="引用的是警示语") == "done"
    told = [(one["stage"], one["verdict"], one["decided_by"]) for one in reviews.verdicts(turn)]
    assert told == [("first", "violation", "he"), ("second", "fine", "she")]
    assert [one.event for one in desk.log.conversation("c1")] == ["turn", "review", "review"]
    assert desk.log.verify()[1] == []


def test_fine_is_settled_at_once_and_only_once(desk: Desk) -> None:
    """A turn that is fine needs no second pair of eyes; a settled turn takes no further verdict."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    assert reviews.decide(turn, "fine", by="he") == "done"
    with pytest.raises(BadReview, match="更正"):
        reviews.decide(turn, "violation", by="she", reason="不同意")


def test_correction_is_a_new_record(desk: Desk) -> None:
    """Who thinks otherwise adds a correction that names what it corrects; what was said before stays."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    with pytest.raises(BadReview):
        reviews.correct(turn, "violation", by="she", reason="早了")
    reviews.decide(turn, "fine", by="he")
    reviews.correct(turn, "violation", by="she", reason="漏看了后半句")
    first, second = reviews.verdicts(turn)
    assert (first["verdict"], second["verdict"], second["corrects"]) == ("fine", "violation", first["id"])


@pytest.mark.parametrize("statement", ["UPDATE review_verdicts SET verdict = 'fine'", "DELETE FROM review_verdicts"])
def test_database_keeps_verdicts_as_they_are(desk: Desk, statement: str) -> None:
    """Verdicts cannot be changed or removed by SQL either."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    reviews.decide(turn, "violation", by="he", reason="承诺收益")
    with pytest.raises(DBAPIError, match="never changed"), desk.database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_database_wants_another_person_for_the_second_verdict(desk: Desk) -> None:
    """The rule of two holds in SQL too."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    reviews.decide(turn, "violation", by="he", reason="承诺收益")
    values = {"id": "x", "turn": turn, "stage": "second", "verdict": "violation", "codes": [], "reason": "r",
              "decided_by": "he", "decided_at": "2026-11-22"}  # fmt: skip
    with pytest.raises(DBAPIError, match="another person"), desk.database.writing() as connection:
        connection.execute(insert(verdicts).values(**values))


def test_assigned_turns_are_somebodys(desk: Desk) -> None:
    """Work is given out; what is given to one is not decided by another, nor given back to who decided first."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    assert reviews.assign([turn], "he", by="boss") == 1
    assert [one.turn for one in reviews.queue(status="assigned", assignee="he")] == [turn]
    with pytest.raises(BadReview, match="he"):
        reviews.decide(turn, "fine", by="she")
    reviews.decide(turn, "doubtful", by="he", reason="拿不准")
    assert reviews.assign([turn], "he", by="boss") == 0
    assert reviews.assign([turn], "she", by="boss") == 1
    assert reviews.decide(turn, "fine", by="she") == "done"


def test_queue_by_hand_and_ageing(desk: Desk) -> None:
    """Any turn can be put on the queue with a reason; how long things wait is counted, old ones are overdue."""
    turn, reviews = desk.turn("普通", turn=ids("a", drawn=False)), Reviews(desk.database, desk.log)
    with pytest.raises(BadReview):
        reviews.add("unknown", by="he", reason="抽查")
    reviews.add(turn, by="he", reason="客户来电")
    assert [one.why for one in reviews.queue()] == ["manual"]
    assert reviews.ageing() == {"day": 1, "three_days": 0, "week": 0, "longer": 0, "overdue": 0}
    with desk.database.writing() as connection:
        connection.exec_driver_sql("UPDATE review_items SET queued_at = '2020-01-01T00:00:00.000+08:00'")
    assert reviews.ageing() == {"day": 0, "three_days": 0, "week": 0, "longer": 1, "overdue": 1}
    assert reviews.queue()[0].overdue


@pytest.mark.parametrize(("verdict", "codes"), [("perhaps", ()), ("violation", ("no_such_code",))])
def test_verdicts_are_of_a_closed_list(desk: Desk, verdict: str, codes: tuple[str, ...]) -> None:
    """Neither verdicts nor finding codes are made up."""
    turn, reviews = risky(desk), Reviews(desk.database, desk.log)
    with pytest.raises(BadReview):
        reviews.decide(turn, verdict, by="he", reason="r", codes=codes)  # type: ignore[arg-type]


def test_verdicts_become_cases(desk: Desk) -> None:
    """A settled violation must not be said again, a turn found fine keeps its outcome; the last verdict counts; what is
    not settled is no case."""
    bad, fine, corrected, waiting = (risky(desk, name) for name in ("a", "b", "c", "d"))
    reviews = Reviews(desk.database, desk.log)
    reviews.decide(bad, "violation", by="he", reason="承诺收益", codes=["guaranteed_return"])
    assert [one["id"] for one in cases(desk.database, desk.log)] == []
    reviews.decide(bad, "violation", by="she", reason="同意", codes=["guaranteed_return"])
    for turn in (fine, corrected):
        reviews.decide(turn, "fine", by="he")
    reviews.correct(corrected, "violation", by="she", reason="漏看")
    made = {one["id"]: one for one in cases(desk.database, desk.log)}
    assert set(made) == {f"verdict-{turn[:12]}" for turn in (bad, fine, corrected)}
    assert waiting[:12] not in str(sorted(made))
    assert made[f"verdict-{bad[:12]}"]["expect"]["absent"] == ["请在交易时间内办理。"]
    assert "guaranteed_return" in made[f"verdict-{bad[:12]}"]["tags"]
    assert made[f"verdict-{fine[:12]}"]["expect"] == {"outcome": "answer", "documents": [], "facts": [], "absent": []}
    assert made[f"verdict-{corrected[:12]}"]["expect"]["absent"]
