"""Characters and encodings: decoding bytes, invisible characters, spaces, look-alike radicals."""

from __future__ import annotations

import codecs
import re
import unicodedata

from knowledge.reading.source import Unreadable

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SPACES = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_CJK = "\u3400-\u9fff\uf900-\ufaff\u3001-\u303f\uff01-\uff60\u2018-\u201d\u2014\u2026"
_CJK_GAP = re.compile(f"(?<=[{_CJK}]) (?=[{_CJK}])")
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# PDF fonts often map common words to radicals of the supplement, which compatibility normalisation leaves alone.
_RADICALS = str.maketrans(
    "⺁⺆⺇⺌⺎⺏⺐⺑⺒⺓⺔⺖⺘⺙⺛⺝⺞⺟⺠⺡⺣⺤⺥⺦⺧⺨⺩⺪⺫⺭⺯⺱⺲⺳⺶⺷⺹⺼⺽⺾⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻐⻑⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻞⻟⻠⻢⻣⻤⻥⻦⻧⻨⻩⻬⻮⻰⻳",
    "厂冂几小兀尣尢尣巳幺彑忄扌攵旡月歺母民氵灬爫爫丬牛犭王疋罒礻糹罓罒网羊羊耂肉臼艹虎衤西西见角角讠贝足车辶辶辶钅長镸长门阜阝雨青韦页风飞食食飠饣马骨鬼鱼鸟卤麦黄齐齿龙龟",
)


def decode(raw: bytes, *, declared: bool = False) -> str:
    """Text of `raw`: by byte order mark, UTF-8, a declared charset, UTF-16 without a mark, GB18030, Big5.

    `declared` allows a charset named in the first 2048 bytes (HTML). Raises Unreadable when nothing gives
    plausible text.
    """
    for mark, name in _BOMS:
        if raw.startswith(mark):
            return _strict(raw, name)
    names = ["utf-8"]
    if raw.count(b"\0") * 10 > len(raw):
        even, odd = raw[0::2].count(0), raw[1::2].count(0)
        names = ["utf-16-le" if odd > even else "utf-16-be"]
    elif _looks_utf16(raw):
        names.append(_looks_utf16(raw))
    found = _META_CHARSET.search(raw[:2048]) if declared else None
    if found:
        names.append(found[1].decode("ascii"))
    names += ["gb18030", "big5"]
    for name in names:
        try:
            text = raw.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        if _plausible(text, common=name != "utf-8"):
            return text
    raise Unreadable("文件编码无法识别，内容是乱码或不是文本；请另存为 UTF-8 编码后重新导入")


def clean(text: str) -> tuple[str, str]:
    """(`text` as seen, what was invisible in it).

    As seen: no invisible or control characters, plain spaces, real characters for look-alike radicals; line breaks
    stay "\\n". The second value holds the invisible characters in order of appearance.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n").replace("\v", "\n").replace("\f", "\n")
    hidden = "".join(c for c in _INVISIBLE.findall(text) if c != "\ufeff" and not "\ufe00" <= c <= "\ufe0f")
    text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    if re.search("[\u2e80-\u2fdf]", text):
        text = text.replace("\u2f3e", "户").replace("\u2fad", "青")
        text = "".join(unicodedata.normalize("NFKC", c) if "\u2f00" <= c <= "\u2fdf" else c for c in text)
        text = text.translate(_RADICALS)
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(lines), hidden


def revealed(hidden: str) -> str:
    """Readable form of invisible characters: tag characters spell a text, the others are named by code point."""
    spelled = "".join(chr(ord(c) - 0xE0000) for c in hidden if 0xE0020 <= ord(c) <= 0xE007E)
    return spelled or " ".join(sorted({f"U+{ord(c):04X}" for c in hidden})[:4])


def join_lines(first: str, second: str) -> str:
    """Two lines of one wrapped paragraph as one: no space next to Chinese, a hyphenated English word mended."""
    if not first or not second:
        return first + second
    a, b = first[-1], second[0]
    if a == "-" and len(first) > 1 and first[-2].isalpha() and first[-2].isascii() and b.isascii() and b.islower():
        return first[:-1] + second
    wide = unicodedata.east_asian_width
    if wide(a) in "WFA" or wide(b) in "WFA":
        return first + second
    return f"{first} {second}"


def close_gaps(text: str) -> str:
    """`text` without single spaces between Chinese characters (they come from typesetting, not from the author)."""
    return _CJK_GAP.sub("", text)


def _strict(raw: bytes, name: str) -> str:
    try:
        return raw.decode(name)
    except UnicodeDecodeError:
        raise Unreadable(f"文件开头标明是 {name} 编码，但内容无法按此解码；请另存为 UTF-8 编码后重新导入") from None


def _looks_utf16(raw: bytes) -> str:
    """UTF-16 Chinese without a mark: one byte of each pair lies in the range of common ideographs or is zero."""
    if len(raw) < 8 or len(raw) % 2:
        return ""
    sample = raw[:4000]
    for name, high in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if sum(0x4E <= b <= 0x9F or b in (0, 0x30, 0xFF) for b in high) > 0.97 * len(high):
            text = raw.decode(name, "replace")
            if "\ufffd" not in text and re.search("[的是，。了在\n]", text):
                return name
    return ""


def _plausible(text: str, *, common: bool) -> bool:
    """Whether decoded text reads like text: no control characters, and its ideographs are mostly common ones."""
    sample = text[:20000]
    bad = len(_CONTROL.findall(sample)) + sample.count("\ufffd") + len(re.findall("[\ue000-\uf8ff]", sample))
    if "\0" in sample or bad * 50 > len(sample):
        return False
    wide = [c for c in sample if c >= "\u0250"]
    if not common or len(wide) < 8:
        return True
    return sum(map(_common, wide)) > 0.6 * len(wide)


def _common(char: str) -> bool:
    """First-level GB2312 character or punctuation, or a frequent traditional one."""
    try:
        code = char.encode("gb2312")
    except UnicodeEncodeError:
        try:
            code = char.encode("big5")
        except UnicodeEncodeError:
            return unicodedata.category(char)[0] in "PSZ"
        return len(code) == 2 and 0xA1 <= code[0] <= 0xC6
    return len(code) == 2 and (0xA1 <= code[0] <= 0xA3 or 0xB0 <= code[0] <= 0xD7)
