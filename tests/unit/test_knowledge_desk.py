"""The life of materials: who may do which step, that nobody approves their own work, and that every step is logged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from assistant.knowledge_desk.diff import compare
from assistant.knowledge_desk.gaps import gaps
from assistant.knowledge_desk.workflow import BadStep, KnowledgeDesk
from assistant.people.values import Person
from assistant.turn import Finding, Passage, Verdict
from knowledge.records.materials import searchable
from tests.unit.compliance_desk import Desk

TODAY = date(2026, 11, 22)
EDITOR = Person("xu.lan", "许岚", frozenset({"editor"}))
APPROVER = Person("fang.zhun", "方准", frozenset({"approver"}))
BOTH = Person("both", "全能", frozenset({"editor", "approver"}))
OFFICER = Person("he", "何合规", frozenset({"compliance"}))
CLERK = Person("li", "李客服", frozenset({"staff"}))
TEXT = "# 对账单下载\n\n登录APP，进入“账单中心”下载，保留{days}天。\n\n## 其他\n\n纸质对账单请到营业部领取。\n"


class Screening:
    """Finds a promise of returns where 保本 stands."""

    def screen(self, text: str, **_: Any) -> Verdict:
        found = (Finding("guaranteed_return", "block", "承诺收益", "", (0, 2)),) if "保本" in text else ()
        return Verdict("block" if found else "allow", found)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(office: Desk) -> KnowledgeDesk:
    return KnowledgeDesk(office.materials, office.log, Screening(), lambda: TODAY)  # type: ignore[arg-type]


def draft(desk: KnowledgeDesk, version: str = "1", days: int = 90, by: Person = EDITOR, **meta: Any) -> Any:
    given = {"id": "statement", "version": version, "kind": "service", **meta}
    return desk.upload("对账单.md", TEXT.format(days=days).encode(), by=by, meta=given)


def approved(desk: KnowledgeDesk, version: str = "1", days: int = 90, **dates: Any) -> None:
    draft(desk, version, days)
    desk.submit("statement", version, by=EDITOR)
    desk.approve("statement", version, by=APPROVER, **dates)


def answering(office: Desk, day: date = TODAY) -> list[tuple[str, str]]:
    found = searchable(office.materials.approved_revisions(), day)
    return [(one.document, one.version) for one in found]


def states(desk: KnowledgeDesk) -> dict[str, str]:
    return {one.version: one.state for one in desk.materials()}


def test_from_draft_to_effective(office: Desk, desk: KnowledgeDesk) -> None:
    """A draft answers nothing; submitted and approved by another person it answers, with who and when on record."""
    draft(desk)
    assert (states(desk), answering(office)) == ({"1": "draft"}, [])
    desk.submit("statement", "1", by=EDITOR, note="新版")
    assert states(desk) == {"1": "waiting"}
    assert [one["submitted_by"] for one in desk.waiting()] == ["xu.lan"]
    desk.approve("statement", "1", by=APPROVER)
    assert (states(desk), answering(office)) == ({"1": "effective"}, [("statement", "1")])
    made = desk.materials()[0]
    assert (made.author, made.approved_by, made.effective_from) == ("许岚", "方准", TODAY)
    events = [entry.event for entry in desk.history("statement")]
    assert events == ["material_drafted", "material_submitted", "material_approved"]
    assert office.log.verify()[1] == []


def test_what_a_file_claims_of_its_approval_does_not_count(desk: KnowledgeDesk) -> None:
    """An uploaded file that calls itself approved is a draft like any other."""
    claims = "id: x\nstatus: approved\nauthor: 甲\napproved_by: 乙\napproved_on: 2026-01-05"
    desk.upload("x.md", f"---\n{claims}\n---\n# 标题\n\n正文内容。\n".encode(), by=EDITOR)
    assert [(one.document, one.state) for one in desk.materials()] == [("x", "draft")]


@pytest.mark.parametrize("name", ["许岚", " 许 岚 "])
def test_nobody_approves_their_own_work(desk: KnowledgeDesk, name: str) -> None:
    """Not who uploaded, not who submitted, not who is named as the author, whatever roles they have."""
    draft(desk, by=BOTH)
    desk.submit("statement", "1", by=EDITOR)
    with pytest.raises(BadStep, match="另一人"):
        desk.approve("statement", "1", by=BOTH)
    with pytest.raises(BadStep, match="另一人"):
        desk.approve("statement", "1", by=Person("xu.lan", "别名", frozenset({"approver"})))
    draft(desk, "2", author="许岚", by=BOTH)
    desk.submit("statement", "2", by=BOTH)
    with pytest.raises(BadStep, match="另一人"):
        desk.approve("statement", "2", by=Person("other", name, frozenset({"approver"})))


def test_the_database_holds_the_rule_of_two(office: Desk, desk: KnowledgeDesk) -> None:
    """Whoever goes past the desk with SQL is refused too."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)
    statements = [
        "UPDATE material_reviews SET status = 'approved', decided_by = 'xu.lan'",
        "UPDATE material_reviews SET status = 'approved'",
        "UPDATE revisions SET approved = 1, approved_by = '许岚 ', status = 'approved'",
        "UPDATE revisions SET approved = 1, approved_by = '方准', status = 'approved'",
    ]
    for statement in statements:
        with pytest.raises(DBAPIError), office.database.writing() as connection:
            connection.exec_driver_sql(statement)
    assert answering(office) == []


def test_only_the_text_that_was_submitted_is_approved(desk: KnowledgeDesk) -> None:
    """A draft changed after it was submitted must be submitted anew."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)
    draft(desk, days=180)
    with pytest.raises(BadStep, match="没有提交"):
        desk.approve("statement", "1", by=APPROVER)


def test_one_request_at_a_time(desk: KnowledgeDesk) -> None:
    """What waits already is not submitted twice."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)
    with pytest.raises(BadStep, match="已在等待"):
        desk.submit("statement", "1", by=EDITOR)


def test_rejected_with_a_reason_and_submitted_again(desk: KnowledgeDesk) -> None:
    """A draft goes back with the reason; mended, it may be submitted again."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)
    with pytest.raises(BadStep, match="理由"):
        desk.reject("statement", "1", by=APPROVER, reason=" ")
    desk.reject("statement", "1", by=APPROVER, reason="天数有误")
    assert states(desk) == {"1": "draft"}
    draft(desk, days=180)
    desk.submit("statement", "1", by=EDITOR)
    desk.approve("statement", "1", by=APPROVER)
    assert states(desk) == {"1": "effective"}
    assert "天数有误" in str(desk.history("statement")[2].body)


def test_scheduled_version_takes_over_on_its_day(office: Desk, desk: KnowledgeDesk) -> None:
    """Approved now, effective later: until then the old version answers, from then on the new one."""
    approved(desk)
    approved(desk, "2", 180, effective_from=date(2026, 12, 1))
    assert states(desk) == {"1": "effective", "2": "scheduled"}
    assert answering(office) == [("statement", "1")]
    assert answering(office, date(2026, 12, 1)) == [("statement", "2")]


@pytest.mark.parametrize("ends", [date(2026, 11, 1), date(2026, 11, 30)])
def test_dates_that_cannot_be(desk: KnowledgeDesk, ends: date) -> None:
    """A version does not end before it begins, nor before today."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)
    with pytest.raises(BadStep, match="失效"):
        desk.approve("statement", "1", by=APPROVER, effective_from=date(2026, 12, 1), effective_to=ends)


@pytest.mark.parametrize("by", [EDITOR, APPROVER, OFFICER])
def test_withdrawn_at_once(office: Desk, desk: KnowledgeDesk, by: Person) -> None:
    """Whoever sees something wrong takes it out of use alone; nothing answers from it any more; it stays on record."""
    approved(desk)
    generation = office.materials.generation()
    with pytest.raises(BadStep, match="理由"):
        desk.withdraw("statement", "1", by=by, reason="")
    desk.withdraw("statement", "1", by=by, reason="内容有误")
    assert (states(desk), answering(office)) == ({"1": "withdrawn"}, [])
    assert office.materials.generation() > generation
    assert desk.history("statement")[-1].event == "material_withdrawn"
    with pytest.raises(BadStep):
        desk.withdraw("statement", "1", by=by, reason="再来一次")


@pytest.mark.parametrize("by", [CLERK, OFFICER, APPROVER])
def test_roles_of_steps(desk: KnowledgeDesk, by: Person) -> None:
    """Only editors write and submit; only approvers decide."""
    with pytest.raises(BadStep, match="角色"):
        draft(desk, by=by)
    draft(desk)
    with pytest.raises(BadStep, match="角色"):
        desk.submit("statement", "1", by=by)
    desk.submit("statement", "1", by=EDITOR)
    if by is not APPROVER:
        with pytest.raises(BadStep, match="角色"):
            desk.approve("statement", "1", by=by)


def test_approved_versions_are_not_overwritten(desk: KnowledgeDesk) -> None:
    """A change of approved material is a new version."""
    approved(desk)
    with pytest.raises(BadStep, match="version"):
        draft(desk, days=180)


def test_no_step_without_its_record(office: Desk, desk: KnowledgeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log cannot be written, nothing is approved."""
    draft(desk)
    desk.submit("statement", "1", by=EDITOR)

    def broken(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(office.log._heads, "append", broken)
    with pytest.raises(Exception, match="full"):
        desk.approve("statement", "1", by=APPROVER)
    assert (states(desk), answering(office)) == ({"1": "waiting"}, [])


@pytest.mark.parametrize(
    ("name", "content"), [("x.exe", b"MZ"), ("x.md", b""), ("x", b"text"), ("x.pdf", b"no pdf"), ("x.docx", b"PK")]
)
def test_files_that_cannot_be_used(desk: KnowledgeDesk, name: str, content: bytes) -> None:
    """Another kind of file, an empty or a broken one is refused with what to do."""
    with pytest.raises(BadStep, match=r".{6,}"):
        desk.upload(name, content, by=EDITOR)


def test_name_of_a_file_is_no_path(desk: KnowledgeDesk, tmp_path: Path) -> None:
    """A name with folders in it writes nowhere but where uploads are read."""
    desk.upload("../../evil.md", TEXT.encode(), by=EDITOR, meta={"id": "evil"})
    assert not list(tmp_path.parent.rglob("evil.md"))


def test_findings_are_shown_before_approval(desk: KnowledgeDesk) -> None:
    """What the screening finds in a draft stands with its passage, at upload and for the approver."""
    made = desk.upload("x.md", "# 产品\n\n本产品保本保收益。\n".encode(), by=EDITOR, meta={"id": "x"})
    assert [finding.check for _, finding in made.findings] == ["guaranteed_return"]
    assert desk.findings("x", "1") == made.findings


def test_expiring_soon_without_a_successor(desk: KnowledgeDesk) -> None:
    """What ends within a month and has nothing approved after it is listed; what has a successor is not."""
    approved(desk, effective_to=date(2026, 12, 10))
    assert [one.version for one in desk.expiring()] == ["1"]
    assert desk.expiring(5) == []
    approved(desk, "2", 180, effective_from=date(2026, 12, 11))
    assert desk.expiring() == []


# --- side by side --------------------------------------------------------------------------------------------------


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(f"d#{n}", "d", "1", "h", "标题", "service", "public", "text", text, n) for n, text in enumerate(texts)
    ]


def test_changed_words_and_numbers_are_marked() -> None:
    """A changed passage shows what changed, and which numbers became which."""
    found = compare(passages("申购费率为1.2%，满100万元的0.8%。"), passages("申购费率为1.5%，满100万元的0.8%。"))
    pair = found.pairs[0]
    assert (pair.kind, found.changes) == ("changed", 1)
    assert pair.numbers == (("1.2%", "1.5%"),)
    assert [pair.old[a:b] for a, b in pair.old_spans] == ["1.2"]
    assert [pair.new[a:b] for a, b in pair.new_spans] == ["1.5"]


def test_added_and_removed_passages_stand_where_they_are() -> None:
    """Paired passages stay paired around what came and went."""
    old = passages("第一段讲开户条件。", "第二段讲风险测评的有效期为十二个月。", "第三段讲销户。")
    new = passages("第一段讲开户条件。", "第三段讲销户。", "港股通的额度每日公布在交易所网站。")
    kinds = [(pair.kind, pair.old[:3], pair.new[:3]) for pair in compare(old, new).pairs]
    assert kinds == [
        ("same", "第一段", "第一段"),
        ("removed", "第二段", ""),
        ("same", "第三段", "第三段"),
        ("added", "", "港股通"),
    ]


def test_versions_side_by_side(desk: KnowledgeDesk) -> None:
    """Two stored versions are compared; one that is not there is said."""
    approved(desk)
    draft(desk, "2", 180)
    pairs = desk.compare("statement", "1", "2").pairs
    assert [numbers for pair in pairs for numbers in pair.numbers] == [("90天", "180天")]
    with pytest.raises(BadStep):
        desk.compare("statement", "1", "9")


# --- gaps ----------------------------------------------------------------------------------------------------------


def test_unanswered_questions_are_grouped(office: Desk) -> None:
    """Questions about one thing in other words are one gap, the most frequent first; answered ones are none."""
    for number in range(3):
        office.turn(f"家族信托怎么设立{'？' * number}", trace={"slot": "not_found"}, outcome="refuse")
    office.turn("想设立家族信托怎么办", trace={"slot": "not_found"}, outcome="refuse")
    office.turn("外汇保证金交易可以做吗", trace={"slot": "not_found"}, outcome="refuse")
    office.turn("对账单怎么下载")
    day = date.fromisoformat(office.log.conversation("c1")[0].recorded_at[:10])
    found = gaps(office.database, office.log, day, day)
    assert [gap.count for gap in found] == [4, 1]
    assert found[0].topic == "设立 家族 信托"
    assert len(found[0].turns) == 4
