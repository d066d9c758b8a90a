"""Every rule of every pack proves itself on enough varied sentences, and holds on its days only."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.commands import policy as command
from assistant.commands.batch import UsageError
from guardrails.policy import MINIMUM_EXAMPLES, POLICIES, Policy, PolicyError, Rule, load, read, shortfalls
from guardrails.screening import Screen
from knowledge.retrieval.words import bigrams
from tests.branch import Branch

PACKS = sorted(POLICIES.glob("*.yaml"))
RULES = [(path.stem, rule.id) for path in PACKS for rule in read(path).rules]
LOADED = {path.stem: load(path) for path in PACKS}


def rule_of(pack: str, rule: str) -> Rule:
    return next(one for one in LOADED[pack].rules if one.id == rule)


@pytest.mark.parametrize(("pack", "rule"), RULES)
def test_every_rule_has_enough_varied_examples(pack: str, rule: str) -> None:
    """At least five sentences that must hit and five that must not, none twice, no two nearly the same."""
    one = rule_of(pack, rule)
    for examples in (one.must_hit, one.must_not):
        assert len(set(examples)) == len(examples) >= MINIMUM_EXAMPLES == 5
        told = [set(bigrams(example)) if pack == "cn-securities" else set(example.split()) for example in examples]
        alike = [
            (examples[i], examples[j])
            for i in range(len(told))
            for j in range(i)
            if len(told[i] & told[j]) > 0.7 * min(len(told[i]), len(told[j]))
        ]
        assert alike == []


@pytest.mark.parametrize(("pack", "rule"), RULES)
def test_every_example_comes_out_as_its_rule_says(pack: str, rule: str) -> None:
    """Hits are hits of this very rule; what must not hit breaks no rule of its code."""
    assert shortfalls(LOADED[pack], rule_of(pack, rule)) == []


@pytest.mark.parametrize(("pack", "rule"), RULES)
def test_every_must_hit_is_found_by_the_whole_screening(pack: str, rule: str) -> None:
    """What a rule catches in isolation it catches in a text between lawful sentences, with its clause."""
    one = rule_of(pack, rule)
    before, after = ("您好。", "\n感谢您的来信。") if pack == "cn-securities" else ("Hello.\n", "\nThank you.")
    screen = Screen(LOADED[pack])
    for example in one.must_hit:
        verdict = screen.screen(before + example + after, today=date(2026, 11, 22))
        assert any(f.check == one.code and one.clause in f.clause for f in verdict.findings), example


def pack_file(folder: Path, **changed: Any) -> Path:
    """A copy of the smaller pack with its first rule changed."""
    raw = yaml.safe_load((POLICIES / "finra-2210.yaml").read_text("utf-8"))
    raw["rules"][0] |= changed
    file = folder / "own.yaml"
    file.write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    return file


def test_a_pack_that_fails_an_example_does_not_load_and_says_which(tmp_path: Path) -> None:
    """The error names the rule, the kind and the sentence."""
    broken = [*rule_of("finra-2210", "promissory").must_hit, "The weather is fine."]
    with pytest.raises(PolicyError, match=r"rule promissory: must_hit example 「The weather is fine.」 does not hit"):
        load(pack_file(tmp_path, must_hit=broken))


def test_a_pack_reads_its_own_language_and_no_other() -> None:
    """English passes the English pack and is handed over by the Chinese one, and the other way round."""
    texts = {
        "finra-2210": "Please read the prospectus before you invest any money.",
        "cn-securities": "请您先阅读招募说明书。",
    }
    for pack, policy in LOADED.items():
        for language, text in texts.items():
            action = Screen(policy).screen(text, today=date(2026, 11, 22)).action
            assert action == ("allow" if language == pack else "handoff")


def test_repeating_an_example_does_not_make_it_two(tmp_path: Path) -> None:
    """Four sentences and one of them again are four."""
    four = [*rule_of("finra-2210", "promissory").must_hit[:4]]
    with pytest.raises(PolicyError, match="must_hit has 4 examples, needs 5"):
        load(pack_file(tmp_path, must_hit=[*four, four[0]]))


@pytest.mark.parametrize(
    ("dates", "day", "in_force"),
    [
        ({"effective_from": date(2026, 12, 1)}, date(2026, 11, 30), False),
        ({"effective_from": date(2026, 12, 1)}, date(2026, 12, 1), True),
        ({"effective_to": date(2026, 12, 1)}, date(2026, 12, 1), True),
        ({"effective_to": date(2026, 12, 1)}, date(2026, 12, 2), False),
        ({}, date(2020, 1, 1), True),
    ],
)
def test_a_rule_holds_from_its_first_to_its_last_day(
    tmp_path: Path, dates: dict[str, date], day: date, in_force: bool
) -> None:
    """Bounds are inclusive; outside them the rule finds nothing, in words or in meaning; its examples run anyway."""
    pack = load(pack_file(tmp_path, **dates))
    text = "We guarantee you a profit."
    assert bool(Screen(pack).screen(text, today=day).findings) is in_force
    judged = Screen(pack, Certain())  # type: ignore[arg-type]
    found = judged.screen("Nothing of note is said in this sentence.", today=day).findings
    assert bool(found) is in_force


class Certain:
    """A classifier that is sure of every sentence."""

    def judge(self, scan: Any, policy: Policy, quoted: Any = ()) -> list[tuple[str, tuple[int, int], float]]:
        return [("guaranteed_return", (0, len(scan.text)), 0.99)]


def test_policy_test_prints_each_rule_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    """All packs pass; each rule has its line with its counts."""
    assert command.test(None, as_json=False) == 0
    out = capsys.readouterr().out
    assert all(rule in out for _, rule in RULES)
    assert "✗" not in out


def test_policy_test_names_every_failing_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and not only the first failure is named."""
    one = rule_of("finra-2210", "promissory")
    bad = ["The weather is fine.", "So is the food."]
    file = pack_file(tmp_path, must_hit=[*one.must_hit, *bad], must_not=[*one.must_not, "This is a sure thing."])
    assert command.test(str(file), as_json=False) == 1
    out = capsys.readouterr().out
    assert all(sentence in out for sentence in (*bad, "This is a sure thing."))
    assert command.test(str(file), as_json=True) == 1
    told = json.loads(capsys.readouterr().out)[0]
    assert [failing["rule"] for failing in told["failures"]] == ["promissory"] * 3
    assert not told["ok"]


def test_policy_test_of_a_broken_or_missing_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no pack fails with its reason; an unknown name lists what there is."""
    file = tmp_path / "broken.yaml"
    file.write_text("rules: [", "utf-8")
    assert command.test(str(file), as_json=False) == 1
    assert "not YAML" in capsys.readouterr().out
    with pytest.raises(UsageError, match="cn-securities"):
        command.test("nowhere", as_json=False)


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """The default pack with one more rule: it forbids a word the answers of the test materials use."""
    raw = yaml.safe_load((POLICIES / "cn-securities.yaml").read_text("utf-8"))
    names = [
        f"{word}须满足资产条件。" for word in ("科创板", "购买科创板股票", "开通科创板", "参与科创板", "科创板权限")
    ]
    others = ["今天天气很好。", "您好。", "请稍候。", "谢谢您。", "已为您登记。"]
    rule = {
        "id": "own", "code": "rude", "action": "block", "reason": "公司用语", "clause": "公司制度 第1条",
        "certainty": "M", "terms": ["科创板"], "contexts": [], "must_hit": names, "must_not": others,
    }  # fmt: skip
    raw["rules"].append(rule)
    file = tmp_path / "stricter.yaml"
    file.write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    return file


def test_policy_diff_shows_logged_replies_that_change(own: Branch, stricter: Path, tmp_path: Path) -> None:
    """Replies with the forbidden word change, others do not; the log of a folder can be read from elsewhere."""
    changing = own.ask("科创板开通条件是什么")
    assert "科创板" in changing.body
    other = own.ask("你好")
    before = own.installation.log.verify()
    told = own.json("policy", "diff", "cn-securities", str(stricter), "--on", "-", "--json")
    changed = {change["turn"]: change for change in told["changed"]}
    assert changing.turn in changed
    assert other.turn not in changed
    assert (changed[changing.turn]["a"]["action"], changed[changing.turn]["b"]["action"]) == ("allow", "block")
    assert changed[changing.turn]["b"]["findings"][0]["clause"].startswith("公司制度")
    assert told["texts"] >= 2
    assert own.installation.log.verify() == before
    elsewhere = Branch(tmp_path / "elsewhere", own.parts)
    assert elsewhere.json("policy", "diff", "cn-securities", str(stricter), "--on", str(own.folder), "--json") == told
    elsewhere.close()


def test_policy_diff_of_a_pack_with_itself_is_empty(own: Branch) -> None:
    """The same pack judges the same; a folder without a log is a usage error."""
    own.ask("科创板开通条件是什么")
    told = own.json("policy", "diff", "cn-securities", "cn-securities", "--on", "-", "--json")
    assert told["changed"] == []
    assert told["texts"] >= 1
    assert own.run("policy", "diff", "cn-securities", "cn-securities", "--on", "/nowhere")[0] == 2


def test_examples_are_read_by_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line knows the sub-commands."""
    assert command.run(Namespace(doing="test", pack="finra-2210", json=False), None) == 0
    assert capsys.readouterr().out.startswith("finra-2210")
