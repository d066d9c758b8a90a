"""Fixed texts: approved documents with a slot, filled with facts of the firm.

A sentence whose fact is unknown is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from assistant.answer.extractive import cite
from assistant.turn import Draft
from guardrails.screening import Screen
from knowledge.reading import cut, read
from knowledge.records.materials import Materials, searchable

VARIABLE = re.compile(r"\{([a-z_]+)\}")
SENTENCE = re.compile(r"[^。！？\n]*(?:[。！？]+|\n|$)")
BUTTONS = "按钮"
NEUTRAL_FIRM = "本公司"


class MissingReply(LookupError):
    """No approved, effective text stands in this slot today."""


@dataclass(frozen=True, slots=True)
class FixedReply:
    """A fixed text ready to be screened, its buttons, and the values that were filled in (they count as evidence)."""

    draft: Draft
    suggestions: tuple[str, ...]
    filled: tuple[str, ...]


def last_resort(file: Path, screen: Screen, today: date) -> Draft:
    """The hand-over that leaves when even screening cannot be done: the shipped text without any fact of the firm,
    screened here, once and for all. RuntimeError when it does not pass."""
    passages = cut(read(file), revision="")
    body, _ = _filled("\n".join(one.text for one in passages if BUTTONS not in one.heading), {})
    verdict = screen.screen(body, today=today)
    if verdict.action != "allow":
        raise RuntimeError(f"{file.name} does not pass the screening: {verdict.findings}")
    return Draft(body, (), (), (), "fixed")


def _filled(template: str, values: Mapping[str, str | None]) -> tuple[str, tuple[str, ...]]:
    """The text with its variables replaced, and the values used."""
    facts = {"firm": NEUTRAL_FIRM} | {name: value for name, value in values.items() if value}
    kept, filled = "", []
    for sentence in SENTENCE.findall(template):
        names = VARIABLE.findall(sentence)
        if all(name in facts for name in names):
            kept += VARIABLE.sub(lambda match: str(facts[match[1]]), sentence)
            filled += [str(facts[name]) for name in names]
    return re.sub(r"\n{2,}", "\n", kept).strip(), tuple(filled)


class Replies:
    """Reads slots from the records, so that an edited and approved text is used from the next turn on."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials
        self._generation = -1
        self._slots: dict[tuple[str, date], tuple[str, tuple[str, ...], Draft]] = {}

    def fixed(self, slot: str, today: date, values: Mapping[str, str | None]) -> FixedReply:
        """The text of a slot on a day. Raises MissingReply when none is approved and effective."""
        template, buttons, draft = self._template(slot, today)
        body, filled = _filled(template, values)
        return FixedReply(Draft(body, draft.citations, (), draft.evidence, "fixed"), buttons, filled)

    def _template(self, slot: str, today: date) -> tuple[str, tuple[str, ...], Draft]:
        generation = self._materials.generation()
        if generation != self._generation:
            self._slots.clear()
            self._generation = generation
        known = self._slots.get((slot, today))
        if known is None:
            known = self._slots[(slot, today)] = self._read(slot, today)
        return known

    def _read(self, slot: str, today: date) -> tuple[str, tuple[str, ...], Draft]:
        approved = [one for one in self._materials.approved_revisions() if one.slot == slot]
        found = searchable(approved, today) or approved[:1]  # a day before all of them has the oldest
        if not found:
            raise MissingReply(slot)
        chosen = max(found, key=lambda one: (one.effective_from or date.min, one.id))
        keys = [row.key for row in self._materials.passage_keys([chosen.id])]
        passages = [passage for _, passage in sorted(self._materials.load(keys).items())]
        body = [passage for passage in passages if BUTTONS not in passage.heading]
        buttons = [line for passage in passages if BUTTONS in passage.heading for line in passage.text.splitlines()]
        citations = tuple(cite(passage, passage.text) for passage in body)
        text = "\n".join(passage.text for passage in body)
        draft = Draft(text, citations, (), tuple(body), "fixed")
        return text, tuple(button.removeprefix("- ").strip() for button in buttons), draft
