"""The log: nothing counts as logged that is not durable, and every way to tamper with it shows."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assistant.log import Log, NotLogged, canonical, row_hash
from knowledge.records.database import Database

COLUMNS = ("number", "id", "conversation", "sequence", "event", "recorded_at", "body", "previous", "hash")


class Case:
    """A log of six events in three conversations, and the means of somebody who gets at its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database_file = folder / "heshi.db"
        self.heads_file = folder / "elsewhere" / "heads.log"
        self.database = Database(f"sqlite:///{self.database_file}")
        self.log = self.open()
        self.turns = [self.append(conversation) for conversation in "aabacb"]

    def open(self) -> Log:
        return Log(self.database, self.heads_file, self.folder / "keys" / "log.key")

    def append(self, conversation: str) -> str:
        return self.log.append(conversation, "turn", {"问": "科创板条件", "n": 1})

    def what(self) -> str:
        """What a verifier finds that starts anew, as one text."""
        return "\n".join(f"{one.where}: {one.what}" for one in self.open().verify()[1])

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.database_file) as connection:
            return list(connection.execute(statement, values).fetchall())

    def row(self, number: int) -> dict[str, Any]:
        return dict(zip(COLUMNS, self.sql("SELECT * FROM log_turns WHERE number = ?", number)[0], strict=True))

    def head_lines(self) -> list[str]:
        return self.heads_file.read_text().splitlines()

    def write_heads(self, lines: list[str]) -> None:
        self.heads_file.write_text("".join(f"{line}\n" for line in lines))

    def without_heads_of(self, number: int) -> list[str]:
        return [line for line in self.head_lines() if json.loads(line)["number"] != number]


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    assert made.what() == ""
    yield made
    made.database.close()


# --- what is kept --------------------------------------------------------------------------------------------------


def test_numbers_are_contiguous_and_links_follow(case: Case) -> None:
    """Rows are numbered 1, 2, 3 …; within a conversation each carries the hash of the one before."""
    assert [row[0] for row in case.sql("SELECT number FROM log_turns ORDER BY number")] == [1, 2, 3, 4, 5, 6]
    rows = [case.row(number) for number in (1, 2, 4)]
    assert [row["sequence"] for row in rows] == [1, 2, 3]
    assert rows[1]["previous"] == rows[0]["hash"]
    assert rows[2]["previous"] == rows[1]["hash"]


def test_hash_names_its_algorithm(case: Case) -> None:
    """Hashes and digests say by which algorithm they were made."""
    assert case.row(1)["hash"].startswith("sha256-v1:")
    assert json.loads(case.head_lines()[0])["digest"].startswith("sha256-v1:")


def test_entries_come_back(case: Case) -> None:
    """An event is found by its id and in its conversation, in order."""
    entry = case.log.entry(case.turns[0])
    assert entry is not None
    assert entry.body == {"问": "科创板条件", "n": 1}
    assert [one.id for one in case.log.conversation("a")] == [case.turns[0], case.turns[1], case.turns[3]]
    assert [one.id for one in case.log.conversation("a", limit=2)] == [case.turns[1], case.turns[3]]
    assert case.log.entry("unknown") is None


def test_key_and_heads_belong_to_their_owner_only(case: Case) -> None:
    """The signing key and the heads cannot be read by others."""
    for file in (case.folder / "keys" / "log.key", case.heads_file):
        assert file.stat().st_mode & 0o077 == 0


def test_long_log_verifies(case: Case) -> None:
    """A head line is found again beyond the block that is read from the end of the file."""
    for _ in range(40):
        case.append("d")
    assert case.open().verify() == (46, [])


# --- failing and crashing ------------------------------------------------------------------------------------------


def refuse(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_full_disk_logs_nothing(case: Case, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A head that cannot be written, wholly or to the disk, takes its row back; the next append is sound again."""
    with monkeypatch.context() as patched:
        patched.setattr(f"assistant.log.os.{call}", refuse)
        with pytest.raises(NotLogged):
            case.append("a")
    assert len(case.sql("SELECT * FROM log_turns")) == 6
    case.append("a")
    assert case.open().verify() == (7, [])


def test_half_a_head_is_no_head(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes half a line without an error takes no row, and the torn line is mended at the next append."""
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("assistant.log.os.write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
        with pytest.raises(NotLogged):
            case.append("a")
    assert len(case.sql("SELECT * FROM log_turns")) == 6
    assert "not a head this installation signed" in case.what()
    case.append("a")
    assert case.open().verify() == (7, [])


def test_heads_folder_not_writable(case: Case, tmp_path: Path) -> None:
    """Heads that cannot be kept where they belong: not logged, and no row stays."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    log = Log(case.database, blocked / "heads.log", tmp_path / "keys" / "log.key")
    with pytest.raises(NotLogged):
        log.append("a", "turn", {})
    assert len(case.sql("SELECT * FROM log_turns")) == 6


def test_database_full_logs_nothing(case: Case) -> None:
    """A database that cannot grow refuses the row; the log stays sound."""
    with case.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql(
            f"PRAGMA max_page_count = {connection.exec_driver_sql('PRAGMA page_count').scalar()}"
        )
    with pytest.raises(NotLogged):
        case.log.append("a", "turn", {"long": "x" * 400_000})
    with case.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    case.append("a")
    assert case.open().verify() == (7, [])


class Killed(BaseException):
    """Stands for a process that dies on the spot."""


def test_crash_between_head_and_commit_is_mended(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies after the head and before the commit leaves a head without a row: seen, then replaced."""

    def crash(*_: object, **__: object) -> None:
        raise Killed

    written = case.log._append_head

    def head_then_crash(head: Any, *, durable: bool) -> None:
        written(head, durable=durable)
        crash()

    with monkeypatch.context() as patched:
        patched.setattr(case.log, "_append_head", head_then_crash)
        with pytest.raises(Killed):
            case.append("a")
    assert len(case.sql("SELECT * FROM log_turns")) == 6
    assert "missing from the database" in case.what()
    case.log = case.open()
    case.append("b")
    case.append("a")
    assert case.open().verify() == (8, [])


def test_crash_before_the_confirmation_is_harmless(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies right after the commit has logged: nothing is broken before or after the next append."""
    with monkeypatch.context() as patched:
        patched.setattr(case.log, "_confirm", lambda head: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            case.append("a")
    assert case.open().verify() == (7, [])
    case.log = case.open()
    case.append("a")
    assert case.open().verify() == (8, [])


def test_torn_last_line_is_cut(case: Case) -> None:
    """Half a line left by a power cut does not stop the log."""
    with case.heads_file.open("ab") as file:
        file.write(b'{"number": 7, "dig')
    case.append("a")
    assert case.open().verify() == (7, [])


# --- tampering -----------------------------------------------------------------------------------------------------


def edit_a_row(case: Case) -> None:
    case.sql("UPDATE log_turns SET body = ? WHERE number = 2", canonical({"问": "别的", "n": 1}))


def edit_a_row_and_its_hash(case: Case) -> None:
    values = case.row(2) | {"body": canonical({"问": "别的", "n": 1})}
    case.sql("UPDATE log_turns SET body = ?, hash = ? WHERE number = 2", values["body"], row_hash(values))


def edit_the_last_row_and_its_hash(case: Case) -> None:
    values = case.row(6) | {"recorded_at": "2020-01-01T00:00:00+08:00"}
    case.sql("UPDATE log_turns SET recorded_at = ?, hash = ? WHERE number = 6", values["recorded_at"], row_hash(values))


def cut_the_middle(case: Case) -> None:
    case.sql("DELETE FROM log_turns WHERE number = 3")


def cut_the_middle_and_number_anew(case: Case) -> None:
    """Everything that can be rewritten without the key: rows renumbered, linked and hashed again."""
    rows = [case.row(number) for number in (1, 2, 4, 5, 6)]
    case.sql("DELETE FROM log_turns")
    last: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(rows, start=1):
        sequence, previous = last.get(row["conversation"], (0, "sha256-v1:" + "0" * 64))
        row |= {"number": number, "sequence": sequence + 1, "previous": previous}
        row["hash"] = row_hash(row)
        last[row["conversation"]] = (row["sequence"], row["hash"])
        case.sql(f"INSERT INTO log_turns VALUES ({','.join('?' * 9)})", *(row[name] for name in COLUMNS))


def cut_the_tail(case: Case) -> None:
    case.sql("DELETE FROM log_turns WHERE number > 4")


def cut_the_last_row(case: Case) -> None:
    case.sql("DELETE FROM log_turns WHERE number = 6")


def remove_a_conversation(case: Case) -> None:
    case.sql("DELETE FROM log_turns WHERE conversation = 'a'")


def remove_the_only_turn_of_a_conversation(case: Case) -> None:
    case.sql("DELETE FROM log_turns WHERE conversation = 'c'")


def remove_everything(case: Case) -> None:
    case.sql("DELETE FROM log_turns")


def swap_two_rows(case: Case) -> None:
    first, second = case.row(1), case.row(5)
    for name in ("id", "conversation", "body", "hash"):
        case.sql(f"UPDATE log_turns SET {name} = ? WHERE number = 1", f"x{second[name]}")
        case.sql(f"UPDATE log_turns SET {name} = ? WHERE number = 5", first[name])
        case.sql(f"UPDATE log_turns SET {name} = ? WHERE number = 1", second[name])


def add_a_row(case: Case) -> None:
    last = case.row(6)
    values = last | {"number": 7, "id": "forged", "sequence": last["sequence"] + 1, "previous": last["hash"]}
    values["hash"] = row_hash(values)
    case.sql(f"INSERT INTO log_turns VALUES ({','.join('?' * 9)})", *(values[name] for name in COLUMNS))


def edit_a_head(case: Case) -> None:
    lines = case.head_lines()
    lines[2] = lines[2].replace('"digest":"sha256-v1:', '"digest":"sha256-v1:0')
    case.write_heads(lines)


def drop_the_last_heads(case: Case) -> None:
    case.write_heads(case.without_heads_of(6))


def drop_a_head_in_the_middle(case: Case) -> None:
    case.write_heads(case.without_heads_of(3))


def empty_the_heads(case: Case) -> None:
    case.write_heads([])


def remove_the_heads(case: Case) -> None:
    case.heads_file.unlink()


def forge_a_head(case: Case) -> None:
    """Another key signs a head for a shortened log."""
    head = {name: value for name, value in json.loads(case.head_lines()[-1]).items() if name != "signature"}
    head["number"] = 7
    signature = Ed25519PrivateKey.generate().sign(canonical(head).encode()).hex()
    case.write_heads([*case.head_lines(), canonical(head | {"signature": signature})])


def change_the_key(case: Case) -> None:
    (case.folder / "keys" / "log.key").unlink()


def garble_the_heads(case: Case) -> None:
    case.write_heads([*case.head_lines(), "[1, 2]", '{"number": "x"}', "null"])


TAMPERED: list[Callable[[Case], None]] = [
    edit_a_row, edit_a_row_and_its_hash, edit_the_last_row_and_its_hash, cut_the_middle,
    cut_the_middle_and_number_anew, cut_the_tail, cut_the_last_row, remove_a_conversation,
    remove_the_only_turn_of_a_conversation, remove_everything, swap_two_rows, add_a_row, edit_a_head,
    drop_the_last_heads, drop_a_head_in_the_middle, empty_the_heads, remove_the_heads, forge_a_head, change_the_key,
    garble_the_heads,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
def test_tampering_shows(case: Case, tamper: Callable[[Case], None]) -> None:
    """Whoever changes rows or heads without the key is found out."""
    tamper(case)
    assert case.what() != ""


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
@pytest.mark.parametrize("more", [1, 4])
def test_tampering_still_shows_after_more_turns(case: Case, tamper: Callable[[Case], None], more: int) -> None:
    """Turns logged after the deed do not heal it."""
    tamper(case)
    case.log = case.open()
    for _ in range(more):
        try:
            case.append("d")
        except NotLogged:
            break
    assert case.what() != ""


def test_an_older_database_shows(case: Case) -> None:
    """A database put back from an earlier copy lacks turns that heads name, also after new turns were logged."""
    case.database.close()
    shutil.copy(case.database_file, case.folder / "old.db")
    for _ in range(3):
        case.append("a")
    case.database.close()
    for file in case.folder.glob("heshi.db*"):
        file.unlink()
    shutil.copy(case.folder / "old.db", case.database_file)
    assert "missing from the database" in case.what()
    case.log = case.open()
    for _ in range(5):
        case.append("b")
    assert case.what() != ""


def test_break_says_where(case: Case) -> None:
    """A break names the turn it was found at."""
    edit_a_row(case)
    assert f"turn {case.turns[1]}" in case.what()
