"""What reading a file gives: metadata, visible blocks in order, and what was taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from assistant.turn import Audience, Kind, Product, Status


class Unreadable(Exception):
    """The file cannot be used as material. `reason` is Chinese, says what is wrong and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `level` 1 is the outermost. `style` names the manner of one that was recognised by its text."""

    level: int
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; "\\n" inside is a line break of the author's. `bold`: all of it is set in bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One list item; `depth` 0 is the outermost; `number` is set on items of an ordered list."""

    text: str
    depth: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True)
class ListBlock:
    """A list with the line that introduces it (may be empty); `ordered` tells about the outermost items."""

    items: tuple[Item, ...]
    ordered: bool = False
    intro: str = ""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A run of "label: value" facts, from a fact sheet, a definition list or lines of that shape."""

    pairs: tuple[tuple[str, str], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table: `columns` are the flattened header (empty strings where there is none), every row as wide as it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Faq:
    """A question as written, without its marker, and the blocks that answer it."""

    question: str
    answer: tuple[Paragraph | ListBlock | Pairs | TableBlock, ...]


Block = Heading | Paragraph | ListBlock | Pairs | TableBlock | Faq


@dataclass(frozen=True, slots=True)
class Removed:
    """Text that was taken out. `what`: hidden, instruction or characters; `excerpt` is short and masked."""

    what: str
    where: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a document says of itself. Dates are inclusive. `problems`: why an "approved" status does not count."""

    id: str
    title: str
    kind: Kind = "education"
    version: str = "1"
    status: Status = "draft"
    author: str | None = None
    approved_by: str | None = None
    approved_on: date | None = None
    effective_from: date | None = None
    effective_to: date | None = None
    audience: Audience = "public"
    source: str | None = None
    clause: str | None = None
    certainty: str | None = None
    aliases: tuple[str, ...] = ()
    product: Product | None = None
    slot: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why status "approved" does not count; empty when it counts or is not claimed."""
        if self.status != "approved":
            return ()
        found = []
        if not self.approved_by:
            found.append("状态为 approved，但没有填写批准人 approved_by")
        if self.approved_on is None:
            found.append("状态为 approved，但没有填写批准日期 approved_on")
        if self.author and self.approved_by and _same_person(self.author, self.approved_by):
            found.append("批准人 approved_by 与作者 author 是同一人，不能自己批准自己的材料")
        return tuple(found)

    @property
    def approved(self) -> bool:
        """Whether the approval counts: status, approver and day are there and nobody approved their own work."""
        return self.status == "approved" and not self.problems


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read. `content_hash` is hex sha256 over the visible normalised blocks and the metadata."""

    meta: Metadata
    blocks: tuple[Block, ...]
    removed: tuple[Removed, ...]
    content_hash: str


def _same_person(one: str, other: str) -> bool:
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()
