"""The log: nothing counts as logged that is not durable, and every way to tamper with it shows."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from assistant.ledger import personal
from assistant.ledger.vault import Unopened
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

    def noted(self) -> str:
        """What a verifier notes that is no break, as one text."""
        return "\n".join(f"{one.where}: {one.what}" for one in self.open().prove().notes)

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
    assert case.what() == ""
    assert "torn" in case.noted()
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


def killed_after_head(case: Case, monkeypatch: pytest.MonkeyPatch, conversation: str = "a") -> None:
    """An append that dies after its head is on disk and before its rows are committed."""
    written = case.log._heads.append

    def head_then_crash(head: Any) -> None:
        written(head)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(case.log._heads, "append", head_then_crash)
        with pytest.raises(Killed):
            case.append(conversation)
    case.log = case.open()


def test_crash_between_head_and_commit_is_an_interrupted_append(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies after the head and before the commit released nothing: noted as interrupted, no break, and
    the next append takes its number."""
    killed_after_head(case, monkeypatch)
    assert len(case.sql("SELECT * FROM log_turns")) == 6
    assert case.what() == ""
    assert "interrupted" in case.noted()
    case.append("b")
    case.append("a")
    assert case.open().verify() == (8, [])


def test_crash_before_the_mark_is_harmless(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies right after the commit has logged: nothing is broken before or after the next append."""
    with monkeypatch.context() as patched:
        patched.setattr(case.log._mark, "write", lambda head: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            case.append("a")
    assert case.open().verify() == (7, [])
    case.log = case.open()
    case.append("a")
    assert case.open().verify() == (8, [])


def test_two_crashes_in_a_row(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit without its mark, then a head without its rows: whole, and whole after the next append."""
    with monkeypatch.context() as patched:
        patched.setattr(case.log._mark, "write", lambda head: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            case.append("a")
    case.log = case.open()
    killed_after_head(case, monkeypatch, "b")
    assert case.open().verify() == (7, [])
    case.append("c")
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


# --- tampering in several places at once ---------------------------------------------------------------------------


def mark_file(case: Case) -> Path:
    return case.folder / "keys" / "log.mark"


def cut_the_last_row_and_its_head(case: Case) -> None:
    cut_the_last_row(case)
    drop_the_last_heads(case)


def cut_two_rows_and_their_heads(case: Case) -> None:
    cut_the_tail(case)
    case.write_heads([line for line in case.head_lines() if json.loads(line)["number"] <= 4])


def remove_everything_but_the_mark(case: Case) -> None:
    remove_everything(case)
    remove_the_heads(case)


def remove_the_mark(case: Case) -> None:
    mark_file(case).unlink()


def remove_the_mark_and_the_last_row_and_head(case: Case) -> None:
    remove_the_mark(case)
    cut_the_last_row_and_its_head(case)


def garble_the_mark(case: Case) -> None:
    mark_file(case).write_bytes(mark_file(case).read_bytes().replace(b'"number":6', b'"number":5'))


def garble_the_mark_and_cut(case: Case) -> None:
    garble_the_mark(case)
    cut_the_last_row_and_its_head(case)


PLACES = [
    cut_the_last_row_and_its_head, cut_two_rows_and_their_heads, remove_everything_but_the_mark, remove_the_mark,
    remove_the_mark_and_the_last_row_and_head, garble_the_mark, garble_the_mark_and_cut,
]  # fmt: skip


@pytest.mark.parametrize("more", [0, 1, 3])
@pytest.mark.parametrize("tamper", PLACES, ids=lambda one: one.__name__)
def test_tampering_in_several_places_shows(case: Case, tamper: Callable[[Case], None], more: int) -> None:
    """What is taken from database and heads together shows by the mark, at once and after more turns."""
    tamper(case)
    case.log = case.open()
    for _ in range(more):
        case.append("d")
    assert case.what() != ""


def test_an_older_mark_shows(case: Case) -> None:
    """A mark put back from an earlier copy, with the rows and heads after it, does not go unseen for long."""
    old = mark_file(case).read_bytes()
    for _ in range(3):
        case.append("a")
    mark_file(case).write_bytes(old)
    assert "older than the heads" in case.what()


# --- checkpoint ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tamper", [*TAMPERED, *PLACES], ids=lambda one: one.__name__)
def test_tampering_shows_below_a_checkpoint(case: Case, tamper: Callable[[Case], None]) -> None:
    """What was checked before is not taken on trust: a later change of it shows in the next check."""
    assert case.log.prove().broken == ()
    assert (case.folder / "keys" / "log.checkpoint").exists()
    tamper(case)
    assert case.what() != ""
    assert case.open().prove(full=True).broken != ()


def test_checkpoint_saves_work_and_full_does_without(case: Case) -> None:
    """The second check relies on the first up to where that ended; more turns follow; `full` relies on nothing."""
    case.append("a")
    assert [case.open().prove().since, case.open().prove(full=True).since] == [6, 0]
    case.append("b")
    proof = case.open().prove()
    assert (proof.turns, proof.broken, proof.since) == (8, (), 7)


def test_a_checkpoint_of_somebody_else_is_no_checkpoint(case: Case) -> None:
    """A checkpoint that this installation did not sign saves nothing."""
    case.log.prove()
    file = case.folder / "keys" / "log.checkpoint"
    file.write_text(file.read_text().replace('"count":6', '"count":5'))
    assert case.open().prove().since == 0


# --- keys ----------------------------------------------------------------------------------------------------------


def test_rotated_key_is_announced_and_the_old_one_still_proves(case: Case) -> None:
    """After a rotation new heads name the new key, old heads still verify, and the rotation is an event."""
    old = json.loads(case.head_lines()[-1])["key"]
    new = case.log.rotate_key("admin")
    case.append("a")
    assert json.loads(case.head_lines()[-1])["key"] == new != old
    assert set(case.log.public_keys()) == {old, new}
    assert case.log.conversation("log")[0].event == "key_rotated"
    assert case.open().verify() == (8, [])
    case.log.rotate_key("admin")
    assert case.open().verify() == (9, [])


def test_another_process_signs_with_the_rotated_key(case: Case) -> None:
    """A process that runs on while another rotates the key takes the new one at its next append."""
    running = case.open()
    running.append("a", "turn", {})
    case.log.rotate_key("admin")
    running.append("a", "turn", {})
    assert case.open().verify() == (9, [])


@pytest.mark.parametrize("when", ["head", "mark", "adopt"])
def test_rotation_that_crashes_is_finished_or_undone(case: Case, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """A rotation that dies before its commit never was; one that dies after it is finished at the next append."""
    places = {
        "head": (case.log._heads, "append"), "mark": (case.log._mark, "write"), "adopt": (case.log._keys, "adopt"),
    }  # fmt: skip
    target, name = places[when]
    real = getattr(target, name)

    def dies(*given: Any) -> None:
        if when == "head":
            real(*given)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(target, name, dies)
        with pytest.raises(Killed):
            case.log.rotate_key("admin")
    before = json.loads(case.head_lines()[0])["key"]
    case.log = case.open()
    assert case.what() == ""
    case.append("a")
    assert case.what() == ""
    assert (json.loads(case.head_lines()[-1])["key"] == before) == (when == "head")


def test_a_key_nobody_announced_shows(case: Case) -> None:
    """A key put in place of the right one signs in vain."""
    (case.folder / "keys" / "log.key").write_text("11" * 32)
    case.log = case.open()
    case.append("a")
    assert "without being announced" in case.what()


# --- several at once -----------------------------------------------------------------------------------------------


def test_appends_that_wait_share_a_commit(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one append is being committed others queue up; they get one head line, and each is released after it."""
    gate, entered = threading.Event(), threading.Event()
    real = case.log._commit

    def slow(*given: Any) -> None:
        entered.set()
        gate.wait(10)
        real(*given)

    monkeypatch.setattr(case.log, "_commit", slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(case.append, "x")
        entered.wait(10)
        rest = [pool.submit(case.append, f"c{number}") for number in range(8)]
        while len(case.log._queue) < 8:
            threading.Event().wait(0.005)
        gate.set()
        ids = {one.result() for one in (first, *rest)}
    assert len(ids) == 9
    heads = [json.loads(line) for line in case.head_lines()[6:]]
    assert [(head["first"], head["number"]) for head in heads] == [(7, 7), (8, 15)]
    assert case.open().verify() == (15, [])


def test_one_that_fails_does_not_take_others_along(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several appends that share a commit, one with an id that is taken fails alone."""
    gate, entered = threading.Event(), threading.Event()
    real = case.log._locked_commit

    def slow(batch: Any) -> None:
        entered.set()
        gate.wait(10)
        real(batch)

    monkeypatch.setattr(case.log, "_locked_commit", slow)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(case.append, "x")
        entered.wait(10)
        good = [pool.submit(case.append, "y") for _ in range(3)]
        bad = pool.submit(case.log.append, "y", "turn", {}, turn=case.turns[0])
        while len(case.log._queue) < 4:
            threading.Event().wait(0.005)
        gate.set()
        assert len({one.result() for one in (first, *good)}) == 4
        with pytest.raises(NotLogged):
            bad.result()
    assert case.open().verify() == (10, [])


def test_an_act_and_its_record_are_one(case: Case) -> None:
    """What is done with an event is done in its transaction, or not at all."""

    def act(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO facts VALUES ('a', '1')")

    case.log.append("f", "firm", {}, act=act)
    with pytest.raises(NotLogged):
        case.log.append("f", "firm", {}, act=act)
    assert len(case.sql("SELECT value FROM facts WHERE name = 'a'")) == 1
    assert case.open().verify() == (7, [])


# --- personal text -------------------------------------------------------------------------------------------------

RAW = "我的手机号是13800138000"
ID_NUMBER = "110101199003078515"


def everything_stored(case: Case) -> bytes:
    case.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return case.database_file.read_bytes() + case.heads_file.read_bytes()


def test_raw_text_is_committed_to_and_encrypted(case: Case) -> None:
    """The chain holds the masked text and a commitment; the raw text opens with the key and is in no file in clear."""
    body = {"question": "我的手机号是***********", "customer": {"id": ID_NUMBER}}
    turn = case.log.append("p", "turn", body, raw={"question": RAW})
    entry = case.log.entry(turn)
    assert entry is not None
    assert entry.body["customer"]["id"].startswith("c-")
    assert entry.body["commitments"]["question"].startswith("sha256-salted-v1:")
    with case.database.reading() as connection:
        assert personal.open_texts(connection, case.log.vault, turn) == {"question": RAW}
        reference = entry.body["customer"]["id"]
        assert personal.open_customer(connection, case.log.vault, reference) == ID_NUMBER
    stored = everything_stored(case)
    assert b"13800138000" not in stored
    assert ID_NUMBER.encode() not in stored


def test_text_without_anything_to_mask_is_kept_once(case: Case) -> None:
    """A text that masking left alone needs no second copy."""
    case.log.append("p", "turn", {"question": "科创板条件"}, raw={"question": "科创板条件"})
    assert case.sql("SELECT * FROM log_personal") == []


def test_the_same_customer_has_the_same_pseudonym(case: Case) -> None:
    """A customer is recognised by the pseudonym, over restarts too."""
    first = case.log.append("p", "turn", {"customer": {"id": ID_NUMBER}})
    case.log = case.open()
    second = case.log.append("q", "turn", {"customer": {"id": ID_NUMBER}})
    found = {case.log.entry(turn).body["customer"]["id"] for turn in (first, second)}  # type: ignore[union-attr]
    assert len(found) == 1


def test_a_raw_text_that_was_exchanged_does_not_open(case: Case) -> None:
    """A sealed text opens only at its own place and only if the log committed to it."""
    one, two = (case.log.append("p", "turn", {"question": "*"}, raw={"question": f"{RAW}{n}"}) for n in (1, 2))
    other = case.sql("SELECT sealed FROM log_personal WHERE turn = ?", two)[0][0]
    case.sql("UPDATE log_personal SET sealed = ? WHERE turn = ?", other, one)
    with case.database.reading() as connection, pytest.raises(Unopened):
        personal.open_texts(connection, case.log.vault, one)


def test_rotated_personal_key_opens_old_and_new(case: Case) -> None:
    """After a rotation new texts are sealed with the new key; sealed again, the old key can be destroyed."""
    one = case.log.append("p", "turn", {"question": "*", "customer": {"id": "k1"}}, raw={"question": RAW})
    old = case.log.vault.current
    case.log.vault.rotate()
    two = case.log.append("p", "turn", {"question": "*"}, raw={"question": RAW})
    with case.database.writing() as connection:
        assert personal.reseal(connection, case.log.vault) == 2
    case.log.vault.retire(old)
    with case.database.reading() as connection:
        for turn in (one, two):
            assert personal.open_texts(connection, case.open().vault, turn) == {"question": RAW}


# --- heads of single events ----------------------------------------------------------------------------------------


def test_head_of_any_event_is_found_in_a_long_file(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head whose commit holds an event is found anywhere in the file; of two with the same numbers the one that
    stands; of none, none."""
    killed_after_head(case, monkeypatch)
    for number in range(60):
        case.append(f"x{number % 7}")
    for number in (1, 2, 6, 7, 8, 33, 65, 66):
        head = case.log.head_of(number)
        assert head is not None
        assert (head["first"], head["number"]) == (number, number)
    standing = [json.loads(line) for line in case.head_lines() if json.loads(line)["number"] == 7]
    assert len(standing) == 2
    assert case.log.head_of(7) == standing[1]
    assert case.log.head_of(67) is None
    assert case.log.head_of(0) is None
