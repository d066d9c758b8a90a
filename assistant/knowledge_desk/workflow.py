"""From draft to approved, effective, replaced, withdrawn. Every step is an event of the log, in the transaction that
takes it. Editors write and submit; somebody else approves; whoever sees something wrong may withdraw at once."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from assistant.channels.settings import shanghai_today
from assistant.knowledge_desk.diff import Comparison, compare
from assistant.ledger.form import now
from assistant.log import Entry, Log, NotLogged, new_id
from assistant.people.values import Person, Role
from assistant.turn import Finding, Passage
from guardrails.screening import Screen
from knowledge.ingestion import ENDINGS, digest_of
from knowledge.reading import Metadata, Unreadable, cut, read
from knowledge.records import approval
from knowledge.records.materials import Materials
from knowledge.records.tables import revisions

LARGEST = 20_000_000
SOON_DAYS = 30
WITHDRAWERS: tuple[Role, ...] = ("editor", "approver", "compliance")


class BadStep(ValueError):
    """A step that cannot be taken; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it stands, with what an approver must see: removed text, and findings in its text."""

    document: str
    version: str
    title: str
    revision: str
    passages: int
    removed: tuple[Mapping[str, str], ...]
    findings: tuple[tuple[str, Finding], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """A document version in a list. `state`: draft, waiting, scheduled, effective, expired, withdrawn."""

    document: str
    version: str
    title: str
    kind: str
    audience: str
    state: str
    author: str | None
    approved_by: str | None
    effective_from: date | None
    effective_to: date | None


class KnowledgeDesk:
    """What editors and approvers do. `today` gives the day in Asia/Shanghai."""

    def __init__(
        self, materials: Materials, log: Log, screen: Screen, today: Callable[[], date] = shanghai_today
    ) -> None:
        self._today = today
        self._materials = materials
        self._database = materials.database
        self._log = log
        self._screen = screen

    # --- steps -------------------------------------------------------------------------------------------------

    def upload(self, name: str, content: bytes, *, by: Person, meta: Mapping[str, Any] | None = None) -> Draft:
        """Take a file in as a draft, whatever its own metadata claims. `meta` beats them. Raises BadStep."""
        _need(by, "editor")
        source = _read(name, content, meta or {})
        with self._database.reading() as connection:
            known = approval.current(connection, source.meta.id, source.meta.version)
        if known is not None and known.approved:
            raise BadStep(f"文档 {source.meta.id} 的版本 {source.meta.version} 已批准，不能覆盖；请另起一个 version")
        mine = replace(source.meta, status="draft", approved_by=None, approved_on=None,
                       author=source.meta.author or by.name)  # fmt: skip
        drafted = replace(source, meta=mine)
        digest, digest_of_file = digest_of(drafted), hashlib.sha256(content).hexdigest()
        pieces = cut(drafted, revision=digest)
        body = {"document": mine.id, "version": mine.version, "revision": digest, "file": Path(name).name,
                "file_hash": digest_of_file, "by": by.login, "passages": len(pieces)}  # fmt: skip

        def act(connection: Connection) -> None:
            approval.keep_upload(connection, digest_of_file, Path(name).name, content, by.login, now())
            if (request := approval.waiting(connection, mine.id, mine.version)) is not None:
                approval.decide(connection, request.id, status="replaced")
            if known is None or known.hash != digest:
                approval.record(connection, mine, pieces, digest, file=None, by=by.login)

        self._append(mine.id, "material_drafted", body, act)
        removed = tuple({name: str(value) for name, value in asdict(one).items()} for one in source.removed)
        return Draft(mine.id, mine.version, mine.title, digest, len(pieces), removed, self._findings(pieces))

    def submit(self, document: str, version: str, *, by: Person, note: str = "") -> str:
        """Ask for approval; the id of the request. Raises BadStep."""
        _need(by, "editor")
        row = self._draft(document, version)
        values = {
            "id": new_id(), "document": document, "version": version, "revision": row.hash,
            "uploaded_by": row.recorded_by.removeprefix(approval.DESK), "submitted_by": by.login,
            "submitted_at": now(), "note": note.strip(),
        }  # fmt: skip
        try:
            body = {**values, "title": row.title}
            self._append(document, "material_submitted", body, lambda connection: approval.ask(connection, values))
        except NotLogged as error:
            raise _clear(error, "这一版本已在等待审批") from None
        return str(values["id"])

    def approve(
        self, document: str, version: str, *, by: Person, effective_from: date | None = None,
        effective_to: date | None = None, reason: str = "",
    ) -> None:  # fmt: skip
        """Approve the very text that was submitted; from `effective_from` (else what the draft says, else today) it
        answers. Raises BadStep when the approver wrote, uploaded or submitted it, or the draft has changed since."""
        _need(by, "approver")
        today = self._today()
        row, request = self._waiting(document, version)
        if by.login in (request.uploaded_by, request.submitted_by) or _same(row.author, by):
            raise BadStep("不能审批自己编写、上传或提交的资料；请由另一人审批")
        if request.revision != row.hash:
            raise BadStep("提交之后草稿又有改动；请编辑重新提交")
        begins = effective_from or row.effective_from or today
        ends = effective_to or row.effective_to
        if ends is not None and ends < max(begins, today):
            raise BadStep("失效日期早于生效日期或今天；请更正")
        meta = replace(approval.metadata_of(row), status="approved", approved_by=by.name, approved_on=today,
                       effective_from=begins, effective_to=ends)  # fmt: skip
        pieces = self._passages(row)
        digest = _digest(row.hash, meta)
        body = {"document": document, "version": version, "submitted": row.hash, "revision": digest, "by": by.login,
                "request": request.id, "effective_from": begins.isoformat(),
                "effective_to": ends.isoformat() if ends else None, "reason": reason,
                "findings": [[finding.check, place] for place, finding in self._findings(pieces)]}  # fmt: skip

        def act(connection: Connection) -> None:
            decided = {"decided_by": by.login, "decided_at": now(), "reason": reason, "approved_revision": digest}
            if not approval.decide(connection, request.id, status="approved", **decided):
                raise BadStep("刚被别人处理，请刷新")
            approval.record(connection, meta, pieces, digest, file=None, by=by.login)

        self._append(document, "material_approved", body, act)

    def reject(self, document: str, version: str, *, by: Person, reason: str) -> None:
        """Send a draft back with the reason. Raises BadStep."""
        _need(by, "approver")
        _, request = self._waiting(document, version)
        if by.login in (request.uploaded_by, request.submitted_by):
            raise BadStep("不能处理自己上传或提交的资料；请由另一人处理")
        if not reason.strip():
            raise BadStep("退回须写明理由")

        def act(connection: Connection) -> None:
            decided = {"decided_by": by.login, "decided_at": now(), "reason": reason}
            if not approval.decide(connection, request.id, status="rejected", **decided):
                raise BadStep("刚被别人处理，请刷新")

        body = {"document": document, "version": version, "request": request.id, "by": by.login, "reason": reason}
        self._append(document, "material_rejected", body, act)

    def withdraw(self, document: str, version: str, *, by: Person, reason: str) -> None:
        """Take a version out of use at once: from the next question on nothing is answered from it. Raises BadStep."""
        _need(by, *WITHDRAWERS)
        if not reason.strip():
            raise BadStep("撤下须写明理由")
        with self._database.reading() as connection:
            row = approval.current(connection, document, version)
        if row is None or row.status == "retired":
            raise BadStep("没有这一版本，或已撤下")
        if row.slot is not None:
            raise BadStep("固定话术不能撤下，只能由新版本替换，否则助手在该场合无话可说")
        meta = replace(approval.metadata_of(row), status="retired")
        pieces, digest = self._passages(row), _digest(row.hash, meta)
        body = {"document": document, "version": version, "was": row.hash, "revision": digest, "by": by.login,
                "reason": reason}  # fmt: skip

        def act(connection: Connection) -> None:
            if (request := approval.waiting(connection, document, version)) is not None:
                approval.decide(connection, request.id, status="withdrawn")
            approval.record(connection, meta, pieces, digest, file=row.file, by=by.login)

        self._append(document, "material_withdrawn", body, act)

    # --- lists -------------------------------------------------------------------------------------------------

    def materials(self, *, state: str | None = None) -> list[Material]:
        """Every current document version with its state today."""
        today = self._today()
        with self._database.reading() as connection:
            rows = connection.execute(
                select(revisions)
                .where(revisions.c.superseded_at.is_(None))
                .order_by(revisions.c.document, revisions.c.id)
            ).all()
            open_ones = select(approval.reviews.c.document, approval.reviews.c.version)
            asked = {tuple(one) for one in connection.execute(open_ones.where(approval.reviews.c.status == "waiting"))}
        found = [_material(row, today, (row.document, row.version) in asked) for row in rows]
        return [one for one in found if state is None or one.state == state]

    def waiting(self) -> list[Mapping[str, Any]]:
        """Requests for approval, oldest first."""
        query = select(approval.reviews).where(approval.reviews.c.status == "waiting")
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(approval.reviews.c.submitted_at))
            return [dict(row._mapping) for row in rows]

    def expiring(self, days: int = SOON_DAYS) -> list[Material]:
        """Effective versions that end within so many days and have no successor that is approved, soonest first."""
        today, everything = self._today(), self.materials()
        last = today + timedelta(days=days)
        effective = [one for one in everything if one.state in ("effective", "scheduled")]

        def succeeded(one: Material) -> bool:
            assert one.effective_to is not None
            return any(
                other.document == one.document and other.version != one.version
                and (other.effective_to is None or other.effective_to > one.effective_to)
                and (other.effective_from is None or other.effective_from <= one.effective_to + timedelta(days=1))
                for other in effective
            )  # fmt: skip

        ending = [one for one in effective if one.effective_to is not None and today <= one.effective_to <= last]
        return sorted((one for one in ending if not succeeded(one)), key=lambda one: one.effective_to or date.max)

    def findings(self, document: str, version: str) -> tuple[tuple[str, Finding], ...]:
        """What the screening finds in a version's text, with the passage it stands in: shown before approval."""
        with self._database.reading() as connection:
            row = approval.current(connection, document, version)
        return () if row is None else self._findings(self._passages(row))

    def compare(self, document: str, old: str, new: str) -> Comparison:
        """Two versions side by side. Raises BadStep."""
        texts = []
        for version in (old, new):
            with self._database.reading() as connection:
                row = approval.current(connection, document, version)
            if row is None:
                raise BadStep(f"没有文档 {document} 的版本 {version}")
            texts.append(self._passages(row))
        return compare(*texts)

    def history(self, document: str) -> list[Entry]:
        """Every step that was taken with a document, oldest first."""
        return self._log.conversation(_conversation(document))

    # --- parts -------------------------------------------------------------------------------------------------

    def _append(self, document: str, event: str, body: Mapping[str, Any], act: Any) -> None:
        try:
            self._log.append(_conversation(document), event, body, act=act)
        except NotLogged as error:
            if isinstance(error.__cause__, BadStep):
                raise error.__cause__ from None
            raise

    def _draft(self, document: str, version: str) -> Row[Any]:
        with self._database.reading() as connection:
            row = approval.current(connection, document, version)
        if row is None:
            raise BadStep(f"没有文档 {document} 的版本 {version}")
        if row.status not in ("draft", "in_review"):
            raise BadStep("只有草稿可以提交审批；要修改已批准的资料请上传新版本")
        return row

    def _waiting(self, document: str, version: str) -> tuple[Row[Any], Row[Any]]:
        row = self._draft(document, version)
        with self._database.reading() as connection:
            request = approval.waiting(connection, document, version)
        if request is None:
            raise BadStep("这一版本没有提交审批")
        return row, request

    def _passages(self, row: Row[Any]) -> list[Passage]:
        found = self._materials._load(revisions.c.id == row.id)
        return [found[key] for key in sorted(found)]

    def _findings(self, pieces: Sequence[Passage]) -> tuple[tuple[str, Finding], ...]:
        """As if the assistant said it; whether it is borne out is no question for the text itself."""
        found = []
        for piece in pieces:
            verdict = self._screen.screen(
                "\n".join(part for part in (piece.question, piece.text) if part), today=self._today()
            )
            found += [(piece.id, finding) for finding in verdict.findings if finding.action != "allow"]
        return tuple(found)


def _conversation(document: str) -> str:
    name = f"material:{document}"
    return name if len(name) <= 64 else f"material:{hashlib.sha256(document.encode()).hexdigest()[:48]}"


def _need(by: Person, *roles: Role) -> None:
    if not by.may(*roles):
        raise BadStep("您的角色不能进行这一步")


def _same(author: str | None, by: Person) -> bool:
    plain = "".join((author or "").split()).casefold()
    return bool(plain) and plain in ("".join(by.name.split()).casefold(), by.login.casefold())


def _clear(error: NotLogged, words: str) -> Exception:
    """The plain words for a rule of the database that was broken; anything else stays what it is."""
    return BadStep(words) if isinstance(error.__cause__, IntegrityError) else error


def _digest(revision: str, meta: Metadata) -> str:
    """The hash of a revision with the same text and other metadata."""
    told = json.dumps(asdict(meta), ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(f"{revision}\n{told}".encode()).hexdigest()


def _read(name: str, content: bytes, meta: Mapping[str, Any]) -> Any:
    """The file as read. Its name only says what kind it is; nothing is written where the caller names."""
    ending = Path(name).suffix.lower()
    stem = Path(name).stem.strip() or "upload"
    if ending not in ENDINGS:
        raise BadStep(f"不支持的文件类型 {ending or '（无扩展名）'}；可用：{'、'.join(sorted(ENDINGS))}")
    if not 0 < len(content) <= LARGEST:
        raise BadStep(f"文件须为 1 至 {LARGEST // 1_000_000} MB")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{stem[:80].replace('/', '_')}{ending}"
        file.write_bytes(content)
        if meta:
            beside = file.with_name(f"{file.name}.meta.yaml")
            beside.write_text(json.dumps(dict(meta), ensure_ascii=False, default=str), "utf-8")
        try:
            return read(file)
        except Unreadable as error:
            raise BadStep(error.reason) from None


def _material(row: Row[Any], today: date, asked: bool) -> Material:
    if row.status == "retired":
        state = "withdrawn"
    elif not row.approved:
        state = "waiting" if asked else "draft"
    elif row.effective_to is not None and row.effective_to < today:
        state = "expired"
    elif row.effective_from is not None and row.effective_from > today:
        state = "scheduled"
    else:
        state = "effective"
    return Material(
        row.document, row.version, row.title, row.kind, row.audience, state, row.author, row.approved_by,
        row.effective_from, row.effective_to,
    )  # fmt: skip
