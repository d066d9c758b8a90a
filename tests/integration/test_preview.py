"""Asking a draft before it is approved."""

from __future__ import annotations

from assistant.channels.settings import shanghai_today
from assistant.knowledge_desk.preview import Preview
from assistant.knowledge_desk.workflow import KnowledgeDesk
from assistant.people.values import Person
from tests.branch import TODAY, Branch

EDITOR = Person("xu", "许岚", frozenset({"editor"}))
STATEMENT = "怎么下载对账单？"
TEXT = "# 对账单下载\n\n## 怎么下载对账单？\n\n登录网上营业厅，点击“单据专区”，选择月份后下载。\n"


def test_a_draft_answers_in_the_preview_only(own: Branch) -> None:
    """The preview answers from the draft in the place of the approved version; customers do not get it, no turn is
    logged."""
    installation = own.installation
    before = own.ask(STATEMENT)
    assert "账单中心" in before.body
    desk = KnowledgeDesk(installation.materials, installation.log, installation.screen, shanghai_today)
    document = before.citations[0].document
    desk.upload("x.md", TEXT.encode(), by=EDITOR, meta={"id": document, "version": "draft-1", "kind": "service"})
    turns = installation.log.verify()[0]
    preview = Preview(installation.assistant.parts, installation.materials, document, "draft-1", by=EDITOR)
    reply = preview.ask(STATEMENT, TODAY)
    assert "单据专区" in reply.body
    assert reply.citations[0].version == "draft-1"
    differing = preview.differences(TODAY)
    assert [(one.question, "账单中心" in one.now, "单据专区" in one.then) for one in differing] == [
        (STATEMENT, True, True)
    ]
    assert installation.log.verify()[0] == turns + 1
    assert installation.log.conversation("preview:xu")[-1].event == "material_previewed"
    assert "账单中心" in own.ask(STATEMENT).body
    assert installation.log.verify()[1] == []
