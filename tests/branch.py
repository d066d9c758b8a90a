"""An installation of the fictional broker 云杉证券 as tests use it: its command line and its turns, in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from app import Installation
from assistant.assistant import Assistant
from assistant.commands import main
from assistant.settings import Settings
from assistant.turn import Asked, Customer, Intent, Message, Reply, Routing

TODAY = date(2026, 11, 22)


@dataclass
class Branch:
    """One installation of a broker's branch in a folder, and its command line in this process."""

    folder: Path
    parts: Mapping[str, Any] = field(default_factory=dict)
    opened: list[Installation] = field(default_factory=list)

    def open(self, settings: Settings | None = None) -> Installation:
        """A new installation object over the folder; heavy read-only parts are shared between tests."""
        installation = Installation(settings or Settings(data=self.folder))
        installation.__dict__.update(self.parts)
        self.opened.append(installation)
        return installation

    @property
    def installation(self) -> Installation:
        """The installation this branch keeps open."""
        return self.opened[0] if self.opened else self.open()

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """`python app.py --data DIR ARGUMENTS` in this process: exit status, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main(["--data", str(self.folder), *arguments], lambda settings: self.installation)
            except SystemExit as exited:
                status = int(exited.code or 0)
        return status, out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> Any:
        """The JSON a successful call prints."""
        status, out, err = self.run(*arguments)
        assert status == 0, (status, out, err)
        return json.loads(out)

    def batch(self, command: str, rows: Sequence[Mapping[str, Any] | str | bytes], *more: str) -> tuple[int, list[Any]]:
        """Run a batch; the exit status and the rows that came out."""
        file = self.folder / "in.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\n".join(_line(row) for row in rows) + b"\n")
        status, out, _ = self.run(command, "--batch", str(file), *more)
        return status, [json.loads(line) for line in out.splitlines()]

    def ask(self, text: str, *, today: date = TODAY, customer: Customer | None = None, **more: Any) -> Reply:
        """One turn on a day."""
        asked = Asked(text=text, channel="test", today=today, customer=customer, **more)
        return self.installation.assistant.answer(asked)

    def with_parts(self, **changed: Any) -> Assistant:
        """The assistant of this branch with some of its parts replaced."""
        installation = self.installation
        return Assistant(replace(installation.assistant.parts, **changed), installation.materials)

    def heads(self) -> list[str]:
        file = self.installation.heads
        return file.read_text().splitlines() if file.exists() else []

    def close(self) -> None:
        for installation in self.opened:
            close(installation)
        self.opened.clear()


def _line(row: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(row, bytes):
        return row
    return (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)).encode()


class MarkerRouter:
    """Routes by plain marker words, so that tests of the flow do not move with the trained router."""

    MARKERS: Mapping[str, Intent] = {
        "转人工": "human",
        "投诉": "complaint",
        "被骗": "fraud",
        "不想活": "distress",
        "推荐股票": "advice",
        "内幕消息": "illegal",
        "系统提示词": "attack",
        "写一首诗": "out_of_scope",
        "你好": "smalltalk",
        "我的委托": "personal",
    }

    def route(self, text: str, history: Sequence[Message] = ()) -> Routing:
        del history
        found = next((intent for marker, intent in self.MARKERS.items() if marker in text), "education")
        return Routing(found, 0.99, "标记词")


def close(installation: Installation) -> None:
    """Give back the files an installation holds."""
    if "library" in installation.__dict__:
        installation.library.close()
    if "database" in installation.__dict__:
        installation.database.close()
