"""Screens approved public passages word for word: `python tests/unit/guard_materials.py FOLDER…`.

What the approver let through must leave again when an answer quotes it, whoever the customer is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from assistant.turn import Finding, Passage, Product  # noqa: E402
from guardrails.meaning import Meaning  # noqa: E402
from guardrails.policy import POLICIES, load  # noqa: E402
from guardrails.products import ProductIndex  # noqa: E402
from guardrails.screening import Screen  # noqa: E402
from knowledge.reading import Source, Unreadable, cut, read  # noqa: E402

TODAY = date(2026, 11, 22)
ENDINGS = frozenset({".md", ".html", ".htm", ".pdf", ".docx", ".xlsx", ".txt"})
Stopped = tuple[Passage, tuple[Finding, ...]]


def sources(folder: Path) -> Iterator[Source]:
    """Every readable material of a folder."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix in ENDINGS):
        try:
            yield read(path)
        except Unreadable:
            continue


def passages(folder: Path) -> tuple[list[Passage], list[Product]]:
    """Passages of approved public materials, and the products of all materials of the folder."""
    told = list(sources(folder))
    products = {s.meta.product.code: s.meta.product for s in told if s.meta.product}
    open_to_all = [s for s in told if s.meta.approved and s.meta.audience == "public" and s.meta.kind != "script"]
    return [p for s in open_to_all for p in cut(s, revision="r")], list(products.values())


def stopped(found: Sequence[Passage], products: Sequence[Product], screen: Screen) -> list[Stopped]:
    """Passages that would not leave as the answer to a customer nobody knows anything of."""
    known = ProductIndex(products)
    result: list[Stopped] = []
    for passage in found:
        own = (passage.product,) if passage.product else ()
        verdict = screen.screen(
            passage.text, products=own, passages=[passage], today=TODAY, known_products=known, initiative="customer"
        )
        # What only qualified investors may be told is refused to an unknown customer, rightly.
        findings = tuple(f for f in verdict.findings if "只面向合格投资者" not in f.reason)
        if findings:
            result.append((passage, findings))
    return result


def main(folders: Sequence[str]) -> None:
    """Prints the share stopped, by check, and every passage stopped."""
    screen = Screen(load(POLICIES / "cn-securities.yaml"), Meaning.load())
    for folder in folders:
        found, products = passages(Path(folder))
        bad = stopped(found, products, screen)
        counts = Counter(f.check for _, findings in bad for f in findings)
        print(f"{folder}: {len(bad)}/{len(found)} = {len(bad) / max(len(found), 1):.2%} {dict(counts)}")
        for passage, findings in bad:
            for f in findings:
                shown = passage.text[max(0, f.span[0] - 12) : f.span[1] + 12].replace("\n", "⏎")
                print(f"  {f.check:20} {passage.title[:14]} {f.reason[:60]}\n      …{shown[:150]}…")


if __name__ == "__main__":
    main(sys.argv[1:])
