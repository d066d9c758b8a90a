"""A small branch's log with its search tables, for tests of the compliance desk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.compliance.index import SearchIndex
from assistant.log import Log
from knowledge.records.database import Database
from knowledge.records.materials import Materials


class Desk:
    """Database, log and what tests say to it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.database = Database(url or f"sqlite:///{folder / 'heshi.db'}")
        self.log = Log(self.database, folder / "heads.log", folder / "keys" / "log.key", index=SearchIndex())
        self.materials = Materials(self.database)

    def turn(
        self,
        question: str,
        said: str = "请在交易时间内办理。",
        *,
        conversation: str = "c1",
        turn: str | None = None,
        channel: str = "web",
        customer: str | None = None,
        outcome: str = "answer",
        intent: str = "education",
        findings: tuple[tuple[str, str], ...] = (),
        sources: tuple[tuple[str, str], ...] = (),
        product: tuple[str, str] | None = None,
        raw: Mapping[str, str] | None = None,
        **more: Any,
    ) -> str:
        """One logged turn as the flow logs it."""
        cited = [
            {"document": d, "version": v, "title": d, "passage": f"{d}#1", "effective_from": None, "quote": said}
            for d, v in sources
        ]
        coded = [
            {"check": code, "action": action, "reason": "", "clause": "", "span": [0, 1], "on": "draft"}
            for code, action in findings
        ]
        products = [{"code": product[0], "name": "", "risk": product[1]}] if product else []
        reply = {
            "turn": "", "conversation": conversation, "outcome": outcome, "intent": intent, "text": said, "body": said,
            "citations": cited, "findings": coded, "products": products,
        }  # fmt: skip
        body = {
            "channel": channel, "question": question, "history": [], "key": None, "decisions": {}, "evidence": [],
            "customer": {"id": customer} if customer else None, "trace": {}, "writer": "extractive", "reply": reply,
            "ms": {"total": 100.0}, **more,
        }  # fmt: skip
        return self.log.append(conversation, "turn", body, turn=turn, raw=raw)

    def feedback(self, turn: str, verdict: str, conversation: str = "c1") -> None:
        self.log.append(conversation, "feedback", {"turn": turn, "verdict": verdict, "reason": ""})

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]

    def close(self) -> None:
        self.database.close()
