"""One function decides whether a text may leave: every check runs, each on its own, the strictest action wins.

A check that raises or is late is itself a finding (`check_failed`, hand over): it never lets a text pass. Nothing a
caller gives switches a check off; passages that were not given leave groundedness unchecked, and the verdict says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial

from assistant.turn import (
    STRICTNESS,
    Action,
    Code,
    Customer,
    Finding,
    Initiative,
    Intent,
    Passage,
    Product,
    Speaker,
    Suitability,
    Verdict,
)  # fmt: skip
from guardrails import grounding, notices, personal_data
from guardrails.input_checks import input_findings
from guardrails.meaning import Meaning
from guardrails.normalise import Normalised, normalise
from guardrails.phrases import Place, Scan
from guardrails.policy import Policy, RuleHit
from guardrails.products import Mention, ProductIndex, named_once
from guardrails.pushing import Pushing, Told, wording
from guardrails.quoting import quoted
from guardrails.suitability import SuitabilitySettings, decide
from guardrails.supervision import Failure, supervised

_log = logging.getLogger(__name__)

FAILED_CLAUSE = "证券基金经营机构信息技术管理办法：检查失效时不得放行，转由人工处理 [M]"
CHECK_LIMIT_S = 5.0
_PUBLISHED = frozenset(("email", "address", "landline"))
_LABELLED = re.compile(r"(?m)^[-\d.、 ]{0,5}([^：:。；;！!\n]{2,30}[：:？?])([^\n]{4,})$")
_OTHER_SCRIPTS = r"\u3040-\u30ff\u0400-\u04ff\uac00-\ud7af\u0e00-\u0e7f"
_FOREIGN = {
    "zh": re.compile(
        r"(?:[A-Za-z][A-Za-z'’-]*[ ,.;:!?%\d$&/()-]+){4,}[A-Za-z][A-Za-z'’-]*" rf"|[{_OTHER_SCRIPTS}]{{2,}}"
    ),
    "en": re.compile(rf"[\u4e00-\u9fff{_OTHER_SCRIPTS}]{{2,}}"),
}
PRIVACY_CLAUSE = "个人信息保护法 第10条、第28条；证券法 第41条 [M]"


@dataclass(frozen=True, slots=True)
class _Request:
    """One text with what its checks need, read once.

    `reading` has every name of a product of the records as one sign, so that words inside a name say nothing;
    `mentions` stand in it. `quoted`: sentences that stand in a passage, with the headings above them there.
    """

    text: str
    reading: Normalised
    scan: Scan
    speaker: Speaker
    customer: Customer | None
    products: Sequence[Product]
    passages: Sequence[Passage | str] | None
    initiative: Initiative
    today: date
    known: ProductIndex
    mentions: Sequence[Mention]
    told: Told
    quoted: Mapping[Place, str]
    allowed: Collection[str]


class Screen:
    """All output checks over one policy pack. Built once; `screen` is safe to call from many threads.

    `limit_s`: seconds each check may take.
    """

    def __init__(
        self,
        policy: Policy,
        meaning: Meaning | None = None,
        allowed_contacts: Collection[str] = (),
        *,
        suitability: SuitabilitySettings = SuitabilitySettings(),
        limit_s: float = CHECK_LIMIT_S,
    ) -> None:
        if limit_s <= 0:
            raise ValueError("每项检查的时限必须为正")
        self.limit_s = limit_s
        self.policy = policy
        self.meaning = meaning
        self.allowed_contacts = frozenset(allowed_contacts)
        self._settings = suitability
        self._names: dict[str, bool] = {}
        self._warning = lru_cache(maxsize=4096)(self._warns)
        self._pushing = Pushing()

    def screen(
        self,
        text: str,
        *,
        speaker: Speaker = "assistant",
        customer: Customer | None = None,
        products: Sequence[Product] = (),
        passages: Sequence[Passage | str] | None = None,
        initiative: Initiative = "customer",
        today: date,
        known_products: ProductIndex | None = None,
        allowed: Collection[str] = (),
    ) -> Verdict:
        """The verdict on the body of a reply (without its notices). `allowed`: values of the records that are evidence.

        Never raises for what a text holds: a check that fails becomes a `check_failed` finding with action handoff.
        """
        read: list[_Request] = []

        def reading() -> list[Finding]:
            request = self._read(
                text, speaker, customer, products, passages, initiative, today, known_products, allowed
            )
            read.append(request)
            return []

        def checking(check: Callable[[_Request], list[Finding]]) -> list[Finding]:
            return check(read[0]) if read else []

        checks = self._checks()
        names = ("读取文本", *(name for name, _ in checks))
        steps: list[Callable[[], list[Finding]]] = [reading, *(partial(checking, check) for _, check in checks)]
        results = supervised(steps, self.limit_s)
        findings = [f for name, result in zip(names, results, strict=True) for f in _found(name, result, text)]
        return _verdict(findings, ("ungrounded",) if passages is None else ())

    def screen_input(self, text: str) -> Verdict:
        """The verdict on a customer's message: hidden characters, instructions, encoded payloads, length.

        Findings stand on "input". Only a clear instruction to the assistant blocks; the rest is for the record.
        """
        result = supervised([lambda: input_findings(text)], self.limit_s)[0]
        return _verdict([replace(finding, on="input") for finding in _found("输入检查", result, text)], ())

    def disclosures(
        self, whole: str, intent: Intent, products: Sequence[Product], decisions: Mapping[str, Suitability]
    ) -> list[Finding]:
        """The notices that a whole reply lacks, as findings; a failed check is one."""
        result = supervised([lambda: notices.disclosures_missing(whole, intent, products, decisions)], self.limit_s)[0]
        return _found("应有的提示", result, whole)

    def decisions(
        self, products: Iterable[Product], customer: Customer | None, initiative: Initiative, today: date
    ) -> list[tuple[Product, Suitability]]:
        """The suitability decision for each product."""
        return [(p, decide(customer, p, initiative=initiative, today=today, settings=self._settings)) for p in products]

    def _checks(self) -> tuple[tuple[str, Callable[[_Request], list[Finding]]], ...]:
        return (
            ("禁止性表述", self._claims),
            ("语义检查", self._meanings),
            ("标签之后的文字", self._labelled),
            ("无法审查的语言", self._foreign),
            ("个人信息", self._privacy),
            ("适当性", self._suitability),
            ("依据核验", self._grounding),
        )

    def _read(
        self,
        text: str,
        speaker: Speaker,
        customer: Customer | None,
        products: Sequence[Product],
        passages: Sequence[Passage | str] | None,
        initiative: Initiative,
        today: date,
        known_products: ProductIndex | None,
        allowed: Collection[str],
    ) -> _Request:
        plain = normalise(text)
        known = known_products or ProductIndex(products)
        mentions = known.mentions(plain)
        recorded: set[Place] = set()
        if known_products is not None:
            recorded = {m.place for m in mentions if self._harmless(plain.text[slice(*m.place)])}
        if products and known_products is not None:
            declared = ProductIndex(products).mentions(plain)
            mentions = mentions + [m for m in declared if all(m.place != k.place for k in mentions)]
        reading, mentions = named_once(plain, mentions, recorded)
        scan = self.policy.scan(reading)
        return _Request(
            text, reading, scan, speaker, customer, products, passages, initiative, today, known, mentions,
            self._pushing.read(reading), quoted(text, scan, passages), self.allowed_contacts | frozenset(allowed),
        )  # fmt: skip

    def _harmless(self, name: str) -> bool:
        """Whether a name of the records says nothing forbidden by itself; only such a name is read as one sign."""
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = not self.policy.hits(self.policy.scan(normalise(name)))
        return known

    def _warned(self, request: _Request, place: Place) -> bool:
        """Whether the words at `place` are quoted from under a heading that warns or forbids (识别非法荐股)."""
        above = request.quoted.get(request.scan.sentences[request.scan.sentence_of(place[0])])
        return above is not None and self._warning(above)

    def _claims(self, request: _Request) -> list[Finding]:
        found = []
        for hit in self.policy.hits(request.scan, speaker=request.speaker, today=request.today):
            if self._excused(request, hit):
                continue
            rule, span = hit.rule, request.reading.span(*hit.place)
            shown = request.text[slice(*span)]
            clause = f"{rule.clause} [{rule.certainty}]"
            found.append(Finding(rule.code, rule.action, f"{rule.reason}：「{shown}」", clause, span))
        return found

    def _warns(self, heads: str) -> bool:
        """Whether headings announce warnings or prohibitions."""
        scan, words = self.policy.scan(normalise(heads)), self.policy.context_words
        return any(scan.has(s, 0, len(scan.text)) for s in (words.warning, words.prohibition))

    def _excused(self, request: _Request, hit: RuleHit) -> bool:
        return "warning" in hit.rule.contexts and self._warned(request, hit.place)

    def _meanings(self, request: _Request) -> list[Finding]:
        if self.meaning is None:
            return []
        found = []
        for code, place, probability in self.meaning.judge(request.scan, self.policy, request.quoted):
            rule = next((r for r in self.policy.rules if r.code == code and r.effective(request.today)), None)
            if rule is None or request.speaker in rule.unless_speaker or self._warned(request, place):
                continue
            reason = f"{rule.reason}（整句语义，把握 {probability:.2f}）"
            clause = f"{rule.clause} [{rule.certainty}]"
            found.append(Finding(code, rule.action, reason, clause, request.reading.span(*place)))
        return found

    def _labelled(self, request: _Request) -> list[Finding]:
        """What stands after a heading or a question is read once more alone: a label in front must not excuse it.

        A label that announces a warning or a prohibition keeps its effect.
        """
        found: list[Finding] = []
        for match in _LABELLED.finditer(request.text):
            if self._warning(match[1]):
                continue
            rest = match[2]
            reading = normalise(rest)
            alone = replace(request, text=rest, reading=reading, scan=self.policy.scan(reading), mentions=(), quoted={})
            for finding in (*self._claims(alone), *self._meanings(alone)):
                start, end = finding.span
                found.append(replace(finding, span=(start + match.start(2), end + match.start(2))))
        return found

    def _foreign(self, request: _Request) -> list[Finding]:
        """Prose in a language these rules cannot read is handed to a person rather than let pass."""
        return [
            Finding("check_failed", "handoff", "含有本规则无法审查的外语表述，请人工审核", FAILED_CLAUSE, match.span())
            for match in _FOREIGN[self.policy.language].finditer(request.text)
        ]

    def _privacy(self, request: _Request) -> list[Finding]:
        labels: dict[str, str] = personal_data.labels()
        return [
            Finding("pii_leak", "block", f"含有{labels[d.kind]}，应隐藏", PRIVACY_CLAUSE, d.span)
            for d in personal_data.find(request.text, allowed=request.allowed)
            if not self._published(request, d)
        ]

    @staticmethod
    def _published(request: _Request, datum: personal_data.PersonalDatum) -> bool:
        """An address or mailbox that stands in a passage of the records open to the public is the firm's own."""
        written = request.text[slice(*datum.span)]
        open_passages = (p for p in request.passages or () if isinstance(p, Passage) and p.audience == "public")
        return datum.kind in _PUBLISHED and any(written in p.text for p in open_passages)

    def _suitability(self, request: _Request) -> list[Finding]:
        named = {m.product.code: m.product for m in request.mentions}
        concerned = {p.code: p for p in request.products} | named
        decided = self.decisions(concerned.values(), request.customer, request.initiative, request.today)
        pushes, fits = request.told.places["push"], request.told.places["match"]
        found: list[Finding] = []
        for product, result in decided:
            if result.decision == "suitable":
                continue
            title = product.name or product.code
            reasons = "、".join(wording()["reasons"][r] for r in result.reasons)
            clause = "；".join(result.clauses)
            said = [*pushes, *fits]
            if result.decision == "forbidden":
                told = self._told(request, product)
                if told is not None:
                    found.append(_unsuitable(f"不得向该客户介绍{title}：{reasons}", clause, told))
            elif said:
                span = request.reading.span(*said[0])
                found.append(_unsuitable(f"不得向该客户推介{title}或表示适合：{reasons}", clause, span))
        if not found and (request.customer is None or request.customer.risk_class is None):
            found += self._unfounded_match(request, fits)
        return found

    def _told(self, request: _Request, product: Product) -> tuple[int, int] | None:
        """Span of the first sentence that tells something of a forbidden product; a refusal tells nothing.

        On the firm's initiative naming it is enough; a declared product need not be named.
        """
        declared = any(p.code == product.code for p in request.products)
        places = [m.place for m in request.mentions if m.product.code == product.code]
        telling = [p for places in request.told.places.values() for p in places]
        for start, end in request.scan.sentences:
            inside = [p for p in places if start <= p[0] < end]
            tells = any(start <= p[0] < end for p in telling)
            tells = tells or (bool(inside) and request.initiative == "firm")
            if (inside or declared) and tells and not request.told.refuses((start, end)):
                return request.reading.span(*(inside or [(start, end)])[0])
        return None

    def _unfounded_match(self, request: _Request, fits: list[tuple[int, int]]) -> list[Finding]:
        """ "适合您" to somebody whose class nobody knows, whatever the product."""
        reasons = wording()["reasons"]["not_assessed"]
        clause = decide(None, Product(""), initiative="customer", today=request.today).clauses[0]
        return [_unsuitable(f"不得表示适合该客户：{reasons}", clause, request.reading.span(*p)) for p in fits[:1]]

    def _grounding(self, request: _Request) -> list[Finding]:
        if request.passages is None:
            return []
        found = grounding.unsupported(request.text, request.passages, allowed=request.allowed, products=request.known)
        if request.speaker == "assistant":
            return found
        return [replace(f, action="revise") for f in found]


def _unsuitable(reason: str, clause: str, span: tuple[int, int]) -> Finding:
    return Finding("unsuitable_push", "block", reason, clause, span)


def _failed(name: str, text: str) -> Finding:
    return Finding("check_failed", "handoff", f"{name}未能完成，转人工处理", FAILED_CLAUSE, (0, len(text)))


def _found(name: str, result: list[Finding] | Failure, text: str) -> list[Finding]:
    """What one check found; its failure, whatever it was, is a finding."""
    if not isinstance(result, Failure):
        return list(result)
    _log.error("check %s failed: %s", name, result.why, exc_info=result.error)
    return [_failed(name, text)]


def strictest(findings: Iterable[Finding]) -> Action:
    """The strictest action of the findings, or allow."""
    return max((f.action for f in findings), key=lambda a: STRICTNESS[a], default="allow")


def _verdict(findings: Sequence[Finding], not_checked: tuple[Code, ...]) -> Verdict:
    """Findings by place; of one code those inside another are dropped."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.span[0], -f.span[1], f.check)):
        inside = any(
            k.check == finding.check
            and k.span[0] <= finding.span[0]
            and finding.span[1] <= k.span[1]
            and STRICTNESS[k.action] >= STRICTNESS[finding.action]
            for k in kept
        )
        if not inside:
            kept.append(finding)
    return Verdict(strictest(kept), tuple(kept), not_checked)
