"""Standard procedures (SOP) as approved staff material: read into steps, fitted to a customer, walked through.

A script is a document of kind `script`. Under its heading 步骤 each numbered item is a step: "若…：" opens its
condition, 可以说：「…」 gives the words, {…} are variables. Nothing of a script is in code; an edited and approved
script is used from the next call on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from assistant.desk.settings import rules
from assistant.desk.values import Unknown
from assistant.turn import Passage
from knowledge.records.materials import Materials, Revision, searchable

STEPS, WHEN, BEFORE, NEVER = "步骤", "适用", "开始前", "不能"
ITEM = re.compile(r"^\d{1,3}[.、．]\s*(.+)$", re.DOTALL)
SAY = "可以说："
CONDITION = re.compile(r"^若(.{1,60}?)[：:]")
VARIABLE = re.compile(r"\{([^{}\n]{1,20})\}")
Applies = Literal["yes", "no", "ask"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `say` are the words for the customer, variables unfilled; `condition` "" holds always."""

    number: int
    title: str
    text: str
    condition: str
    say: str
    passage: str


@dataclass(frozen=True, slots=True)
class Script:
    """One approved script."""

    document: str
    version: str
    revision: str
    title: str
    aliases: tuple[str, ...]
    when: str
    before: tuple[str, ...]
    steps: tuple[Step, ...]
    never: tuple[str, ...]


class Scripts:
    """The scripts of a day, read again whenever the materials change."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials
        self._kept: tuple[int, date, tuple[Script, ...]] | None = None

    def all(self, today: date) -> tuple[Script, ...]:
        """Every script in force."""
        generation = self._materials.generation()
        if self._kept is None or self._kept[:2] != (generation, today):
            approved = [one for one in self._materials.approved_revisions() if one.kind == "script"]
            found = (self._read(one) for one in searchable(approved, today))
            self._kept = (generation, today, tuple(one for one in found if one.steps))
        return self._kept[2]

    def one(self, document: str, today: date) -> Script:
        """Raises Unknown."""
        found = next((one for one in self.all(today) if one.document == document), None)
        if found is None:
            raise Unknown(document)
        return found

    def fitting(self, intent: str, facts: Mapping[str, bool | None], today: date) -> Script | None:
        """The script for a conversation: the first rule of the data file that holds and has an approved script."""
        for rule in rules()["scripts"]:
            holds = rule["intent"] == intent if "intent" in rule else facts.get(rule["fact"]) is True
            if not holds:
                continue
            for script in self.all(today):
                if rule["alias"] in script.aliases or rule["alias"] in script.title:
                    return script
        return None

    def _read(self, revision: Revision) -> Script:
        keys = [row.key for row in self._materials.passage_keys([revision.id])]
        passages = [passage for _, passage in sorted(self._materials.load(keys).items())]
        return Script(
            document=revision.document,
            version=revision.version,
            revision=revision.hash,
            title=revision.title,
            aliases=revision.aliases,
            when="\n".join(one.text for one in _under(passages, WHEN)),
            before=tuple(_items(_under(passages, BEFORE))),
            steps=_steps(_under(passages, STEPS)),
            never=tuple(_items(_under(passages, NEVER))),
        )


def applies(step: Step, facts: Mapping[str, bool | None]) -> Applies:
    """Whether a step is for this customer, as far as the records say."""
    if not step.condition:
        return "yes"
    for rule in rules()["conditions"]:
        if any(words in step.condition for words in rule["words"]):
            known = facts.get(rule["fact"])
            return "ask" if known is None else "yes" if known else "no"
    return "ask"


def following(script: Script, done: Sequence[int], facts: Mapping[str, bool | None]) -> Step | None:
    """The step that comes next: the first not done that may apply."""
    last = max(done, default=0)
    return next((one for one in script.steps if one.number > last and applies(one, facts) != "no"), None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The words with the variables that are known; the others stay as blanks."""
    return VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def _under(passages: Sequence[Passage], word: str) -> list[Passage]:
    return [one for one in passages if one.heading and one.heading[-1].startswith(word)]


def _items(passages: Sequence[Passage]) -> list[str]:
    return [line.removeprefix("- ").strip() for one in passages for line in one.text.splitlines() if line.strip()]


def _steps(passages: Sequence[Passage]) -> tuple[Step, ...]:
    found: list[Step] = []
    for passage in passages:
        for line in passage.text.splitlines():
            item = ITEM.match(line.strip())
            if item is None:
                continue
            text = item[1].strip()
            condition = CONDITION.match(text)
            body, _, rest = text.partition(SAY)
            title = re.split(r"[：:。]", body.removeprefix("若").strip(), maxsplit=1)[0]
            said = _quoted(rest)
            found.append(
                Step(
                    len(found) + 1,
                    ("若" if condition else "") + title,
                    body.strip(),
                    condition[1] if condition else "",
                    said,
                    passage.id,
                )
            )
    return tuple(found)


def _quoted(text: str) -> str:
    """What stands in the first 「…」, which may hold others."""
    start = text.find("「")
    if start < 0:
        return ""
    depth = 0
    for at in range(start, len(text)):
        depth += {"「": 1, "」": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at]
    return text[start + 1 :]
