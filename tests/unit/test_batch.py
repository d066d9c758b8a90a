"""JSONL in, JSONL out."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser, Namespace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assistant.commands import batch
from assistant.customers import BadInput


def options(*words: str) -> Namespace:
    parser = ArgumentParser()
    batch.add_input(parser, "text")
    return parser.parse_args(words)


def echo(row: batch.Row) -> dict[str, Any]:
    if row.get("raise"):
        raise RuntimeError("broken")
    return {"said": batch.text_of(row, "text")}


def run(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[Any]]:
    status = batch.run(options("--batch", str(file)), echo, lambda text: {"text": text}, str)
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


def test_order_and_ids_are_kept(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows come out in their order with their ids, whatever type these have; blank lines are no rows."""
    ids: list[Any] = ["b", 3, None, {"x": 1}, "a"]
    lines = [json.dumps({"id": one, "text": str(one)}, ensure_ascii=False) for one in ids]
    file.write_text("\n\n".join(lines))
    status, rows = run(file, capsys)
    assert status == 0
    assert [row["id"] for row in rows] == ids
    assert [row["said"] for row in rows] == [str(one) for one in ids]


@pytest.mark.parametrize(
    "bad",
    [
        b"{not json", b"[1, 2]", b'"text"', b"{}", b'{"id": 1, "text": ""}', b'{"id": 1, "text": 5}',
        b'{"id": 1, "text": "x", "raise": true}', "{\"id\": 1, \"text\": \"中文\"}".encode("gbk"),
        b'{"id": 1, "text": "\\ud83d"}', b'{"id": "\\ud83d", "text": "x"}', b"[" * 100_000,
        json.dumps({"id": 1, "text": "x" * 20_001}).encode(),
    ],
)  # fmt: skip
def test_a_bad_row_never_stops_the_rest(file: Path, capsys: pytest.CaptureFixture[str], bad: bytes) -> None:
    """A bad row gives id and error, the rows around it are answered, and the exit status is 1."""
    file.write_bytes(b'{"id": "one", "text": "a"}\n' + bad + b'\n{"id": "two", "text": "b"}\n')
    status, rows = run(file, capsys)
    assert status == 1
    assert [row.get("said") for row in rows] == ["a", None, "b"]
    assert set(rows[1]) == {"id", "error"}
    assert rows[1]["error"]


def test_bom_and_windows_lines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file from a Windows editor reads like any other."""
    file.write_bytes('\ufeff{"id": 1, "text": "科创板"}\r\n{"id": 2, "text": "创业板"}\r\n'.encode())
    assert run(file, capsys) == (0, [{"id": 1, "said": "科创板"}, {"id": 2, "said": "创业板"}])


def test_batch_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """- reads standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1, "text": "a"}\n')))
    assert run(Path("-"), capsys) == (0, [{"id": 1, "said": "a"}])


def test_empty_batch_is_fine(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No rows in, no rows out."""
    file.write_bytes(b"\n \n")
    assert run(file, capsys) == (0, [])


@pytest.mark.parametrize("words", [(), ("text", "--batch", "in.jsonl"), ("--batch", "/nowhere/in.jsonl")])
def test_wrong_use_is_a_usage_error(words: tuple[str, ...]) -> None:
    """Neither or both of TEXT and --batch, or a file that is not there, is wrong usage."""
    with pytest.raises(batch.UsageError):
        batch.run(options(*words), echo, lambda text: {"text": text}, str)


def test_single_call_as_words_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A single call is shown for a person, or as JSON without an id when asked for."""
    assert batch.run(options("甲"), echo, lambda text: {"text": text}, lambda result: f"说：{result['said']}") == 0
    assert capsys.readouterr().out == "说：甲\n"
    assert batch.run(options("甲", "--json"), echo, lambda text: {"text": text}, str) == 0
    assert json.loads(capsys.readouterr().out) == {"said": "甲"}


def test_today_is_the_rows_else_the_options() -> None:
    """The row's day beats --today; a day that is none is refused."""
    given = options("x", "--today", "2026-01-02")
    assert batch.today_of({"today": "2025-03-04"}, given) == date(2025, 3, 4)
    assert batch.today_of({}, given) == date(2026, 1, 2)
    for bad in ("2026-02-30", "tomorrow", 5, ["2026-01-01"]):
        with pytest.raises(BadInput):
            batch.today_of({"today": bad}, given)


def test_choice_is_closed() -> None:
    """A field with closed values refuses others and takes its default for null."""
    assert batch.choice({"speaker": None}, "speaker", ("a", "b"), "a") == "a"
    for bad in ("c", "A", ["a"], 1):
        with pytest.raises(BadInput):
            batch.choice({"speaker": bad}, "speaker", ("a", "b"), "a")
