"""Policy packs: what may not be said, as versioned data with the clause each rule rests on.

A pack is one YAML file. Loading compiles it and runs every rule's own examples; a pack that fails one does not load and
says which (`PolicyError`). Nothing in a pack can be switched off by a caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from assistant.turn import Action, Code, Speaker
from guardrails.contexts import ALL, Contexts, compile_contexts, denied_inside, excuse
from guardrails.normalise import Normalised, normalise
from guardrails.phrases import Lexicon, Pattern, PatternError, Place, Scan, matches

POLICIES = Path(__file__).parent / "policies"
MINIMUM_EXAMPLES = 5
Language = Literal["zh", "en"]
_RULE_KEYS = {
    "id", "code", "action", "reason", "clause", "certainty", "terms", "sound", "patterns", "covers", "unless",
    "unless_text", "contexts", "unless_speaker", "must_hit", "must_not", "effective_from", "effective_to",
}  # fmt: skip
_PACK_KEYS = {
    "id", "version", "regime", "title", "language", "effective_from", "effective_to", "classes", "compounds",
    "contexts", "rules",
}  # fmt: skip


class PolicyError(ValueError):
    """A pack that may not be used: names the rule and, where it failed one, the example."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: any of `patterns` outside its contexts is a hit. Symbols belong to the policy's lexicon."""

    id: str
    code: Code
    action: Action
    reason: str
    clause: str
    certainty: str
    patterns: tuple[Pattern, ...]
    covers: int | None
    unless: tuple[int, ...]
    unless_text: tuple[int, ...]
    contexts: tuple[str, ...]
    unless_speaker: tuple[Speaker, ...]
    must_hit: tuple[str, ...]
    must_not: tuple[str, ...]
    effective_from: date | None = None
    effective_to: date | None = None

    def effective(self, today: date) -> bool:
        """Whether the rule is in force on `today` (bounds inclusive)."""
        return (self.effective_from is None or self.effective_from <= today) and (
            self.effective_to is None or today <= self.effective_to
        )


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that hit, and where: `place` in the normalised text."""

    rule: Rule
    place: Place


def _overlap(earlier: RuleHit, later: RuleHit) -> bool:
    """Whether two hits of one code, the second starting no earlier, share text."""
    return earlier.rule.code == later.rule.code and later.place[0] < earlier.place[1]


@dataclass(frozen=True, slots=True)
class Policy:
    """A loaded pack. `hash` is the SHA-256 of the file's bytes; the log names it with every verdict. `language` is the
    one its rules can read."""

    id: str
    version: str
    hash: str
    title: str
    regime: str
    language: Language
    rules: tuple[Rule, ...]
    effective_from: date | None
    effective_to: date | None
    lexicon: Lexicon
    context_words: Contexts
    class_symbols: Mapping[str, int]

    def scan(self, reading: Normalised) -> Scan:
        """All words of the pack found in a normalised text."""
        return self.lexicon.scan(reading)

    def hits(self, scan: Scan, *, speaker: Speaker = "assistant", today: date | None = None) -> list[RuleHit]:
        """Rules that hit, in text order; hits of one code that overlap are one, spanning both."""
        found = [
            RuleHit(rule, place)
            for rule in self.rules
            if speaker not in rule.unless_speaker and (today is None or rule.effective(today))
            for place in self.places(rule, scan)
        ]
        found.sort(key=lambda h: (h.place[0], -h.place[1]))
        kept: list[RuleHit] = []
        for hit in found:
            at = next((i for i, k in enumerate(kept) if _overlap(k, hit)), None)
            if at is None:
                kept.append(hit)
            else:
                end = max(kept[at].place[1], hit.place[1])
                kept[at] = RuleHit(kept[at].rule, (kept[at].place[0], end))
        return kept

    def excused(self, scan: Scan, place: Place, kinds: Sequence[str] = ALL) -> str | None:
        """The context that makes words at `place` lawful, or None."""
        return excuse(self.context_words, scan, place, kinds)

    def breaks(self, code: Code, scan: Scan) -> bool:
        """Whether any rule of `code` hits."""
        return any(self.places(rule, scan) for rule in self.rules if rule.code == code)

    def places(self, rule: Rule, scan: Scan) -> list[Place]:
        """Where one rule hits, contexts considered."""
        if any(symbol in scan.hits for symbol in rule.unless_text):
            return []
        return [
            (parts[0][0], parts[-1][1])
            for pattern in rule.patterns
            for parts in matches(pattern, scan)
            if self._counts(rule, scan, parts)
        ]

    def _counts(self, rule: Rule, scan: Scan, parts: Sequence[Place]) -> bool:
        place = (parts[0][0], parts[-1][1])
        sentence = scan.sentences[scan.sentence_of(place[0])]
        if any(scan.has(symbol, *sentence) for symbol in rule.unless):
            return False
        if rule.covers is not None:
            wide = scan.within(rule.covers, max(0, place[0] - 16), min(len(scan.text), place[1] + 16))
            if any(s <= place[0] and place[1] <= e for s, e in wide):
                return False
        if "negation" in rule.contexts and denied_inside(self.context_words, scan, parts):
            return False
        return excuse(self.context_words, scan, place, rule.contexts) is None


def load(path: Path) -> Policy:
    """Reads, compiles and proves the pack at `path`. Raises PolicyError."""
    policy = read(path)
    prove(policy)
    return policy


def read(path: Path) -> Policy:
    """The pack at `path`, compiled but not proved: for testing it, never for screening. Raises PolicyError."""
    try:
        content = path.read_bytes()
        raw = yaml.safe_load(content)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"{path.name}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise PolicyError(f"{path.name}: a pack is a mapping")
    return _build(raw, hashlib.sha256(content).hexdigest(), path.name)


def _build(raw: Mapping[str, Any], digest: str, name: str) -> Policy:
    unknown = set(raw) - _PACK_KEYS
    missing = {"id", "version", "rules"} - set(raw)
    if unknown or missing:
        raise PolicyError(f"{name}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    try:
        lexicon = Lexicon(raw.get("classes") or {}, raw.get("compounds") or ())
        contexts = compile_contexts(raw.get("contexts") or {}, lexicon)
        rules = tuple(_rule(r, lexicon, name) for r in raw["rules"])
        classes = {c: lexicon.symbol(c) for c in raw.get("classes") or {}}
    except (PatternError, AssertionError, TypeError) as error:
        raise PolicyError(f"{name}: {error}") from error
    language = raw.get("language", "zh")
    if language not in get_args(Language):
        raise PolicyError(f"{name}: language must be one of {', '.join(get_args(Language))}")
    ids = [r.id for r in rules]
    if len(ids) != len(set(ids)):
        raise PolicyError(f"{name}: rule ids are not unique")
    lexicon.freeze()
    return Policy(
        raw["id"], str(raw["version"]), digest, raw.get("title", ""), raw.get("regime", ""), language, rules,
        _day(raw.get("effective_from")), _day(raw.get("effective_to")), lexicon, contexts, classes,
    )  # fmt: skip


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else date.fromisoformat(str(value)) if value else None


def _rule(raw: Mapping[str, Any], lexicon: Lexicon, name: str) -> Rule:
    rule_id = raw.get("id", "?")
    where = f"{name}: rule {rule_id}"
    unknown = set(raw) - _RULE_KEYS
    if unknown:
        raise PolicyError(f"{where}: unknown keys {sorted(unknown)}")
    for key in ("id", "code", "action", "reason", "clause", "certainty"):
        if not raw.get(key):
            raise PolicyError(f"{where}: {key} is missing")
    if raw["code"] not in get_args(Code) or raw["action"] not in ("revise", "handoff", "block"):
        raise PolicyError(f"{where}: code or action is not one of ours")
    contexts = tuple(raw.get("contexts", ALL))
    if set(contexts) - set(ALL):
        raise PolicyError(f"{where}: unknown contexts {sorted(set(contexts) - set(ALL))}")
    try:
        terms = [str(t) for t in raw.get("terms", ())]
        patterns = [lexicon.pattern(str(p)) for p in raw.get("patterns", ())]
        if terms:
            patterns.insert(0, Pattern(((lexicon.words(terms, by_sound=bool(raw.get("sound"))), 0),)))
    except (PatternError, ValueError) as error:
        raise PolicyError(f"{where}: {error}") from error
    return Rule(
        rule_id, raw["code"], raw["action"], raw["reason"], raw["clause"], raw["certainty"], tuple(patterns),
        lexicon.words([str(c) for c in raw["covers"]]) if raw.get("covers") else None,
        tuple(lexicon.symbol(u) for u in raw.get("unless", ())),
        tuple(lexicon.symbol(u) for u in raw.get("unless_text", ())),
        contexts, tuple(raw.get("unless_speaker", ())), tuple(raw.get("must_hit", ())), tuple(raw.get("must_not", ())),
        _day(raw.get("effective_from")), _day(raw.get("effective_to")),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An example that does not come out as its rule says, or a rule with too few (`example` empty)."""

    rule: str
    kind: Literal["must_hit", "must_not"]
    example: str
    what: str

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.kind} {f'example 「{self.example}」 ' if self.example else ''}{self.what}"


def shortfalls(policy: Policy, rule: Rule) -> list[Shortfall]:
    """What is wrong with the examples of one rule. What must not hit may hit no rule of the same code."""
    found: list[Shortfall] = []
    kinds: tuple[tuple[Literal["must_hit", "must_not"], tuple[str, ...]], ...]
    kinds = (("must_hit", rule.must_hit), ("must_not", rule.must_not))
    for kind, examples in kinds:
        if len(set(examples)) < MINIMUM_EXAMPLES:
            found.append(Shortfall(rule.id, kind, "", f"has {len(set(examples))} examples, needs {MINIMUM_EXAMPLES}"))
        for example in examples:
            scan = policy.scan(normalise(example))
            expected = kind == "must_hit"
            hit = bool(policy.places(rule, scan)) if expected else policy.breaks(rule.code, scan)
            if hit != expected:
                found.append(Shortfall(rule.id, kind, example, "hits" if hit else "does not hit"))
    return found


def failures(policy: Policy) -> list[str]:
    """Every example of the pack that does not come out as its rule says, in words."""
    return [str(shortfall) for rule in policy.rules for shortfall in shortfalls(policy, rule)]


def prove(policy: Policy) -> None:
    """Runs all examples. Raises PolicyError with the first failing rule and example."""
    found = failures(policy)
    if found:
        raise PolicyError(f"{policy.id} {policy.version}: {found[0]} ({len(found)} in all)")
