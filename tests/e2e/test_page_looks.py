"""How the page looks: nothing overflows, everything is readable, in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

ASKED = ("费率", "怎么开通", "成长", "xss", "长", "转人工", "赎回")
CONTRAST = """() => {
  const lum = c => c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, under) => { const a = top[3] ?? 1; return [0, 1, 2].map(i => top[i] * a + under[i] * (1 - a)); };
  const ground = e => { const stack = []; for (let n = e; n; n = n.parentElement) stack.push(parse(getComputedStyle(n).backgroundColor));
    return stack.reverse().reduce((u, c) => over(c, u), [255, 255, 255]); };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (e.closest('script, noscript, .sr, .skip, :disabled') || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), back = ground(e), ink = over(parse(style.color), back);
    const [a, b] = [lum(ink), lum(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push([ratio.toFixed(2), e.className || e.tagName, e.textContent.slice(0, 20)]);
  }
  return poor; }"""
OVERFLOW = """() => [...document.querySelectorAll('#app *, dialog[open] *')].filter(e => { const r = e.getBoundingClientRect();
  return r.width && (r.right > innerWidth + 1 || r.left < -1) && !e.closest('.tablewrap, .sr, .skip') && !e.matches('.sr') })
  .map(e => e.className || e.id || e.tagName)"""


@dataclass(frozen=True)
class Mode:
    """One way to look at the page."""

    width: int
    language: str = "zh"
    dark: bool = False
    large: bool = False

    def __str__(self) -> str:
        return f"{self.width}-{self.language}{'-dark' * self.dark}{'-large' * self.large}"


MODES = [
    Mode(320), Mode(320, "en", large=True), Mode(320, large=True), Mode(390, dark=True), Mode(390, "en"),
    Mode(820, "en", large=True), Mode(1280), Mode(1280, "en", dark=True),
]  # fmt: skip


@pytest.fixture(params=MODES, ids=str)
def shown(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The page in one mode, before the notice was answered."""
    mode: Mode = request.param
    context = browser.new_context(
        viewport={"width": mode.width, "height": 800},
        color_scheme="dark" if mode.dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    if mode.large:
        page.add_init_script("addEventListener('DOMContentLoaded', () => document.documentElement.dataset.size = 'large')")
    page.goto(f"{address}?lang={mode.language}")
    yield page
    context.close()


def test_every_state_fits_and_is_readable(shown: Page) -> None:
    """At every width, language, theme and size: no sideways overflow, text contrast AA, header marks always in sight."""
    states: list[str] = []

    def look(state: str) -> None:
        states.append(state)
        assert shown.evaluate(OVERFLOW) == [], state
        assert shown.evaluate(CONTRAST) == [], state
        assert shown.locator(".ai-mark").is_visible() and shown.locator("#human").is_visible()

    look("notice")
    shown.click("#agree")
    look("start")
    for text in ASKED:
        shown.fill("#question", text)
        shown.press("#question", "Enter")
        expect(shown.locator(".turn").last.locator(".acts")).to_be_visible()
        look(text)
    shown.locator(".acts button").nth(1).click()
    look("feedback")
    shown.locator(".cite").first.click()
    expect(shown.locator("#source mark").first).to_be_visible()
    look("source")
    assert len(states) == len(ASKED) + 4
