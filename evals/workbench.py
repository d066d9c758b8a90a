"""Installations to measure on: one data folder per set of materials, kept between runs and brought up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from knowledge.ingestion import ingest

HERE = Path(__file__).parent
STARTER = HERE.parent / "knowledge" / "materials"


def materials_of(corpus: str) -> Path:
    """The folder of a corpus: `starter` is the shipped set, others live in evals/corpora."""
    return STARTER if corpus == "starter" else HERE / "corpora" / corpus


def installation(corpus: str, folder: Path) -> Any:
    """An installation under `folder` that holds exactly this corpus, embedded."""
    from app import Installation
    from assistant.settings import Settings

    built = Installation(Settings(data=folder / corpus))
    ingest([materials_of(corpus)], built.materials, by="evals", progress=lambda done, total: None)
    built.library.embed_missing()
    return built
