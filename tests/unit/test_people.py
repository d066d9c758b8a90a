"""Accounts, logins, sessions: what is refused, what is logged, what ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from assistant.log import Log, NotLogged
from assistant.people.accounts import CONVERSATION, People, csrf_token
from assistant.people.seam import Identity
from assistant.people.settings import PeopleSettings
from assistant.people.values import BadAccount, Refused
from knowledge.records.database import Database

FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SETTINGS = PeopleSettings(failures=3, logins_per_minute=6000, logins_burst=6000)
PASSWORD = "correct horse battery"


class Office:
    """People over a database of their own, with a clock that tests set."""

    def __init__(self, folder: Path, settings: PeopleSettings = SETTINGS) -> None:
        self.database = Database(f"sqlite:///{folder / 'heshi.db'}")
        self.log = Log(self.database, folder / "heads.log", folder / "keys" / "log.key")
        self.now = 1_000_000.0
        self.people = People(self.database, self.log, settings, lambda: self.now, FAST)
        self.people.add("wang.li", "王立", ["staff"], by="test", password=PASSWORD)

    def events(self) -> list[str]:
        return [entry.event for entry in self.log.conversation(CONVERSATION)]

    def enter(self, password: str = PASSWORD, login: str = "wang.li") -> str:
        return self.people.enter(login, password, "1.2.3.4")[0]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.database.close()


def test_login_gives_a_session_with_roles(office: Office) -> None:
    """The right password gives a session that says who it is; the log has the login."""
    person = office.people.person(office.enter(login=" Wang.Li "))
    assert person is not None
    assert (person.login, person.name, person.roles) == ("wang.li", "王立", {"staff"})
    assert person.may("staff", "admin")
    assert not person.may("admin")
    assert office.events() == ["account_created", "login"]


@pytest.mark.parametrize("login", ["wang.li", "nobody"])
def test_wrong_password_and_unknown_login_look_the_same(office: Office, login: str) -> None:
    """Neither says whether there is such an account; each is logged, an unknown name not in clear."""
    with pytest.raises(Refused) as refused:
        office.enter("wrong password", login)
    assert (refused.value.reason, refused.value.retry_after) == ("wrong", None)
    entry = office.log.conversation(CONVERSATION)[-1]
    assert entry.event == "login_failed"
    assert "nobody" not in str(entry.body)


def test_lockout_holds_even_for_the_right_password(office: Office) -> None:
    """After three wrong passwords the account is locked for a time, is logged, and opens again after it."""
    for _ in range(3):
        with pytest.raises(Refused):
            office.enter("wrong password")
    assert office.events()[-1] == "login_locked"
    with pytest.raises(Refused) as refused:
        office.enter()
    assert refused.value.reason == "locked"
    office.now += SETTINGS.lock_s + 1
    assert office.people.person(office.enter()) is not None


def test_a_login_forgets_earlier_failures(office: Office) -> None:
    """Only wrong passwords in a row lock."""
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(Refused):
                office.enter("wrong password")
        office.enter()
    assert "login_locked" not in office.events()


def test_addresses_are_limited(tmp_path: Path) -> None:
    """An address that tries too often waits, whatever it tries."""
    office = Office(tmp_path, replace(SETTINGS, logins_per_minute=1, logins_burst=2))
    for login in ("a1", "b2"):
        with pytest.raises(Refused):
            office.enter("wrong password", login)
    with pytest.raises(Refused) as refused:
        office.enter()
    assert refused.value.reason == "slow"
    assert refused.value.retry_after
    office.database.close()


def test_sessions_end(office: Office) -> None:
    """By logout, by idleness, by age, by a new password, by new roles, by closing the account."""
    token = office.enter()
    office.people.leave(token)
    assert office.people.person(token) is None
    token = office.enter()
    office.now += SETTINGS.idle_s + 1
    assert office.people.person(token) is None
    token = office.enter()
    for _ in range(10):
        office.now += SETTINGS.idle_s - 1
        found = office.people.person(token)
    assert found is None
    for end in (
        lambda: office.people.set_password("wang.li", by="t", password=PASSWORD),
        lambda: office.people.set_roles("wang.li", ["editor"], by="t"),
        lambda: office.people.disable("wang.li", by="t"),
    ):
        token = office.enter()
        end()
        assert office.people.person(token) is None
    with pytest.raises(Refused):
        office.enter()


def test_session_that_is_used_lives_on(office: Office) -> None:
    """Idleness is counted from the last request."""
    token = office.enter()
    for _ in range(3):
        office.now += SETTINGS.idle_s - 100
        assert office.people.person(token) is not None


def test_no_secret_is_stored_or_logged(office: Office, tmp_path: Path) -> None:
    """Neither password nor session token is in database or log in clear."""
    token = office.enter()
    with office.database.writing() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM people_accounts").all())
        rows += str(connection.exec_driver_sql("SELECT * FROM people_sessions").all())
        rows += str(connection.exec_driver_sql("SELECT * FROM log_turns").all())
    assert "$argon2id$" in rows
    assert PASSWORD not in rows
    assert token not in rows


def test_first_admin_is_made_once(tmp_path: Path) -> None:
    """A new installation gets an administrator with a generated password; one that has accounts gets none."""
    office = Office(tmp_path)
    assert office.people.first_admin() is None
    with office.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM people_accounts")
    made = office.people.first_admin()
    assert made is not None
    assert office.people.enter(*made, "1.2.3.4")[1].roles == {"admin"}
    assert office.people.first_admin() is None
    office.database.close()


@pytest.mark.parametrize(
    ("login", "roles", "registration", "password"),
    [
        ("王立", ["staff"], None, None), ("x", ["staff"], None, None), ("wang.li", ["staff"], None, None),
        ("li", [], None, None), ("li", ["customer"], None, None), ("li", ["root"], None, None),
        ("li", ["adviser"], None, None), ("li", ["adviser"], "123", None), ("li", ["staff"], None, "short"),
        ("zhaoliu", ["staff"], None, "zhaoliu123456"), ("li", ["staff"], None, "aaaaaaaaaaaaaaaa"),
    ],
)  # fmt: skip
def test_accounts_that_are_refused(
    office: Office, login: str, roles: list[str], registration: str | None, password: str | None
) -> None:
    """Odd names, roles that do not exist, advisers without 执业编号, weak passwords; each says what to do."""
    with pytest.raises(BadAccount, match=r".{8,}"):
        office.people.add(login, "某人", roles, by="t", registration=registration, password=password)


def test_adviser_carries_the_registration(office: Office) -> None:
    """A registered adviser's 执业编号 comes with the session."""
    password = office.people.add("zhao", "赵六", ["staff", "adviser"], by="t", registration="S0010620010001")
    person = office.people.enter("zhao", password, "x")[1]
    assert (person.registration, person.roles) == ("S0010620010001", {"staff", "adviser"})


def test_the_last_administrator_stays(office: Office) -> None:
    """Nobody locks everybody out: the only administrator keeps the role and stays open."""
    office.people.add("boss", "主管", ["admin"], by="t")
    with pytest.raises(BadAccount):
        office.people.set_roles("boss", ["staff"], by="t")
    with pytest.raises(BadAccount):
        office.people.disable("boss", by="t")
    office.people.add("second", "副主管", ["admin"], by="t")
    office.people.set_roles("boss", ["staff"], by="t")


def test_role_change_says_who_and_what(office: Office) -> None:
    """A change of roles is logged with what was, what is, and by whom."""
    office.people.set_roles("wang.li", ["compliance", "staff"], by="boss")
    entry = office.log.conversation(CONVERSATION)[-1]
    assert entry.event == "role_changed"
    assert entry.body["was"] == ["staff"]
    assert (entry.body["roles"], entry.body["by"]) == (["staff", "compliance"], "boss")


def test_nothing_changes_without_a_record(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log cannot be written no account is made, no role changed, no session begun."""

    def broken(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(office.log._heads, "append", broken)
    for act in (
        lambda: office.people.add("new", "新人", ["staff"], by="t"),
        lambda: office.people.set_roles("wang.li", ["admin"], by="t"),
        office.enter,
    ):
        with pytest.raises(NotLogged):
            act()
    assert [(one["login"], one["roles"]) for one in office.people.all()] == [("wang.li", ["staff"])]


def test_own_password_needs_the_present_one(office: Office) -> None:
    """A person changes the password by proving the present one."""
    with pytest.raises(Refused):
        office.people.change_password("wang.li", "not this one", "another fine secret", "x")
    office.people.change_password("wang.li", PASSWORD, "another fine secret", "x")
    office.enter("another fine secret")


def test_single_sign_on_needs_an_account_of_ours(office: Office) -> None:
    """Whom a provider vouches for gets in with the roles we gave, and not at all without an account."""
    office.people.add("sun", "孙七", ["compliance"], by="t", subject="idp|77")
    assert office.people.enter_as(Identity("idp|77", "孙七"))[1].roles == {"compliance"}
    with pytest.raises(Refused):
        office.people.enter_as(Identity("idp|78", "生人"))


def test_csrf_token_belongs_to_its_session() -> None:
    """Two sessions have two tokens, and neither holds the session's own."""
    assert csrf_token("a") != csrf_token("b")
    assert csrf_token("a") == csrf_token("a")
