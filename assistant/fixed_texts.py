"""The shipped fixed texts go into the records of every installation, as approved documents like any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

from knowledge.ingestion import ingest
from knowledge.records.materials import Materials

SHIPPED = "shipped_replies"


def load_fixed_texts(materials: Materials, folder: Path) -> None:
    """Record the shipped texts unless these very ones were recorded before. A broker's own text with a later
    effective date takes their place."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.md")))).hexdigest()
    if materials.fact(SHIPPED) == digest:
        return
    report = ingest([folder], materials, by="heshi", progress=lambda done, total: None)
    if report.failed:
        raise RuntimeError(f"shipped fixed texts do not load: {report.failed}")
    materials.set_facts({SHIPPED: digest})
