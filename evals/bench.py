"""Times whole turns and their stages over a large index, ingestion, and the memory of the process."""

from __future__ import annotations

import platform
import resource
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from assistant.customers import customer_from
from assistant.log import SHANGHAI, new_id
from assistant.turn import Asked
from evals import splits
from evals.cases import answer_cases
from evals.workbench import HERE, STARTER, materials_of
from knowledge.ingestion import digest_of
from knowledge.reading import Unreadable, cut, read

MEASURED_TOKENS = 200
SPLITS = 100_000


def measure(work: Path, passages: int, turns: int) -> dict[str, dict[str, Any]]:
    """{stage: figures}. The installation under `work` is made anew when it holds another number of passages."""
    installation, ingestion = grown(work, passages)
    assistant = installation.assistant
    today = _today()
    asked = [case for case in answer_cases("starter") if not case.history][:turns]
    for case in asked[:20]:
        assistant.answer(Asked(case.question, "bench", today, new_id()))
    spent: dict[str, list[float]] = {}
    for case in asked:
        reply = assistant.answer(Asked(case.question, "bench", today, new_id(), customer=customer_from(case.customer)))
        for stage, ms in reply.ms.items():
            spent.setdefault(stage, []).append(ms)
    figures: dict[str, dict[str, Any]] = {}
    for stage, ms in spent.items():
        figures["turn" if stage == "total" else f"turn:{stage}"] = percentiles(ms)
    figures["route"] = percentiles(_timed(lambda case: installation.router.route(case.question), asked))
    figures["log_append"] = percentiles(
        _timed(lambda case: installation.log.append("bench", "bench", {"text": case.question}), asked[:200])
    )
    figures["gate"] = splits.measure(installation.screen, today, SPLITS)
    figures["ingestion"] = ingestion
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["memory"] = {"peak_mb": round(peak), "passages": len(installation.library.view(today, live=True).keys)}
    figures["machine"] = {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()}
    return figures


def grown(work: Path, passages: int) -> tuple[Any, dict[str, Any]]:
    """An installation with about `passages` public passages, and how fast passages of 200 tokens were embedded."""
    from app import Installation
    from assistant.settings import Settings

    installation = Installation(Settings(data=work / str(passages)))
    known = len(installation.materials.approved_revisions())
    if known < 50:
        shutil.rmtree(work / str(passages), ignore_errors=True)
        installation = Installation(Settings(data=work / str(passages)))
        _fill(installation, passages)
    rate = embedding_rate(installation)
    installation.library.embed_missing()
    installation.library.view(_today(), live=True)
    return installation, rate


def embedding_rate(installation: Any) -> dict[str, Any]:
    """Passages of 200 tokens embedded per second, over 60 texts taken from the starter materials."""
    words = "".join(passage.text for path in _files([STARTER])[:80] for passage in _cut(path))
    count = installation.embedder.count if hasattr(installation.embedder, "count") else None
    size = MEASURED_TOKENS if count is None else round(MEASURED_TOKENS * 2000 / count(words[:2000]))
    texts = [words[i * size : (i + 1) * size] for i in range(60)]
    installation.embedder.passages(texts[:8])
    begun = time.perf_counter()
    installation.embedder.passages(texts)
    return {"passages_per_s": round(len(texts) / (time.perf_counter() - begun), 1), "tokens": MEASURED_TOKENS}


def percentiles(values: Sequence[float]) -> dict[str, Any]:
    """p50, p95 and maximum in milliseconds."""
    p50, p95, top = np.percentile(values, [50, 95, 100])
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "max_ms": round(float(top), 2)}


def _fill(installation: Any, passages: int) -> None:
    """All materials we have, then copies under other names and with other numbers, until there are enough."""
    total, turn = 0, 0
    corpora = [path for path in (HERE / "corpora").iterdir() if path.is_dir()]
    files = _files([materials_of("starter"), *sorted(corpora)])
    while total < passages:
        for path in files:
            try:
                source = read(path)
            except Unreadable:
                continue
            if turn:
                meta = replace(source.meta, id=f"{source.meta.id}-{turn}", title=f"{source.meta.title}（{turn}）")
                source = replace(source, meta=meta)
            pieces = cut(source, revision=digest_of(source))
            if turn:
                pieces = [replace(piece, text=f"{piece.text}（文本{turn}）") for piece in pieces]
            if installation.materials.record(source.meta, pieces, digest_of(source), file=str(path), by="bench"):
                total += len(pieces) * (source.meta.approved and source.meta.audience == "public")
            if total >= passages:
                return
        turn += 1


def _files(folders: Sequence[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in (".md", ".html"))


def _cut(path: Path) -> list[Any]:
    source = read(path)
    return list(cut(source, revision=digest_of(source)))


def _timed(call: Any, cases: Sequence[Any]) -> list[float]:
    spent = []
    for case in cases:
        begun = time.perf_counter()
        call(case)
        spent.append((time.perf_counter() - begun) * 1000)
    return spent


def _today() -> date:
    return datetime.now(SHANGHAI).date()
