"""Which sentences of a reply stand word for word in its passages, and under what heading they stand there.

A list of swindlers' tricks is approved under the heading 识别非法荐股; quoted without the heading its items must not be
read as offers. Only passages of the records count: bare strings have no heading.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.turn import Passage
from guardrails.phrases import Place, Scan

_LEAST = 4
_EDGES = " \n\t。；;！!？?-•·*　"


def heads(passage: Passage) -> str:
    """Title, path, question, table name and the introduction line of a passage: what its sentences stand under."""
    first, _, rest = passage.text.partition("\n")
    intro = first if rest and first.rstrip().endswith(("：", ":")) else ""
    return "\n".join(t for t in (passage.title, *passage.heading, passage.table, passage.question, intro) if t)


def quoted(text: str, scan: Scan, passages: Sequence[Passage | str] | None) -> dict[Place, str]:
    """Sentence (place in the normalised text) → heads of the first passage that holds it word for word."""
    told = [p for p in passages or () if isinstance(p, Passage)]
    found: dict[Place, str] = {}
    for sentence in scan.sentences if told else ():
        start, end = scan.reading.span(*sentence)
        written = text[start:end].strip(_EDGES)
        source = next((p for p in told if written in p.text), None) if len(written) >= _LEAST else None
        if source is not None:
            found[sentence] = heads(source)
    return found
