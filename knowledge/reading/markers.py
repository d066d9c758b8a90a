"""What the beginning and shape of a line say: question, answer, list item, heading, labelled fact."""

from __future__ import annotations

import re
from dataclasses import dataclass

from knowledge.reading.labels import is_label, is_value, named

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {"〇": 0, "两": 2}
_CN = "[一二三四五六七八九十百零〇两]{1,5}"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_QUESTION = re.compile(
    rf"(?:[（(\[【]\s*)?(?:客户|用户|投资者)?(?:提问|问题|问|Question|Q|q)\s*[-.]?\s*(?:\d{{1,3}}|{_CN})?\s*"
    r"(?:[\]】)）]\s*[：:、.．]?|[：:、.．]|(?<=\d)\s+|(?<=\d)(?=[\u4e00-\u9fff]))\s*(?=\S)"
)
_ANSWER = re.compile(
    rf"(?:[（(\[【]\s*)?(?:参考|标准|官方|客服)?(?:答案|回答|解答|答复|回复|答|Answer|A|a)\s*[-.]?\s*(?:\d{{1,3}}|{_CN})?\s*"
    r"(?:[\]】)）]\s*[：:、.．]?|[：:、．]|\.(?=\s|[\u4e00-\u9fff])|(?<=\d)\s+)\s*"
)
_BULLET = re.compile(
    r"(?:[•·●○◦▪▫■□◆◇►▶▸‣⁃∙➢➤✓✔★☆※－–—\uf06c\uf0b7\uf0d8\uf0fc]|[-*+](?=\s)|[-](?=[\u4e00-\u9fff]))\s*(?=\S)"
)
_COUNT = rf"(\d{{1,3}}|{_CN})"
_STEP = rf"(?:第\s*{_COUNT}\s*步|步骤\s*{_COUNT}|Step\s*{_COUNT})\s*[：:、.．，,]?\s*"
_DECIMAL = (
    r"((?:\d{1,2}[.．]){1,3}\d{1,2})(?:[.．、]\s*|\s+|(?=[\u4e00-\u9fff（(《“]))"
    r"(?=[^\d%％.．元万亿倍个年月日天股份])"
)
_ORDERED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("step", re.compile(_STEP, re.IGNORECASE)),
    ("chapter", re.compile(rf"第\s*{_COUNT}\s*[编章篇]\s*[：:、.]?\s*")),
    ("section", re.compile(rf"第\s*{_COUNT}\s*(?:节|部分)\s*[：:、.]?\s*")),
    ("article", re.compile(rf"第\s*{_COUNT}\s*条(?:之{_CN})?(?=[\s：:、【]|[\u4e00-\u9fff])\s*[：:、]?\s*")),
    ("cjk", re.compile(rf"({_CN})\s*[、．.]\s*(?=\S)")),
    ("cjkp", re.compile(rf"[（(]\s*({_CN})\s*[)）]\s*[、.：:]?\s*(?=\S)")),
    ("decimal", re.compile(_DECIMAL)),
    ("nump", re.compile(r"[（(]\s*(\d{1,2})\s*[)）]\s*[、.：:]?\s*(?=\S)")),
    ("numq", re.compile(r"(\d{1,2})\s*[)）]\s*[、.：:]?\s*(?=\S)")),
    ("num", re.compile(r"(\d{1,3})\s*(?:、|[．.](?!\d)|[:：](?=\s))\s*(?=\S)")),
    ("circled", re.compile(f"([{_CIRCLED}])\\s*(?=\\S)")),
    ("alpha", re.compile(r"([A-Ha-h])\s*(?:、|[)）]|[.．](?=\s|[\u4e00-\u9fff]))\s*(?=\S)")),
)
_ASKING_START = re.compile(
    r"(?:如何|怎么|怎样|什么是|什么叫|何为|何谓|为什么|为何|哪些|能否|可否|是否|(?:What|How|Why|When|Where|Can|Is|Do|Does)\b)"
)
_ASKING_WORD = re.compile(
    r"(?:如何|怎么|怎样|为什么|为何|哪些|哪个|哪种|哪里|哪儿|多少|多久|多长时间|什么时候|何时|是什么|有什么|什么意思|是否|能否|可否|能不能|"
    r"可不可以|会不会|要不要|有没有)|(?:吗|呢|么)[？?]?$"
)
_FACT = re.compile(r"([^：:\n。；;！？!?，,“”\"]{1,20})\s*[：:]\s*(\S.*)")
_CLOSED = re.compile(r"[。！？!?；;，,：:、…]$")


@dataclass(frozen=True, slots=True)
class Marker:
    """An ordered marker: manner of numbering, its number, the marker as written and the text after it."""

    style: str
    number: int
    written: str
    text: str


def ordered(line: str) -> Marker | None:
    """The ordered marker `line` begins with, if any."""
    if not line or not (
        line[0].isdigit()
        or line[0] in "第步（(Ss"
        or line[0] in _CIRCLED
        or line[0] in "一二三四五六七八九十百"
        or line[0] in "ABCDEFGHabcdefgh"
    ):
        return None
    for style, pattern in _ORDERED:
        found = pattern.match(line)
        if not found:
            continue
        written = next(g for g in found.groups() if g)
        number = _number(written)
        if number is not None:
            return Marker(style, number, found[0].strip(), line[found.end() :].strip())
    return None


def bullet(line: str) -> str | None:
    """Text after the bullet `line` begins with, or None."""
    found = _BULLET.match(line)
    return line[found.end() :] if found and len(line) > found.end() else None


def question(line: str) -> str | None:
    """The question after a marker such as 问：, Q1. or 【问题】; None without one."""
    found = _QUESTION.match(line)
    if not found or not line[found.end() :].strip():
        return None
    rest = line[found.end() :].strip()
    return rest if len(rest) <= 300 else None


def answer(line: str) -> str | None:
    """The answer after a marker such as 答： or A:; None without one ("" when it stands alone)."""
    found = _ANSWER.match(line)
    return line[found.end() :].strip() if found else None


def asks(text: str) -> bool:
    """Whether `text` is one question by its end mark."""
    text = text.strip()
    return len(text) <= 80 and bool(re.search(r"[？?][”」\"）)]?$", text)) and not re.search(r"[。！!；;]", text[:-1])


def asks_as_heading(text: str) -> bool:
    """Whether a heading is a question, with or without an end mark."""
    text = text.strip()
    if asks(text):
        return True
    short = len(text) <= 40 and not re.search(r"[。！!；;：:]", text)
    return short and bool(_ASKING_START.match(text) or _ASKING_WORD.search(text))


def fact(line: str) -> tuple[str, str] | None:
    """(label, value) of a line such as "风险等级：R3"; None for anything else."""
    found = _FACT.fullmatch(line)
    if not found or not is_label(found[1], 20) or (re.match(r"//|\d", found[2][:2]) and found[1][-1:].isdigit()):
        return None
    if found[1].strip().lower() in ("http", "https", "注", "问", "答", "q", "a") or found[2].startswith("//"):
        return None
    return found[1].strip(), found[2].strip()


def is_fact_label(label: str) -> bool:
    """Whether the label is a known kind of fact (费率, 期限, 风险等级 …)."""
    return named("fact", label)


def asked_inline(text: str) -> tuple[str, str] | None:
    """(question, answer) of a text that is a short question with its answer right behind it."""
    found = re.fullmatch(r"([^。！？!?；;\n]{4,60}[？?])[\s：:]*(\S.{5,})", text, re.DOTALL)
    return (found[1], found[2]) if found else None


def open_ended(line: str) -> bool:
    """Whether `line` announces what follows it."""
    line = line.rstrip()
    return line.endswith(("：", ":")) or bool(re.search(r"(?:如下|下列|以下)[^。；]{0,12}[：:。]?$", line))


def short_title(text: str, longest: int = 24) -> bool:
    """Whether `text` has the shape of a heading: short, no end mark, no comma, no value, some letters."""
    bare = text.strip()
    if not 2 <= len(bare) <= longest or _CLOSED.search(bare) or is_value(bare):
        return False
    return not re.search(r"[，。；！？]", bare) and bool(re.search(r"[\u4e00-\u9fffA-Za-z]{2}", bare))


def closed(text: str) -> bool:
    """Whether `text` ends with a mark that ends or continues a sentence."""
    return bool(_CLOSED.search(text.strip()))


def _number(written: str) -> int | None:
    if written in _CIRCLED:
        return _CIRCLED.index(written) + 1
    if written.isdigit():
        return int(written)
    if written[0].isascii() and written[0].isalpha():
        return ord(written.lower()) - 96
    if "." in written or "．" in written:
        return int(re.split(r"[.．]", written)[-1])
    total, digit = 0, 0
    for char in written:
        if char == "百":
            total, digit = total + (digit or 1) * 100, 0
        elif char == "十":
            total, digit = total + (digit or 1) * 10, 0
        elif char in _DIGITS:
            digit = _DIGITS[char]
        else:
            return None
    return total + digit
