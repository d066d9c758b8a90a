"""Train the cross-encoder that says whether a passage answers a question (knowledge.embedding.pair).

`python -m evals.training.fit_pair collect FILE [--work DIR]` writes the pairs of the training and development corpora;
`python -m evals.training.fit_pair train FILE` fits the upper layers and the head on the training corpora, prints
figures of the development corpus and writes knowledge/embedding/pair.npz. Seeded. Only `train` needs torch (optional
dependency local-models). The lower layers stay as installed: each pair runs through them once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.embedding.pair import TRAINED, Encoded, encode, inputs

TRAINED_ON = ("lanjiang", "starter")
DEVELOPED_ON = "beichen"
NEGATIVES = 8
LOOKED_AT = 8
QUESTIONS_OF_MATERIALS = "faq"
ASKED_BY_MATERIALS = ("lanjiang",)  # corpora whose own questions are trained on too
SEED = 20261122
TRAINED_LAYERS = 4
HEAD_UNITS = 96
WORD_SIZE = 64
GROUPS_A_STEP = 12
SHOWN = 4
KEPT = 5
RIGHT_SHOWN = 2
RATE = 2e-4
HEAD_RATE = 1e-3
WEIGHT_DECAY = 0.01
LIST_SHARE = 0.7
BFLOAT = True
BATCH_TOKENS = 1024
BATCH_PAIRS = 32
EPOCHS = 2


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
    """The groups of these corpora: cases, then the questions that some training materials ask themselves."""
    from evals.training.fit_retrieval import readings_of
    from evals.workbench import installation

    for corpus in corpora:
        search = installation(corpus, work).bare_search
        for one in readings_of(corpus, search):
            group = _of_case(corpus, one.case, one.text, search)
            if group is not None:
                yield group
        if corpus in ASKED_BY_MATERIALS:
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


def thinned(group: Group, rng: np.random.Generator) -> Group:
    """What is worth running: of a development question the nearest, of others a few right and wrong passages."""
    labels, cosines = np.array(group.labels), np.array(group.cosines)
    if group.corpus == DEVELOPED_ON:
        kept = np.sort(np.argsort(-cosines, kind="stable")[:LOOKED_AT])
    else:
        right = rng.permutation(np.flatnonzero(labels > 0))[:RIGHT_SHOWN]
        wrong = rng.permutation(np.flatnonzero(labels == 0))[: KEPT - len(right)]
        kept = np.sort(np.concatenate((right, wrong)))
    columns = (group.texts, group.labels, group.cosines, group.at_home)
    texts, right_, cosine, home = (tuple(column[i] for i in kept) for column in columns)
    return replace(group, texts=texts, labels=right_, cosines=cosine, at_home=home)


def read_groups(path: Path) -> list[Group]:
    """The groups that `collect` wrote, thinned."""
    rng = np.random.default_rng(SEED)
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
        group = Group(**values)
        found.append(thinned(group, rng))
    return found


@dataclass(frozen=True, slots=True)
class Lower:
    """What the frozen layers give: `hidden` (all tokens, hidden) float16, pair i between its two `bounds`."""

    hidden: np.ndarray
    bounds: np.ndarray
    pairs: Sequence[Encoded]


def lower(groups: Sequence[Group], cache: Path) -> Lower:
    """All pairs of all groups, in order, run through the lower layers once; kept beside the pairs."""
    import onnxruntime

    from knowledge.embedding import e5_weights, pair_graph
    from knowledge.embedding.e5_tokens import Tokens

    weights = e5_weights.read(e5_weights.packaged())
    tokens = Tokens(weights.vocabulary)
    pairs = [encode(tokens, weights.vocabulary, g.question, text) for g in groups for text in g.texts]
    bounds = np.cumsum([0, *(len(pair.ids) for pair in pairs)])
    if cache.exists():
        hidden = np.load(cache, mmap_mode="r")
        if len(hidden) == bounds[-1]:
            return Lower(hidden, bounds, pairs)
    hidden = np.zeros((int(bounds[-1]), weights.shape.hidden), dtype=np.float16)
    session = onnxruntime.InferenceSession(pair_graph.write_lower(weights, weights.shape.layers - TRAINED_LAYERS))
    for batch in batches(pairs):
        given = inputs([pairs[i] for i in batch], weights)
        (out,) = session.run(["hidden"], {name: given[name] for name in ("x", "lengths")})
        for row, i in zip(out, batch, strict=True):
            hidden[bounds[i] : bounds[i + 1]] = row[: len(pairs[i].ids)]
    np.save(cache, hidden)
    return Lower(hidden, bounds, pairs)


def batches(pairs: Sequence[Encoded]) -> Iterator[list[int]]:
    """Numbers of pairs of like length together; a batch holds a bounded number of tokens."""
    batch: list[int] = []
    longest = 0
    for number in sorted(range(len(pairs)), key=lambda i: -len(pairs[i].ids)):
        if batch and ((len(batch) + 1) * longest > BATCH_TOKENS or len(batch) == BATCH_PAIRS):
            yield batch
            batch = []
        longest = longest if batch else len(pairs[number].ids)
        batch.append(number)
    if batch:
        yield batch


class Upper:
    """The trained layers and the head in torch, named as in the weight files: matrices output-major."""

    def __init__(self, torch: Any) -> None:
        from knowledge.embedding import e5_weights

        self.torch = torch
        weights = e5_weights.read(e5_weights.packaged())
        shape = self.shape = weights.shape
        self.names = [f"l{n}" for n in range(shape.layers - TRAINED_LAYERS, shape.layers)]
        mine = tuple(f"{name}." for name in self.names)
        values: dict[str, np.ndarray] = {k: np.array(v) for k, v in weights.vectors.items() if k.startswith(mine)}
        for name, matrix in weights.matrices.items():
            if name.startswith(mine):
                levels = matrix.levels().astype(np.float32) - 128
                values[name] = (levels * matrix.scales.astype(np.float32)[..., None]).reshape(len(levels), -1)
        values |= _new_head(shape.hidden)
        self.values = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}

    def __call__(self, x: Any, real: Any, asked: Any, told: Any, *, dropout: float = 0.0) -> Any:
        """Logits (n,) of hidden states (n, length, hidden); `real` (n, length) bool, the rest as in pair_graph."""
        for name in self.names:
            x = self._layer(x, real, name, dropout)
        return self._head(x.float(), asked, told, dropout)

    def _layer(self, x: Any, real: Any, name: str, dropout: float) -> Any:
        f, v = self.torch.nn.functional, self.values
        rows, length, hidden = x.shape

        def linear(y: Any, part: str) -> Any:
            return f.linear(y, v[f"{name}.{part}.w"], v[f"{name}.{part}.b"])

        def normal(y: Any, part: str) -> Any:
            return f.layer_norm(y, (hidden,), v[f"{name}.{part}.w"], v[f"{name}.{part}.b"], self.shape.epsilon)

        q, k, w = (linear(x, part).view(rows, length, self.shape.heads, -1).transpose(1, 2) for part in "qkv")
        mixed = f.scaled_dot_product_attention(q, k, w, attn_mask=real[:, None, None, :])
        mixed = linear(mixed.transpose(1, 2).reshape(rows, length, hidden), "ao")
        x = normal(x + f.dropout(mixed, dropout), "aln")
        return normal(x + f.dropout(linear(f.gelu(linear(x, "fi")), "fo"), dropout), "oln")

    def _head(self, h: Any, asked: Any, told: Any, dropout: float) -> Any:
        from knowledge.embedding.pair_graph import OUTSIDE

        torch, v = self.torch, self.values
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

    def save(self, path: Path) -> None:
        """Matrices of the layers as 8-bit blocks, the rest as float32; the same values give the same bytes."""
        out: dict[str, np.ndarray] = {}
        for name, tensor in sorted(self.values.items()):
            value = tensor.detach().numpy()
            if value.ndim == 2 and not name.startswith("head."):
                blocks = value.reshape(len(value), -1, 32)
                scales = np.maximum(np.abs(blocks).max(-1) / 127, 1e-6).astype(np.float16)
                levels = np.clip(np.rint(blocks / scales.astype(np.float32)[..., None]), -127, 127)
                out |= {f"{name}.levels": (levels + 128).astype(np.uint8), f"{name}.scales": scales}
            else:
                out[name] = value
        np.savez_compressed(path, allow_pickle=False, **out)


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


class Training:
    """Fits `Upper` on groups; every epoch shows each question with its right passages and a few wrong ones."""

    def __init__(self, torch: Any, groups: Sequence[Group], seen: Lower, epochs: int) -> None:
        self.torch, self.groups, self.seen = torch, groups, seen
        self.starts = np.cumsum([0, *(len(group.texts) for group in groups)])
        self.train = [i for i, group in enumerate(groups) if group.corpus in TRAINED_ON]
        self.develop = [i for i, group in enumerate(groups) if group.corpus == DEVELOPED_ON]
        self.rng = np.random.default_rng(SEED)
        self.model = Upper(torch)
        heads = [value for name, value in self.model.values.items() if name.startswith("head.")]
        layers = [value for name, value in self.model.values.items() if not name.startswith("head.")]
        parts = [{"params": layers, "lr": RATE}, {"params": heads, "lr": HEAD_RATE}]
        self.optimizer = torch.optim.AdamW(parts, weight_decay=WEIGHT_DECAY)
        steps = epochs * -(-len(self.train) // GROUPS_A_STEP)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / (0.06 * steps), max(0.02, (steps - step) / (0.94 * steps)))
        )

    def epoch(self) -> float:
        """One pass over the training questions; the mean loss."""
        losses = []
        for chosen in self._steps():
            shown = [self._shown(i) for i in chosen]
            logits = self._logits([self.starts[i] + j for i, js in zip(chosen, shown, strict=True) for j in js], 0.1)
            loss = self._loss(logits, chosen, shown)
            self.optimizer.zero_grad()
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(list(self.model.values.values()), 1.0)
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
            if len(losses) % 20 == 0:
                print(f"  step {len(losses)}: {np.mean(losses[-20:]):.4f} {time.strftime('%X')}", flush=True)
        return float(np.mean(losses))

    def _steps(self) -> list[list[int]]:
        """Groups of like length together, steps in random order."""
        length = {i: max(len(self.seen.pairs[j].ids) for j in range(*self.starts[i : i + 2])) for i in self.train}
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

    def _logits(self, numbers: Sequence[int], dropout: float = 0.0) -> Any:
        torch, seen = self.torch, self.seen
        pairs = [seen.pairs[i] for i in numbers]
        longest = max(len(pair.ids) for pair in pairs)
        x = np.zeros((len(pairs), longest, seen.hidden.shape[1]), dtype=np.float32)
        asked, told = np.zeros((2, len(pairs), 1, longest), dtype=np.float32)
        for row, (i, pair) in enumerate(zip(numbers, pairs, strict=True)):
            x[row, : len(pair.ids)] = seen.hidden[seen.bounds[i] : seen.bounds[i + 1]]
            for shares, (start, end) in ((asked, pair.asked), (told, pair.told)):
                shares[row, 0, start:end] = 1.0 / (end - start)
        real = torch.tensor(np.arange(longest) < np.array([[len(pair.ids)] for pair in pairs]))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BFLOAT):
            return self.model(torch.tensor(x), real, torch.tensor(asked), torch.tensor(told), dropout=dropout)

    def scores(self, chosen: Sequence[int]) -> list[np.ndarray]:
        """Logits of all pairs of these groups."""
        numbers = sorted(
            (j for i in chosen for j in range(*self.starts[i : i + 2])), key=lambda j: len(self.seen.pairs[j].ids)
        )
        found: dict[int, float] = {}
        with self.torch.no_grad():
            for start in range(0, len(numbers), 64):
                part = numbers[start : start + 64]
                found |= dict(zip(part, self._logits(part).tolist(), strict=True))
        return [np.array([found[j] for j in range(*self.starts[i : i + 2])]) for i in chosen]


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


def train(file: Path, epochs: int, out: Path, threads: int) -> None:
    """Fit, print the development figures of every epoch, write the weights of the last one."""
    try:
        import torch
    except ImportError as error:
        raise SystemExit("训练需要可选依赖 local-models：pip install 'heshi[local-models]'") from error
    torch.manual_seed(SEED)
    torch.set_num_threads(threads)
    groups = read_groups(file)
    training = Training(torch, groups, lower(groups, file.with_suffix(".lower.npy")), epochs)
    develop = [groups[i] for i in training.develop]
    print(len(training.train), "questions to train on; development by cosine:", flush=True)
    print("  ", figures(develop, [np.array(group.cosines) for group in develop]), flush=True)
    for number in range(1, epochs + 1):
        loss = training.epoch()
        print(f"epoch {number}: loss {loss:.4f}", figures(develop, training.scores(training.develop)), flush=True)
        training.model.save(out)


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
        train(options.file, options.epochs, options.out, options.threads)


if __name__ == "__main__":
    main()
