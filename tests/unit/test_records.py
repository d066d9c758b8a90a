"""The records: revisions that are never edited, passages, vectors, facts, and the generation that tells of a write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from assistant.turn import Passage, Product
from knowledge.reading import Metadata
from knowledge.records.database import Database
from knowledge.records.materials import (
    Materials,
    body_text,
    embedded_text,
    product_from_json,
    product_json,
    searchable,
    text_hash,
)

DAY = date(2026, 11, 22)
META = Metadata(
    id="doc", title="对账单下载", kind="service", version="1", status="approved", author="许岚", approved_by="方准",
    approved_on=date(2026, 1, 5), effective_from=date(2026, 1, 10),
)  # fmt: skip


def passage(position: int, text: str, revision: str = "h1") -> Passage:
    return Passage(f"doc@1#{position}", "doc", "1", revision, "对账单下载", "service", "public", "text", text, position)


@pytest.fixture
def materials(tmp_path: Path) -> Iterator[Materials]:
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    yield Materials(database)
    database.close()


def record(materials: Materials, meta: Metadata, digest: str, *texts: str) -> bool:
    cut = [passage(position, text, digest) for position, text in enumerate(texts)]
    return materials.record(meta, cut, digest, file="/m/doc.md", by="tester")


def test_recording_twice_changes_nothing(materials: Materials) -> None:
    """The same hash again is no new revision and no new generation."""
    assert record(materials, META, "h1", "一")
    generation = materials.generation()
    assert not record(materials, META, "h1", "一")
    assert materials.generation() == generation
    assert len(materials.all_revisions()) == 1


def test_changed_content_supersedes_and_keeps_the_old(materials: Materials) -> None:
    """A changed file becomes the current revision; the old one stays readable by its hash and answers no more."""
    record(materials, META, "h1", "旧文字")
    record(materials, META, "h2", "新文字")
    assert [one.hash for one in materials.approved_revisions()] == ["h2"]
    old = materials.passage("doc@1#0", "h1")
    assert old is not None
    assert old.text == "旧文字"
    keys = [row.key for row in materials.passage_keys(one.id for one in materials.approved_revisions())]
    assert [one.text for one in materials.load(keys).values()] == ["新文字"]


def test_load_rechecks_the_records(materials: Materials) -> None:
    """A key that an index still holds gives nothing once its revision is superseded or no longer approved."""
    record(materials, META, "h1", "旧文字")
    keys = [row.key for row in materials.passage_keys([materials.all_revisions()[0].id])]
    assert len(materials.load(keys)) == 1
    record(materials, replace(META, status="retired"), "h2", "旧文字")
    assert materials.load(keys) == {}


@pytest.mark.parametrize("status", ["draft", "in_review", "retired"])
def test_only_approved_is_approved(materials: Materials, status: str) -> None:
    """No other status is searchable on any day."""
    record(materials, replace(META, status=status), "h1", "一")
    assert materials.approved_revisions() == []
    assert len(materials.all_revisions()) == 1


@pytest.mark.parametrize(
    "changed",
    [{"approved_by": None}, {"approved_on": None}, {"approved_by": "许岚"}, {"approved_by": " 许 岚 "}],
)
def test_incomplete_approval_does_not_count(materials: Materials, changed: dict[str, object]) -> None:
    """Approved needs an approver, a day, and somebody other than the author."""
    record(materials, replace(META, **changed), "h1", "一")  # type: ignore[arg-type]
    assert materials.approved_revisions() == []


def test_bounds_are_inclusive(materials: Materials) -> None:
    """A version answers on its first and its last day, not on the days beside them."""
    record(materials, replace(META, effective_from=DAY, effective_to=date(2026, 11, 24)), "h1", "一")
    found = materials.approved_revisions()
    days = {day: bool(searchable(found, date(2026, 11, day))) for day in (21, 22, 24, 25)}
    assert days == {21: False, 22: True, 24: True, 25: False}


def test_later_effective_version_wins(materials: Materials) -> None:
    """Of two effective versions the later effective_from answers, whichever was recorded last."""
    record(materials, replace(META, version="2", effective_from=date(2026, 6, 1)), "new", "新")
    record(materials, META, "old", "旧")
    found = materials.approved_revisions()
    assert [one.version for one in searchable(found, DAY)] == ["2"]
    assert [one.version for one in searchable(found, date(2026, 3, 1))] == ["1"]


def test_failed_record_leaves_nothing_half_written(materials: Materials) -> None:
    """When a passage cannot be stored, the old revision stays current and nothing of the new one is there."""
    record(materials, META, "h1", "旧文字")
    generation = materials.generation()
    twice = [passage(0, "新", "h2"), passage(0, "新", "h2")]
    with pytest.raises(IntegrityError):
        materials.record(META, twice, "h2", file="/m/doc.md", by="tester")
    assert [one.hash for one in materials.all_revisions()] == ["h1"]
    assert materials.passage("doc@1#0", "h2") is None
    assert materials.generation() == generation


def test_vectors_are_kept_by_embedder_and_text(materials: Materials) -> None:
    """Vectors come back in half precision under their embedder only; a second put changes nothing."""
    first, second = np.array([0.5, 0.25], dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32)
    materials.put_vectors("e", [("a", first), ("a", second)])
    materials.put_vectors("e", [("a", second)])
    assert materials.known_vectors("e") == {"a"}
    assert materials.known_vectors("other") == set()
    stored = materials.vectors("e", ["a", "b"])
    assert set(stored) == {"a"}
    assert stored["a"].dtype == np.float32


def test_neighbours_stay_in_the_revision(materials: Materials) -> None:
    """The passages around one are its own revision's, in order."""
    record(materials, META, "h1", "一", "二", "三", "四")
    key = materials.passage_keys([materials.all_revisions()[0].id])[1].key
    assert [one.text for one in materials.neighbours(key, 1, 1).values()] == ["一", "二", "三"]


def test_facts_round_trip_and_bump(materials: Materials) -> None:
    """Facts come back as JSON values and every write is a new generation."""
    before = materials.generation()
    materials.set_facts({"firm": "云杉证券", "holidays": ["2026-10-01"], "n": 3})
    assert materials.fact("firm") == "云杉证券"
    assert materials.all_facts()["holidays"] == ["2026-10-01"]
    assert materials.fact("nothing", "x") == "x"
    assert materials.generation() > before


def test_generation_is_seen_by_another_connection(materials: Materials) -> None:
    """Another process that reads the same database sees the new generation at once."""
    other = Materials(Database(materials.database.url))
    before = other.generation()
    record(materials, META, "h1", "一")
    assert other.generation() == before + 1
    other.database.close()


def test_generations_are_not_lost_under_threads(materials: Materials) -> None:
    """Writes at the same time each count."""
    before = materials.generation()
    threads = [threading.Thread(target=materials.set_facts, args=({f"f{n}": n},)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert materials.generation() == before + 8


def test_database_is_durable(materials: Materials) -> None:
    """Write-ahead log with full synchronisation: a committed row survives a power cut."""
    with materials.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_opening_again_migrates_nothing(tmp_path: Path) -> None:
    """A database opened a second time keeps its rows and its schema."""
    url = f"sqlite:///{tmp_path / 'again.db'}"
    first = Database(url)
    Materials(first).set_facts({"firm": "云杉证券"})
    first.close()
    schema = sqlite3.connect(tmp_path / "again.db").execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    second = Database(url)
    assert Materials(second).fact("firm") == "云杉证券"
    second.close()
    again = sqlite3.connect(tmp_path / "again.db").execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    assert again == schema


def test_product_round_trip() -> None:
    """A product comes back from its JSON as it went, codes with leading zeros too."""
    product = Product("000123", "稳健短债", ("短债", "稳健"), "债券型", "R2", "无固定期限", "10元", "public")
    assert product_from_json(product_json(product)) == product
    assert product_json(None) is None
    assert product_from_json(None) is None


def test_short_passage_is_embedded_with_its_subject() -> None:
    """Title and headings give a short passage its subject; the body text leaves the title out."""
    one = replace(passage(0, "最低50万元"), heading=("开通条件", "资产"))
    assert "对账单下载" in embedded_text(one)
    assert "开通条件" in embedded_text(one)
    assert "对账单下载" not in body_text(one)
    assert text_hash("a") != text_hash("b")
