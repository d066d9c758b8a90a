"""Accounts and sessions: made, changed, entered and left, each with its record in the log in one transaction."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from assistant.channels.limits import Buckets
from assistant.ledger.form import now
from assistant.log import Act, Log
from assistant.people.seam import Identity
from assistant.people.settings import PeopleSettings
from assistant.people.tables import accounts, sessions
from assistant.people.values import ACCOUNT_ROLES, BadAccount, Person, Refused, Role
from knowledge.records.database import Database

CONVERSATION = "accounts"
LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")
REGISTRATION = re.compile(r"[A-Z]\d{10,16}")
TOKEN_BYTES = 32
LONGEST_PASSWORD = 200


class People:
    """Thread-safe; several processes may share the tables."""

    def __init__(
        self,
        database: Database,
        log: Log,
        settings: PeopleSettings | None = None,
        clock: Callable[[], float] = time.time,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._database = database
        self._log = log
        self.settings = settings or PeopleSettings()
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._nobody: str | None = None
        self._hashing = threading.BoundedSemaphore(2)  # one hash takes 64 MB
        self._addresses = Buckets(self.settings.logins_per_minute, self.settings.logins_burst, 20_000)

    # --- accounts ----------------------------------------------------------------------------------------------

    def add(
        self,
        login: str,
        name: str,
        roles: Iterable[str],
        *,
        by: str,
        password: str | None = None,
        registration: str | None = None,
        subject: str | None = None,
    ) -> str:
        """Make an account; returns its password, generated when none is given. Raises BadAccount."""
        login, wanted = login.strip().lower(), _roles(roles, registration)
        if not LOGIN.fullmatch(login):
            raise BadAccount("账号须为 2–63 位小写字母、数字、点、短横或下划线，以字母或数字开头")
        if not name.strip():
            raise BadAccount("请填写姓名")
        if self._row(login) is not None:
            raise BadAccount(f"账号 {login} 已存在；请换一个，或用 account role 修改角色")
        password = self._acceptable(password or generated(), login)
        values = {
            "login": login, "name": name.strip(), "roles": wanted, "registration": registration, "subject": subject,
            "password": self._hash(password), "epoch": 1, "failures": 0, "disabled": False, "created_at": now(),
        }  # fmt: skip
        body = {"login": login, "name": name.strip(), "roles": wanted, "registration": registration, "by": by}
        self._record("account_created", body, lambda connection: _run(connection, insert(accounts).values(**values)))
        return password

    def first_admin(self) -> tuple[str, str] | None:
        """When there is no account yet: make the administrator; (login, generated password), told this once."""
        with self._database.reading() as connection:
            if connection.execute(select(func.count()).select_from(accounts)).scalar():
                return None
        return "admin", self.add("admin", "管理员", ["admin"], by="first start")

    def set_roles(self, login: str, roles: Iterable[str], *, by: str, registration: str | None = None) -> None:
        """Give an account these roles instead of what it had; its sessions end. Raises BadAccount."""
        row = self._known(login)
        registration = registration or row.registration
        wanted = _roles(roles, registration)
        if "admin" in row.roles and "admin" not in wanted and self._admins() == {row.login}:
            raise BadAccount("这是唯一的管理员账号；请先让另一个账号成为管理员")
        body = {"login": row.login, "was": row.roles, "roles": wanted, "registration": registration, "by": by}
        self._change(row, "role_changed", body, roles=wanted, registration=registration)

    def set_password(self, login: str, *, by: str, password: str | None = None) -> str:
        """Set or generate a password; sessions end, a lock is lifted. Raises BadAccount."""
        row = self._known(login)
        password = self._acceptable(password or generated(), row.login)
        values = {"password": self._hash(password), "failures": 0, "locked_until": None}
        self._change(row, "password_changed", {"login": row.login, "by": by}, **values)
        return password

    def change_password(self, login: str, old: str, new: str, address: str) -> None:
        """A person's own wish, proved by the present password; sessions end. Raises Refused, BadAccount."""
        self._acceptable(new, login)
        token, person = self.enter(login, old, address)
        self.leave(token)
        self.set_password(person.login, by=person.login, password=new)

    def disable(self, login: str, *, by: str, disabled: bool = True) -> None:
        """Close or open an account; its sessions end. Raises BadAccount."""
        row = self._known(login)
        if disabled and self._admins() == {row.login}:
            raise BadAccount("这是唯一的管理员账号，不能停用")
        event = "account_disabled" if disabled else "account_enabled"
        self._change(row, event, {"login": row.login, "by": by}, disabled=disabled)

    def all(self) -> list[dict[str, Any]]:
        """Every account without its password, by login."""
        with self._database.reading() as connection:
            rows = connection.execute(select(accounts).order_by(accounts.c.login)).all()
        moment = self._clock()
        return [
            {"login": row.login, "name": row.name, "roles": row.roles, "registration": row.registration,
             "disabled": row.disabled, "locked": bool(row.locked_until and row.locked_until > moment),
             "created_at": row.created_at}
            for row in rows
        ]  # fmt: skip

    # --- sessions ----------------------------------------------------------------------------------------------

    def enter(self, login: str, password: str, address: str) -> tuple[str, Person]:
        """(session token, person). Raises Refused; wrong name and wrong password look and take the same."""
        wait = self._addresses.take(address)
        if wait:
            raise Refused("slow", wait)
        row = self._row(login.strip().lower())
        locked = row is not None and row.locked_until is not None and row.locked_until > self._clock()
        right = self._verify(None if row is None or locked else row.password, password[:LONGEST_PASSWORD])
        if row is None or row.disabled:
            self._record("login_failed", {"login": None if row is None else row.login})
            raise Refused("wrong")
        if locked:
            self._record("login_failed", {"login": row.login, "locked": True})
            raise Refused("locked", max(1, int(row.locked_until - self._clock())))
        if not right:
            raise self._failed(row)
        return self._begin(row, "login")

    def enter_as(self, identity: Identity) -> tuple[str, Person]:
        """A session for whom a provider vouches for and we have an account of. Raises Refused."""
        with self._database.reading() as connection:
            row = connection.execute(select(accounts).where(accounts.c.subject == identity.subject)).first()
        if row is None or row.disabled:
            self._record("login_failed", {"login": None if row is None else row.login, "provider": True})
            raise Refused("wrong")
        return self._begin(row, "login", provider=True)

    def person(self, token: str | None) -> Person | None:
        """Whose session a token is; None when it is nobody's, too old, or was ended."""
        if not token:
            return None
        digest, moment = _digest(token), self._clock()
        query = select(sessions, accounts).join(accounts, accounts.c.login == sessions.c.login)
        with self._database.reading() as connection:
            row = connection.execute(query.where(sessions.c.digest == digest)).first()
        if row is None or row.disabled or row._mapping[sessions.c.epoch] != row._mapping[accounts.c.epoch]:
            return None
        if moment - row.seen_at > self.settings.idle_s or moment - row.begun_at > self.settings.longest_s:
            return None
        if moment - row.seen_at > self.settings.touch_s:
            with self._database.writing() as connection:
                connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=moment))
        return _person(row._mapping)

    def leave(self, token: str | None) -> None:
        """End a session."""
        person = self.person(token)
        if token is None or person is None:
            return
        ending = delete(sessions).where(sessions.c.digest == _digest(token))
        self._record("logout", {"login": person.login}, lambda connection: _run(connection, ending))

    def _begin(self, row: Row[Any], event: str, **more: Any) -> tuple[str, Person]:
        token, moment = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        values = {"digest": _digest(token), "login": row.login, "epoch": row.epoch, "begun_at": moment}

        def act(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.begun_at < moment - self.settings.longest_s))
            connection.execute(insert(sessions).values(**values, seen_at=moment))
            clear = update(accounts).where(accounts.c.login == row.login).values(failures=0, locked_until=None)
            connection.execute(clear)

        self._record(event, {"login": row.login, **more}, act)
        return token, _person(row._mapping)

    def _failed(self, row: Row[Any]) -> Refused:
        """Count a wrong password, in the database so that all processes count together; lock at the limit."""
        moment = self._clock()

        def act(connection: Connection) -> None:
            this = accounts.c.login == row.login
            connection.execute(update(accounts).where(this).values(failures=accounts.c.failures + 1))
            full = this & (accounts.c.failures >= self.settings.failures)
            lock = {"failures": 0, "locked_until": moment + self.settings.lock_s}
            connection.execute(update(accounts).where(full).values(**lock))

        self._record("login_failed", {"login": row.login}, act)
        after = self._row(row.login)
        if after is not None and after.locked_until is not None and after.locked_until > moment:
            self._record("login_locked", {"login": row.login, "seconds": int(self.settings.lock_s)})
            return Refused("locked", int(self.settings.lock_s))
        return Refused("wrong")

    # --- parts -------------------------------------------------------------------------------------------------

    def _row(self, login: str) -> Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(select(accounts).where(accounts.c.login == login)).first()

    def _known(self, login: str) -> Row[Any]:
        row = self._row(login.strip().lower())
        if row is None:
            raise BadAccount(f"没有账号 {login}；现有账号见 account list")
        return row

    def _admins(self) -> set[str]:
        return {one["login"] for one in self.all() if "admin" in one["roles"] and not one["disabled"]}

    def _change(self, row: Row[Any], event: str, body: Mapping[str, Any], **values: Any) -> None:
        """Change an account and end its sessions."""
        change = update(accounts).where(accounts.c.login == row.login).values(**values, epoch=accounts.c.epoch + 1)

        def act(connection: Connection) -> None:
            connection.execute(change)
            connection.execute(delete(sessions).where(sessions.c.login == row.login))

        self._record(event, body, act)

    def _record(self, event: str, body: Mapping[str, Any], act: Act | None = None) -> None:
        self._log.append(CONVERSATION, event, body, act=act)

    def _acceptable(self, password: str, login: str) -> str:
        shortest = self.settings.shortest_password
        if not shortest <= len(password) <= LONGEST_PASSWORD:
            raise BadAccount(f"密码须为 {shortest}–{LONGEST_PASSWORD} 个字符")
        if login in password.lower() or len(set(password)) < 5:
            raise BadAccount("密码不能包含账号名，也不能只有几种字符；请换一个")
        return password

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(password)

    def _verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password is right. Without an account the same work is done for nothing."""
        if hashed is None:
            self._nobody = self._nobody or self._hash(secrets.token_urlsafe(16))
        try:
            with self._hashing:
                return self._hasher.verify(hashed or self._nobody or "", password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False


def csrf_token(session: str) -> str:
    """The token a form of this session carries; it says nothing of the session's own token."""
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def generated() -> str:
    """A password of 96 random bits."""
    return secrets.token_urlsafe(12)


def _roles(given: Iterable[str], registration: str | None) -> list[Role]:
    wanted = list(dict.fromkeys(given))
    known = [role for role in ACCOUNT_ROLES if role in wanted]
    if not wanted or len(known) != len(wanted):
        raise BadAccount(f"角色须为 {'、'.join(ACCOUNT_ROLES)} 中的一个或几个")
    if "adviser" in known and not (registration and REGISTRATION.fullmatch(registration)):
        raise BadAccount("投资顾问须登记执业编号（如 S0010620010001），用 --registration 给出")
    return known


def _person(row: Mapping[Any, Any]) -> Person:
    return Person(row[accounts.c.login], row["name"], frozenset(row["roles"]), row["registration"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)
