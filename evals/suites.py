"""The suites: answers over several brokers' materials, intents, screening."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from assistant.customers import customer_from
from assistant.log import new_id
from assistant.turn import Asked, Message, Reply
from evals.cases import CASES, Case, answer_cases, flat, met, rows
from evals.runner import Failure, Rate, Result, Suite
from evals.workbench import installation

CORPORA = ("starter", "lanjiang", "beichen", "minhe", "songyuan")


def answers(corpus: str, work: Path) -> Result:
    """Right answers, cited documents, refusals of what the materials do not hold, traps."""
    assistant = installation(corpus, work).assistant
    cases = answer_cases(corpus)
    counts: Counter[str] = Counter()
    failures = []
    times = []
    for case in cases:
        reply = assistant.answer(
            Asked(case.question, "eval", case.today, new_id(), case.history, customer_from(case.customer))
        )
        times.append(reply.ms["total"])
        counts.update(judge(case, reply))
        failure = failed(case, reply)
        if failure is not None:
            failures.append(failure)
    times.sort()
    rates = (
        Rate("right", counts["right"], counts["answerable"]),
        Rate("document_cited", counts["cited"], counts["answerable"]),
        Rate("facts_met", counts["facts"], counts["answerable"]),
        Rate("answered", counts["answered"], counts["answerable"]),
        Rate("right_multi_turn", counts["right_multi"], counts["multi"]),
        Rate("refused_unanswerable", counts["refused"], counts["unanswerable"]),
        Rate("traps_leaked", counts["leaked"], counts["with_absent"], dangerous=True),
        Rate("citation_unresolved", counts["unresolved"], len(cases), dangerous=True),
    )
    notes = {"p50_ms": times[len(times) // 2], "p95_ms": times[int(len(times) * 0.95)]} if times else {}
    return Result(f"answers:{corpus}", rates, tuple(failures), notes)


def judge(case: Case, reply: Reply) -> list[str]:
    """The counters one reply raises."""
    raised = []
    facts = met(case.facts, reply.text) == len(case.facts)
    cited = bool({citation.document for citation in reply.citations} & case.documents)
    if case.answerable:
        raised.append("answerable")
        raised += ["answered"] * (reply.outcome == "answer")
        raised += ["facts"] * (facts and reply.outcome == "answer") + ["cited"] * cited
        raised += ["right"] * (facts and cited)
        if case.history:
            raised += ["multi"] + ["right_multi"] * (facts and cited)
    else:
        raised += ["unanswerable"] + ["refused"] * (reply.outcome != "answer")
    if case.absent:
        raised += ["with_absent"] + ["leaked"] * leaked(case, reply)
    raised += ["unresolved"] * any(not citation.quote for citation in reply.citations)
    return raised


def leaked(case: Case, reply: Reply) -> bool:
    """Whether a reply says what must not be said."""
    said = flat(reply.text)
    return any(flat(words) in said for words in case.absent)


def failed(case: Case, reply: Reply) -> Failure | None:
    """What went wrong with a case, or None."""
    what = []
    cited = {citation.document for citation in reply.citations}
    if case.answerable and reply.outcome != "answer":
        what.append(f"not answered ({reply.outcome}, {reply.intent})")
    elif case.answerable:
        what += ["document"] * (not cited & case.documents)
        what += ["facts"] * (met(case.facts, reply.text) < len(case.facts))
    elif reply.outcome == "answer":
        what.append("answered though nothing answers it")
    what += ["TRAP"] * leaked(case, reply)
    if not what:
        return None
    expected = f"{case.outcome} {sorted(case.documents)} {[list(group) for group in case.facts]}"
    asked = " / ".join([*(f"{m.role}: {m.content}" for m in case.history), case.question])
    return Failure(case.id, ", ".join(what), asked, expected, f"{sorted(cited)} {reply.text}")


def intents(name: str, work: Path) -> Result:
    """Accuracy of the router, and of grave messages the share that would reach retrieval."""
    from app import Installation
    from assistant.settings import Settings

    router = Installation(Settings(data=work / "empty")).router
    counts: Counter[str] = Counter()
    failures = []
    grave = {"fraud", "distress", "complaint", "illegal"}
    retrieval = {"education", "product", "account"}
    for row in rows(CASES / f"intents_{name}.jsonl"):
        history = tuple(Message(m["role"], m["content"]) for m in row.get("history") or ())
        found = router.route(row["text"], history)
        right = found.intent == row["intent"]
        counts["total"] += 1
        counts["right"] += right
        if row["intent"] in grave:
            counts["grave"] += 1
            counts["lost"] += found.intent in retrieval
        if not right:
            failures.append(Failure(row["text"][:20], "intent", row["text"], row["intent"], found.intent))
    rates = (
        Rate("accuracy", counts["right"], counts["total"]),
        Rate("grave_to_retrieval", counts["lost"], counts["grave"], dangerous=True),
    )
    return Result(f"intents:{name}", rates, tuple(failures))


def suites() -> Mapping[str, Suite]:
    """All suites by name."""
    found: dict[str, Suite] = {f"answers:{corpus}": partial(answers, corpus) for corpus in CORPORA}
    for path in sorted(CASES.glob("intents_*.jsonl")):
        name = path.stem.removeprefix("intents_")
        found[f"intents:{name}"] = partial(intents, name)
    return found
