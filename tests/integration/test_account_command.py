"""Accounts and keys from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.branch import Branch


def test_accounts_from_the_command_line(fresh: Callable[..., Branch]) -> None:
    """An account is made with a password shown once, listed without it, changed and closed; each step is logged."""
    branch = fresh()
    made = branch.json("account", "add", "zhao", "--name", "赵六", "--role", "adviser", "--registration",
                       "S0010620010001", "--json")  # fmt: skip
    people = branch.installation.people
    assert people.enter("zhao", made["password"], "x")[1].registration == "S0010620010001"
    assert made["password"] not in branch.run("account", "list")[1]
    listed = branch.json("account", "list", "--json")
    assert [(one["login"], one["roles"]) for one in listed] == [("zhao", ["adviser"])]
    again = branch.json("account", "password", "zhao", "--json")
    assert again["password"] != made["password"]
    branch.json("account", "role", "zhao", "--role", "staff", "--role", "compliance", "--json")
    assert people.enter("zhao", again["password"], "x")[1].roles == {"staff", "compliance"}
    assert branch.run("account", "disable", "zhao")[0] == 0
    events = [entry.event for entry in branch.installation.log.conversation("accounts")]
    assert [one for one in events if one != "login"] == [
        "account_created", "password_changed", "role_changed", "account_disabled",
    ]  # fmt: skip


def test_account_says_what_is_wrong(fresh: Callable[..., Branch]) -> None:
    """An adviser without 执业编号 exits 1 with what to do; a role that does not exist exits 2."""
    branch = fresh()
    status, out, err = branch.run("account", "add", "zhao", "--name", "赵六", "--role", "adviser")
    assert (status, out) == (1, "")
    assert "执业编号" in err
    assert branch.run("account", "add", "zhao", "--name", "赵六", "--role", "root")[0] == 2
    assert branch.run("account", "password", "nobody")[0] == 1


def test_keys_are_rotated_from_the_command_line(fresh: Callable[..., Branch]) -> None:
    """Both keys are rotated, the log verifies, also after a backup taken since; old public keys stay."""
    branch = fresh()
    branch.run("account", "add", "a1", "--name", "甲", "--role", "staff")
    before = branch.json("keys", "--json")
    after = branch.json("keys", "rotate", "--json")
    assert after["signing"] != before["signing"]
    assert set(before["public"]) < set(after["public"])
    assert branch.json("keys", "rotate-personal", "--json")["personal"] != before["personal"]
    assert branch.json("verify-log", "--json")["ok"]
    file = branch.folder / "b.tar.gz"
    assert branch.run("backup", str(file))[0] == 0
    other = fresh("other")
    assert other.run("restore", str(file))[0] == 0
    assert json.loads(other.run("verify-log", "--full", "--json")[1])["ok"]
    other.run("account", "add", "b2", "--name", "乙", "--role", "staff")
    assert other.json("verify-log", "--json")["ok"]


def test_interrupted_append_is_a_note_and_no_break(
    fresh: Callable[..., Branch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a process died between head and commit, verify-log says ok with a note, and exits 0."""
    branch = fresh()
    branch.run("account", "add", "a1", "--name", "甲", "--role", "staff")
    heads = branch.installation.log._heads
    written = heads.append

    def dies(head: dict[str, object]) -> None:
        written(head)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(heads, "append", dies)
        assert branch.run("account", "add", "b2", "--name", "乙", "--role", "staff")[0] == 130
    status, out, _ = branch.run("verify-log", "--json")
    found = json.loads(out)
    assert (status, found["ok"], found["broken"]) == (0, True, [])
    assert "interrupted" in found["notes"][0]["what"]
    assert "说明" in branch.run("verify-log")[1]
