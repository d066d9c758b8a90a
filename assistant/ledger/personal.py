"""Raw personal text beside the log: kept encrypted, opened for a purpose, erased on request, restricted or held.

A customer's wish to be forgotten deletes what may be deleted, restricts what the law wants kept, and leaves alone what
is under a legal hold until the hold is released; the log itself stays whole: it holds masked text and commitments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from assistant.ledger.form import now
from assistant.ledger.retention import class_of, classes
from assistant.ledger.tables import log_customers, log_erasures, log_holds, log_personal, log_turns
from assistant.ledger.vault import Unopened, Vault

Scope = Literal["conversation", "customer"]


class Restricted(Exception):
    """The text is kept for the law only; name a statutory purpose to open it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an append leaves behind: the body as it is logged, and the rows beside the log."""

    body: Mapping[str, Any]
    texts: tuple[dict[str, Any], ...] = ()
    customer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did, in texts: gone, kept for the law, kept because of a hold."""

    deleted: int
    restricted: int
    held: int


def keep(
    vault: Vault, turn: str, conversation: str, event: str, body: Mapping[str, Any], raw: Mapping[str, str]
) -> Kept:
    """Take what is personal out of a body: the customer's id becomes a pseudonym, raw texts become commitments."""
    logged, reference, customer = dict(body), None, None
    profile = body.get("customer")
    if isinstance(profile, Mapping) and profile.get("id"):
        given = str(profile["id"])
        reference = vault.reference(given)
        logged["customer"] = {**profile, "id": reference}
        if reference != given:
            key, sealed, _ = vault.seal(given, reference)
            customer = {"reference": reference, "key": key, "sealed": sealed}
    texts, commitments = [], {}
    record_class = class_of(event, body)
    for name, text in raw.items():
        if not text or text == body.get(name):
            continue
        key, sealed, commitments[name] = vault.seal(text, f"{turn}/{name}")
        texts.append(
            {"turn": turn, "field": name, "conversation": conversation, "customer": reference,
             "record_class": record_class, "key": key, "sealed": sealed}
        )  # fmt: skip
    if commitments:
        logged["commitments"] = commitments
    return Kept(logged, tuple(texts), customer)


def write(connection: Connection, kept: Kept, recorded_at: str) -> None:
    """Put the rows beside the log into their tables."""
    for text in kept.texts:
        connection.execute(insert(log_personal).values(**text, recorded_at=recorded_at))
    if kept.customer is None:
        return
    same = log_customers.c.reference == kept.customer["reference"]
    if connection.execute(select(log_customers.c.reference).where(same)).first() is None:
        connection.execute(insert(log_customers).values(**kept.customer, recorded_at=recorded_at))


def open_texts(connection: Connection, vault: Vault, turn: str, *, statutory: bool = False) -> dict[str, str]:
    """The raw texts of one event by field, each checked against its commitment in the log. Raises Restricted, and
    Unopened when a text is not the one that was committed to."""
    rows = connection.execute(select(log_personal).where(log_personal.c.turn == turn)).all()
    if any(row.restricted_at for row in rows) and not statutory:
        raise Restricted("这段原文已限制处理，仅可为法定目的调阅；请注明法定目的")
    body = connection.execute(select(log_turns.c.body).where(log_turns.c.id == turn)).scalar() or ""
    found = {}
    for row in rows:
        text, commitment = vault.open(row.key, row.sealed, f"{turn}/{row.field}")
        if commitment not in body:
            raise Unopened(f"the raw {row.field} of {turn} is not the one the log committed to")
        found[row.field] = text
    return found


def open_customer(connection: Connection, vault: Vault, reference: str, *, statutory: bool = False) -> str | None:
    """Whom a pseudonym means; None when it was erased. Raises Restricted."""
    row = connection.execute(select(log_customers).where(log_customers.c.reference == reference)).first()
    if row is None:
        return None
    if row.restricted_at and not statutory:
        raise Restricted("这名客户的身份已限制处理，仅可为法定目的调阅；请注明法定目的")
    return vault.open(row.key, row.sealed, reference)[0]


def erase(connection: Connection, scope: Scope, target: str) -> Erased:
    """Erase the raw texts of a conversation or customer as far as the law and holds allow."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    ours = _within(scope, target)
    held = _held(connection, scope, target)
    free = select(log_personal.c.turn, log_personal.c.field, log_personal.c.record_class, log_personal.c.recorded_at)
    deleted = restricted = kept = 0
    moment = now()
    for row in connection.execute(free.where(ours)).all():
        this = (log_personal.c.turn == row.turn) & (log_personal.c.field == row.field)
        rule = classes()[row.record_class]
        if held is True or row.turn in held:
            kept += 1
        elif rule.on_erase == "delete" or rule.ends(row.recorded_at) <= moment:
            connection.execute(delete(log_personal).where(this))
            deleted += 1
        else:
            connection.execute(update(log_personal).where(this).values(restricted_at=moment))
            restricted += 1
    if scope == "customer" and held is not True:
        this_one = log_customers.c.reference == target
        if restricted or kept:
            connection.execute(update(log_customers).where(this_one).values(restricted_at=moment))
        else:
            connection.execute(delete(log_customers).where(this_one))
    return Erased(deleted, restricted, kept)


def ask_erasure(connection: Connection, request: str, scope: Scope, target: str, by: str, done: bool) -> None:
    """Note a customer's wish; one that a hold delays stays open."""
    moment = now()
    values = {"id": request, "scope": scope, "target": target, "requested_by": by, "requested_at": moment}
    connection.execute(insert(log_erasures).values(**values, completed_at=moment if done else None))


def open_erasures(connection: Connection) -> list[Row[Any]]:
    """Wishes that a hold delays, oldest first."""
    query = select(log_erasures).where(log_erasures.c.completed_at.is_(None)).order_by(log_erasures.c.requested_at)
    return list(connection.execute(query).all())


def expire(connection: Connection, moment: str) -> int:
    """Delete raw texts whose time is over and that no hold keeps; how many."""
    count = 0
    for name, rule in classes().items():
        query = select(log_personal.c.turn, log_personal.c.conversation, log_personal.c.customer,
                       log_personal.c.recorded_at).where(log_personal.c.record_class == name)  # fmt: skip
        for row in connection.execute(query.order_by(log_personal.c.recorded_at)).all():
            if rule.ends(row.recorded_at) > moment:
                break
            if _on_hold(connection, row.conversation, row.customer):
                continue
            count += connection.execute(delete(log_personal).where(log_personal.c.turn == row.turn)).rowcount
    return count


def reseal(connection: Connection, vault: Vault) -> int:
    """Seal with the current key what older keys sealed; salt and text stay as they are, so commitments still hold."""
    count = 0
    for row in connection.execute(select(log_personal).where(log_personal.c.key != vault.current)).all():
        binding = f"{row.turn}/{row.field}"
        key, sealed = vault.again(row.key, row.sealed, binding)
        this = (log_personal.c.turn == row.turn) & (log_personal.c.field == row.field)
        connection.execute(update(log_personal).where(this).values(key=key, sealed=sealed))
        count += 1
    for row in connection.execute(select(log_customers).where(log_customers.c.key != vault.current)).all():
        key, sealed = vault.again(row.key, row.sealed, row.reference)
        this = log_customers.c.reference == row.reference
        connection.execute(update(log_customers).where(this).values(key=key, sealed=sealed))
        count += 1
    return count


def sealed_with(connection: Connection, key: str) -> int:
    """How many texts and names a key still seals."""
    counts = (select(func.count()).where(table.c.key == key) for table in (log_personal, log_customers))
    return sum(int(connection.execute(query).scalar() or 0) for query in counts)


def on_hold(connection: Connection) -> list[Row[Any]]:
    """Every hold in force."""
    return list(connection.execute(select(log_holds).where(log_holds.c.released_at.is_(None))).all())


def _within(scope: Scope, target: str) -> ColumnElement[bool]:
    column = log_personal.c.conversation if scope == "conversation" else log_personal.c.customer
    return column == target


def _held(connection: Connection, scope: Scope, target: str) -> set[str] | Literal[True]:
    """True when the target itself is under a hold, else the events of it that another hold keeps."""
    holds = on_hold(connection)
    if any(one.scope == scope and one.target == target for one in holds):
        return True
    targets = [one.target for one in holds]
    if not targets:
        return set()
    query = select(log_personal.c.turn).where(
        _within(scope, target), or_(log_personal.c.conversation.in_(targets), log_personal.c.customer.in_(targets))
    )
    return set(connection.execute(query).scalars())


def _on_hold(connection: Connection, conversation: str, customer: str | None) -> bool:
    either = [log_holds.c.target == conversation] + ([log_holds.c.target == customer] if customer else [])
    query = select(func.count()).where(log_holds.c.released_at.is_(None), or_(*either))
    return bool(connection.execute(query).scalar())
