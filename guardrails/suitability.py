"""May this product be offered to this customer: one decision, every reason, the clause of each.

Serves 证券期货投资者适当性管理办法 arts. 19–22 and the matching matrix of its 实施指引. The order: access, minors and
the lowest class, what is not known, class, horizon and types, the firm's own initiative.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import yaml

from assistant.turn import Customer, Horizon, Initiative, Product, Reason, Suitability
from guardrails.normalise import DATA, fold

_RANK: Mapping[Horizon, int] = {"short": 0, "medium": 1, "long": 2}
_ORDER: tuple[Reason, ...] = (
    "no_access", "minor", "lowest_class", "not_assessed", "assessment_expired", "product_unrated", "above_class",
    "term_mismatch", "type_mismatch", "firm_initiative",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SuitabilitySettings:
    """What the broker may set. Months an assessment counts without valid_until; age of majority in years."""

    validity_months: int = 12
    adult_age: int = 18


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((DATA / "suitability.yaml").read_text(encoding="utf-8"))
    return data


def clause(reason: Reason) -> str:
    """The clause a reason rests on, with how sure it is in brackets (S, S2 or M)."""
    entry = _data()["clauses"][reason]
    return f"{entry['text']} [{entry['certainty']}]"


def add_months(start: date, months: int) -> date:
    """The same day `months` later, or the last day of that month when it has no such day."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


# --- terms of products -------------------------------------------------------------------------------------------

_CN = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_DATE = re.compile(r"\d{4}\s*[年\-/.]\s*(?:\d{1,2}\s*[月\-/.]\s*(?:\d{1,2}\s*日?)?)?|\d{1,2}月\d{1,2}日")
_LENGTH = re.compile(
    r"(?<!t)(?<!t\+)(?P<n>\d+(?:\.\d+)?|[零一二两三四五六七八九十百]+|半)(?P<half>个?半)?个?"
    r"(?P<unit>年|月|周|星期|礼拜|季度|季|交易日|工作日|自然日|天|日)(?P<tail>半)?期?(?P<more>以上)?"
)
_MONTHS: Mapping[str, float] = {
    "年": 12, "月": 1, "季度": 3, "季": 3, "周": 7 * 12 / 366, "星期": 7 * 12 / 366, "礼拜": 7 * 12 / 366,
    "交易日": 1.45 * 12 / 366, "工作日": 1.45 * 12 / 366, "自然日": 12 / 366, "天": 12 / 366, "日": 12 / 366,
}  # fmt: skip


def _number(text: str) -> float:
    if text == "半":
        return 0.5
    if text[0].isdigit():
        return float(text)
    total, digit = 0, 0
    for char in text:
        if char == "十":
            total, digit = total + (digit or 1) * 10, 0
        elif char == "百":
            total, digit = total + (digit or 1) * 100, 0
        else:
            digit = _CN[char]
    return float(total + digit)


def _lengths(text: str) -> list[float]:
    """Every length of time in `text`, in months (a day is 12/366); "5年以上" is a little more than 60."""
    found: list[float] = []
    for m in _LENGTH.finditer(text):
        months = _number(m["n"]) * _MONTHS[m["unit"]]
        if m["half"] or m["tail"]:
            months += _MONTHS[m["unit"]] / 2
        if m["more"] or re.search(r"(?<!不)(?:超过|大于|长于)$", text[: m.start()]):
            months += 0.01
        found.append(months)
    return found


def _band(months: float) -> Horizon:
    """short ≤ 1 year, medium 1–5 years, long > 5 years."""
    return "short" if months <= 12 + 1e-9 else "medium" if months <= 60 + 1e-9 else "long"


def term_horizon(term: str | None) -> Horizon | None:
    """The horizon a product's term text needs, or None when it cannot be read: then no opinion on terms.

    A stated lock-up or holding period decides, then the longest stated length, then words.
    """
    text = re.sub(r"\s+", "", fold(term).text) if term else ""
    if not text:
        return None
    if text in _RANK:
        return text  # type: ignore[return-value]
    words: Mapping[str, list[str]] = _data()["term_words"]
    text = _DATE.sub("", text)
    parts = re.split(r"[,，;；。、]", text)
    held = [m for p in parts if any(w in p for w in words["holding"]) for m in _lengths(p)]
    lengths = held or _lengths(text)
    if lengths:
        return _band(max(lengths))
    for band in ("short", "medium", "long"):
        if any(w in text for w in words[band]):
            return band
    return None


# --- types of products -------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _type_words() -> list[tuple[str, str]]:
    pairs = [(w, name) for name, entry in _data()["types"].items() for w in entry["words"]]
    return sorted(pairs, key=lambda p: -len(p[0]))


@lru_cache(maxsize=512)
def canonical_type(text: str | None) -> str | None:
    """The canonical type a wording names, None when it cannot be mapped.

    An exact wording wins; else the longest known wording inside it ("中短债债券型基金" → bond_fund).
    """
    plain = re.sub(r"[\s（）()]", "", fold(text).text) if text else ""
    if not plain or plain in _data()["types"]:
        return plain or None
    for word, name in _type_words():
        if plain in (word, word + "类", word + "型", word + "产品", word + "类产品"):
            return name
    for word, name in _type_words():
        if len(word) >= 2 and word in plain:
            return name
    return "bond" if plain.endswith("债") else None


def product_types(text: str | None) -> frozenset[str]:
    """The canonical type of a wording with all it also counts as; empty when it cannot be mapped."""
    name = canonical_type(text)
    return frozenset((name, *_data()["types"][name]["is"])) if name else frozenset()


def _accepted(types: tuple[str, ...]) -> frozenset[str] | None:
    """Canonical types the customer accepts; None when one of the wordings cannot be mapped."""
    accepts: Mapping[str, list[str]] = _data()["accepts"]
    names = [canonical_type(wording) for wording in types]
    if not all(names):
        return None
    return frozenset(n for name in names if name for n in (name, *accepts.get(name, ())))


# --- the decision ------------------------------------------------------------------------------------------------


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _expired(customer: Customer, today: date, settings: SuitabilitySettings) -> bool:
    if customer.valid_until is not None:
        return today > customer.valid_until
    if customer.assessed_on is None:
        return False
    return today > add_months(customer.assessed_on, settings.validity_months)


def _assessment_reasons(customer: Customer, today: date, settings: SuitabilitySettings) -> list[Reason]:
    """A class without any date is not a valid assessment; neither is one made after today."""
    dated = customer.valid_until is not None or customer.assessed_on is not None
    if customer.risk_class is None or not dated:
        return ["not_assessed"]
    if customer.assessed_on is not None and customer.assessed_on > today:
        return ["not_assessed"]
    return ["assessment_expired"] if _expired(customer, today, settings) else []


def _match_reasons(customer: Customer, product: Product) -> list[Reason]:
    """Class, horizon and types of an ordinary investor against the product."""
    reasons: list[Reason] = []
    if customer.risk_class and product.risk and int(customer.risk_class[1]) < int(product.risk[1]):
        reasons.append("above_class")
    needs = term_horizon(product.term)
    if customer.horizon and needs and _RANK[needs] > _RANK[customer.horizon]:
        reasons.append("term_mismatch")
    kinds = product_types(product.type)
    accepted = _accepted(customer.types) if customer.types else None
    if kinds and accepted is not None and not kinds & accepted:
        reasons.append("type_mismatch")
    return reasons


def _reasons(customer: Customer, product: Product, today: date, settings: SuitabilitySettings) -> list[Reason]:
    reasons: list[Reason] = []
    if product.access == "qualified" and not customer.qualified:
        reasons.append("no_access")
    if customer.birth_date is not None and _age(customer.birth_date, today) < settings.adult_age:
        reasons.append("minor")
    if customer.lowest and product.risk is not None and product.risk != "R1":
        reasons.append("lowest_class")
    if not customer.professional:
        reasons += _assessment_reasons(customer, today, settings)
    if product.risk is None:
        reasons.append("product_unrated")
    if not customer.professional:
        reasons += _match_reasons(customer, product)
    return reasons


_FORBIDDING = frozenset(("no_access", "minor", "lowest_class"))
_UNKNOWN = frozenset(("not_assessed", "assessment_expired", "product_unrated"))


def decide(
    customer: Customer | None,
    product: Product,
    *,
    initiative: Initiative,
    today: date,
    settings: SuitabilitySettings = SuitabilitySettings(),
) -> Suitability:
    """The decision with all reasons that apply, in the fixed order, and one clause per reason."""
    if customer is None:
        reasons: list[Reason] = ["no_access"] if product.access == "qualified" else []
        reasons += ["not_assessed"]
        reasons += ["product_unrated"] if product.risk is None else []
    else:
        reasons = _reasons(customer, product, today, settings)
    found = set(reasons)
    if found & _FORBIDDING:
        decision: str = "forbidden"
    elif found & _UNKNOWN:
        decision = "assess_first"
    else:
        decision = "unsuitable_warn" if found else "suitable"
    if initiative == "firm" and decision != "suitable":
        decision = "forbidden"
        reasons.append("firm_initiative")
    ordered = tuple(r for r in _ORDER if r in reasons)
    return Suitability(decision, ordered, tuple(clause(r) for r in ordered))  # type: ignore[arg-type]
