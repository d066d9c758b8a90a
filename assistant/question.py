"""A message as a standalone question: what an elliptical follow-up means, read from the conversation.

No model is asked here. Several readings are offered, the plain one first; retrieval keeps the one that answers best.
The history is context only: it can supply a subject, never a fact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.turn import Message
from knowledge.retrieval.words import Words, plain

LEAD = re.compile(
    r"^(?:那么|那|还有|另外|顺便|再问一?下?|再请问|请问|如果是?|要是|换成|换做|咁|噉|"
    r"and|what about|how about|then)[，,、 ]*"
)
TAIL = re.compile(r"(?:呢|咧|呐|又如何|怎么样|怎么说|又是多少|也一样吗|也是吗|一样吗)?[？?。.!！~ ]*$")
ASK_TAIL = re.compile(r"(?:呢|咧|呐)[？?。.!！~ ]*$")
CORRECTION = re.compile(
    r"^(?:不是|不对|错了|我不是问这个|搞错了|说错了|唔係|唔系|不不)[，,。.、 ]*"
    r"(?:我(?:是说|说的是|问的是|想问的是|指的是|的意思是)|是)?[，,、 ]*"
    r"|^我(?:说的是|问的是|想问的是|指的是)[，,、 ]*"
)
POINTER = re.compile(
    r"这个|那个|这只|那只|这款|那款|这支|它|该产品|该基金|该业务|这类|那类|这种|那种|上面|刚才|刚刚|前面|此|其中|"
    r"这样|两者|后者|前者|呢个|嗰个|佢|\bit\b|\bthat\b|\bthis\b"
)
SPLIT = re.compile(
    r"[？?；;。!！\n]+|"
    r"[，,、 ]*(?:另外|还有就是|还有|顺便问一?下?|顺便|同时|以及|并且|再问一?下?|还想问一?下?|然后)[，,、 ]*"
)
SHARE_CLASS = re.compile(r"[a-z]\s*(?:类|类份额|份额|款)?")
HISTORY_READ = 6
SHORT = 3


@dataclass(frozen=True, slots=True)
class Readings:
    """What a message may mean, the plain text first. `elliptical`: it cannot be understood by itself."""

    texts: tuple[str, ...]
    elliptical: bool


def readings(text: str, history: Sequence[Message], words: Words) -> Readings:
    """The readings of a message after the user's earlier messages of this conversation."""
    earlier = [message.content for message in history if message.role == "user"][-HISTORY_READ:]
    subject_of = ""
    for said in earlier:
        subject_of = _rewrites(said, subject_of, words)[0]
    if not subject_of:
        return Readings((text,), False)
    elliptical = is_elliptical(text, words)
    options = _rewrites(text, subject_of, words) if elliptical else (f"{subject(subject_of, words)} {text}",)
    return Readings(tuple(dict.fromkeys((text, *options))), elliptical)


def is_elliptical(text: str, words: Words) -> bool:
    """Whether a message leans on what was said before: a pointer, a lead-in, or no subject of its own."""
    folded = plain(text).strip()
    if CORRECTION.search(folded) or POINTER.search(folded) or (LEAD.search(folded) and ASK_TAIL.search(folded)):
        return True
    if LEAD.match(folded) and folded.startswith(("那", "咁", "and", "what about", "how about")):
        return True
    units = words.units(folded)
    topics = [unit for unit in units if not unit.terms & words.attributes]
    return len(topics) == 0 or (len(folded) <= 8 and len(topics) < SHORT and bool(ASK_TAIL.search(folded)))


def parts(text: str) -> tuple[str, ...]:
    """The questions of a message that asks several things, in order; one element when it asks one."""
    found = [part.strip(" ，,、") for part in SPLIT.split(text)]
    return tuple(part for part in found if len(part) >= 3)


def subject(text: str, words: Words) -> str:
    """A question without what it asked: the things it spoke of."""
    folded, kept, last = plain(text), "", 0
    for start, end, is_attribute in words.spans(text):
        if not is_attribute:
            kept += ("" if start == last or not kept else " ") + folded[start:end]
            last = end
    return kept or text


def _rewrites(text: str, before: str, words: Words) -> tuple[str, ...]:
    """Standalone forms of `text` after the standalone question `before`, likeliest first."""
    if not before or not is_elliptical(text, words):
        return (text,)
    folded = plain(text).strip()
    core = TAIL.sub("", LEAD.sub("", CORRECTION.sub("", folded))).strip() or folded
    core = POINTER.sub(" ", core).strip() or core
    has_topic = any(not unit.terms & words.attributes for unit in words.units(core))
    asks = any(unit.terms & words.attributes for unit in words.units(core)) or bool(
        re.search(r"多|几|怎|吗|什么|啥", core)
    )
    about = subject(before, words)
    if not has_topic:
        return (f"{about} {core}",)
    replaced = _replace(before, core, words)
    if asks:
        return tuple(dict.fromkeys((f"{about} {core}", core)))
    return tuple(dict.fromkeys((replaced, f"{before} {core}", f"{core} {before}")))


def _replace(before: str, core: str, words: Words) -> str:
    """`before` with the thing most like `core` put in its place: 创业板 → 科创板, A类 → C类."""
    folded = plain(before)
    best, span = 0.9, None
    for start, end, is_attribute in words.spans(before):
        if is_attribute:
            continue
        likeness = _likeness(folded[start:end], core)
        if likeness > best:
            best, span = likeness, (start, end)
    if span is None:
        return f"{core} {before}"
    return folded[: span[0]] + core + folded[span[1] :]


def _likeness(one: str, other: str) -> float:
    shared_tail = 0
    while shared_tail < min(len(one), len(other)) and one[-1 - shared_tail] == other[-1 - shared_tail]:
        shared_tail += 1
    shared = len(set(one) & set(other))
    same_kind = bool(SHARE_CLASS.fullmatch(one) and SHARE_CLASS.fullmatch(other))
    return 2.0 * shared_tail + shared + 3.0 * same_kind + (0.5 if len(one) == len(other) else 0.0)
