"""Personal data is found where it stands, in every disguise, and what is public passes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.personal_data import find, mask

FOUND = [
    ("身份证号11010119900307743X", "id_card", "11010119900307743X"),
    ("号码110101 19900307 7432，请收好", "id_card", "110101 19900307 7432"),
    ("证号：130503670401001", "id_card", "130503670401001"),
    ("我手机13800138000", "phone", "13800138000"),
    ("+86 138-0013-8000", "phone", "+86 138-0013-8000"),
    ("电话一三八零零一三八零零零，谢谢", "phone", "一三八零零一三八零零零"),
    ("幺三八 零零幺三 八零零零", "phone", "幺三八 零零幺三 八零零零"),
    ("１３８００１３８０００", "phone", "１３８００１３８０００"),
    ("138\u200b0013\u200b8000", "phone", "138\u200b0013\u200b8000"),
    ("1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣", "phone", "1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣"),
    ("家庭电话 021-62345678", "landline", "021-62345678"),
    ("卡号6222021234567890128", "bank_card", "6222021234567890128"),
    ("卡是 4111 1111 1111 1111", "bank_card", "4111 1111 1111 1111"),
    ("股东卡 A123456789", "securities_account", "A123456789"),
    ("资金账号1234567890", "capital_account", "1234567890"),
    ("基金账号 981234567890", "fund_account", "981234567890"),
    ("我家住北京市朝阳区建国路88号院3号楼2单元1201室", "address", "北京市朝阳区建国路88号院3号楼2单元1201室"),
    ("杭州市西湖区文三路199号创业小区5幢302", "address", "杭州市西湖区文三路199号创业小区5幢302"),
    ("写到zhang.san@163.com", "email", "zhang.san@163.com"),
    ("护照E12345678", "passport", "E12345678"),
    ("港澳通行证C12345678", "permit", "C12345678"),
    ("车牌沪A12345", "plate", "沪A12345"),
    ("新能源京AD12345", "plate", "京AD12345"),
    ("户名：张三丰，其余不变", "name", "张三丰"),
    ("姓名 欧阳娜娜", "name", "欧阳娜娜"),
]
LAWFUL = [
    "热线 400-888-8888 或 95555", "拨打12386、96110、110、12356", "138****1234", "6222 **** **** 1234",
    "代码 600519、000123", "工单号 20261122001234", "2026-11-22 09:30:00", "金额 1,234,567.89元", "13812345678元",
    "上海市浦东新区世纪大道1234号世纪营业部", "营业部地址：北京市西城区金融大街19号富凯大厦B座15层",
    "户名：某某证券股份有限公司", "姓名、身份证号需一致", "执业编号S1234567890123", "沪A600519", "R1（低风险）",
    "姓名与身份证一致", "第19条 12号文", "您可以在首页一路向下，第3步进入",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "shown"), FOUND)
def test_found_at_its_exact_place(text: str, kind: str, shown: str) -> None:
    """Each datum is found once, with its kind and the span of the original text."""
    assert [(d.kind, text[slice(*d.span)]) for d in find(text)] == [(kind, shown)]


@pytest.mark.parametrize("text", LAWFUL)
def test_public_numbers_pass(text: str) -> None:
    """Hotlines, masked numbers, codes, tickets, dates, amounts and branch addresses are not personal data."""
    assert find(text) == []


def test_wrong_checksum_is_no_identity_number() -> None:
    """Eighteen digits with a false check digit count only after a cue."""
    assert find("流水110101199003077433") == []
    assert find("身份证110101199003077433")[0].kind == "id_card"


def test_allowed_contacts_pass() -> None:
    """The firm's own mobile and mail domain may be told; others may not."""
    assert find("客户经理电话13800138000", allowed=("138-0013-8000",)) == []
    assert find("写到kefu@firm.com.cn", allowed=("@firm.com.cn",)) == []
    assert find("写到kefu@other.com", allowed=("@firm.com.cn",)) != []


def test_mask_hides_all_and_keeps_the_rest() -> None:
    """Masking replaces the datum by its name and leaves every other character."""
    assert mask("您的手机13800138000已登记") == "您的手机〔手机号〕已登记"


FRAGMENTS = st.sampled_from([text for text, _, _ in FOUND] + LAWFUL + ["，", " ", "1", "的", "\u200b", "8", "-"])


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=6)), max_size=5))
def test_mask_is_idempotent(parts: list[str]) -> None:
    """Masking twice is masking once, and nothing personal is left."""
    masked = mask("".join(parts))
    assert mask(masked) == masked
    assert find(masked) == []


@given(st.text(max_size=12), st.text(max_size=12))
def test_spans_are_ordered_and_inside(before: str, after: str) -> None:
    """Spans lie in the text, in order, without overlap."""
    text = f"{before} 13800138000 {after}"
    spans = [d.span for d in find(text)]
    assert all(0 <= s < e <= len(text) for s, e in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
