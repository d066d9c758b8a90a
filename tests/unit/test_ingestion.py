"""Files into the records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.ingestion import Report, ingest
from knowledge.records.database import Database
from knowledge.records.materials import Materials
from tests.corpus import DOCUMENTS, STATEMENT, front


@pytest.fixture
def materials(tmp_path: Path) -> Iterator[Materials]:
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    yield Materials(database)
    database.close()


@pytest.fixture
def folder(sources: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sources, tmp_path / "m"))


def load(materials: Materials, *paths: Path) -> Report:
    return ingest(paths, materials, by="tester", progress=lambda done, total: None)


def test_every_file_becomes_a_revision(materials: Materials, folder: Path) -> None:
    """All formats are read, sidecars and lock files are no documents, and drafts are recorded too."""
    (folder / "~$lock.docx").write_bytes(b"x")
    (folder / ".hidden.md").write_text("x")
    (folder / "README.md").write_text("# about")
    report = load(materials, folder)
    assert report.failed == []
    assert report.documents == len(materials.all_revisions()) == DOCUMENTS
    assert report.passages > report.documents
    assert report.unchanged == 0


def test_running_again_changes_nothing(materials: Materials, folder: Path) -> None:
    """The same files again are all unchanged and no index is told to refresh."""
    first = load(materials, folder)
    generation = materials.generation()
    again = load(materials, folder)
    assert (again.documents, again.unchanged) == (first.documents, first.documents)
    assert materials.generation() == generation


def test_only_the_changed_file_changes(materials: Materials, folder: Path) -> None:
    """One edited file is one new revision of the same version; the old revision is superseded."""
    load(materials, folder)
    before = materials.current_hash("svc-statement", "2026.1")
    file = folder / "statement.md"
    file.write_text(file.read_text().replace("账单中心", "单据中心"))
    again = load(materials, folder)
    assert again.documents - again.unchanged == 1
    assert materials.current_hash("svc-statement", "2026.1") != before


def test_changed_metadata_is_a_new_revision(materials: Materials, folder: Path) -> None:
    """A date changed in a sidecar changes who is told what, so it is a new revision."""
    load(materials, folder)
    before = materials.current_hash("edu-pension", "2026.1")
    file = folder / "pension.meta.yaml"
    file.write_text(file.read_text().replace("2026-01-10", "2026-02-10"))
    load(materials, folder)
    assert materials.current_hash("edu-pension", "2026.1") != before


def test_sidecar_beats_front_matter(materials: Materials, tmp_path: Path) -> None:
    """Where both say something, the file beside the document counts."""
    file = tmp_path / "one.md"
    file.write_text(front(id="one", title="甲") + STATEMENT)
    (tmp_path / "one.meta.yaml").write_text("title: 乙\nstatus: draft\n")
    load(materials, file)
    found = materials.all_revisions()[0]
    assert (found.title, found.approved) == ("乙", False)


def test_no_status_means_draft(materials: Materials, tmp_path: Path) -> None:
    """A file without metadata is recorded as a draft, never used."""
    (tmp_path / "bare.md").write_text("# 标题\n\n一段文字，说明一件事情。\n")
    load(materials, tmp_path / "bare.md")
    assert materials.all_revisions()[0].status == "draft"
    assert materials.approved_revisions() == []


def test_vanished_is_reported_and_still_answers(materials: Materials, folder: Path) -> None:
    """A deleted file is named in the report; its document is not withdrawn."""
    load(materials, folder)
    (folder / "star.md").unlink()
    report = load(materials, folder)
    assert report.vanished == [str((folder / "star.md").resolve())]
    assert "edu-star" in {one.document for one in materials.approved_revisions()}


def test_bad_files_are_reported_and_the_rest_goes_on(materials: Materials, folder: Path) -> None:
    """Empty, broken and missing files are named with a reason; the good ones are recorded."""
    (folder / "empty.md").write_bytes(b"")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (folder / "meta.md").write_text(front(id="meta", status="aproved") + STATEMENT)
    report = load(materials, folder, folder / "nowhere.md")
    failed = {Path(item["file"]).name: item["reason"] for item in report.failed}
    assert set(failed) == {"empty.md", "broken.pdf", "meta.md", "nowhere.md"}
    assert "status" in failed["meta.md"]
    assert all(failed.values())
    assert report.documents == DOCUMENTS


def test_a_file_that_breaks_later_keeps_the_old_text(materials: Materials, folder: Path) -> None:
    """When an update cannot be read, what was recorded before stays as it was, whole."""
    load(materials, folder)
    before = materials.current_hash("prd-short-bond", "2026.1")
    book = folder / "short-bond.xlsx"
    book.write_bytes(book.read_bytes()[: book.stat().st_size // 2])
    report = load(materials, folder)
    assert [Path(item["file"]).name for item in report.failed] == ["short-bond.xlsx"]
    assert materials.current_hash("prd-short-bond", "2026.1") == before


def test_two_files_of_one_version_are_refused(materials: Materials, tmp_path: Path) -> None:
    """A second file with the same id and version would overwrite the first: it fails and is named."""
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(front(id="same", title="甲") + STATEMENT + name)
    report = load(materials, tmp_path / "a.md", tmp_path / "b.md")
    assert [Path(item["file"]).name for item in report.failed] == ["b.md"]
    assert "same" in report.failed[0]["reason"]


def test_hidden_and_instruction_text_is_removed_and_reported(materials: Materials, folder: Path) -> None:
    """What a reader cannot see, and what is addressed to a model, never becomes a passage."""
    report = load(materials, folder / "pension.html")
    assert {item["what"] for item in report.removed} >= {"hidden", "instruction"}
    keys = [row.key for row in materials.passage_keys(one.id for one in materials.all_revisions())]
    text = "\n".join(one.text for one in materials.load(keys).values())
    assert "12000元" in text
    assert "20%" not in text
    assert "6222020200112233445" not in text


def test_own_approval_is_reported(materials: Materials, folder: Path) -> None:
    """A document approved by its author is recorded, not used, and named with the reason."""
    report = load(materials, folder / "connect.md")
    assert [Path(item["file"]).name for item in report.not_approved] == ["connect.md"]
    assert "作者" in report.not_approved[0]["reason"]
    assert materials.approved_revisions() == []


def test_codes_keep_their_zeros(materials: Materials, folder: Path) -> None:
    """A product code in YAML is read as text."""
    load(materials, folder / "short-bond.xlsx")
    product = materials.all_revisions()[0].product
    assert product is not None
    assert product.code == "009912"


def test_interrupted_import_goes_on(materials: Materials, folder: Path) -> None:
    """An import cut off in the middle has recorded whole documents, and a second run does the rest."""

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest([folder], materials, by="tester", progress=stop)
    assert len(materials.all_revisions()) == 5
    report = load(materials, folder)
    assert report.unchanged == 5
    assert len(materials.all_revisions()) == DOCUMENTS
