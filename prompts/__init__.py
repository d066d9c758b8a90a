"""Prompts: one file each, rendered strictly, identified by the hash of the file.

A file is Markdown in which `<!-- role: system -->` and `<!-- role: user -->` begin the messages, in the order they are
sent; `{name}` stands for a value and `{{` for a brace. Values are inserted as they are and never read as templates.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from langchain_core.messages import BaseMessage
from langchain_core.prompts import ChatPromptTemplate

HERE = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z]{2}")
ROLE = re.compile(r"^<!-- role: (\w+) -->\n", re.MULTILINE)
ROLES = ("system", "user")


class PromptError(ValueError):
    """A prompt file that is missing or badly formed, or values that do not fit it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt file: `text` as it stands in the file, `hash` the SHA-256 of the file in hexadecimal."""

    name: str
    text: str
    hash: str

    @property
    def values(self) -> frozenset[str]:
        """The names that `messages` needs, all of them and no others."""
        return frozenset(_template(self.text).input_variables)

    def messages(self, **values: str) -> list[BaseMessage]:
        """The messages with all values in place. Raises PromptError on a missing, unknown or non-text value."""
        template = _template(self.text)
        needed = set(template.input_variables)
        if missing := sorted(needed - values.keys()):
            raise PromptError(f"提示 {self.name} 缺少：{'、'.join(missing)}")
        if unknown := sorted(values.keys() - needed):
            raise PromptError(f"提示 {self.name} 没有：{'、'.join(unknown)}")
        if wrong := sorted(name for name, value in values.items() if not isinstance(value, str)):
            raise PromptError(f"提示 {self.name} 的值不是文字：{'、'.join(wrong)}")
        return template.format_messages(**values)


def load(name: str) -> Prompt:
    """The prompt `NAME.LANGUAGE`, for example `answer.zh`. Raises PromptError if it is missing or badly formed."""
    if not NAME.fullmatch(name):
        raise PromptError(f"提示名不对：{name!r}")
    try:
        content = (HERE / f"{name}.md").read_bytes()
    except FileNotFoundError:
        raise PromptError(f"没有提示 {name}") from None
    prompt = Prompt(name, content.decode("utf-8"), hashlib.sha256(content).hexdigest())
    _template(prompt.text)
    return prompt


def refusals() -> tuple[str, ...]:
    """What models say instead of an answer, lower case."""
    data = yaml.safe_load((HERE / "refusals.yaml").read_text(encoding="utf-8"))
    return tuple(str(phrase) for phrase in data["phrases"])


@lru_cache(maxsize=32)
def _template(text: str) -> ChatPromptTemplate:
    before, *rest = ROLE.split(text)
    roles, bodies = rest[::2], [body.strip() for body in rest[1::2]]
    if before.strip() or not roles or len(set(roles)) != len(roles) or not set(roles) <= set(ROLES) or not all(bodies):
        raise PromptError("提示文件应由 <!-- role: system --> 与 <!-- role: user --> 各一段组成，且不为空")
    try:
        return ChatPromptTemplate.from_messages(list(zip(roles, bodies, strict=True)), template_format="f-string")
    except ValueError as error:
        raise PromptError(f"提示文件的占位不对：{error}") from error
