"""A released turn can be rebuilt as of its time."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from assistant.turn import Customer
from tests.branch import Branch

STAR = "开通科创板权限需要什么条件？"


def replayed(branch: Branch, turn: str) -> tuple[int, dict[str, object]]:
    status, out, err = branch.run("replay", turn)
    assert out, err
    return status, json.loads(out)


def test_replay_names_everything_by_hash(own: Branch) -> None:
    """Question, day, intent, passages with their revisions, reply, versions: all of the turn."""
    reply = own.ask(STAR)
    status, found = replayed(own, reply.turn)
    assert status == 0
    assert found["whole"] is True
    assert found["question"] == STAR
    assert found["today"] == "2026-11-22"
    assert found["reply"]["text"] == reply.text  # type: ignore[index]
    passage = found["passages"][0]  # type: ignore[index]
    assert reply.citations[0].quote in passage["text"]
    assert len(passage["revision"]) == 64
    assert {"embedder", "policy", "ranker", "answerable"} <= set(found["versions"])  # type: ignore[call-overload]
    assert found["changed"] == {}


@pytest.mark.parametrize("change", ["edited", "retired", "gone"])
def test_replay_after_the_material_changed(own: Branch, tmp_path: Path, change: str) -> None:
    """Whatever became of a document, the turn shows the words it rested on then."""
    reply = own.ask(STAR)
    file = tmp_path / "sources" / "star.md"
    text = file.read_text()
    if change == "edited":
        file.write_text(text.replace("50万元", "80万元"))
    elif change == "retired":
        file.write_text(text.replace("status: approved", "status: retired"))
    else:
        file.unlink()
    own.json("ingest", str(tmp_path / "sources"), "--json")
    status, found = replayed(own, reply.turn)
    assert status == 0
    assert found["whole"] is True
    assert "50万元" in found["passages"][0]["text"]  # type: ignore[index]


def test_replay_survives_a_restore(own: Branch, fresh: object, tmp_path: Path) -> None:
    """A turn is rebuilt from a backup as from the original."""
    reply = own.ask(STAR)
    before = replayed(own, reply.turn)
    file = tmp_path / "b.tar.gz"
    assert own.run("backup", str(file))[0] == 0
    other = fresh("restored")  # type: ignore[operator]
    assert other.run("restore", str(file))[0] == 0
    assert replayed(other, reply.turn) == before


def test_replay_says_when_a_passage_is_missing(own: Branch) -> None:
    """A passage that was taken out of the records makes the replay fail openly."""
    reply = own.ask(STAR)
    with own.installation.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM passages WHERE id = ?", (reply.citations[0].passage,))
    status, found = replayed(own, reply.turn)
    assert status == 1
    assert found["whole"] is False


def test_replay_says_when_the_words_were_changed(own: Branch) -> None:
    """A passage whose stored text was altered no longer holds the quote, and the replay says so."""
    reply = own.ask(STAR)
    with own.installation.database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE passages SET text = replace(text, '50万元', '5万元') WHERE id = ?", (reply.citations[0].passage,)
        )
    assert replayed(own, reply.turn)[0] == 1


def test_replay_tells_what_would_answer_otherwise_today(own: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed model, policy or prompt is named with its hash then and now."""
    reply = own.ask(STAR)
    versions = dict(own.installation.versions) | {"ranker": "0" * 16}
    monkeypatch.setattr(type(own.installation), "versions", versions)
    _, found = replayed(own, reply.turn)
    assert set(found["changed"]) == {"ranker"}  # type: ignore[call-overload]


def test_replay_shows_what_was_withheld(own: Branch) -> None:
    """A draft that was stopped, and why, stands in the replay; it was never in the reply."""
    reply = own.ask("安鑫宝活动保证收益吗？")
    _, found = replayed(own, reply.turn)
    assert any("8%" in draft for draft in found["trace"]["withheld"])  # type: ignore[index]
    assert "8%" not in found["reply"]["text"]  # type: ignore[index]
    assert found["reply"]["findings"]  # type: ignore[index]


def test_fixed_replies_are_replayed_too(own: Branch) -> None:
    """A hand-over names the approved text it was made of."""
    status, found = replayed(own, own.ask("我要投诉").turn)
    assert status == 0
    assert [passage["document"] for passage in found["passages"]] == ["reply-complaint"]  # type: ignore[attr-defined]


def test_replay_shows_what_would_be_answered_today(own: Branch, tmp_path: Path) -> None:
    """Beside what was said stands what the same question would get today; comparing logs nothing."""
    reply = own.ask(STAR)
    file = tmp_path / "sources" / "star.md"
    file.write_text(file.read_text().replace("50万元", "80万元"))
    own.json("ingest", str(tmp_path / "sources"), "--json")
    count = own.installation.log.verify()[0]
    status, out, _ = own.run("replay", reply.turn, "--again")
    again = json.loads(out)["again"]
    assert status == 0
    assert (again["same_text"], again["same_outcome"]) == (False, True)
    assert "80万元" in again["text"]
    assert again["documents"] == again["documents_then"]
    assert own.installation.log.verify()[0] == count


def test_a_customers_id_is_in_the_log_only_as_a_pseudonym(own: Branch) -> None:
    """An identity card number used as the customer's id stands nowhere in clear: not in the row, not in the replay."""
    reply = own.ask(STAR, customer=Customer(id="110101199003078515", risk_class="C3", assessed_on=date(2026, 10, 1)))
    _, found = replayed(own, reply.turn)
    assert found["customer"]["id"].startswith("c-")  # type: ignore[index]
    with own.installation.database.reading() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM log_turns").all())
        stored += str(connection.exec_driver_sql("SELECT * FROM log_customers").all())
        stored += str(connection.exec_driver_sql("SELECT * FROM search_turns").all())
    assert "110101199003078515" not in stored
