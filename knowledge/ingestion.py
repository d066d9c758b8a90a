"""Files into the records: read, cut, hash, record; what did not change is not touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from knowledge.reading import Source, Unreadable, cut, read
from knowledge.records.materials import Materials

ENDINGS = frozenset({".md", ".markdown", ".html", ".htm", ".pdf", ".docx", ".xlsx", ".txt"})
SIDECARS = (".meta.yaml", ".meta.yml")
NOT_MATERIALS = frozenset({"readme.md", "license.md", "changelog.md"})
CUTTER = "1"


@dataclass(slots=True)
class Report:
    """What an import did. `failed`: file and reason; `removed`: hidden or instruction text that was left out."""

    documents: int = 0
    passages: int = 0
    unchanged: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    removed: list[dict[str, str]] = field(default_factory=list)
    not_approved: list[dict[str, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    seconds: float = 0.0


def ingest(paths: Sequence[Path], materials: Materials, *, by: str, progress: Callable[[int, int], None]) -> Report:
    """Read every file under `paths` into the records. A file that cannot be read is reported and the rest goes on.

    `progress(done, total)` is called after each file. Interrupted, a second run goes on where this one stopped.
    """
    report = Report()
    files = list(_files(paths, report))
    seen: dict[tuple[str, str], Path] = {}
    for done, path in enumerate(files, start=1):
        try:
            _ingest_one(path, materials, by, seen, report)
        except Unreadable as error:
            report.failed.append({"file": str(path), "reason": str(error)})
        progress(done, len(files))
    report.vanished = _vanished(paths, files, materials)
    return report


def digest_of(source: Source) -> str:
    """The hash of a revision: visible content and all metadata that decides where, when and to whom it is shown."""
    meta = json.dumps(asdict(source.meta), ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(f"{CUTTER}\n{source.content_hash}\n{meta}".encode()).hexdigest()


def _ingest_one(path: Path, materials: Materials, by: str, seen: dict[tuple[str, str], Path], report: Report) -> None:
    source = read(path)
    identity = (source.meta.id, source.meta.version)
    if identity in seen:
        raise Unreadable(
            f"文档 {identity[0]} 版本 {identity[1]} 已由 {seen[identity].name} 提供；请为其中一份改用别的 id 或 version"
        )
    seen[identity] = path
    digest = digest_of(source)
    passages = cut(source, revision=digest)
    report.documents += 1
    report.passages += len(passages)
    report.removed += [{"file": str(path), **_plain(item)} for item in source.removed]
    if source.meta.status == "approved" and not source.meta.approved:
        report.not_approved.append({"file": str(path), "reason": "；".join(source.meta.problems)})
    if not materials.record(source.meta, passages, digest, file=str(path.resolve()), by=by):
        report.unchanged += 1


def _plain(item: Any) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(item).items()}


def _files(paths: Iterable[Path], report: Report) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_symlink():
                    report.failed.append({"file": str(file), "reason": "是符号链接，不予读取；请放入文件本身"})
                elif file.is_file() and _material(file):
                    yield file
        elif path.is_file():
            yield path
        else:
            report.failed.append({"file": str(path), "reason": "找不到这个文件或文件夹，请检查路径"})


def _material(file: Path) -> bool:
    hidden = any(part.startswith((".", "~$")) for part in file.parts[-2:])
    return not hidden and file.suffix.lower() in ENDINGS and file.name.lower() not in NOT_MATERIALS


def _vanished(paths: Sequence[Path], files: Sequence[Path], materials: Materials) -> list[str]:
    """Files recorded from these folders that are no longer there: reported, not withdrawn."""
    folders = [str(path.resolve()) + "/" for path in paths if path.is_dir()]
    present = {str(file.resolve()) for file in files}
    recorded = {revision.file for revision in materials.all_revisions() if revision.file}
    known = {str(Path(file).resolve()) for file in recorded}
    return sorted(file for file in known - present if any(file.startswith(folder) for folder in folders))
