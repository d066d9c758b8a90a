# ruff: noqa: E501 — tables of cases
"""The suitability decision over its whole table: order, every reason, the clause of each."""

from datetime import date
from itertools import product as every

import pytest

from assistant.turn import Customer, Product
from guardrails.suitability import (
    SuitabilitySettings,
    add_months,
    canonical_type,
    clause,
    decide,
    product_types,
    term_horizon,
)  # fmt: skip

TODAY = date(2026, 11, 22)
CLASSES = ("C1", "C2", "C3", "C4", "C5")
GRADES = ("R1", "R2", "R3", "R4", "R5")


def customer(**values: object) -> Customer:
    base: dict[str, object] = {"risk_class": "C3", "assessed_on": date(2026, 6, 1), "birth_date": date(1980, 1, 1)}
    return Customer(**(base | values))  # type: ignore[arg-type]


def sheet(**values: object) -> Product:
    base: dict[str, object] = {"code": "000001", "name": "测试", "type": "债券型", "risk": "R2", "term": "90天"}
    return Product(**(base | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(("risk_class", "risk", "lowest"), list(every(CLASSES, GRADES, (False, True))))
def test_matrix(risk_class: str, risk: str, lowest: bool) -> None:
    """Class against grade as in the 指引: the lowest class never above R1, others with a warning above their class."""
    result = decide(
        customer(risk_class=risk_class, lowest=lowest), sheet(risk=risk), initiative="customer", today=TODAY
    )
    above = int(risk_class[1]) < int(risk[1])
    if lowest and risk != "R1":
        assert result.decision == "forbidden"
        assert result.reasons == (("lowest_class", "above_class") if above else ("lowest_class",))
    elif above:
        assert (result.decision, result.reasons) == ("unsuitable_warn", ("above_class",))
    else:
        assert (result.decision, result.reasons, result.clauses) == ("suitable", (), ())
    assert result.clauses == tuple(clause(r) for r in result.reasons)


def test_every_combination_keeps_the_order() -> None:
    """Over all combinations the decision is the first step that applies, and reasons come in their fixed order."""
    order = (
        "no_access", "minor", "lowest_class", "not_assessed", "assessment_expired", "product_unrated", "above_class",
        "term_mismatch", "type_mismatch", "firm_initiative",
    )  # fmt: skip
    axes = every(
        (None, "C1", "C4"), (False, True), (False, True), (date(2026, 6, 1), date(2024, 1, 1), None),
        (date(1980, 1, 1), date(2010, 1, 1)), ("short", None), (("货币",), ()), (False, True),
        (None, "R1", "R5"), ("三年封闭", "说明书未载明"), ("qualified", "public"), ("customer", "firm"),
    )  # fmt: skip
    for cls, lowest, pro, assessed, born, horizon, types, qualified, risk, term, access, who in axes:
        c = Customer(
            risk_class=cls, lowest=lowest, professional=pro, assessed_on=assessed, birth_date=born, horizon=horizon,
            types=types, qualified=qualified,
        )  # fmt: skip
        result = decide(c, sheet(risk=risk, term=term, access=access, type="股票型"), initiative=who, today=TODAY)
        reasons = set(result.reasons)
        expected = {
            "no_access": access == "qualified" and not qualified,
            "minor": born.year == 2010,
            "lowest_class": lowest and risk == "R5",
            "not_assessed": not pro and (cls is None or assessed is None),
            "assessment_expired": not pro and cls is not None and assessed == date(2024, 1, 1),
            "product_unrated": risk is None,
            "above_class": not pro and cls is not None and risk == "R5",
            "term_mismatch": not pro and horizon == "short" and term == "三年封闭",
            "type_mismatch": not pro and bool(types),
        }
        own = {r for r, holds in expected.items() if holds}
        if own & {"no_access", "minor", "lowest_class"}:
            decision = "forbidden"
        elif own & {"not_assessed", "assessment_expired", "product_unrated"}:
            decision = "assess_first"
        else:
            decision = "unsuitable_warn" if own else "suitable"
        if who == "firm" and decision != "suitable":
            decision, own = "forbidden", own | {"firm_initiative"}
        assert (result.decision, reasons) == (decision, own)
        assert list(result.reasons) == [r for r in order if r in reasons]
        assert len(result.clauses) == len(result.reasons)


def test_unknown_customer() -> None:
    """Nobody known: public facts of public products, nothing of qualified ones."""
    assert decide(None, sheet(), initiative="customer", today=TODAY).decision == "assess_first"
    hidden = decide(None, sheet(access="qualified"), initiative="customer", today=TODAY)
    assert (hidden.decision, hidden.reasons) == ("forbidden", ("no_access", "not_assessed"))


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({"valid_until": TODAY}, ()),
        ({"valid_until": date(2026, 11, 21)}, ("assessment_expired",)),
        ({"assessed_on": date(2025, 11, 22)}, ()),
        ({"assessed_on": date(2025, 11, 21)}, ("assessment_expired",)),
        ({"assessed_on": date(2020, 1, 1), "valid_until": date(2027, 1, 1)}, ()),
        ({"assessed_on": None}, ("not_assessed",)),
        ({"assessed_on": date(2026, 12, 1)}, ("not_assessed",)),
        ({"birth_date": date(2008, 11, 22)}, ()),
        ({"birth_date": date(2008, 11, 23)}, ("minor",)),
    ],
)
def test_dates_are_inclusive(values: dict[str, object], reasons: tuple[str, ...]) -> None:
    """The last day of validity counts; so does the eighteenth birthday."""
    assert decide(customer(**values), sheet(), initiative="customer", today=TODAY).reasons == reasons


def test_months_end_safely() -> None:
    """Twelve months after a leap day is the last of February; the setting changes the length."""
    assert add_months(date(2024, 2, 29), 12) == date(2025, 2, 28)
    assert add_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    longer = SuitabilitySettings(validity_months=24)
    old = customer(assessed_on=date(2025, 1, 1))
    assert decide(old, sheet(), initiative="customer", today=TODAY, settings=longer).decision == "suitable"


TERMS = {
    "T+0 灵活申赎": "short", "活期": "short", "7天": "short", "90天": "short", "6个月": "short", "1年期": "short",
    "18个月": "medium", "三年封闭": "medium", "5年": "medium", "5年以上": "long", "永续": "long", "十年期": "long",
    "不超过1年": "short", "存续期10年，封闭期3年": "medium", "一年半": "medium", "2000天": "long", "每日开放申赎": "short",
    "开放式无固定期限": None, "2027年12月31日到期": None, "T+1": None, "": None, None: None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "horizon"), TERMS.items())
def test_terms_are_read(text: str | None, horizon: str | None) -> None:
    """Free-text terms map to a horizon or to no opinion."""
    assert term_horizon(text) == horizon


def test_horizon_covers_shorter_terms() -> None:
    """A medium horizon accepts short and medium products, not long ones."""
    for term, expected in (("7天", ()), ("三年", ()), ("10年", ("term_mismatch",))):
        result = decide(customer(horizon="medium"), sheet(term=term), initiative="customer", today=TODAY)
        assert result.reasons == expected


@pytest.mark.parametrize(
    ("wording", "name"),
    [
        ("货币型基金", "money_fund"), ("中短债债券型基金", "bond_fund"), ("偏股混合型", "mixed_fund"), ("ETF", "etf"),
        ("资管计划", "asset_management"), ("收益凭证", "income_certificate"), ("私募证券投资基金", "private_fund"),
        ("国债逆回购", "repo"), ("FOF", "fof"), ("ＱＤＩＩ", "qdii"), ("其他", None), ("R3", None), (None, None),
    ],
)  # fmt: skip
def test_types_are_mapped(wording: str | None, name: str | None) -> None:
    """Synonyms map to one type; what is unknown maps to none."""
    assert canonical_type(wording) == name


def test_types_accept_what_counts_as_them() -> None:
    """A wide choice accepts narrow products; an unmapped one gives no opinion."""
    cases = ((("固定收益类",), "债券型", ()), (("公募基金",), "指数", ()), (("货币",), "股票型", ("type_mismatch",)),
             (("某种东西",), "股票型", ()), (("货币",), "某种东西", ()), ((), "私募", ()))  # fmt: skip
    for types, kind, expected in cases:
        result = decide(customer(types=types), sheet(type=kind), initiative="customer", today=TODAY)
        assert result.reasons == expected, (types, kind)
    assert product_types("ETF") >= {"etf", "index_fund", "public_fund"}
