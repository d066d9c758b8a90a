"""Test a policy pack on its own examples; show which logged replies another pack would judge otherwise."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from assistant.commands.batch import UsageError
from assistant.customers import customer_from
from assistant.flow import contacts
from assistant.log import log_turns
from assistant.turn import Passage, Verdict
from guardrails.meaning import Meaning
from guardrails.policy import POLICIES, Policy, PolicyError, load, read, shortfalls
from guardrails.products import ProductIndex
from guardrails.screening import Screen
from knowledge.records.materials import Materials

SHOWN = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One logged text whose verdict differs: `kind` says whether it was released or withheld; findings by pack."""

    turn: str
    at: str
    kind: str
    text: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]


def add(parser: ArgumentParser) -> None:
    doing = parser.add_subparsers(dest="doing", required=True, metavar="test|diff")
    test = doing.add_parser("test", help="run a pack's examples; exit status 1 names each that fails")
    test.add_argument("pack", nargs="?", metavar="PACK", help="name or file of a pack; all packs when left out")
    test.add_argument("--json", action="store_true", help="the result as JSON")
    diff = doing.add_parser("diff", help="which logged replies change verdict under another pack")
    diff.add_argument("a", metavar="A", help="name or file of a pack")
    diff.add_argument("b", metavar="B", help="name or file of the other pack")
    diff.add_argument("--on", required=True, metavar="LOG", help="data folder whose log is read; - for this one's")
    diff.add_argument("--json", action="store_true", help="the result as JSON")


def run(options: Namespace, installation: Any) -> int:
    if options.doing == "test":
        return test(options.pack, as_json=options.json)
    return diff(options, installation)


def test(pack: str | None, *, as_json: bool) -> int:
    """Every rule of one pack, or of all, on its own examples; 1 when any does not come out as it says."""
    files = [_file(pack)] if pack else sorted(POLICIES.glob("*.yaml"))
    results = [_tested(file) for file in files]
    if as_json:
        print(json.dumps(results, ensure_ascii=False))
    else:
        for result in results:
            _show_test(result)
    return 0 if all(result["ok"] for result in results) else 1


def _tested(file: Path) -> dict[str, Any]:
    try:
        policy = read(file)
    except PolicyError as error:
        return {"pack": file.stem, "version": None, "ok": False, "rules": [], "failures": [{"what": str(error)}]}
    rules, failing = [], []
    for rule in policy.rules:
        found = shortfalls(policy, rule)
        failing += [asdict(one) for one in found]
        rules.append(
            {
                "rule": rule.id,
                "code": rule.code,
                "action": rule.action,
                "must_hit": len(rule.must_hit),
                "must_not": len(rule.must_not),
                "effective_from": rule.effective_from and rule.effective_from.isoformat(),
                "effective_to": rule.effective_to and rule.effective_to.isoformat(),
                "failures": len(found),
            }
        )
    return {
        "pack": policy.id,
        "version": policy.version,
        "hash": policy.hash,
        "ok": not failing,
        "rules": rules,
        "failures": failing,
    }


def _show_test(result: Mapping[str, Any]) -> None:
    print(f"{result['pack']} {result['version'] or ''}")
    print(f"  {'rule':<20}{'code':<24}{'action':<9}{'hit':>5}{'not':>5}  ")
    for rule in result["rules"]:
        state = "ok" if not rule["failures"] else f"{rule['failures']} failing"
        counts = f"{rule['must_hit']:>5}{rule['must_not']:>5}"
        print(f"  {rule['rule']:<20}{rule['code']:<24}{rule['action']:<9}{counts}  {state}")
    for failing in result["failures"]:
        where = f"{failing['rule']}: {failing['kind']} " if "rule" in failing else ""
        example = f"「{failing['example']}」 " if failing.get("example") else ""
        print(f"  ✗ {where}{example}{failing['what']}")


def diff(options: Namespace, installation: Any) -> int:
    """The logged texts whose verdict differs under pack B. Exit status 0: a difference is no fault."""
    try:
        packs = load(_file(options.a)), load(_file(options.b))
    except PolicyError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    logged = _installation(options.on, installation)
    texts, changes = 0, []
    materials = Materials(logged.database)
    own = contacts(materials.all_facts())
    screens = tuple(Screen(policy, Meaning.load(), own) for policy in packs)
    index = ProductIndex(_products(materials))
    for turn, at, kind, text, body in _texts(logged):
        texts += 1
        passages = _passages(body, materials)
        verdicts = [_verdict(screen, text, body, passages, index) for screen in screens]
        if _differs(*verdicts):
            changes.append(Change(turn, at, kind, text, _brief(verdicts[0]), _brief(verdicts[1])))
    if options.json:
        named = [_named(policy) for policy in packs]
        result = {"a": named[0], "b": named[1], "texts": texts, "changed": [asdict(change) for change in changes]}
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(f"{_label(packs[0])} → {_label(packs[1])}: {len(changes)} of {texts} logged texts change")
    for change in changes:
        print(f"  {change.at[:19]} {change.turn} {change.kind}: {change.a['action']} → {change.b['action']}")
        print(f"    {' '.join(change.text.split())[:SHOWN]}")
        for sign, side in (("-", change.a), ("+", change.b)):
            for finding in side["findings"]:
                print(f"    {sign} {finding['check']} {finding['reason']}（{finding['clause']}）")
    return 0


def _installation(on: str, installation: Any) -> Any:
    """The installation whose log is read: this one, or that of another data folder."""
    if on == "-":
        return installation
    folder = Path(on)
    if not (folder / "heshi.db").exists():
        raise UsageError(f"{folder} 里没有 heshi.db；请给出数据文件夹，或用 - 表示当前数据文件夹")
    return type(installation)(installation.settings.model_copy(update={"data": folder, "database_url": None}))


def _texts(installation: Any) -> Iterator[tuple[str, str, str, str, Mapping[str, Any]]]:
    """(turn, time, released or withheld, text, log body) of every logged turn, oldest first."""
    query = log_turns.select().where(log_turns.c.event == "turn").order_by(log_turns.c.number)
    with installation.database.reading() as connection:
        for row in connection.execute(query):
            body = json.loads(row.body)
            if not isinstance(body.get("reply"), Mapping):
                continue
            yield row.id, row.recorded_at, "released", body["reply"]["body"], body
            for text in body.get("trace", {}).get("withheld", ()):
                yield row.id, row.recorded_at, "withheld", text, body


def _verdict(
    screen: Screen, text: str, body: Mapping[str, Any], passages: list[Passage], index: ProductIndex
) -> Verdict:
    """The verdict on a logged text as of its day, for its customer, with the passages it rested on."""
    return screen.screen(
        text,
        customer=customer_from(body.get("customer")),
        passages=passages,
        today=date.fromisoformat(body["today"]),
        known_products=index,
    )


def _passages(body: Mapping[str, Any], materials: Materials) -> list[Passage]:
    found = (materials.passage(used["passage"], used["revision"]) for used in body.get("evidence", ()))
    return [passage for passage in found if passage is not None]


def _products(materials: Materials) -> Iterator[Any]:
    """Every product any approved material describes."""
    keys = [row.key for row in materials.passage_keys([one.id for one in materials.approved_revisions()])]
    found = {p.product.code: p.product for p in materials.load(keys).values() if p.product is not None}
    yield from found.values()


def _differs(a: Verdict, b: Verdict) -> bool:
    """Whether two packs judge otherwise: another action, or other places and codes."""
    marks = [{(f.check, f.action, f.span) for f in verdict.findings} for verdict in (a, b)]
    return a.action != b.action or marks[0] != marks[1]


def _brief(verdict: Verdict) -> dict[str, Any]:
    return {"action": verdict.action, "findings": [asdict(finding) for finding in verdict.findings]}


def _named(policy: Policy) -> dict[str, str]:
    return {"id": policy.id, "version": policy.version, "hash": policy.hash}


def _label(policy: Policy) -> str:
    return f"{policy.id} {policy.version}"


def _file(pack: str) -> Path:
    """The file of a pack given by name or path. Raises UsageError when there is none."""
    for path in (POLICIES / f"{pack}.yaml", Path(pack)):
        if path.is_file():
            return path
    known = "、".join(sorted(path.stem for path in POLICIES.glob("*.yaml")))
    raise UsageError(f"没有规则包 {pack}；可用的有 {known}，也可以给出 YAML 文件")
