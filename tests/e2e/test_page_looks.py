"""How the page looks: nothing overflows, everything is readable, in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

ASKED = ("费率", "怎么开通", "成长", "xss", "长", "转人工", "赎回")
MEASURE = Path(__file__).with_name("measure.js")
ENLARGE = "addEventListener('DOMContentLoaded', () => document.documentElement.dataset.size = 'large')"


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
    page.add_init_script(path=MEASURE)
    if mode.large:
        page.add_init_script(ENLARGE)
    page.goto(f"{address}?lang={mode.language}")
    yield page
    context.close()


def test_every_state_fits_and_is_readable(shown: Page) -> None:
    """At every width, language, theme and size: no sideways overflow, contrast AA, header marks always in sight."""
    states: list[str] = []

    def look(state: str) -> None:
        states.append(state)
        assert shown.evaluate("measure.overflow()") == [], state
        assert shown.evaluate("measure.contrast()") == [], state
        assert shown.locator(".ai-mark").is_visible()
        assert shown.locator("#human").is_visible()

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
