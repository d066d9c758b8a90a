"""Scripts in a conversation: which one fits, what is known for its variables, and the steps taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from assistant.desk import card, settings
from assistant.desk.runs import Done, Run
from assistant.desk.scripts import Script, Scripts, following
from assistant.desk.summary import PERSON, summary
from assistant.desk.values import Member, Ticket
from assistant.desk.work import Work
from assistant.log import SHANGHAI, Entry


class Walking:
    """Walks people through scripts."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.scripts = Scripts(work.desk.materials)

    def of(self, ticket: Ticket, entries: list[Entry]) -> tuple[Script, Run | None] | None:
        """The script under way in a conversation, else the one that fits; None when none does."""
        today = self.work.today()
        run = self.work.desk.runs.current(ticket.conversation)
        if run is not None:
            known = next((one for one in self.scripts.all(today) if one.document == run.script), None)
            if known is not None:
                return known, run
        asked = [one["intent"] for one in summary(entries)["tried"]]
        intent = ticket.intent if ticket.intent not in PERSON or not asked else asked[-1]
        facts = self.facts(ticket)
        fitting = self.scripts.fitting(intent, facts, today) or self.scripts.fitting(ticket.intent, facts, today)
        return None if fitting is None else (fitting, None)

    def facts(self, ticket: Ticket) -> dict[str, bool | None]:
        """What conditions ask about."""
        moment = datetime.fromtimestamp(self.work.desk.clock(), SHANGHAI)
        closed = not settings.hours(self.work.desk.materials.all_facts()).open_at(moment)
        return card.facts_of(self.work.card(ticket), closed=closed, waiting=ticket.status == "waiting")

    def values(self, ticket: Ticket, member: Member, entries: list[Entry]) -> dict[str, str]:
        """What variables stand for, where it is known."""
        desk, found = self.work.desk, self.work.card(ticket)
        asked = summary(entries)["asked"]
        complaints = desk.complaints.of_conversation(ticket.conversation)
        products = summary(entries)["products"]
        until = found.assessment_until
        values: dict[str, Any] = {
            "客户称呼": found.name,
            "员工姓名": member.name,
            "工号": member.number,
            "执业编号": member.licence,
            "投资顾问姓名": member.name if member.speaker == "adviser" else None,
            "测评到期日": f"{until.year}年{until.month}月{until.day}日" if until else None,
            "工单号": complaints[0].number if complaints else None,
            "问题摘要": asked[-1] if asked else None,
            "产品名称": products[-1]["name"] if products else None,
            "产品代码": products[-1]["code"] if products else None,
            "产品风险等级": products[-1]["risk"] if products else None,
            "排队人数": str(desk.tickets.ahead(ticket)) if ticket.status == "waiting" else None,
        }
        return {name: value for name, value in values.items() if value or name == "客户称呼"}

    def take(self, conversation: str, member: Member, document: str, step: int | None, how: Done) -> Run:
        """Begin a script, or note a step; with the last one that applies it is completed. Raises Unknown."""
        ticket = self.work.ticket(conversation)
        script = self.scripts.one(document, self.work.today())
        run = self.work.desk.runs.current(conversation)
        if run is None or run.script != document:
            run = self.work.desk.runs.start(conversation, ticket.id, script, member.id)
            self.work.desk.done(ticket, "script_begun", member, script=document, version=script.version)
        if step is None:
            return run
        taken = [*run.numbers, step]
        last = following(script, taken, self.facts(ticket)) is None
        run = self.work.desk.runs.step(run, step, how, last)
        title = next((one.title for one in script.steps if one.number == step), "")
        self.work.desk.done(ticket, "script_step", member, script=document, number=step, how=how, step=title)
        return run
