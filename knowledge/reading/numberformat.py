"""Cell values as the number format shows them: percents, thousands, fixed decimals, dates, amounts, codes."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation


def shown(value: object, form: str) -> str:
    """Text of a cell as displayed; "" for nothing, for format ";;;" and for error values."""
    if value is None or form.replace(" ", "") == ";;;":
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        return _moment(value, form)
    if isinstance(value, (int, float, Decimal)):
        return _number(Decimal(str(value)), form)
    text = str(value).replace("_x000D_", "").strip()
    if re.fullmatch(r"#(?:REF!|N/A|DIV/0!|VALUE!|NAME\?|NULL!|NUM!|SPILL!|CALC!)", text):
        return ""
    return text


def _moment(value: datetime.datetime | datetime.date | datetime.time | datetime.timedelta, form: str) -> str:
    if isinstance(value, datetime.timedelta):
        minutes = int(value.total_seconds() // 60)
        return f"{minutes // 60}:{minutes % 60:02d}"
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S" if value.second else "%H:%M")
    clock = isinstance(value, datetime.datetime) and (value.hour or value.minute or value.second)
    plain = re.sub(r"\"[^\"]*\"|\\.|\[[^\]]*\]", lambda m: m[0].strip('"\\'), form)
    if "年" in plain or "月" in plain:
        day = f"{value.year}年{value.month}月" + (f"{value.day}日" if "d" in plain.lower() or "日" in plain else "")
        if "y" not in plain.lower():
            day = f"{value.month}月{value.day}日"
    elif "d" not in plain.lower() and "y" in plain.lower() and "m" in plain.lower():
        day = f"{value.year}-{value.month:02d}"
    elif (
        "y" not in plain.lower()
        and "d" not in plain.lower()
        and "h" in plain.lower()
        and isinstance(value, datetime.datetime)
    ):
        return value.strftime("%H:%M")
    else:
        day = value.strftime("%Y-%m-%d")
    if clock and isinstance(value, datetime.datetime):
        return f"{day} {value.strftime('%H:%M:%S' if value.second else '%H:%M')}"
    return day


def _number(value: Decimal, form: str) -> str:
    section = _section(value, form)
    if section.lower() in ("general", "@", "", "通用格式", "g/通用格式"):
        return _general(value)
    if re.search(r"[#?0]\s*/\s*[#?0-9]", section):
        return _general(value)
    literal_before, body, literal_after = _literals(section)
    if not body:
        return (literal_before + literal_after).strip() or _general(value)
    if ("E" in body.upper() and re.search(r"E[+-]", body, re.IGNORECASE)) or "/" in body:
        return _general(value)
    if "%" in literal_after or "%" in body:
        value *= 100
    thousands = "," in re.sub(r",+$", "", body.split(".")[0]) and bool(re.search(r"[#0?],[#0?]", body))
    scale = len(re.search(r"(,*)(?:\.|$)", body)[1]) if re.search(r"[#0?](,+)(?:\.|$)", body) else 0  # type: ignore[index]
    value /= Decimal(1000) ** scale
    decimals = body.split(".")[1] if "." in body else ""
    most, least = len(re.findall(r"[#0?]", decimals)), len(re.findall("0", decimals))
    text = _fixed(abs(value), most, least, thousands)
    width = len(re.findall("0", body.split(".")[0]))
    whole, dot, rest = text.partition(".")
    text = whole.rjust(width, "0") + dot + rest if not thousands else text
    sign = "-" if value < 0 and text.strip("0.,") and form.count(";") == 0 else ""
    if value < 0 and form.count(";") and not re.search(r"[-(（]", literal_before):
        sign = "-"
    return (sign + literal_before + text + ("%" if "%" in body else "") + literal_after).strip()


def _section(value: Decimal, form: str) -> str:
    """The part of a format for this sign."""
    parts = re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", form)
    if len(parts) >= 3 and value == 0:
        chosen = parts[2]
    elif len(parts) >= 2 and value < 0:
        chosen = parts[1]
    else:
        chosen = parts[0]
    chosen = re.sub(r"\[\$([^\]-]*)(?:-[^\]]*)?\]", r'"\1"', chosen)
    return re.sub(r"\[[^\]]*\]|_.|\*.", "", chosen).strip()


def _literals(section: str) -> tuple[str, str, str]:
    """(text before the digits, the digit pattern, text after it)."""
    tokens = re.findall(r"\"[^\"]*\"|\\.|[#0?.,]+(?:E[+-]0+)?|.", section, re.IGNORECASE)
    before, body, after = "", "", ""
    for token in tokens:
        if re.fullmatch(r"[#0?.,]+(?:E[+-]0+)?", token, re.IGNORECASE) and not after and re.search("[#0?]", token):
            body += token
            continue
        text = token[1:-1] if token.startswith('"') else token.removeprefix("\\")
        if body:
            after += text
        else:
            before += text
    return before, body, after


def _fixed(value: Decimal, most: int, least: int, thousands: bool) -> str:
    try:
        rounded = value.quantize(Decimal(1).scaleb(-most), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return _general(value)
    text = f"{rounded:,f}" if thousands else f"{rounded:f}"
    if "." in text and most > least:
        whole, rest = text.split(".")
        rest = rest[:least] + rest[least:].rstrip("0")
        text = f"{whole}.{rest}" if rest else whole
    return text


def _general(value: Decimal) -> str:
    """A number without format: integers without ".0", at most ten digits after the point."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    text = (
        f"{value.quantize(Decimal(1).scaleb(-10), rounding=ROUND_HALF_UP):f}" if abs(value) < 10**15 else f"{value:f}"
    )
    return text.rstrip("0").rstrip(".") if "." in text else text
