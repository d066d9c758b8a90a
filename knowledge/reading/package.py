"""Office packages (zip files of XML) opened with bounds: size, number of parts, no entities, no encryption."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from dataclasses import dataclass

from lxml import etree  # type: ignore[import-untyped]

from knowledge.reading.source import Unreadable

MAX_UNPACKED = 150_000_000
MAX_PART = 60_000_000
MAX_PARTS = 5_000
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


@dataclass(frozen=True, slots=True)
class Package:
    """An opened package."""

    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        return self.archive.namelist()

    def bytes(self, name: str) -> bytes | None:
        """Content of a part, None when it is missing."""
        try:
            return self.archive.read(name)
        except KeyError:
            return None

    def xml(self, name: str) -> etree._Element | None:
        """Root of an XML part, None when it is missing or broken."""
        raw = self.bytes(name)
        if raw is None:
            return None
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, huge_tree=False, recover=False, load_dtd=False
        )
        return etree.fromstring(raw, parser)

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """Relations of `part` ("" for the package): id → (type's last word, target part)."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, tuple[str, str]] = {}
        for one in [] if root is None else root.iter(_RELATION):
            target = one.get("Target", "")
            if one.get("TargetMode") != "External":
                path = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                )
                found[one.get("Id", "")] = (one.get("Type", "").rsplit("/", 1)[-1], path)
        return found

    def main_part(self, default: str) -> str:
        """The part the package is about."""
        for kind, target in self.related("").values():
            if kind == "officeDocument":
                return target
        return default


def open_package(raw: bytes) -> Package:
    """The package in `raw`. Raises Unreadable when it is broken, encrypted, or unpacks to more than is sane."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Unreadable("文件已损坏，无法解压；请用原软件打开后另存一份") from None
    if any(part.flag_bits & 1 for part in parts) or "EncryptedPackage" in archive.namelist():
        raise Unreadable("文件已加密，无法读取；请取消密码保护后重新导入")
    if len(parts) > MAX_PARTS or sum(p.file_size for p in parts) > MAX_UNPACKED:
        raise Unreadable("文件解压后过大，疑似异常文件；请只保留需要的内容后另存")
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            if part.file_size > MAX_PART:
                raise Unreadable("文件内容过大；请拆成几个文件后重新导入")
            _no_entities(archive, part)
    return Package(archive)


def _no_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    try:
        with archive.open(part) as stream:
            start = stream.read(8192).replace(b"\0", b"")
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, EOFError):
        raise Unreadable("文件已损坏，无法解压；请用原软件打开后另存一份") from None
    if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
        raise Unreadable("文件含有不允许的实体定义，可能有害；请用原软件打开后另存一份")
