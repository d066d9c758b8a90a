"""Roles, people, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["customer", "staff", "adviser", "editor", "approver", "compliance", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
ACCOUNT_ROLES: tuple[Role, ...] = tuple(role for role in ROLES if role != "customer")
ROLE_NAMES: dict[Role, str] = {
    "customer": "客户", "staff": "客服", "adviser": "投资顾问", "editor": "知识编辑", "approver": "知识审批",
    "compliance": "合规", "admin": "管理员",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in. `registration` is the 执业编号 of a registered adviser."""

    login: str
    name: str
    roles: frozenset[Role]
    registration: str | None = None

    def may(self, *roles: Role) -> bool:
        """Whether the person has one of these roles. No role includes another."""
        return bool(self.roles & set(roles))


class BadAccount(ValueError):
    """An account that cannot be made or changed so; the message says what to do."""


class Refused(Exception):
    """A login that is refused. `retry_after`: seconds to wait, when waiting helps."""

    def __init__(self, reason: Literal["wrong", "locked", "slow"], retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
