"""The customer page in a real browser, from the first-use notice to erasing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from tests.e2e.conftest import serving
from tests.e2e.fake_assistant import FIRM, FakeAssistant

MEASURE = Path(__file__).with_name("measure.js")
QUESTION = "创业板开通条件是什么"


def agree(page: Page) -> None:
    page.get_by_role("button", name="同意并开始").click()


def ask(page: Page, text: str) -> None:
    """Send a message and wait for its whole answer."""
    page.fill("#question", text)
    page.press("#question", "Enter")
    expect(page.locator(".turn").last.locator(".acts")).to_be_visible(timeout=15_000)


def stored(page: Page) -> dict[str, str]:
    kept: dict[str, str] = page.evaluate("({...localStorage})")
    return kept


def test_nothing_is_stored_or_sent_before_the_notice_is_accepted(page: Page, fake: FakeAssistant) -> None:
    """The notice comes first, its two answers weigh the same, declining leaves no trace and names the hotline."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    notice = page.get_by_role("dialog", name="开始之前，请您了解")
    expect(notice).to_be_visible()
    no, yes = notice.get_by_role("button", name="不同意"), notice.get_by_role("button", name="同意并开始")
    weight = "e => (s => [s.backgroundColor, s.color, s.borderColor, s.fontWeight, s.fontSize])(getComputedStyle(e))"
    assert no.evaluate(weight) == yes.evaluate(weight)
    box_no, box_yes = no.bounding_box(), yes.bounding_box()
    assert box_no
    assert box_yes
    assert (box_no["width"], box_no["height"]) == (box_yes["width"], box_yes["height"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="没有开始对话")).to_be_visible()
    expect(page.get_by_role("link", name=f"拨打 {FIRM['hotline']}")).to_be_visible()
    expect(page.locator("#question")).to_be_disabled()
    page.locator("#language").click()
    assert stored(page) == {}
    assert page.context.cookies() == []
    assert not fake.asked
    assert [request.url for request in sent if "/v1/" in request.url] == []
    page.locator("#language").click()
    page.get_by_role("button", name="重新查看说明").click()
    agree(page)
    expect(page.get_by_role("button", name=QUESTION)).to_be_visible()


def test_a_question_is_answered_with_sources_that_open(page: Page) -> None:
    """From a suggested question to the words in the approved passage, and back to where one was."""
    agree(page)
    page.get_by_role("button", name=QUESTION).click()
    answer = page.locator(".answer").last
    expect(answer.locator(".acts")).to_be_visible()
    assert answer.locator(".body li").count() == 2
    expect(answer.locator(".notices")).to_contain_text("人工智能")
    chip = answer.locator(".body .cite").first
    assert chip.evaluate("e => e.previousSibling.textContent").endswith("10万元")
    chip.click()
    sheet = page.get_by_role("dialog", name="《创业板交易权限开通指引》")
    expect(sheet.locator("mark").first).to_have_text("资产日均不低于人民币10万元")
    for words in ("2026.1", "2026-07-06", "一、开通条件 › （一）个人投资者", "以最新公告为准"):
        expect(sheet).to_contain_text(words)
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert chip.evaluate("e => e === document.activeElement")


def test_a_table_row_and_a_version_no_longer_in_force(page: Page) -> None:
    """A comparison is a table, its source reads as name and value, and an old version says so."""
    agree(page)
    ask(page, "费率")
    answer = page.locator(".answer").last
    assert answer.locator("tbody tr, table tr").count() == 4
    expect(answer.locator(".body .grade")).to_have_text("R4 中高风险")
    expect(answer.locator(".products .grade")).to_have_text("R2 中低风险")
    answer.locator("table .cite").click()
    sheet = page.locator("#source")
    expect(sheet.locator(".passage mark")).to_have_text(["100万元（含）以上、500万元以下", "0.60%"])
    expect(sheet).to_contain_text("已不是现行版本")


def test_feedback_reaches_the_log_with_its_reason(page: Page, fake: FakeAssistant) -> None:
    """A thumb down asks why; what was chosen and written is handed on, and remembered over a reload."""
    agree(page)
    ask(page, "税")
    page.get_by_role("button", name="没帮助").click()
    page.get_by_role("button", name="看不懂").click()
    page.get_by_label("补充说明").fill("过户费是什么")
    page.get_by_role("button", name="提交").click()
    expect(page.get_by_text("谢谢您的反馈")).to_be_visible()
    assert [(verdict, reason) for _, verdict, reason in fake.given] == [("down", "看不懂；过户费是什么")]
    page.reload()
    expect(page.get_by_role("button", name="没帮助")).to_have_attribute("aria-pressed", "true")


def test_reload_keeps_the_conversation_and_erasing_ends_it(page: Page, fake: FakeAssistant) -> None:
    """What was said stands after a reload, masked; after erasing it is gone here and on the server."""
    agree(page)
    ask(page, "我的手机是13800138000，怎么开通")
    ask(page, "税")
    conversation = fake.asked[1].conversation
    assert conversation
    assert fake.asked[1].conversation == page.evaluate("JSON.parse(localStorage['heshi.conversation'])")
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".asked").first).to_contain_text("138****8000")
    ask(page, "费率")
    assert fake.asked[2].conversation == conversation
    page.get_by_role("button", name="清除本对话").click()
    page.get_by_role("button", name="清除", exact=True).click()
    expect(page.get_by_role("button", name=QUESTION)).to_be_visible()
    assert fake.turns(conversation) == []
    assert "heshi.conversation" not in stored(page)
    page.reload()
    expect(page.locator(".turn")).to_have_count(0)


@pytest.mark.parametrize("opening", [True, False])
def test_lost_connection_resumes_and_never_doubles(page: Page, fake: FakeAssistant, opening: bool) -> None:
    """The server answered, the answer got lost on the way: asked again by itself, there is one turn."""
    agree(page)
    if not opening:
        ask(page, "税")
    lost: list[Any] = []

    def lose(route: Route) -> None:
        lost.append(route.request.post_data_json)
        if len(lost) == 1:
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/v1/chat", lose)
    page.fill("#question", "怎么开通")
    page.press("#question", "Enter")
    expect(page.locator("#log").get_by_text("正在重新连接")).to_be_visible()
    expect(page.locator(".turn").last.locator(".acts")).to_be_visible(timeout=10_000)
    assert len(lost) == 2
    assert lost[0] == lost[1]
    turns = 1 if opening else 2
    assert len(fake.asked) == turns
    assert page.locator(".turn").count() == turns
    page.unroute("**/v1/chat")
    page.reload()
    expect(page.locator(".turn")).to_have_count(turns)


@pytest.mark.parametrize("opening", [True, False])
def test_leaving_while_an_answer_is_under_way_loses_nothing(page: Page, fake: FakeAssistant, opening: bool) -> None:
    """A reload in the middle of a turn shows that turn, once."""
    agree(page)
    if not opening:
        ask(page, "税")
    fake.delay = 1.0
    page.fill("#question", "怎么开通")
    page.press("#question", "Enter")
    expect(page.locator("#log").get_by_text("正在查找经审核的资料")).to_be_visible()
    page.reload()
    expect(page.locator(".turn").last.locator(".body")).to_contain_text("一般当日完成审核", timeout=10_000)
    turns = 1 if opening else 2
    assert len(fake.asked) == turns
    assert page.locator(".turn").count() == turns
    assert "heshi.pending" not in stored(page)


def test_failure_is_told_and_retried_with_the_same_key(page: Page, fake: FakeAssistant) -> None:
    """When the server cannot answer, the message stays, the hotline is there, and a tap tries again."""
    agree(page)
    keys: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/v1/chat"):
            keys.append(str((request.post_data_json or {})["key"]))

    page.on("request", note)
    fake.failing["answer"] = RuntimeError("secret")
    page.fill("#question", "税")
    page.press("#question", "Enter")
    expect(page.locator("#log").get_by_text("您的问题没有丢失，请稍后重试")).to_be_visible()
    expect(page.locator(".trouble a")).to_have_attribute("href", f"tel:{FIRM['hotline']}")
    fake.failing.clear()
    page.get_by_role("button", name="重试").click()
    expect(page.locator(".acts")).to_be_visible()
    assert len(set(keys)) == 1
    assert len(keys) == 2
    assert page.locator(".turn").count() == 1


def test_too_fast_waits_and_goes_on_by_itself(browser: Browser, fake: FakeAssistant) -> None:
    """Over the limit the page says how long it waits, then continues."""
    settings = HttpSettings(conversation_burst=1, conversation_per_minute=30)
    with serving(build(fake, settings)) as address:
        page = browser.new_page(locale="zh-CN")
        page.goto(address)
        agree(page)
        for text in ("税", "怎么开通"):
            ask(page, text)
        page.fill("#question", "费率")
        page.press("#question", "Enter")
        expect(page.locator("#log").get_by_text("秒后自动继续")).to_be_visible()
        expect(page.locator(".turn").last.locator(".acts")).to_be_visible(timeout=10_000)
        page.close()


def test_offline_says_so_and_continues_when_back(page: Page, fake: FakeAssistant) -> None:
    """A banner while there is no network; the message goes out when it is back."""
    agree(page)
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    page.fill("#question", "税")
    page.press("#question", "Enter")
    expect(page.locator("#log").get_by_text("恢复后自动继续")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".acts")).to_be_visible(timeout=10_000)
    expect(page.locator("#offline")).to_be_hidden()
    assert len(fake.asked) == 1


def test_everything_by_keyboard(page: Page) -> None:
    """Consent, question, answer, source, feedback without a pointer; a sheet keeps the focus until it is closed."""
    inside = "document.activeElement.closest('dialog')?.id ?? ''"

    focused = "(e => e.matches('button, a, textarea') ? e.textContent + e.ariaLabel : '')(document.activeElement)"

    def tab_to(name: str, limit: int = 40) -> None:
        for _ in range(limit):
            if name in page.evaluate(focused):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{name} cannot be reached by Tab")

    tab_to("同意并开始")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(inside) in ("notice", "")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    tab_to("同意并开始")
    page.keyboard.press("Enter")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".acts")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    tab_to("来源 1")
    page.keyboard.press("Enter")
    expect(page.locator("#source mark").first).to_be_visible()
    assert page.evaluate(inside) == "source"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.classList.contains('cite')")
    tab_to("有帮助")
    page.keyboard.press("Enter")
    expect(page.get_by_text("谢谢您的反馈")).to_be_visible()


def test_enter_while_composing_chinese_does_not_send(page: Page, fake: FakeAssistant) -> None:
    """The Enter that ends an input method's composition is not a send."""
    agree(page)
    page.fill("#question", "chuangyeban")
    for options in ("{key: 'Enter', isComposing: true, bubbles: true}", "{key: 'Enter', keyCode: 229, bubbles: true}"):
        page.evaluate(f"document.getElementById('question').dispatchEvent(new KeyboardEvent('keydown', {options}))")
    page.wait_for_timeout(200)
    assert not fake.asked
    assert page.input_value("#question") == "chuangyeban"


def test_too_long_is_counted_and_held_back(page: Page, fake: FakeAssistant) -> None:
    """Near the limit characters are counted; over it nothing is sent."""
    agree(page)
    page.fill("#question", "长" * 1700)
    expect(page.locator("#count")).to_have_text("1700 / 2000 字")
    page.fill("#question", "长" * 2001)
    expect(page.locator("#count")).to_contain_text("超出 1 字")
    page.press("#question", "Enter")
    assert not fake.asked
    assert len(page.input_value("#question")) == 2001


def test_a_person_is_one_tap_away_even_while_waiting(page: Page, fake: FakeAssistant) -> None:
    """转人工 during a turn is sent right after it; the reply offers the number and the hours."""
    fake.delay = 0.4
    agree(page)
    page.fill("#question", "税")
    page.press("#question", "Enter")
    page.locator("#human").click()
    expect(page.locator(".acts")).to_have_count(2, timeout=10_000)
    expect(page.locator(".reach a")).to_have_attribute("href", f"tel:{FIRM['hotline']}")
    expect(page.locator(".reach")).to_contain_text(FIRM["hours"])
    assert [asked.text for asked in fake.asked] == ["税", "转人工"]


def test_suggestions_are_questions_to_tap(page: Page, fake: FakeAssistant) -> None:
    """A clarifying question comes with buttons that send their words."""
    agree(page)
    ask(page, "赎回")
    page.get_by_role("button", name="QDII基金").click()
    expect(page.locator(".acts")).to_have_count(2)
    assert fake.asked[-1].text == "QDII基金"


def test_written_markup_stays_text(page: Page) -> None:
    """Nothing a reply holds becomes an element, and odd marks do no harm."""
    agree(page)
    ask(page, "xss")
    answer = page.locator(".turn").last
    expect(answer.locator(".body")).to_contain_text("<img src=x onerror=alert(1)><script>alert(2)</script>")
    assert answer.locator("img, script, b, u, i:not(.dots i)").count() == 0
    assert "𠮷野家" in answer.locator(".body").inner_text()


def test_screen_readers_hear_each_sentence_once(page: Page) -> None:
    """The live region gets every sentence of an answer once, then the notices and the number of sources."""
    agree(page)
    page.evaluate(
        """() => { window.heard = []; new MutationObserver(all => all.forEach(m => m.addedNodes.forEach(
            n => window.heard.push(n.textContent)))).observe(document.getElementById('live'), {childList: true}) }"""
    )
    ask(page, QUESTION)
    heard: list[str] = page.evaluate("window.heard")
    spoken = "".join(heard)
    assert heard[0] == "正在查找经审核的资料"
    assert heard[-1] == "附 2 个来源。"
    for words in ("需要同时满足两个条件", "10万元", "满24个月", "不包括融资融券", "由人工智能"):
        assert spoken.count(words) == 1, words
    assert page.locator("#log").get_attribute("aria-live") is None


def test_copying_keeps_the_label_and_the_sources(page: Page) -> None:
    """The copied text says that an AI wrote it and from what."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    agree(page)
    ask(page, QUESTION)
    page.get_by_role("button", name="复制").click()
    expect(page.get_by_text("已复制，含 AI 标识和来源")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("【AI 智能助手生成 · 合适证券】")
    assert "10万元" in copied
    assert copied.count("《创业板交易权限开通指引》2026.1版，2026-07-06起生效") == 1
    page.locator(".answer .body p").first.select_text()
    page.keyboard.press("Control+c")
    assert "【AI 智能助手生成" in page.evaluate("navigator.clipboard.readText()")


def test_english_is_complete_and_looks_are_remembered(page: Page) -> None:
    """Language, size and theme hold over a reload; in English no word of the page itself stays Chinese."""
    agree(page)
    ask(page, "费率")
    for tool in ("#language", "#elder", "#theme"):
        if page.locator(tool).is_visible():
            page.locator(tool).click()
    page.add_init_script(path=MEASURE)
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-size", "large")
    expect(page.get_by_role("button", name="Helpful", exact=True)).to_be_visible()
    page.get_by_role("button", name="Not helpful").click()
    left: list[str] = page.evaluate("measure.chinese()")
    assert [words for words in left if not re.search(f"合适|备案号|以最新公告为准|{FIRM['hours']}", words)] == []


def test_page_is_light_and_loads_nothing_from_elsewhere(browser: Browser, address: str) -> None:
    """All files together stay under 150 kB before compression, from one origin, without cookies."""
    page = browser.new_page()
    sizes: dict[str, int] = {}
    page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.goto(address, wait_until="networkidle")
    assert all(url.startswith(address) for url in sizes), sizes
    assert sum(sizes.values()) < 150_000, sizes
    assert page.context.cookies() == []
    page.close()
