"""One HTML page with the rates, their intervals beside the baseline, and every failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from evals.runner import Result

PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>Heshi evals</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:15px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%}td,th{padding:.35rem .6rem;border-bottom:1px solid #dde3ea;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{background:#e6eef2;height:.7rem;width:12rem;position:relative}
.bar i{position:absolute;top:0;bottom:0;background:#2b7a8c}details{margin:.4rem 0;padding:.4rem .6rem;background:#f6f8fa}
pre{white-space:pre-wrap;font:inherit;margin:.2rem 0}</style>
<h1>Heshi evals</h1>
{% for result in results %}<h2>{{ result.suite }}</h2>
<table><tr><th>measure</th><th>value</th><th></th><th>95%</th><th>n</th><th>baseline</th></tr>
{% for rate in result.rates %}{% set span = rate.interval() %}{% set old = before.get(result.suite, {}).get(rate.name) %}
<tr><td>{{ rate.name }}</td><td class="n">{{ rate.hits if rate.dangerous else "%.3f"|format(rate.value) }}</td>
<td>{% if not rate.dangerous %}<div class="bar"><i style="left:0;width:{{ (rate.value * 100)|round(1) }}%"></i></div>
{% endif %}</td><td>{{ "%.3f–%.3f"|format(*span) }}</td><td class="n">{{ rate.total }}</td>
<td class="n">{{ "%s/%s"|format(old.hits, old.total) if old else "—" }}</td></tr>{% endfor %}</table>
<p>{{ result.notes }}</p>
{% for failure in result.failures %}<details><summary>{{ failure.case }} · {{ failure.what }} · {{ failure.asked }}</summary>
<pre><b>expected</b> {{ failure.expected }}</pre><pre><b>got</b> {{ failure.got }}</pre></details>{% endfor %}{% endfor %}
"""


def page(results: Sequence[Result], before: Mapping[str, Any]) -> str:
    """The report as one self-contained page."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    return template.render(results=results, before=before)
