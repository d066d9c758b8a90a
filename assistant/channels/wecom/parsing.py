"""Callback bodies read without trusting them: no document types, no entities, no depth, no duplicate fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

from assistant.channels.wecom.crypto import Rejected

CIPHERTEXT_XML = re.compile(rb"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=\s]+?)(?:\]\]>)?\s*</Encrypt>")
CIPHERTEXT_JSON = re.compile(rb'"encrypt"\s*:\s*"((?:[A-Za-z0-9+/=]|\\/)+)"')
DEPTH = 6
ELEMENTS = 200


def sealed_part(body: bytes) -> str:
    """The ciphertext of an XML or JSON callback, found without parsing: nothing is parsed before its signature held.
    Raises Rejected unless there is exactly one."""
    pattern = CIPHERTEXT_JSON if body.lstrip()[:1] == b"{" else CIPHERTEXT_XML
    found = pattern.findall(body)
    if len(found) != 1:
        raise Rejected("malformed")
    return b"".join(found[0].replace(b"\\/", b"/").split()).decode()


def xml_fields(text: str) -> dict[str, Any]:
    """{element: text or nested fields} under the root; of repeated elements the first counts. Raises Rejected."""
    reader = _Reader()
    try:
        reader.parse(text)
    except expat.ExpatError:
        raise Rejected("malformed") from None
    return reader.root


def json_fields(text: str) -> dict[str, Any]:
    """The object a JSON callback holds. Raises Rejected."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Rejected("malformed") from None
    if not isinstance(value, dict):
        raise Rejected("malformed")
    return value


def word(fields: Mapping[str, Any], *path: str) -> str:
    """The text at a path of nested fields, or ""; a number counts as its digits."""
    value: Any = fields
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


class _Reader:
    """Flat XML into nested dictionaries. A document type declaration, and with it every entity, is refused."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._seen = 0

    def parse(self, text: str) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(text, True)

    def _refuse(self, *_: object) -> None:
        raise Rejected("entities")

    def _start(self, name: str, _: Mapping[str, str]) -> None:
        self._seen += 1
        if self._seen > ELEMENTS or len(self._open) >= DEPTH:
            raise Rejected("malformed")
        self._open.append((name, {}, []))

    def _characters(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def _end(self, _: str) -> None:
        name, children, characters = self._open.pop()
        if not self._open:
            self.root = children
            return
        self._open[-1][1].setdefault(name, children or "".join(characters))
