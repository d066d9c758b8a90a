"""Train the cross-encoder that says whether a passage answers a question (knowledge.embedding.pair).

`python -m evals.training.fit_pair collect FILE [--work DIR]` writes the pairs of the training and development corpora;
`python -m evals.training.fit_pair train FILE` fits the upper layers and the head on the training corpora, prints
figures of the development corpus and writes knowledge/embedding/pair.npz. Seeded. Only `train` needs torch (optional
dependency local-models). The lower layers stay as installed: each pair runs through them once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

TRAINED_ON = ("lanjiang", "starter")
DEVELOPED_ON = "beichen"
NEGATIVES = 8
LOOKED_AT = 8
QUESTIONS_OF_MATERIALS = "faq"


@dataclass(frozen=True, slots=True)
class Group:
    """One question with passages: labels in 0..1, cosines, whether each comes from a right document."""

    corpus: str
    case: str
    question: str
    answerable: bool
    texts: tuple[str, ...]
    labels: tuple[float, ...]
    cosines: tuple[float, ...]
    at_home: tuple[bool, ...]


def collect(corpora: Sequence[str], work: Path) -> Iterator[Group]:
    """The groups of these corpora: cases, then the questions that the training materials ask themselves."""
    from evals.training.fit_retrieval import readings_of
    from evals.workbench import installation

    for corpus in corpora:
        search = installation(corpus, work).bare_search
        for one in readings_of(corpus, search):
            group = _of_case(corpus, one.case, one.text, search)
            if group is not None:
                yield group
        if corpus != DEVELOPED_ON:
            yield from _of_materials(corpus, search)
        print(f"{corpus} collected", flush=True)


def _of_case(corpus: str, case: Any, text: str, search: Any) -> Group | None:
    from evals.cases import met
    from evals.training.fit_retrieval import label
    from knowledge.embedding.pair import pair_text
    from knowledge.library import head_text

    found, cosines = _candidates(text, search, case.today)
    if not found:
        return None
    labels = label(case, dict(enumerate(found)))
    home = [passage.document in case.documents for passage in found]
    chosen = []
    for i, passage in enumerate(found):
        stray = case.answerable and not home[i] and case.facts
        if stray and met(case.facts, f"{head_text(passage)}\n{passage.table}\n{passage.text}") == len(case.facts):
            continue  # says the same elsewhere: neither right nor wrong
        chosen.append(i)
    kept = _kept(chosen, labels, home, whole=corpus == DEVELOPED_ON)
    texts = [pair_text(found[i]) for i in kept]
    return _group((corpus, case.id, text, case.answerable), texts, kept, labels, cosines, home)


def _of_materials(corpus: str, search: Any) -> Iterator[Group]:
    """Questions written in the materials; their passages are shown without them."""
    from datetime import date

    from knowledge.embedding.pair import pair_text

    today = date(2026, 11, 22)
    view = search.library.view(today)
    loaded = search.library.materials.load(sorted(view.keys))
    for key, passage in loaded.items():
        if passage.form != QUESTIONS_OF_MATERIALS or not passage.question:
            continue
        found, cosines = _candidates(passage.question, search, today)
        labels = np.array([float(other.id == passage.id) for other in found])
        if not labels.any():
            continue
        home = [other.document == passage.document for other in found]
        kept = _kept(range(len(found)), labels, home, whole=False)
        texts = [pair_text(found[i]).replace(f"{passage.question}\n", "") for i in kept]
        whose = (corpus, f"{corpus}-q{key}", passage.question, True)
        yield _group(whose, texts, kept, labels, cosines, home)


def _candidates(text: str, search: Any, today: Any) -> tuple[list[Any], np.ndarray]:
    """Candidate passages, nearest first, with their cosines."""
    _, passages, _ = search.candidates(text, search.library.view(today))
    found = list(passages.values())
    vector = search.embed([text])[0]
    hashes = [search.look(key, passage).vector_hash for key, passage in passages.items()]
    cosines = np.asarray(search.library.cosines(hashes, vector))
    order = np.argsort(-cosines, kind="stable")
    return [found[i] for i in order], cosines[order]


def _kept(chosen: Sequence[int], labels: np.ndarray, home: Sequence[bool], *, whole: bool) -> list[int]:
    """Right passages and the nearest wrong ones, half of them from the right documents; `whole`: the nearest too."""
    right = [i for i in chosen if labels[i] > 0][:4]
    near = [i for i in chosen if labels[i] == 0 and home[i]][: NEGATIVES // 2]
    far = [i for i in chosen if labels[i] == 0 and not home[i]][: NEGATIVES - len(near)]
    top = list(range(min(LOOKED_AT, len(labels)))) if whole else []
    return sorted({*right, *near, *far, *top})


def _group(
    whose: tuple[str, str, str, bool], texts: Sequence[str], kept: Sequence[int], *columns: Sequence[float] | np.ndarray
) -> Group:
    labels, cosines, home = (tuple(float(column[i]) for i in kept) for column in columns)
    return Group(*whose, tuple(texts), labels, cosines, tuple(map(bool, home)))


def read_groups(path: Path) -> list[Group]:
    """The groups that `collect` wrote."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: Mapping[str, Any] = json.loads(line)
        found.append(Group(**{name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("collect", "train"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--corpora", default=",".join((DEVELOPED_ON, *TRAINED_ON)), help="of collect")
    parser.add_argument("--work", type=Path, default=Path("data/evals"))
    options = parser.parse_args()
    if options.step == "collect":
        with options.file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(asdict(group), ensure_ascii=False) + "\n" for group in collect(options.corpora.split(","), options.work))


if __name__ == "__main__":
    main()
