"""What was approved leaves again: materials quoted word for word, fixed replies and notices."""

from datetime import date
from pathlib import Path

import guard_materials as materials
import pytest
import yaml

from assistant.turn import Passage, Product
from guardrails.meaning import Meaning
from guardrails.normalise import normalise
from guardrails.policy import POLICIES, Policy, load
from guardrails.products import NAMED, ProductIndex, named_once
from guardrails.quantities import quantities
from guardrails.screening import Screen

ROOT = materials.ROOT
TODAY = date(2026, 11, 22)
ALLOWED_SHARE = 0.003
SAID = {
    "hotline": "95000", "ticket": "T20261122001", "position": "3", "hours": "交易日 9:00—17:00", "firm": "合适证券",
}  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load(POLICIES / "cn-securities.yaml")


@pytest.fixture(scope="module")
def screen(policy: Policy) -> Screen:
    return Screen(policy, Meaning.load(), ("95000",))


def passage(text: str, title: str = "说明", **values: object) -> Passage:
    return Passage("d@1#1", "d", "1", "r", title, "education", "public", "text", text, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", ["knowledge/materials", "evals/corpora/lanjiang", "evals/corpora/beichen"])
def test_approved_passages_leave_word_for_word(screen: Screen, folder: str) -> None:
    """At most three of a thousand approved public passages are stopped when an answer quotes them."""
    found, products = materials.passages(ROOT / folder)
    bad = materials.stopped(found, products, screen)
    assert len(found) > 300
    assert len(bad) <= ALLOWED_SHARE * len(found), [(p.title, f[0].reason) for p, f in bad]


@pytest.mark.parametrize("path", sorted((ROOT / "knowledge/replies").glob("*.md")), ids=lambda p: p.stem)
def test_fixed_replies_pass(screen: Screen, path: Path) -> None:
    """No fixed reply is stopped by the checks it stands in for."""
    body = path.read_text(encoding="utf-8").split("---", 2)[2]
    for name, value in SAID.items():
        body = body.replace("{" + name + "}", value)
    assert screen.screen(body, today=TODAY).findings == ()


def test_notices_pass(screen: Screen) -> None:
    """No notice is stopped when it is screened together with an answer."""
    raw = yaml.safe_load((ROOT / "guardrails/notices.yaml").read_text(encoding="utf-8"))
    for name, notice in raw["notices"].items():
        text = notice["text"].format(name="平衡配置一号", reasons="、".join(raw["unsuitable_reasons"].values()))
        assert screen.screen(text, today=TODAY).findings == (), name


def test_compounds_hide_short_words(policy: Policy) -> None:
    """准 in 标准 is no certainty; 准 alone still is."""
    assert not policy.hits(policy.scan(normalise("标准：年化收益超过6%的部分计提20%")))
    assert policy.hits(policy.scan(normalise("买这只准赚钱")))


def test_names_of_products_say_nothing() -> None:
    """A name becomes one sign, spans still point at what was written."""
    product = Product("TD2045", "景澄养老目标日期2045")
    reading = normalise("买景澄养老目标日期2045吗")
    mentions = ProductIndex([product]).mentions(reading)
    named, moved = named_once(reading, mentions, {m.place for m in mentions})
    assert named.text == f"买{NAMED}吗"
    assert named.original[slice(*named.span(*moved[0].place))] == "景澄养老目标日期2045"


def test_name_that_promises_is_read(screen: Screen) -> None:
    """A product whose name itself promises does not hide the promise."""
    known = ProductIndex([Product("BB0001", "保本保息宝一号", risk="R1")])
    assert any(
        f.check == "guaranteed_return"
        for f in screen.screen("保本保息宝一号在首页可以查到。", today=TODAY, known_products=known).findings
    )


def test_heading_warns_only_what_stands_under_it(screen: Screen) -> None:
    """A trick listed under 识别非法荐股 may be quoted from there, and may not be said without it."""
    said = "要求把钱转到个人账户。"
    warned = passage(said, title="识别非法荐股")
    assert screen.screen(said, today=TODAY, passages=[warned]).action == "allow"
    assert screen.screen(said, today=TODAY, passages=[said]).action == "block"
    assert screen.screen(said, today=TODAY, passages=[passage(said, title="转账说明")]).action == "block"


def test_published_address_is_the_firms_own(screen: Screen) -> None:
    """The mailbox of a public passage may be told; the same mailbox without it, or from staff material, may not."""
    text = "邮箱：ts@heshi.example"
    assert screen.screen(text, today=TODAY, passages=[passage(text)]).action == "allow"
    assert screen.screen(text, today=TODAY).action == "block"
    staff = Passage("d@1#1", "d", "1", "r", "t", "script", "staff", "text", text)
    assert screen.screen(text, today=TODAY, passages=[staff]).action == "block"


def test_rules_on_classes_are_no_match_opinion(screen: Screen) -> None:
    """Which class may buy which grade is education; telling one customer that it fits is not."""
    assert screen.screen("R3产品适合C3及以上的投资者，R5产品适合C5。", today=TODAY).action == "allow"
    assert screen.screen("这款很适合您。", today=TODAY).action == "block"


def test_quantity_after_a_line_break_keeps_its_place() -> None:
    """A time at the start of a line belongs to that line."""
    (time,) = quantities(normalise("集合竞价\n9:15可以撤单"))
    assert time.place == (5, 9)
