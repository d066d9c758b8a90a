"""Views over the records: what is searchable on a day, fresh after every write."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from assistant.turn import Passage
from knowledge.index.vectors import Vectors
from knowledge.library import Library, View, head_text
from knowledge.reading import Metadata
from knowledge.records.database import Database
from knowledge.records.materials import Materials
from knowledge.retrieval.words import Words

DAY, NEXT_YEAR = date(2026, 11, 22), date(2027, 6, 1)
META = Metadata(
    id="doc", title="对账单下载", kind="service", version="1", status="approved", author="许岚", approved_by="方准",
    approved_on=date(2026, 1, 5), effective_from=date(2026, 1, 10),
)  # fmt: skip


class Counting:
    """An embedder of letters: cheap, and it counts what it was asked to embed."""

    name = "letters"
    dimensions = 16

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return self.queries(texts)

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for char in text:
                row[hashlib.sha256(char.encode()).digest()[0] % self.dimensions] += 1
            row /= np.linalg.norm(row) or 1
        return rows


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    database = Database(f"sqlite:///{tmp_path / 'heshi.db'}")
    made = Library(Materials(database), Counting(), Vectors(tmp_path / "chroma"), Words())
    yield made
    made.close()
    database.close()


def record(library: Library, document: str, text: str, **fields: object) -> None:
    meta = replace(META, **({"id": document, "title": document} | fields))  # type: ignore[arg-type]
    digest = hashlib.sha256(f"{meta}{text}".encode()).hexdigest()
    cut = Passage(f"{document}@{meta.version}#0", document, meta.version, digest, document, "service", meta.audience,
                  "text", text)  # fmt: skip
    library.materials.record(meta, [cut], digest, file=f"/m/{document}.md", by="tester")


def documents(view: View, library: Library) -> set[str]:
    return {one.document for one in library.materials.load(sorted(view.keys)).values()}


def nearest(library: Library, view: View, text: str) -> list[str]:
    keys = [key for key, _ in library.nearest(view, library.embedder.queries([text])[0], 5)]
    found = library.materials.load(keys)
    return [found[key].document for key in keys]


def test_view_holds_what_answers_on_its_day(library: Library) -> None:
    """Drafts, staff material, expired, future and slot texts are in no public view of today."""
    record(library, "now", "资产不低于五十万元")
    record(library, "draft", "资产草稿", status="draft")
    record(library, "staff", "资产话术", audience="staff")
    record(library, "past", "资产旧闻", effective_to=date(2026, 3, 1))
    record(library, "future", "资产新规", effective_from=date(2027, 1, 1))
    record(library, "slot", "固定答复", slot="human")
    assert documents(library.view(DAY, live=True), library) == {"now"}
    assert documents(library.view(NEXT_YEAR), library) == {"now", "future"}
    assert documents(library.view(date(2026, 2, 1)), library) == {"now", "past"}
    assert documents(library.view(DAY, "staff"), library) == {"now", "staff"}


def test_live_and_archive_search_agree(library: Library) -> None:
    """The nearest passages of a day are the same from the live collection and from the archive."""
    for number in range(8):
        record(library, f"d{number}", "转账限额" * (number + 1) + f"第{number}条")
    record(library, "old", "转账限额", effective_to=date(2026, 3, 1))
    live = nearest(library, library.view(DAY, live=True), "转账限额")
    assert nearest(library, library.view(DAY, live=False), "转账限额") == live
    assert "old" not in live


def test_view_is_kept_until_a_write(library: Library) -> None:
    """The same view is given again while nothing was written, and a fresh one after a write."""
    record(library, "one", "资产不低于五十万元")
    first = library.view(DAY, live=True)
    assert library.view(DAY, live=True) is first
    record(library, "two", "风险测评两年有效")
    second = library.view(DAY, live=True)
    assert second is not first
    assert documents(second, library) == {"one", "two"}


def test_withdrawn_is_gone_at_the_next_view(library: Library) -> None:
    """A retired document leaves the view, the keyword index and the vectors at once."""
    record(library, "one", "蘑菇资产证明")
    record(library, "two", "风险测评两年有效")
    library.view(DAY, live=True)
    record(library, "one", "蘑菇资产证明", status="retired")
    view = library.view(DAY, live=True)
    assert documents(view, library) == {"two"}
    assert "one" not in nearest(library, view, "蘑菇资产证明")
    assert view.keywords.search(library.words.terms("蘑菇"), (), 5) == []


def test_another_process_sees_a_write(library: Library, tmp_path: Path) -> None:
    """A second library over the same records, with vectors of its own, follows the first one's writes."""
    record(library, "one", "资产不低于五十万元")
    library.view(DAY, live=True)
    database = Database(library.materials.database.url)
    other = Library(Materials(database), Counting(), Vectors(tmp_path / "second"), Words())
    assert documents(other.view(DAY, live=True), other) == {"one"}
    record(library, "one", "资产不低于五十万元", status="retired")
    assert documents(other.view(DAY, live=True), other) == set()
    other.close()
    database.close()


def test_vectors_are_made_once(library: Library) -> None:
    """A text is embedded once, whatever the number of views and rebuilds; fixed texts are not embedded at all."""
    record(library, "one", "资产不低于五十万元")
    record(library, "slot", "固定答复的文字", slot="human")
    embedder = library.embedder
    assert isinstance(embedder, Counting)
    library.view(DAY, live=True)
    count = len(embedder.embedded)
    assert count > 0
    assert not any("固定答复的文字" in text for text in embedder.embedded)
    library.view(NEXT_YEAR)
    library.reindex()
    assert len(embedder.embedded) == count


def test_reindex_builds_the_same_again(library: Library) -> None:
    """Every index is derived: dropped and built again from the records it finds the same."""
    for number in range(4):
        record(library, f"d{number}", f"转账限额第{number}条")
    before = nearest(library, library.view(DAY, live=True), "转账限额第2条")
    assert library.reindex() == 4
    assert nearest(library, library.view(DAY, live=True), "转账限额第2条") == before


def test_key_left_in_the_index_gives_nothing(library: Library) -> None:
    """A vector that should not be there is re-checked against the view: it never becomes a hit."""
    record(library, "one", "资产不低于五十万元")
    view = library.view(DAY, live=True)
    vector = library.embedder.queries(["资产不低于五十万元"])[0]
    library._vectors.sync(view.collection, [*view.keys, 9999], lambda keys: dict.fromkeys(keys, vector))
    assert {key for key, _ in library.nearest(view, vector, 5)} == set(view.keys)


def test_cosines_of_unknown_texts_are_zero(library: Library) -> None:
    """A text without a vector has cosine 0, so nothing is found by accident."""
    record(library, "one", "资产")
    library.embed_missing()
    digest = library.materials.passage_keys([library.materials.all_revisions()[0].id])[0].vector_hash
    found = library.cosines([digest, "unknown"], np.ones(16, dtype=np.float32))
    assert found[0] > 0
    assert found[1] == 0


def test_view_names_its_products_and_documents(library: Library) -> None:
    """A view finds its documents by name, and the part of a passage that says what it is about."""
    record(library, "云杉稳健短债", "申购费率0.40%")
    view = library.view(DAY, live=True)
    assert set(view.names.find("稳健短债的费率")) == {"云杉稳健短债"}
    one = next(iter(library.materials.load(sorted(view.keys)).values()))
    assert head_text(one) == "云杉稳健短债"
