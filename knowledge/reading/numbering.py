"""Runs of numbered lines: which lines belong together and whether they are a list, sections, questions or articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from knowledge.reading import markers
from knowledge.reading.source import Faq, Heading, Pairs, TableBlock

RunKind = Literal["list", "sections", "faq", "article"]
# how far apart in characters two numbered lines may stand and still be items of one list
MAX_BETWEEN = 400


@dataclass(frozen=True, slots=True)
class Run:
    """Numbered lines of one style: parts are (number, head, what stands below); `end` is the place after the run."""

    kind: RunKind
    style: str
    parts: tuple[tuple[int, str, tuple[Any, ...]], ...]
    end: int


def run_at(elements: Sequence[Any], place: int) -> Run | None:
    """The run that begins at `place`, or None when the number there stands alone."""
    first = markers.ordered(elements[place].text)
    if first is None:
        return None
    places = _places(elements, place, first)
    if len(places) < 2 and first.style != "article":
        return None
    stop = _stop(elements, places[-1])
    bounds = [*places, stop]
    heads = [markers.ordered(elements[p].text) for p in places]
    parts = [
        (mark.number, mark, tuple(elements[p + 1 : after]))
        for mark, p, after in zip(heads, places, bounds[1:], strict=True)
        if mark is not None
    ]
    inline = [markers.asked_inline(mark.text) for _, mark, _ in parts]
    if all(inline) and first.style not in ("article", "chapter", "section"):
        answered = [
            (n, pair[0], (replace(elements[p], text=pair[1], gap=True), *b))
            for (n, _, b), pair, p in zip(parts, inline, places, strict=True)
            if pair
        ]
        return Run("faq", first.style, tuple(answered), stop)
    kind = _kind(first.style, [mark.text for _, mark, _ in parts], [body for *_, body in parts], elements, places)
    if kind != "list":
        full = kind != "faq"
        return Run(kind, first.style, tuple((n, _head(m, full), b) for n, m, b in parts), stop)
    nested = any(_marks_below(body) for *_, body in parts[:-1]) or markers.open_ended(parts[-1][1].text)
    end = _end_of_list(elements, places[-1], first.style, nested=nested)
    parts[-1] = (*parts[-1][:2], tuple(elements[places[-1] + 1 : end]))
    return Run("list", first.style, tuple((n, m.text, b) for n, m, b in parts), end)


def _head(mark: markers.Marker, full: bool) -> str:
    return (
        f"{mark.written} {mark.text}"
        if full and mark.style in _SPACED
        else f"{mark.written}{mark.text}"
        if full
        else mark.text
    )


_SPACED = ("article", "chapter", "section", "decimal")


def _places(elements: Sequence[Any], place: int, first: markers.Marker) -> list[int]:
    """Places of the lines numbered on from `first` in the same style."""
    places = [place]
    number = first.number
    for at in range(place + 1, len(elements)):
        one = elements[at]
        if isinstance(one, Heading):
            break
        text = getattr(one, "text", None)
        mark = markers.ordered(text) if isinstance(text, str) else None
        if mark is None or mark.style != first.style:
            if mark is not None and _outer(mark.style, first.style):
                break
            continue
        if mark.number == number + 1 or (first.style == "article" and mark.number > number):
            places.append(at)
            number = mark.number
        elif mark.number <= number:
            break
    return places


_RANK = {"chapter": 0, "section": 1, "article": 2, "cjk": 3, "cjkp": 4}


def _outer(style: str, inner: str) -> bool:
    """Whether numbering `style` always stands above `inner`."""
    return _RANK.get(style, 9) < _RANK.get(inner, 5)


def _stop(elements: Sequence[Any], last: int) -> int:
    """Place after what stands below the last line of a run of sections."""
    own = markers.ordered(elements[last].text)
    at = last + 1
    while at < len(elements):
        one = elements[at]
        if isinstance(one, Heading):
            break
        text = getattr(one, "text", None)
        mark = markers.ordered(text) if isinstance(text, str) else None
        if mark and own and (_outer(mark.style, own.style) or mark.style == own.style):
            break
        at += 1
    return at


def _kind(
    style: str, heads: list[str], bodies: list[tuple[Any, ...]], elements: Sequence[Any], places: list[int]
) -> RunKind:
    if style == "article":
        return "article"
    filled = sum(bool(body) for body in bodies)
    questions = sum(markers.asks(head) for head in heads)
    if filled == len(heads) and questions * 2 > len(heads) and style != "circled":
        return "faq"
    bold = all(elements[p].bold for p in places)
    titles = sum(markers.short_title(head, 30) for head in heads)
    below = [sum(len(getattr(one, "text", "") or "x" * 60) for one in body) for body in bodies]
    if style in ("chapter", "section"):
        return "sections"
    if any(isinstance(one, (TableBlock, Pairs, Faq)) for body in bodies for one in body):
        return "sections"
    if style in ("circled", "alpha", "step", "numq"):
        return "sections" if bold and filled == len(heads) and min(below) > 60 else "list"
    if titles == len(heads) and (filled * 3 >= len(heads) * 2 or (style == "cjk" and filled)):
        return "sections"
    if (bold and filled * 2 > len(heads)) or (max(below[:-1], default=0) > MAX_BETWEEN and titles * 2 > len(heads)):
        return "sections"
    return "list"


def _marks_below(body: Sequence[Any]) -> bool:
    """Whether items of a deeper list stand below an item."""
    texts = [getattr(one, "text", None) for one in body]
    return any(isinstance(t, str) and (markers.bullet(t) is not None or markers.ordered(t)) for t in texts)


def _end_of_list(elements: Sequence[Any], last: int, style: str, *, nested: bool) -> int:
    """Place after the last item: lines of its own paragraph belong to it, and deeper markers when items have them."""
    at = last + 1
    while at < len(elements):
        one = elements[at]
        text = getattr(one, "text", None)
        if not isinstance(text, str) or not hasattr(one, "gap"):
            break
        mark = markers.ordered(text)
        deeper = (mark is not None and mark.style != style and not _outer(mark.style, style)) or (
            markers.bullet(text) is not None
        )
        continues = (
            not one.gap and mark is None and not markers.closed(elements[at - 1].text) and not markers.fact(text)
        )
        if not ((deeper and (nested or not one.gap)) or continues):
            break
        at += 1
    return at
