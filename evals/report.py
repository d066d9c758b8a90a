"""One HTML page with the rates, their intervals beside the baseline, and every failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from evals.runner import Result

PAGE = Path(__file__).with_name("report.html")


def page(results: Sequence[Result], before: Mapping[str, Any]) -> str:
    """The report as one self-contained page."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE.read_text(encoding="utf-8"))
    return template.render(results=results, before=before)
