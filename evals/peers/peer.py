"""One other tool under the stopwatch, run by the interpreter of its own environment: peer.py NAME IN.json OUT.json.

IN holds {"terms","texts","probes"}; OUT gets {"version","how","ms":[…],"probes":{text: blocked}}. Only the standard
library and the tool are imported here.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

Check = Callable[[str], bool]


def nemo(terms: list[str]) -> tuple[Check, str, str]:
    """The output rail "regex check output" of NeMo Guardrails, its terms as one pattern; no model is called."""
    import yaml

    tool: Any = import_module("nemoguardrails")

    pattern = "|".join(re.escape(term) for term in terms)
    settings = {
        "models": [],
        "rails": {
            "output": {"flows": ["regex check output"]},
            "config": {"regex_detection": {"output": {"patterns": [pattern]}}},
        },
    }
    config = tool.RailsConfig.from_content(yaml_content=yaml.safe_dump(settings, allow_unicode=True))
    rails = tool.LLMRails(config)

    def blocked(text: str) -> bool:
        messages = [{"role": "user", "content": "问"}, {"role": "assistant", "content": text}]
        answer = rails.generate(messages=messages, options={"rails": ["output"]})
        return bool(answer.response[0]["content"] != text)

    return blocked, "nemoguardrails", "output rail “regex check output”, one joined pattern"


def llm_guard(terms: list[str]) -> tuple[Check, str, str]:
    """BanSubstrings of LLM Guard."""
    tool: Any = import_module("llm_guard.output_scanners")
    scanner = tool.BanSubstrings(substrings=terms, match_type="str", case_sensitive=False)
    return lambda text: not scanner.scan("", text)[1], "llm-guard", "BanSubstrings, match_type str"


def guardrails_ai(terms: list[str]) -> tuple[Check, str, str]:
    """BanList of Guardrails AI, exact: the fuzzy distance it starts with takes longer."""
    tool: Any = import_module("guardrails_ai.ban_list")
    validator = tool.BanList(banned_words=terms, max_l_dist=0)
    how = "BanList, max_l_dist 0"
    return lambda text: type(validator.validate(text, {})).__name__ == "FailResult", "guardrails-ai", how


PEERS: dict[str, Callable[[list[str]], tuple[Check, str, str]]] = {
    "nemo": nemo,
    "llm-guard": llm_guard,
    "guardrails-ai": guardrails_ai,
}


def main(name: str, given: Path, result: Path) -> None:
    told = json.loads(given.read_text(encoding="utf-8"))
    blocked, package, how = PEERS[name](told["terms"])
    for text in told["texts"][:3]:
        blocked(text)
    spent = []
    for text in told["texts"]:
        begun = time.perf_counter()
        blocked(text)
        spent.append((time.perf_counter() - begun) * 1000)
    probes = {text: blocked(text) for text in told["probes"]}
    found = {"version": f"{package} {version(package)}", "how": how, "ms": spent, "probes": probes}
    result.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
