"""Customer page and staff desk in two real browsers, over a real installation: the whole way of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from assistant.assistant import Assistant
from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from assistant.channels.staff_page import ACCESS, OFFERED, StaffChannel
from assistant.people.access import FILE
from tests.branch import Branch
from tests.desk import Counter
from tests.e2e.conftest import serving

PASSWORD = "correct horse battery 9"
QUESTION = "科创板开通条件是什么"
SLOW = 20_000


@dataclass
class House:
    """A served installation, and the browsers before it."""

    counter: Counter
    address: str
    browser: Browser
    errors: list[str]

    def page(self, width: int, height: int) -> Page:
        context: BrowserContext = self.browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        page = context.new_page()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def customer(self) -> Page:
        page = self.page(390, 844)
        page.goto(self.address)
        page.get_by_role("button", name="同意并开始").click()
        return page

    def staff(self, login: str = "wang", width: int = 1280, height: int = 800) -> Page:
        page = self.page(width, height)
        page.goto(f"{self.address}staff")
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/staff"))
        expect(page.locator("#me")).not_to_be_empty(timeout=SLOW)
        return page


@pytest.fixture
def house(browser: Browser, own: Branch) -> Iterator[House]:
    counter = Counter(own)
    people = own.installation.people
    people.add("wang", "王芳", ["staff"], by="test", password=PASSWORD)
    people.add("zhao", "赵敏", ["adviser"], by="test", password=PASSWORD, registration="S0010620010001")
    settings = HttpSettings(today=lambda: date(2026, 11, 22))
    assistant: Assistant = counter.assistant
    channel = StaffChannel(counter.desk, assistant, settings)
    app = build(assistant, settings, (channel,), people, (OFFERED,), (FILE, ACCESS))
    errors: list[str] = []
    with serving(app) as address:
        made = House(counter, address, browser, errors)
        yield made
        for context in browser.contexts:
            context.close()
    assert [error for error in errors if "net::ERR_" not in error] == []


def ask(page: Page, text: str) -> Locator:
    """Send a message as the customer; the place of what comes back."""
    page.fill("#question", text)
    page.press("#question", "Enter")
    return page.locator(".turn").last


def write(page: Page, text: str) -> None:
    """Type into the message box and wait for the verdict."""
    page.fill("#text", text)
    expect(page.locator("#send")).not_to_contain_text("审查中", timeout=SLOW)


def hand_over(page: Page) -> None:
    page.locator("#human").click()
    expect(page.locator("#standing")).to_contain_text("转接人工", timeout=SLOW)


def test_from_question_to_person_and_back_to_the_assistant(house: House) -> None:
    """Ask → hand over → claim → draft with sources → a promise is blocked with its clause → corrected → delivered →
    handed back → the assistant answers again; the log shows it all and verifies."""
    customer, staff = house.customer(), house.staff()
    expect(ask(customer, QUESTION).locator(".acts")).to_be_visible(timeout=SLOW)
    hand_over(customer)

    row = staff.locator(".row")
    expect(row).to_have_count(1, timeout=SLOW)
    expect(row).to_contain_text(QUESTION)
    row.click()
    expect(staff.locator("#brief")).to_contain_text("《科创板权限开通条件》")
    staff.keyboard.press("c")
    expect(staff.locator("#writing")).to_be_visible(timeout=SLOW)
    expect(customer.locator("#standing")).to_contain_text("王芳 正在为您服务", timeout=SLOW)

    expect(ask(customer, "具体要多少资产，交易多久？").locator(".kept")).to_be_visible(timeout=SLOW)
    expect(staff.locator(".line.customer").last).to_contain_text("具体要多少资产", timeout=SLOW)
    staff.keyboard.press("Escape")
    staff.keyboard.press("d")
    draft = staff.locator(".draft .said")
    expect(draft).to_contain_text("50万元", timeout=SLOW)
    expect(staff.locator(".draft .sources")).to_contain_text("科创板权限开通条件")

    write(staff, "这款产品稳赚不赔")
    expect(staff.locator(".under mark.block")).to_have_text("这款产品稳赚不赔")
    expect(staff.locator(".finding.block .clause")).to_contain_text("证券法")
    expect(staff.locator("#send")).to_contain_text("不能发送")
    staff.keyboard.press("Control+Enter")
    expect(staff.locator(".event.withheld")).to_contain_text("承诺收益", timeout=SLOW)
    expect(customer.locator(".answer.person")).to_have_count(0)

    staff.keyboard.press("Escape")
    staff.keyboard.press("u")
    expect(staff.locator("#text")).to_have_value(re.compile("50万元"))
    expect(staff.locator("#send")).to_have_class(re.compile(r"\bgo\b"), timeout=SLOW)
    staff.keyboard.press("Control+Enter")
    said = customer.locator(".answer.person")
    expect(said).to_contain_text("50万元", timeout=SLOW)
    expect(said.locator(".from")).to_contain_text("王芳")
    expect(said.locator(".sources")).to_contain_text("科创板权限开通条件")
    expect(staff.locator(".fate").last).to_contain_text("已送达", timeout=SLOW)

    customer.reload()
    expect(customer.locator(".answer.person")).to_have_count(1, timeout=SLOW)
    staff.keyboard.press("Escape")
    staff.keyboard.press("b")
    expect(customer.get_by_role("button", name="5 分")).to_be_visible(timeout=SLOW)
    customer.get_by_role("button", name="5 分").click()
    expect(customer.locator("#standing")).to_be_hidden(timeout=SLOW)
    answer = ask(customer, QUESTION)
    expect(answer.locator(".acts")).to_be_visible(timeout=SLOW)
    expect(answer.locator(".body")).to_contain_text("50万元")

    conversation = house.counter.desk.tickets.inbox()[0].conversation
    entries = house.counter.desk.log.conversation(conversation)
    told = [str(one.body["what"]) if one.event == "desk" else one.event for one in entries]
    assert told == ["turn", "turn", "opened", "claimed", "inbound", "withheld", "outbound", "ended", "rating", "turn"]
    assert house.counter.desk.log.verify()[1] == []


def test_a_reload_in_the_middle_shows_each_word_once(house: House) -> None:
    """The customer reloads between messages, and the staff page too: nothing is lost, nothing stands twice, what was
    being written is still there."""
    customer, staff = house.customer(), house.staff()
    hand_over(customer)
    staff.locator(".row").click()
    staff.keyboard.press("c")
    expect(staff.locator("#writing")).to_be_visible(timeout=SLOW)
    for text in ("您好，我是王芳，已收到您的问题。", "感谢您的耐心等待。"):
        write(staff, text)
        staff.keyboard.press("Control+Enter")
        expect(customer.locator(".answer.person .body").last).to_contain_text(text, timeout=SLOW)
        customer.reload()
        expect(customer.locator(".answer.person .body").last).to_contain_text(text, timeout=SLOW)
    expect(customer.locator(".answer.person")).to_have_count(2)
    write(staff, "还没有写完的话")
    staff.reload()
    expect(staff.locator("#text")).to_have_value("还没有写完的话", timeout=SLOW)
    expect(staff.locator(".line.staff")).to_have_count(2, timeout=SLOW)


def test_a_draft_goes_stale_and_the_button_says_so(house: House) -> None:
    """The customer writes while an answer is being typed: the draft greys out, sending waits until the new message was
    seen."""
    customer, staff = house.customer(), house.staff()
    ask(customer, QUESTION)
    hand_over(customer)
    staff.locator(".row").click()
    staff.keyboard.press("c")
    expect(staff.locator("#writing")).to_be_visible(timeout=SLOW)
    staff.keyboard.press("Escape")
    staff.keyboard.press("d")
    expect(staff.locator(".draft .said")).to_be_visible(timeout=SLOW)
    write(staff, "您好，我是王芳，已收到您的问题。")
    expect(staff.locator("#send")).to_have_class(re.compile(r"\bgo\b"), timeout=SLOW)
    ask(customer, "不用了，我想问银证转账")
    expect(staff.locator("#send")).to_contain_text("先看再发", timeout=SLOW)
    expect(staff.locator(".draft.stale")).to_be_visible()
    assert staff.locator("#text").input_value() == "您好，我是王芳，已收到您的问题。"
    staff.get_by_role("button", name="已看，按新消息回复").click()
    expect(staff.locator("#send")).to_have_class(re.compile(r"\bgo\b"))
    staff.keyboard.press("Control+Enter")
    expect(customer.locator(".answer.person")).to_contain_text("已收到您的问题", timeout=SLOW)


def test_two_desks_claim_one_conversation_once(house: House) -> None:
    """Two people press C on the same conversation: one has it, the other is told who and cannot write."""
    customer, first, second = house.customer(), house.staff(), house.staff("zhao")
    hand_over(customer)
    for page in (first, second):
        page.locator(".row").click()
        expect(page.locator("#claim-row")).to_be_visible(timeout=SLOW)
    first.keyboard.press("c")
    expect(first.locator("#writing")).to_be_visible(timeout=SLOW)
    second.keyboard.press("c")
    expect(second.locator(".talk-head")).to_contain_text("王芳 正在接待", timeout=SLOW)
    expect(second.locator("#writing")).to_be_hidden()
    house.errors[:] = [error for error in house.errors if "409" not in error]


def test_a_message_is_left_while_waiting(house: House) -> None:
    """The customer leaves a message for people: the assistant does not answer it, the desk has it."""
    customer, staff = house.customer(), house.staff()
    hand_over(customer)
    customer.get_by_role("button", name="留言给工作人员").click()
    ask(customer, "请下午给我回电话")
    expect(customer.locator(".kept")).to_contain_text("已留言", timeout=SLOW)
    staff.locator(".row").click()
    expect(staff.locator(".line.customer").last).to_contain_text("请下午给我回电话", timeout=SLOW)


def test_the_desk_in_the_width_of_a_sidebar(house: House) -> None:
    """At 390 px one column at a time, nothing wider than the page, and a conversation served with a finger."""
    customer, staff = house.customer(), house.staff(width=390, height=844)
    hand_over(customer)
    staff.locator(".row").click()
    staff.get_by_role("button", name="接待这个会话").click()
    expect(staff.locator("#writing")).to_be_visible(timeout=SLOW)
    for name in ("列表", "客户·草稿", "对话"):
        staff.get_by_role("button", name=name, exact=True).click()
        assert staff.evaluate("document.documentElement.scrollWidth") <= 390
    write(staff, "您好，我是王芳，已收到您的问题。")
    staff.locator("#send").click()
    expect(customer.locator(".answer.person")).to_contain_text("王芳", timeout=SLOW)


def test_shortcuts_are_listed_and_pages_open(house: House) -> None:
    """`?` lists every shortcut; complaints, scripts and figures open, and teach when they are empty."""
    house.counter.ask("我要投诉", "c9")
    staff = house.staff()
    staff.keyboard.press("?")
    expect(staff.get_by_role("dialog", name="快捷键")).to_contain_text("取草稿")
    staff.keyboard.press("Escape")
    staff.get_by_role("button", name="投诉", exact=True).click()
    staff.locator(".case").click()
    expect(staff.locator(".case-open")).to_contain_text("我来负责")
    staff.get_by_role("button", name="话术", exact=True).click()
    expect(staff.locator("#page")).to_contain_text("话术")
    staff.get_by_role("button", name="指标", exact=True).click()
    expect(staff.locator(".tile").first).to_contain_text("转人工会话")
    staff.locator("#language").click()
    expect(staff.locator(".tile").first).to_contain_text("Handed over", timeout=SLOW)
