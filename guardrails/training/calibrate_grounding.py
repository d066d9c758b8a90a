"""How well word support tells paraphrase from invention: `python -m guardrails.training.calibrate_grounding`.

Prints for each level the share of supported sentences stopped and of invented ones passed, over grounding_pairs.jsonl.
The level in data/grounding.yaml (`least_support`) is chosen from this table.
"""

from __future__ import annotations

import json
from pathlib import Path

from guardrails.grounding import gather, support
from guardrails.normalise import plain
from guardrails.products import ProductIndex

PAIRS = Path(__file__).parent / "grounding_pairs.jsonl"


def main() -> None:
    """Prints the table, and the sentences on the wrong side of the level in use."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        evidence = gather([row["passage"]], ProductIndex(()))
        share, _ = support(plain(row["text"]).text, evidence.words, evidence.text)
        shares[row["supported"]].append(share)
    for step in range(6, 16):
        level = step / 20
        stopped = sum(s < level for s in shares[True]) / len(shares[True])
        passed = sum(s >= level for s in shares[False]) / len(shares[False])
        print(f"level {level:.2f}  paraphrases stopped {stopped:.3f}  inventions passed {passed:.3f}")


if __name__ == "__main__":
    main()
