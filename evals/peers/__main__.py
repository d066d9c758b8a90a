"""Our screening beside NeMo Guardrails, LLM Guard and Guardrails AI: `make bench-peers`.

Texts of 360 characters from the starter materials, 10,000 generated terms and a few that matter; each other tool runs
in an environment of its own under .venv/peers, made here. What cannot be installed or run is reported with the reason.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from guardrails.meaning import Meaning
from guardrails.policy import POLICIES, Policy, load
from guardrails.screening import Screen

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv" / "peers"
MATERIALS = ROOT / "knowledge" / "materials"
PACKAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "nemo": (("nemoguardrails>=0.20",),),
    "llm-guard": (("torch==2.13.0",), ("llm-guard>=0.3.16", "torch==2.13.0")),
    "guardrails-ai": (("guardrails-ai>=0.6", "guardrails-ai-ban-list"),),
}
PROBES = ("本产品不保本", "稳 赚 不 赔", "稳赚不赔", "警惕“稳赚不赔”的骗局")
LAWFUL = ("本产品不保本", "警惕“稳赚不赔”的骗局")
BANNED = ("保本", "稳赚不赔")
TARGET_MS = {"Heshi, rules": 2.0, "Heshi, rules and meaning": 15.0}
CHARACTERS = 360
TERMS = 10_000
TODAY = date(2026, 11, 22)
INSTALL_S, RUN_S = 1800, 900


def main() -> int:
    """Measure all and print one table; exit status 1 when we miss a target of our own."""
    parser = argparse.ArgumentParser(prog="evals.peers", description=__doc__)
    parser.add_argument("--texts", type=int, default=300, help="texts we are measured on")
    parser.add_argument(
        "--peer-texts", type=int, default=40, help="texts the others are measured on, the first of ours"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = random.Random(20261122)
    texts, terms = sample_texts(options.texts, rng), generated(TERMS, rng)
    rows = [ours(texts, terms, name) for name in TARGET_MS]
    rows += [theirs(name, texts[: options.peer_texts], [*terms, *BANNED]) for name in PACKAGES]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        show(rows)
    return 0 if all(row["p95_ms"] <= TARGET_MS[row["name"]] for row in rows if row["name"] in TARGET_MS) else 1


def sample_texts(count: int, rng: random.Random) -> list[str]:
    """Pieces of the starter materials, each of CHARACTERS characters."""
    whole = ""
    for path in sorted(MATERIALS.rglob("*.md")):
        body = path.read_text(encoding="utf-8").split("---\n", 2)[-1]
        whole += re.sub(r"\n{2,}", "\n", re.sub(r"[#|*>`-]+", "", body))
    starts = [rng.randrange(len(whole) - CHARACTERS) for _ in range(count)]
    return [whole[start : start + CHARACTERS] for start in starts]


def generated(count: int, rng: random.Random) -> list[str]:
    """Terms of three to six common characters that mean nothing."""
    letters = sorted({c for text in sample_texts(60, rng) for c in text if "\u4e00" <= c <= "\u9fff"})
    made: set[str] = set()
    while len(made) < count:
        made.add("".join(rng.choice(letters) for _ in range(rng.randint(3, 6))))
    return sorted(made)


def ours(texts: Sequence[str], terms: Sequence[str], name: str) -> dict[str, Any]:
    """Our screening, every check of it, with the default pack grown by the generated terms."""
    screen = Screen(grown(terms), Meaning.load() if "meaning" in name else None)

    def blocked(text: str) -> bool:
        return screen.screen(text, today=TODAY).action != "allow"

    for text in texts[:20]:
        blocked(text)
    spent = [timed(blocked, text) for text in texts]
    how = f"all output checks, {screen.policy.id} {screen.policy.version}"
    return row(name, "this tree", how, spent, {text: blocked(text) for text in PROBES})


def grown(terms: Sequence[str]) -> Policy:
    """The default pack with one more rule that holds the generated terms."""
    raw = yaml.safe_load((POLICIES / "cn-securities.yaml").read_text(encoding="utf-8"))
    plain = [f"您好，{words}。" for words in ("请稍候", "已为您登记", "请看公告", "谢谢来信", "请您放心阅读")]
    extra = {
        "id": "generated", "code": "rude", "action": "block", "reason": "generated", "clause": "none", "certainty": "M",
        "terms": list(terms), "contexts": [], "must_hit": list(terms[:5]), "must_not": plain,
    }  # fmt: skip
    raw["rules"].append(extra)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "grown.yaml"
        file.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
        return load(file)


def timed(check: Callable[[str], bool], text: str) -> float:
    """Milliseconds of one check."""
    begun = time.perf_counter()
    check(text)
    return (time.perf_counter() - begun) * 1000


def theirs(name: str, texts: Sequence[str], terms: Sequence[str]) -> dict[str, Any]:
    """Another tool in its own environment, or why it could not be measured."""
    try:
        python = environment(name)
        with tempfile.TemporaryDirectory() as folder:
            given, result = Path(folder) / "in.json", Path(folder) / "out.json"
            told = {"terms": list(terms), "texts": list(texts), "probes": list(PROBES)}
            given.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
            script = str(Path(__file__).with_name("peer.py"))
            called([str(python), script, name, str(given), str(result)], RUN_S, Path(folder))
            found = json.loads(result.read_text(encoding="utf-8"))
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return {"name": name, "error": reason(error)}
    return row(name, found["version"], found["how"], found["ms"], found["probes"])


def environment(name: str) -> Path:
    """The interpreter of the environment of a tool, installed when it is not there yet."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"installing {name} into {folder} …", file=sys.stderr)
        uv = str(Path(sys.executable).with_name("uv"))
        called([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], INSTALL_S)
        for packages in PACKAGES[name]:
            called([uv, "pip", "install", "--quiet", "--python", str(python), *packages], INSTALL_S)
        (folder / ".installed").touch()
    return python


def called(command: Sequence[str], seconds: int, folder: Path = ROOT) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, cwd=folder)


def reason(error: Exception) -> str:
    """The last line a failed command wrote, or what went wrong with running it."""
    said = getattr(error, "stderr", "") or ""
    said = said.decode(errors="replace") if isinstance(said, bytes) else said
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"{type(error).__name__}: {error}"[:200]


def row(name: str, version: str, how: str, spent: Sequence[float], probes: dict[str, bool]) -> dict[str, Any]:
    """One line of the table."""
    p50, p95 = np.percentile(spent, [50, 95])
    return {
        "name": name,
        "version": version,
        "how": how,
        "texts": len(spent),
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "blocks": probes,
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    """The table: figures, then what each says to each probe."""
    print(f"{CHARACTERS} characters, {TERMS} generated terms; milliseconds a text\n")
    print(f"{'':<26}{'p50':>8}{'p95':>8}{'target':>8}  {'texts':>5}  how")
    for one in rows:
        if "error" in one:
            print(f"{one['name']:<26} not measured: {one['error']}")
            continue
        target = TARGET_MS.get(one["name"])
        print(
            f"{one['name']:<26}{one['p50_ms']:>8}{one['p95_ms']:>8}{'' if target is None else target:>8}"
            f"  {one['texts']:>5}  {one['version']}: {one['how']}"
        )
    for probe in PROBES:
        print(f"\n{probe}  ({'lawful' if probe in LAWFUL else 'forbidden'})")
        for one in (one for one in rows if "blocks" in one):
            blocked = one["blocks"][probe]
            wrong = "" if blocked != (probe in LAWFUL) else "  ← wrong"
            print(f"  {one['name']:<26}{'blocked' if blocked else 'passed'}{wrong}")


if __name__ == "__main__":
    sys.exit(main())
