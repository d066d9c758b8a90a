"""Routing: what a message wants, how sure, and why.

Order: an answer to our own offer, a short message that leans on the one before, then rules and the trained model over
the whole message and over its clauses. Of all that is sure enough the gravest intent wins (TAXONOMY: "a compound
message takes its gravest intent").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from assistant.routing.features import column, strings, vectorise
from assistant.routing.model import INTENTS, LinearModel, softmax
from assistant.routing.normalise import decoded, normalise
from assistant.routing.rules import Rules, read_rules
from assistant.turn import Intent, Message, Routing

FOLDER: Final = Path(__file__).parent
WEIGHTS: Final = "weights.npz"
READER: Final = FOLDER / "reader.npz"
HIDDEN: Final = "隐藏内容"
SERVED: Final[frozenset[Intent]] = frozenset(("education", "product", "account", "personal"))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of a message, or of a clause of it."""

    intent: Intent
    confidence: float
    reason: str


class IntentReader(Protocol):
    """Scores texts for every intent: float32 (len(texts), len(labels))."""

    @property
    def labels(self) -> Sequence[str]: ...

    def scores(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Router:
    """Routes messages with committed rules and weights. Safe to share between threads."""

    rules: Rules
    model: LinearModel
    reader: IntentReader

    @classmethod
    def load(cls, reader: IntentReader, folder: Path = FOLDER) -> Router:
        """Read rules and weights from `folder`. Raises OSError or ValueError when missing or unfit."""
        if tuple(reader.labels) != INTENTS:
            raise ValueError("the reader was trained for other intents; run `python -m evals.training.fit_reader`")
        return cls(read_rules(folder / "rules.yaml"), LinearModel.read(folder / WEIGHTS), reader)

    def route(self, text: str, history: Sequence[Message] = ()) -> Routing:
        """Return the one intent of `text`. `history` (oldest first) only helps to read short messages."""
        chosen = self._in_context(text, history)
        return Routing(chosen.intent, round(min(max(chosen.confidence, 0.0), 1.0), 4), chosen.reason)

    def probabilities(self, text: str) -> np.ndarray:
        """Return the calibrated probabilities for `text` alone, float32 [13] in the order of `INTENTS`: those of the
        reader, who knows what words mean, and of the linear model, who knows the trade's words, multiplied."""
        plain = readable(text)
        read = self.reader.scores([plain if HIDDEN in plain else text])[0]
        share = self.rules.reader_share
        words = self.model.scores(vectorise(plain, self.rules.concepts)) / self.model.temperature
        return softmax(share * read / self.rules.reader_temperature + (1 - share) * words)

    def _in_context(self, message: str, history: Sequence[Message]) -> Candidate:
        text = readable(message)
        if not text:
            return Candidate("smalltalk", 0.5, "空消息")
        if self._accepts_offer(text, history):
            return Candidate("human", 0.95, "客户接受了转接人工的提议")
        alone = self._alone(text, message)
        previous = self._previous(text, alone, history)
        return alone if previous is None else previous

    def _accepts_offer(self, text: str, history: Sequence[Message]) -> bool:
        if not history or history[-1].role != "assistant" or not self.rules.ellipsis.accepted.search(text):
            return False
        return bool(self.rules.ellipsis.offered.search(normalise(history[-1].content)))

    def _previous(self, text: str, alone: Candidate, history: Sequence[Message]) -> Candidate | None:
        """Return the intent of the customer's previous message when `text` is a short message that leans on it."""
        ellipsis = self.rules.ellipsis
        asked = [(readable(m.content), m.content) for m in history if m.role == "user"]
        if (
            not asked
            or len(text) > ellipsis.longest
            or not ellipsis.pattern.search(text)
            or ellipsis.complete.search(text)
        ):
            return None
        before = self._alone(*asked[-1])
        if len(asked) > 1 and len(asked[-1][0]) <= ellipsis.longest and ellipsis.pattern.search(asked[-1][0]):
            before = self._alone(*asked[-2])
        if before.intent not in ellipsis.inherits:
            return None
        if alone.intent in ("distress", "fraud", "human", "complaint", "illegal") and alone.confidence > 0.7:
            return None
        return Candidate(
            before.intent, 0.9 * before.confidence, f"简短追问，沿用上一问的意图：{self.rules.names[before.intent]}"
        )

    def _alone(self, text: str, message: str) -> Candidate:
        """Return the reading of a message, `text` once normalised, without history: the gravest of rules, whole message
        and clauses."""
        candidates, settled = self._by_rules(text)
        if not settled:
            candidates.append(self._by_model(text, message))
        for clause in () if settled else self._clauses(text):
            candidates.extend(self._by_clause(clause))
        return min(candidates, key=lambda c: (self.rules.rank(c.intent), -c.confidence))

    def _by_rules(self, text: str) -> tuple[list[Candidate], bool]:
        """Return the readings of all rules that match, and whether the matter is settled without the model."""
        found, settled = [], False
        for rule in self.rules.rules:
            quote = rule.quote(text)
            if quote is not None:
                found.append(Candidate(rule.intent, rule.confidence, f"{rule.reason}（“{quote[:20]}”）"))
                settled = settled or rule.settles
        return found, settled

    def _by_model(self, text: str, message: str) -> Candidate:
        found = self.probabilities(message)
        best = self._most_probable(found)
        for intent in self.rules.gravity:
            threshold = self.rules.whole_threshold.get(intent)
            if threshold is not None and found[INTENTS.index(intent)] >= threshold:
                best = intent
                break
        return Candidate(best, float(found[INTENTS.index(best)]), self._because(text, best))

    def _most_probable(self, found: np.ndarray) -> Intent:
        """Return the most probable intent; one that refuses must be clear of the next one that serves."""
        order: list[Intent] = [INTENTS[int(i)] for i in np.argsort(-found)]
        best = order[0]
        needed = self.rules.cautious.get(best)
        if needed is None or found[INTENTS.index(best)] >= needed:
            return best
        return next((i for i in order[1:3] if i in SERVED), best)

    def _by_clause(self, clause: str) -> list[Candidate]:
        found = self.model.probabilities(vectorise(clause, self.rules.concepts))
        index = int(np.argmax(found))
        intent, probability = INTENTS[index], float(found[index])
        if probability < self.rules.clause_threshold.get(intent, 2.0):
            return []
        return [Candidate(intent, probability, f"复合消息，其中一句属于{self.rules.names[intent]}（“{clause[:20]}”）")]

    def _clauses(self, text: str) -> list[str]:
        parts = [part.strip() for part in self.rules.clause_break.split(text)]
        long_enough = [part for part in parts if len(part) >= self.rules.clause_least]
        return long_enough[: self.rules.clause_most] if len(parts) > 1 else []

    def _because(self, text: str, intent: Intent) -> str:
        words = evidence(text, intent, self.rules, self.model)
        name = self.rules.names[intent]
        return f"按整句用语判断为{name}，主要依据：{'、'.join(words)}" if words else f"按整句用语判断为{name}"


@lru_cache(maxsize=4096)
def readable(text: str) -> str:
    """Return `text` normalised, with what its encoded parts say appended."""
    hidden = decoded(text[:4000])
    plain = normalise(text)
    return f"{plain} {HIDDEN} {normalise(hidden)}" if hidden else plain


def evidence(text: str, intent: Intent, rules: Rules, model: LinearModel, most: int = 3) -> list[str]:
    """Return the words of normalised `text` that speak most for `intent`, strongest first."""
    words = [w for w in strings(text, {})["w"] if "\x1f" not in w and len(w) > 1 and not w.startswith(("#", "^", "$"))]
    weighed = sorted(((model.weight_of(column("w", w), intent), w) for w in words), reverse=True)
    return [word for weight, word in weighed[:most] if weight > 0]
