"""Metadata of materials: front matter, sidecars, what counts as approved, and clear errors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from knowledge.reading import Metadata, Unreadable, read

BODY = "\n# 标题\n\n本产品由甲公司管理。\n"


def write(folder: Path, front: str, name: str = "doc.md") -> Path:
    path = folder / name
    path.write_text(f"---\n{front}\n---\n{BODY}" if front else BODY, "utf-8")
    return path


def test_scalars_stay_strings(tmp_path: Path) -> None:
    """Codes and versions keep their zeros and never turn into numbers, dates or booleans."""
    meta = read(write(tmp_path, "id: 000123\nversion: 1.10\nproduct:\n  code: 012345\n  name: on\n  risk: R2")).meta
    assert (meta.id, meta.version) == ("000123", "1.10")
    assert meta.product is not None
    assert (meta.product.code, meta.product.name) == ("012345", "on")


def test_defaults_without_metadata(tmp_path: Path) -> None:
    """Without metadata a file is a public draft named by its stem and first heading."""
    meta = read(write(tmp_path, "", "佣金说明.md")).meta
    assert (meta.id, meta.title, meta.kind) == ("佣金说明", "标题", "education")
    assert (meta.version, meta.status, meta.audience, meta.approved) == ("1", "draft", "public", False)


def test_product_mapping_makes_a_product_document(tmp_path: Path) -> None:
    """A product mapping sets the kind, and access is public unless said otherwise."""
    meta = read(
        write(tmp_path, "product: {code: A1, name: 甲, aliases: [乙, 丙], type: 债券基金, min_amount: 1000元}")
    ).meta
    assert meta.kind == "product"
    assert meta.product is not None
    assert (meta.product.access, meta.product.aliases, meta.product.risk) == ("public", ("乙", "丙"), None)


@pytest.mark.parametrize(
    "written", ["2026-01-05", "2026/1/5", "2026年1月5日", "'2026-01-05'", "2026-01-05 00:00:00", "20260105"]
)
def test_dates_in_every_usual_form(tmp_path: Path, written: str) -> None:
    """Dates are read however they are usually written."""
    assert read(write(tmp_path, f"effective_from: {written}")).meta.effective_from == date(2026, 1, 5)


@pytest.mark.parametrize("beside", ["doc.meta.yaml", "doc.md.meta.yml"])
def test_sidecar_beats_front_matter_key_by_key(tmp_path: Path, beside: str) -> None:
    """The sidecar wins where it says something; the rest of the front matter stays, inside product too."""
    path = write(tmp_path, "id: a\ntitle: 甲\nproduct:\n  code: '01'\n  risk: R1")
    (tmp_path / beside).write_text("title: 乙\nproduct:\n  risk: R3\n", "utf-8")
    meta = read(path).meta
    assert (meta.id, meta.title) == ("a", "乙")
    assert meta.product is not None
    assert (meta.product.code, meta.product.risk) == ("01", "R3")


@pytest.mark.parametrize("written", ["甲、乙，丙", "[甲, 乙, 丙]", "甲, 乙, 丙", "\n  - 甲\n  - 乙\n  - 丙"])
def test_aliases_as_list_or_text(tmp_path: Path, written: str) -> None:
    """Aliases may be a list or one text with commas."""
    assert read(write(tmp_path, f"aliases: {written}")).meta.aliases == ("甲", "乙", "丙")


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("status: foo", ("status", "foo", "approved")),
        ("kind: 产品", ("kind", "产品", "education")),
        ("product: {code: '1', risk: R6}", ("product.risk", "R6", "R5")),
        ("product: {risk: R1}", ("product.code",)),
        ("product: abc", ("product",)),
        ("approved_on: 明天", ("approved_on", "明天", "2026-01-05")),
        ("effective_to: 2026-02-30", ("effective_to",)),
        ("effective_from: 2026-05-01\neffective_to: 2026-01-01", ("effective_from", "effective_to")),
        ("title: [甲]", ("title",)),
        ("id: 1\nid: 2", ("id", "重复")),
        ("status：approved", ("status", "冒号")),
        ("id: [", ("YAML",)),
        ("a: &x 1\nb: *x", ("引用",)),
    ],
)
def test_bad_metadata_names_the_field(tmp_path: Path, front: str, words: tuple[str, ...]) -> None:
    """An error names the field, the value and what is allowed."""
    with pytest.raises(Unreadable) as caught:
        read(write(tmp_path, front))
    assert all(word in caught.value.reason for word in words)


def test_unclosed_front_matter_is_an_error(tmp_path: Path) -> None:
    """Metadata that never ends is reported, not read as text."""
    path = tmp_path / "a.md"
    path.write_text("---\nstatus: approved\n\n正文。", "utf-8")
    with pytest.raises(Unreadable, match="结束标记"):
        read(path)


def test_rule_at_the_top_is_not_front_matter(tmp_path: Path) -> None:
    """A horizontal rule with text below it is text."""
    path = tmp_path / "a.md"
    path.write_text("---\n只是分隔线\n\n---\n正文。", "utf-8")
    assert read(path).meta.status == "draft"


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"approved_by": "乙", "approved_on": date(2026, 1, 1), "author": "甲"}, True),
        ({"approved_by": "乙", "approved_on": date(2026, 1, 1)}, True),
        ({"approved_by": "甲", "approved_on": date(2026, 1, 1), "author": "甲 "}, False),
        ({"approved_on": date(2026, 1, 1)}, False),
        ({"approved_by": "乙"}, False),
    ],
)
def test_approved_needs_another_person_and_a_day(given: dict[str, object], counts: bool) -> None:
    """Approved counts only with approver and day, and never by the author; the problem is said."""
    meta = Metadata(id="a", title="a", status="approved", **given)  # type: ignore[arg-type]
    assert meta.approved is counts
    assert bool(meta.problems) is not counts


def test_hash_is_stable_and_follows_content(tmp_path: Path) -> None:
    """Re-reading gives the same hash; another text or another metadata value gives another."""
    path = write(tmp_path, "id: a")
    first = read(path).content_hash
    assert read(path).content_hash == first
    path.write_text(path.read_text("utf-8").replace("甲公司", "乙公司"), "utf-8")
    second = read(path).content_hash
    assert second != first
    (tmp_path / "doc.meta.yaml").write_text("audience: staff\n", "utf-8")
    assert read(path).content_hash not in (first, second)
