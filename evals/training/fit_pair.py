"""Train the pair model that says whether a passage answers a question (knowledge.embedding.pair).

`python -m evals.training.fit_pair collect FILE [--corpora a,b] [--work DIR]` writes questions with candidate passages;
`python -m evals.training.fit_pair train FILE` fits the upper layers and the head on the training corpora, prints
figures of the development corpus and writes knowledge/embedding/pair.npz. Seeded. Only `train` needs torch (optional
dependency local-models). The lower layers stay as installed: each text runs through them once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.training.layers import Layers, states, torch_or_exit
from knowledge.embedding.pair import PASSAGE_MARKS, PASSAGE_TOKENS, QUERY_MARKS, QUESTION_TOKENS, TRAINED, own

TRAINED_ON = ("lanjiang", "starter", "qinghe")
DEVELOPED_ON = "beichen"
NEGATIVES = 8
LOOKED_AT = 8
SEED = 20261122
HEAD_UNITS = 96
WORD_SIZE = 64
CODE_SIZE = 128
GROUPS_A_STEP = 12
SHOWN = 4
RIGHT_SHOWN = 1
LIST_SHARE = 0.7
DROPOUT = 0.1
BFLOAT = True
EPOCHS = 2


@dataclass(frozen=True, slots=True)
class Group:
    """One question with passages, as embedded: labels in 0..1 and cosines."""

    corpus: str
    case: str
    question: str
    answerable: bool
    texts: tuple[str, ...]
    labels: tuple[float, ...]
    cosines: tuple[float, ...]


def collect(corpora: Sequence[str], work: Path) -> Iterator[Group]:
    """The groups of these corpora."""
    from evals.training.fit_retrieval import readings_of
    from evals.workbench import installation

    for corpus in corpora:
        search = installation(corpus, work).bare_search
        for one in readings_of(corpus, search):
            group = _of_case(corpus, one.case, one.text, search)
            if group is not None:
                yield group
        print(f"{corpus} collected", flush=True)


def _of_case(corpus: str, case: Any, text: str, search: Any) -> Group | None:
    from evals.cases import met
    from evals.training.fit_retrieval import label
    from knowledge.library import head_text
    from knowledge.records.materials import embedded_text

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
    texts = tuple(embedded_text(found[i]) for i in kept)
    right, near = (tuple(float(column[i]) for i in kept) for column in (labels, cosines))
    return Group(corpus, case.id, text, case.answerable, texts, right, near)


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


def read_groups(path: Path) -> list[Group]:
    """The groups that `collect` wrote; of a development question only the nearest passages."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(line).items()}
        group = Group(**values)
        if group.corpus == DEVELOPED_ON:
            near = np.argsort(-np.array(group.cosines), kind="stable")[:LOOKED_AT]
            columns = (group.texts, group.labels, group.cosines)
            values |= zip(("texts", "labels", "cosines"), (tuple(c[i] for i in near) for c in columns), strict=True)
            group = Group(**values)
        found.append(group)
    return found


@dataclass(frozen=True, slots=True)
class Lower:
    """States after the lower layers by text, float16 (tokens, hidden)."""

    questions: dict[str, np.ndarray]
    passages: dict[str, np.ndarray]


def lower(groups: Sequence[Group], work: Path) -> Lower:
    """Every question and passage run through the lower layers once."""
    from knowledge.embedding.e5 import E5, PASSAGE, QUERY

    trunk = E5(work)
    print("running the lower layers", flush=True)
    questions, passages = {group.question for group in groups}, {text for group in groups for text in group.texts}
    return Lower(states(trunk, questions, QUERY, QUESTION_TOKENS), states(trunk, passages, PASSAGE, PASSAGE_TOKENS))


class Reading:
    """What reads both texts together: the tuned layers and the head."""

    def __init__(self, torch: Any, seen: Lower) -> None:
        self.torch = torch
        hidden = next(iter(seen.questions.values())).shape[1]
        self.layers = Layers(torch, _new_code(seen) | _new_head(hidden))

    def __call__(self, x: Any, whose: Any, real: Any, asked: Any, told: Any, *, dropout: float = 0.0) -> Any:
        """Logits (n,) of states (n, length, hidden); `whose` (n, length, 1) is 1 in the passage, `real` (n, length)
        bool, the rest as in pair_graph."""
        v = self.layers.values
        code = (x - v["code.mean"]) @ v["code.down"]
        x = x * (1 - whose) + (code @ v["code.up"] + v["code.mean"]) * whose
        x = x + v["type.asked"] * (1 - whose) + v["type.told"] * whose
        return self._head(self.layers.run(x, real, dropout), asked, told, dropout)

    def _head(self, h: Any, asked: Any, told: Any, dropout: float) -> Any:
        from knowledge.embedding.pair_graph import OUTSIDE

        torch, v = self.torch, self.layers.values
        f = torch.nn.functional
        u, w = (asked @ h)[:, 0], (told @ h)[:, 0]
        seen = f.dropout(torch.cat((h[:, 0], u, w, u * w, (u - w).abs()), -1), dropout)
        judged = torch.tanh(seen @ v["head.dense.w"] + v["head.dense.b"])
        word = f.normalize(h @ v["head.word.w"], dim=-1)
        best = (word @ word.transpose(1, 2) + (told == 0) * OUTSIDE).amax(-1)
        share = torch.sigmoid(h @ v["head.weight.w"] + v["head.weight.b"])[..., 0] * asked[:, 0]
        found = (share * best).sum(-1) / share.sum(-1)
        evidence = torch.cat((judged, f.cosine_similarity(u, w)[:, None], found[:, None]), -1)
        return (evidence @ v["head.out.w"] + v["head.out.b"])[:, 0]


def _new_head(hidden: int) -> dict[str, np.ndarray]:
    """The head before training: likeness of means and words decides, the rest is nearly silent."""
    rng = np.random.default_rng(SEED)
    turned, _ = np.linalg.qr(rng.normal(size=(hidden, hidden)))
    out = np.concatenate((rng.normal(size=HEAD_UNITS) * 0.05, [10.0, 10.0]))
    values = {
        "head.dense.w": rng.normal(size=(5 * hidden, HEAD_UNITS)) * 0.02, "head.dense.b": np.zeros(HEAD_UNITS),
        "head.word.w": turned[:, :WORD_SIZE], "head.weight.w": np.zeros((hidden, 1)), "head.weight.b": np.zeros(1),
        "head.out.w": out[:, None], "head.out.b": np.full(1, -19.0),
    }  # fmt: skip
    return {name: value.astype(np.float32) for name, value in values.items()}


def _new_code(seen: Lower) -> dict[str, np.ndarray]:
    """The reduction of a passage's states before training: their principal directions; and the marks of both parts."""
    rng = np.random.default_rng(SEED)
    states = np.concatenate(list(seen.passages.values())[::5]).astype(np.float32)
    states = states[rng.permutation(len(states))[:20_000]]
    mean = states.mean(axis=0)
    _, sizes, directions = np.linalg.svd(states - mean, full_matrices=False)
    kept = directions[:CODE_SIZE]
    print(f"codes keep {(sizes[:CODE_SIZE] ** 2).sum() / (sizes**2).sum():.3f} of the variance", flush=True)
    none = np.zeros(states.shape[1], dtype=np.float32)
    return {
        "code.down": kept.T.copy(), "code.up": kept.copy(), "code.mean": mean, "type.asked": none, "type.told": none
    }  # fmt: skip


class Training:
    """Fits `Upper` on groups; every epoch shows each question with a right passage and a few wrong ones."""

    def __init__(self, torch: Any, groups: Sequence[Group], seen: Lower, epochs: int) -> None:
        self.torch, self.groups, self.seen = torch, groups, seen
        self.train = [i for i, group in enumerate(groups) if group.corpus in TRAINED_ON]
        self.develop = [i for i, group in enumerate(groups) if group.corpus == DEVELOPED_ON]
        self.rng = np.random.default_rng(SEED)
        self.model = Reading(torch, seen)
        self.optimizer, self.schedule = self.model.layers.optimizer(epochs * -(-len(self.train) // GROUPS_A_STEP))

    def epoch(self) -> float:
        """One pass over the training questions; the mean loss."""
        losses = []
        for chosen in self._steps():
            shown = [self._shown(i) for i in chosen]
            logits = self._logits([(i, j) for i, js in zip(chosen, shown, strict=True) for j in js], DROPOUT)
            loss = self._loss(logits, chosen, shown)
            self.model.layers.step(loss, self.optimizer, self.schedule)
            losses.append(loss.item())
            if len(losses) % 40 == 0:
                print(f"  step {len(losses)}: {np.mean(losses[-40:]):.4f} {time.strftime('%X')}", flush=True)
        return float(np.mean(losses))

    def _steps(self) -> list[list[int]]:
        """Groups of like length together, steps in random order."""
        length = {i: max(len(self.seen.passages[text]) for text in self.groups[i].texts) for i in self.train}
        order = sorted(self.train, key=lambda i: length[i] + self.rng.normal() * 8)
        steps = [order[start : start + GROUPS_A_STEP] for start in range(0, len(order), GROUPS_A_STEP)]
        self.rng.shuffle(steps)
        return steps

    def _shown(self, i: int) -> list[int]:
        labels = np.array(self.groups[i].labels)
        right, wrong = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
        kept = self.rng.permutation(right)[:RIGHT_SHOWN]
        return [*map(int, kept), *map(int, self.rng.permutation(wrong)[: SHOWN - len(kept)])]

    def _loss(self, logits: Any, chosen: Sequence[int], shown: Sequence[Sequence[int]]) -> Any:
        """Each pair for itself, and within a question the right passages against the wrong ones."""
        torch = self.torch
        wanted = torch.tensor([self.groups[i].labels[j] for i, js in zip(chosen, shown, strict=True) for j in js])
        total = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        lists, at = [], 0
        for js in shown:
            part, right = logits[at : at + len(js)], wanted[at : at + len(js)]
            at += len(js)
            if 0 < float(right.sum()) < len(js):
                lists.append(-(torch.log_softmax(part, 0) * right / right.sum()).sum())
        return total + LIST_SHARE * torch.stack(lists).mean() if lists else total

    def _logits(self, pairs: Sequence[tuple[int, int]], dropout: float = 0.0) -> Any:
        """Logits of (group, place) pairs."""
        torch = self.torch
        asked = [self.seen.questions[self.groups[i].question] for i, _ in pairs]
        told = [self.seen.passages[self.groups[i].texts[j]] for i, j in pairs]
        longest = max(len(a) + len(b) for a, b in zip(asked, told, strict=True))
        x = np.zeros((len(pairs), longest, asked[0].shape[1]), dtype=np.float32)
        whose, real = np.zeros((2, len(pairs), longest, 1), dtype=np.float32)
        parts = np.zeros((2, len(pairs), 1, longest), dtype=np.float32)
        for row, (a, b) in enumerate(zip(asked, told, strict=True)):
            end = len(a) + len(b)
            x[row, : len(a)], x[row, len(a) : end] = a, b
            whose[row, len(a) : end], real[row, :end] = 1, 1
            for part, start, size, marks in (
                (parts[0], 0, len(a), QUERY_MARKS),
                (parts[1], len(a), len(b), PASSAGE_MARKS),
            ):
                low, high = own(size, marks)
                part[row, 0, start + low : start + high] = 1.0 / (high - low)
        given = [torch.tensor(array) for array in (x, whose, real[..., 0] > 0, *parts)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BFLOAT):
            return self.model(*given, dropout=dropout)

    def scores(self, chosen: Sequence[int]) -> list[np.ndarray]:
        """Logits of all pairs of these groups."""
        pairs = [(i, j) for i in chosen for j in range(len(self.groups[i].texts))]
        pairs.sort(key=lambda pair: len(self.seen.passages[self.groups[pair[0]].texts[pair[1]]]))
        found: dict[tuple[int, int], float] = {}
        with self.torch.no_grad():
            for start in range(0, len(pairs), 64):
                part = pairs[start : start + 64]
                found |= dict(zip(part, self._logits(part).tolist(), strict=True))
        return [np.array([found[i, j] for j in range(len(self.groups[i].texts))]) for i in chosen]


def figures(groups: Sequence[Group], scores: Sequence[np.ndarray]) -> dict[str, float]:
    """Order among the nearest passages, and how well the best of them tells answerable questions from others."""
    from sklearn.metrics import roc_auc_score

    first, reciprocal, best = [], [], []
    for group, values in zip(groups, scores, strict=True):
        best.append(max(values[np.argsort(-np.array(group.cosines), kind="stable")[:5]]))
        near = np.argsort(-np.array(group.cosines), kind="stable")[:LOOKED_AT]
        labels = np.array(group.labels)[near]
        if group.answerable and labels.max(initial=0) > 0.3:
            place = int(np.argmax(labels[np.argsort(-values[near], kind="stable")] > 0.3))
            first.append(place == 0)
            reciprocal.append(1 / (place + 1))
    known = [group.answerable for group in groups]
    return {
        "first": round(float(np.mean(first)), 4), "reciprocal": round(float(np.mean(reciprocal)), 4),
        "answerable_auc": round(float(roc_auc_score(known, best)), 4), "ranked": len(first), "judged": len(known),
    }  # fmt: skip


def train(file: Path, epochs: int, out: Path, threads: int, work: Path) -> None:
    """Fit, print the development figures of every epoch, write the weights of the last one."""
    torch = torch_or_exit()
    torch.manual_seed(SEED)
    torch.set_num_threads(threads)
    groups = read_groups(file)
    training = Training(torch, groups, lower(groups, work), epochs)
    develop = [groups[i] for i in training.develop]
    print(len(training.train), "questions to train on; development by cosine:", flush=True)
    print("  ", figures(develop, [np.array(group.cosines) for group in develop]), flush=True)
    for number in range(1, epochs + 1):
        loss = training.epoch()
        print(f"epoch {number}: loss {loss:.4f}", figures(develop, training.scores(training.develop)), flush=True)
        training.model.layers.save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("collect", "train"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--corpora", default=",".join((DEVELOPED_ON, *TRAINED_ON)), help="of collect")
    parser.add_argument("--work", type=Path, default=Path("data/evals"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=TRAINED)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.step == "collect":
        with options.file.open("w", encoding="utf-8") as out:
            for group in collect(options.corpora.split(","), options.work):
                out.write(json.dumps(asdict(group), ensure_ascii=False) + "\n")
    else:
        train(options.file, options.epochs, options.out, options.threads, options.work)


if __name__ == "__main__":
    main()
