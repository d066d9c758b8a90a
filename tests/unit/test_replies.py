"""Fixed texts: approved documents with a slot, filled from the records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from assistant.flow import FIXED
from assistant.replies import MissingReply, Replies
from knowledge.ingestion import ingest
from knowledge.records.materials import Materials
from tests.branch import TODAY, Branch
from tests.corpus import front

SLOTS = sorted({slot for slot, _ in FIXED.values()} | {"smalltalk", "thanks", "personal", "not_found", "check_failed",
                "switch", "refuse_product"})  # fmt: skip

FACTS = {"firm": "云杉证券", "hotline": "400-000-1234", "hours": "工作日9:00–17:00", "ticket": "TS-1", "position": "3"}


@pytest.fixture
def materials(fresh: Callable[..., Branch]) -> Materials:
    found: Materials = fresh().installation.materials
    return found


def own(materials: Materials, folder: Path, text: str, **fields: object) -> None:
    (folder / "reply.md").write_text(front(slot="human", **({"id": "own-human", "kind": "notice"} | fields)) + text)
    assert ingest([folder / "reply.md"], materials, by="t", progress=lambda d, t: None).failed == []


@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_has_a_text_without_any_fact(materials: Materials, slot: str) -> None:
    """A fresh installation has each text the flow asks for; without facts nothing is left unfilled."""
    reply = Replies(materials).fixed(slot, TODAY, {})
    assert reply.draft.body.strip()
    assert "{" not in reply.draft.body
    assert "合适证券" not in reply.draft.body
    assert reply.draft.evidence


@pytest.mark.parametrize("slot", SLOTS)
def test_every_shipped_text_passes_the_screen(fresh: Callable[..., Branch], slot: str) -> None:
    """A fixed text that its own screening stops would never be said, the one for somebody in danger included."""
    installation = fresh().installation
    reply = Replies(installation.materials).fixed(slot, TODAY, FACTS)
    verdict = installation.screen.screen(
        reply.draft.body, passages=reply.draft.evidence, allowed=reply.filled, today=TODAY
    )
    assert (verdict.action, verdict.findings) == ("allow", ())


def test_unknown_slot_raises(materials: Materials) -> None:
    """A slot without an approved text is an error, never an empty reply."""
    with pytest.raises(MissingReply):
        Replies(materials).fixed("nowhere", TODAY, {})


def test_line_without_its_fact_is_left_out(materials: Materials) -> None:
    """A line that names an unknown fact is not said; with the fact it is, and the value counts as evidence."""
    replies = Replies(materials)
    without = replies.fixed("complaint", TODAY, {})
    known = replies.fixed("complaint", TODAY, {"hotline": "400-000-1234", "ticket": "TS-1"})
    assert "热线 400-000-1234" in known.draft.body
    assert "400-000-1234" not in without.draft.body
    assert {"400-000-1234", "TS-1"} <= set(known.filled)


def test_buttons_are_not_part_of_the_text(materials: Materials) -> None:
    """What stands under 按钮 becomes suggestions."""
    reply = Replies(materials).fixed("not_found", TODAY, {})
    assert "转人工" in reply.suggestions
    assert "按钮" not in reply.draft.body


def test_brokers_own_text_takes_over_at_once(materials: Materials, tmp_path: Path) -> None:
    """A broker's approved text with a later effective date is used from the next turn on, and not before its day."""
    replies = Replies(materials)
    replies.fixed("human", TODAY, {})
    own(materials, tmp_path, "云杉的同事马上就来。\n", effective_from="2026-11-22")
    assert replies.fixed("human", TODAY, {}).draft.body == "云杉的同事马上就来。"
    assert "云杉" not in replies.fixed("human", date(2026, 11, 21), {}).draft.body


def test_draft_text_is_not_used(materials: Materials, tmp_path: Path) -> None:
    """A broker's text that nobody approved is not said."""
    own(materials, tmp_path, "未审核的一句话。\n", status="draft")
    assert "未审核" not in Replies(materials).fixed("human", TODAY, {}).draft.body
