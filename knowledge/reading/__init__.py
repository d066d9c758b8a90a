"""Reads materials of any broker in any common format: metadata, visible text, and passages that hold one fact each."""

from knowledge.reading.passages import cut
from knowledge.reading.reader import read
from knowledge.reading.source import (
    Block,
    Faq,
    Heading,
    Item,
    ListBlock,
    Metadata,
    Pairs,
    Paragraph,
    Removed,
    Source,
    TableBlock,
    Unreadable,
)

__all__ = [
    "Block",
    "Faq",
    "Heading",
    "Item",
    "ListBlock",
    "Metadata",
    "Pairs",
    "Paragraph",
    "Removed",
    "Source",
    "TableBlock",
    "Unreadable",
    "cut",
    "read",
]
