"""Erasure, restriction, holds, retention; and exports that prove themselves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.compliance.evidence import raw_texts
from assistant.compliance.export import NotAllowed, check, export
from assistant.compliance.privacy import Privacy
from assistant.compliance.search import Filters
from assistant.ledger.personal import Erased, Restricted
from assistant.people.values import Person
from tests.unit.compliance_desk import Desk

RAW = {"question": "我的手机号是13800138000，怎么改"}
MASKED = "我的手机号是***********，怎么改"
OFFICER = Person("he", "何合规", frozenset({"compliance"}))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def say(desk: Desk, conversation: str = "c1", customer: str = "k1", **more: Any) -> str:
    return desk.turn(MASKED, conversation=conversation, customer=customer, raw=RAW, **more)


def stored(desk: Desk) -> list[str]:
    return [str(row[0]) for row in desk.rows("log_personal")]


def test_erasing_leaves_the_chain_whole(desk: Desk) -> None:
    """A customer's raw texts and identity go, of others nothing; the log verifies before and after and says so."""
    mine, other = say(desk), say(desk, "c2", "k2")
    assert desk.log.verify()[1] == []
    assert Privacy(desk.database, desk.log).erase("customer", "k1", by="customer") == Erased(1, 0, 0)
    assert stored(desk) == [other]
    assert [row[0] for row in desk.rows("log_customers")] == [desk.log.vault.reference("k2")]
    assert desk.log.prove(full=True).broken == ()
    assert [one.event for one in desk.log.conversation("c1")] == ["turn", "erased"]
    assert desk.log.conversation("privacy")[-1].event == "personal_erased"
    entry = desk.log.entry(mine)
    assert entry is not None
    assert entry.body["question"] == MASKED


def test_erased_text_is_gone_from_the_file(desk: Desk) -> None:
    """The sealed bytes do not stay behind in free pages of the database."""
    say(desk)
    sealed = bytes(desk.rows("log_personal")[0][7])
    Privacy(desk.database, desk.log).erase("conversation", "c1", by="customer")
    with desk.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert sealed not in (desk.folder / "heshi.db").read_bytes()


def test_what_the_law_wants_kept_is_restricted(desk: Desk) -> None:
    """A turn with a suitability decision keeps its raw text, but only a statutory purpose opens it from then on."""
    turn = say(desk, decisions={"P1": {"decision": "unsuitable_warn"}})
    privacy = Privacy(desk.database, desk.log)
    assert raw_texts(desk.database, desk.log, turn, by="he", purpose="投诉调查") == RAW
    assert privacy.erase("customer", "k1", by="customer") == Erased(0, 1, 0)
    with pytest.raises(Restricted):
        raw_texts(desk.database, desk.log, turn, by="he", purpose="好奇")
    assert raw_texts(desk.database, desk.log, turn, by="he", purpose="监管检查", statutory=True) == RAW
    opened = [one.body for one in desk.log.conversation("privacy") if one.event == "personal_opened"]
    assert [(one["by"], one["statutory"]) for one in opened] == [("he", False), ("he", True)]
    with pytest.raises(ValueError, match="目的"):
        raw_texts(desk.database, desk.log, turn, by="he", purpose=" ", statutory=True)


@pytest.mark.parametrize(("scope", "target"), [("conversation", "c1"), ("customer", "k1")])
def test_a_hold_wins_over_everything(desk: Desk, scope: Any, target: str) -> None:
    """Under a hold nothing is erased or expires; released, what was asked meanwhile is done."""
    say(desk)
    privacy = Privacy(desk.database, desk.log)
    hold = privacy.hold(scope, target, by="he", reason="诉讼保全")
    assert privacy.erase("customer", "k1", by="customer") == Erased(0, 0, 1)
    assert privacy.erase("conversation", "c1", by="customer") == Erased(0, 0, 1)
    assert privacy.expire(by="job", moment="2100-01-01T00:00:00.000+08:00") == 0
    assert len(stored(desk)) == 1
    assert [one["id"] for one in privacy.holds()] == [hold]
    assert privacy.release(hold, by="he", reason="已结案") == 2
    assert stored(desk) == []
    assert privacy.holds() == []
    assert desk.log.verify()[1] == []


def test_hold_needs_a_reason_and_ends_once(desk: Desk) -> None:
    """No hold without a reason; one that ended does not end again."""
    privacy = Privacy(desk.database, desk.log)
    with pytest.raises(ValueError, match="原因"):
        privacy.hold("conversation", "c1", by="he", reason=" ")
    hold = privacy.hold("conversation", "c1", by="he", reason="诉讼")
    privacy.release(hold, by="he", reason="结案")
    with pytest.raises(Exception, match="已解除"):
        privacy.release(hold, by="he", reason="结案")


def test_raw_text_expires_by_its_class(desk: Desk) -> None:
    """General service text goes after its time, suitability stays for its twenty years."""
    service, kept = say(desk), say(desk, decisions={"P1": {"decision": "suitable"}})
    privacy = Privacy(desk.database, desk.log)
    assert privacy.expire(by="job") == 0
    assert privacy.expire(by="job", moment="2030-01-01T00:00:00.000+08:00") == 1
    assert stored(desk) == [kept]
    assert service != kept
    assert privacy.expire(by="job", moment="2090-01-01T00:00:00.000+08:00") == 1


def test_a_customer_may_see_what_is_kept(desk: Desk) -> None:
    """Their own turns, masked as logged, and nobody else's; that they were given is logged."""
    say(desk)
    say(desk, "c2", "k2")
    own = Privacy(desk.database, desk.log).own("k1")
    assert [one["question"] for one in own] == [MASKED]
    assert desk.log.conversation("privacy")[-1].event == "own_data_given"
    assert "k1" not in json.dumps(desk.log.conversation("privacy")[-1].body["customer"])


# --- export --------------------------------------------------------------------------------------------------------


def exported(desk: Desk, form: Any = "jsonl", mode: Any = "redacted", **filters: Any) -> list[str]:
    return list(
        export(desk.database, desk.log, Filters(**filters), form=form, mode=mode, person=OFFICER, purpose="监管问询",
               firm={"name": "云杉证券"})
    )  # fmt: skip


def test_export_proves_itself(desk: Desk) -> None:
    """Whoever holds the public keys can check each record without our database, also after a key rotation."""
    for number in range(4):
        say(desk, f"c{number % 2}", channel="app" if number == 2 else "web")
    desk.log.rotate_key("admin")
    say(desk, "c9")
    lines = exported(desk, channel="web")
    assert check(lines, desk.log.public_keys()) == []
    assert [json.loads(line)["number"] for line in lines[1:]] == [1, 2, 4, 6]
    record = json.loads(lines[1])
    assert record["aigc"]["Label"] == "1"
    assert record["aigc"]["ProduceID"] == record["id"]
    assert "13800138000" not in "".join(lines)
    assert desk.log.conversation("exports")[-1].body["rows"] == 4


@pytest.mark.parametrize(
    ("was", "becomes"), [("怎么改", "怎么卖"), ('"sequence": 1', '"sequence": 3'), ('"number": 1', '"number": 2')]
)
def test_a_changed_export_shows(desk: Desk, was: str, becomes: str) -> None:
    """A record that was altered after the export fails its proof."""
    say(desk)
    say(desk)
    lines = exported(desk)
    assert was in lines[1]
    lines[1] = lines[1].replace(was, becomes)
    assert check(lines) != []


def test_an_export_of_another_installation_shows(desk: Desk, tmp_path: Path) -> None:
    """Somebody else's keys do not prove our log."""
    say(desk)
    other = Desk(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert other is not None
    say(other)
    assert check(exported(other), desk.log.public_keys()) != []
    other.close()


def test_full_export_holds_raw_text_that_is_not_restricted(desk: Desk) -> None:
    """Compliance may take raw texts out; restricted ones stay where they are."""
    say(desk)
    say(desk, "c2", "k2", decisions={"P1": {"decision": "suitable"}})
    Privacy(desk.database, desk.log).erase("customer", "k2", by="customer")
    lines = exported(desk, mode="full", event="turn")
    assert [json.loads(line)["raw"] for line in lines[1:]] == [RAW, {"restricted": "已限制处理"}]


def test_export_is_for_compliance_and_needs_a_purpose(desk: Desk) -> None:
    """Other roles get nothing, and nothing is given without a stated purpose."""
    for roles, purpose, error in ((("admin",), "x", NotAllowed), (("compliance",), " ", ValueError)):
        person = Person("x", "某人", frozenset(roles))  # type: ignore[arg-type]
        with pytest.raises(error):
            list(
                export(desk.database, desk.log, Filters(), form="jsonl", mode="full", person=person, purpose=purpose,
                       firm={})
            )  # fmt: skip
    assert desk.log.conversation("exports") == []


def test_csv_for_spreadsheets(desk: Desk) -> None:
    """Chinese opens in spreadsheets, nothing runs as a formula, and the proof is in a column."""
    desk.turn("=HYPERLINK(1)", said='请看\n公告，"最新"版')
    text = "".join(exported(desk, form="csv"))
    assert text.startswith(("\ufeff# {", '\ufeff"# {'))
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    record = dict(zip(rows[1], rows[2], strict=True))
    assert record["question"] == "'=HYPERLINK(1)"
    assert record["reply"] == '请看\n公告，"最新"版'
    assert json.loads(record["proof"])["head"]["signature"]
