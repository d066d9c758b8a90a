"""PDF: paragraphs, headings, lists, ruled and open tables, page breaks, columns, hidden text, unusable files."""

# ruff: noqa: E501 - samples of markup stand on one line
from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import TextMode

from knowledge.reading import Unreadable, cut, read
from tests.unit.reading_files import CHROMIUM, asked, passages, printed, rows, write

browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
STYLE = "<style>body{font-family:'Noto Sans CJK SC';font-size:11pt} td,th{border:1px solid #000;padding:3px} table{border-collapse:collapse} .open td,.open th{border:0;padding:3px 22px}</style>"
LONG = "本办法所称投资者适当性管理，是指证券公司在向投资者销售产品或者提供服务时，了解投资者的基本信息、财产状况、投资经验、投资目标和风险偏好，评估其风险承受能力，并提出匹配意见的活动。"


@browser
def test_printed_page_reads_like_the_page(tmp_path: Path) -> None:
    """Headings, wrapped paragraphs, lists, steps and questions of a printed page come back whole."""
    html = (
        f"{STYLE}<h1>产品说明书</h1><h2>一、概况</h2><p>{LONG}</p><h2>二、流程</h2><p>办理流程如下：</p><ol><li>登录APP</li><li>提交申请</li></ol>"
        "<ul><li>身份证</li><li>银行卡</li></ul><h2>三、常见问题</h2><p><b>Q1：怎么赎回？</b></p><p>A1：登录APP操作。</p><p><b>Q2：多久到账？</b></p><p>A2：T+1日到账。</p>"
    )
    source = read(printed(html, tmp_path))
    found = cut(source, revision="r")
    assert source.meta.title == "产品说明书"
    assert found[0].text == LONG
    assert found[0].heading == ("一、概况",)
    assert found[1].text == "办理流程如下：\n1. 登录APP\n2. 提交申请"
    assert found[2].text == "- 身份证\n- 银行卡"
    assert asked(found) == [("怎么赎回？", "登录APP操作。"), ("多久到账？", "T+1日到账。")]


@browser
def test_ruled_tables_with_merged_cells(tmp_path: Path) -> None:
    """Ruled tables keep merged cells, units and wrapped cells."""
    html = (
        f"{STYLE}<h2>费用</h2><p>单位：元</p><table><tr><th rowspan=2>业务</th><th colspan=2>费用</th></tr><tr><th>个人</th><th>机构</th></tr>"
        "<tr><td>开户</td><td>10</td><td>400</td></tr><tr><td>补卡</td><td>20</td><td>30</td></tr></table>"
        f"<h2>要素</h2><table style='width:60%'><tr><td>风险等级</td><td>R2</td></tr><tr><td>投资范围</td><td>{LONG}</td></tr></table>"
    )
    assert rows(passages(printed(html, tmp_path))) == [
        "业务：开户；费用·个人（元）：10；费用·机构（元）：400",
        "业务：补卡；费用·个人（元）：20；费用·机构（元）：30",
        "风险等级：R2",
        f"投资范围：{LONG}",
    ]


@browser
def test_table_without_rules(tmp_path: Path) -> None:
    """Aligned columns without lines are a table."""
    html = f"{STYLE}<h2>收益凭证</h2><table class=open><tr><th>期限</th><th>利率</th><th>起点</th></tr><tr><td>14天</td><td>2.10%</td><td>5万元</td></tr><tr><td>28天</td><td>2.20%</td><td>5万元</td></tr><tr><td>91天</td><td>2.30%</td><td>10万元</td></tr></table>"
    assert rows(passages(printed(html, tmp_path)))[1] == "期限：28天；利率：2.20%；起点：5万元"


@browser
def test_page_breaks_headers_and_page_numbers(tmp_path: Path) -> None:
    """A table and a paragraph go on over a page break; running heads and page numbers are dropped."""
    style = "<style>@page{size:A5;margin:2cm;@top-center{content:'某某证券 内部资料'} @bottom-center{content:counter(page) ' / ' counter(pages)}}</style>"
    body = "".join(f"<tr><td>产品{n:02d}号</td><td>S{n:04d}</td><td>R{n % 5 + 1}</td></tr>" for n in range(60))
    html = (
        f"{STYLE}{style}<h1>清单</h1><table><thead><tr><th>名称</th><th>代码</th><th>等级</th></tr></thead>{body}</table>"
        + f"<p>{LONG}</p>" * 8
    )
    found = passages(printed(html, tmp_path))
    assert rows(found) == [f"名称：产品{n:02d}号；代码：S{n:04d}；等级：R{n % 5 + 1}" for n in range(60)]
    text = "\n".join(p.text for p in found if p.form == "text")
    assert text == "\n".join([LONG] * 8)


@browser
def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    """Text set in two columns is read down the left and then down the right."""
    html = (
        f"{STYLE}<h1>办法</h1><div style='column-count:2'>"
        + "".join(f"<p>第{n}段，{LONG}</p>" for n in range(6))
        + "</div>"
    )
    text = "".join(p.text for p in passages(printed(html, tmp_path))).replace("\n", "")
    assert text == "".join(f"第{n}段，{LONG}" for n in range(6))


@browser
def test_white_text_is_hidden_unless_on_dark_ground(tmp_path: Path) -> None:
    """White on white never passes; white on a dark cell does."""
    html = f"{STYLE}<p>正文可见。<span style='color:white'>暗语</span></p><table style='-webkit-print-color-adjust:exact'><tr style='background:#036;color:white'><th>期限</th><th>利率</th><th>起点</th></tr><tr><td>14天</td><td>2.1%</td><td>5万元</td></tr></table>"
    source = read(printed(html, tmp_path))
    found = cut(source, revision="r")
    assert found[0].text == "正文可见。"
    assert rows(found) == ["期限：14天；利率：2.1%；起点：5万元"]
    assert any("暗语" in r.excerpt for r in source.removed)


def drawn(path: Path, how: str) -> Path:
    """A page with a visible line and one hidden in the way named."""
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.text(20, 30, "The annual management fee is 0.60 percent.")
    if how == "mode":
        with pdf.local_context(text_mode=TextMode.INVISIBLE):
            pdf.text(20, 40, "secret words here")
    elif how == "white":
        pdf.set_text_color(255, 255, 255)
        pdf.text(20, 40, "secret words here")
    elif how == "tiny":
        pdf.set_font("helvetica", size=1)
        pdf.text(20, 40, "secret words here")
    elif how == "outside":
        pdf.text(20, 400, "secret words here")
    elif how == "alpha":
        with pdf.local_context(fill_opacity=0.0):
            pdf.text(20, 40, "secret words here")
    elif how == "same ground":
        pdf.set_fill_color(0, 0, 0)
        pdf.rect(15, 34, 100, 10, style="F")
        pdf.text(20, 40, "secret words here")
    elif how == "rotated":
        with pdf.rotation(45, 60, 100):
            pdf.text(20, 100, "secret words here")
    elif how == "note":
        pdf.text_annotation(20, 40, "secret words here")
    pdf.output(str(path))
    return path


@pytest.mark.parametrize("how", ["mode", "white", "tiny", "outside", "alpha", "same ground", "rotated", "note"])
def test_hidden_text_never_passes(tmp_path: Path, how: str) -> None:
    """Invisible, white, tiny, transparent, covered, slanted or off-page text and notes are left out."""
    found = passages(drawn(tmp_path / "a.pdf", how))
    assert [p.text for p in found] == ["The annual management fee is 0.60 percent."]


def test_encrypted_empty_and_scanned_files(tmp_path: Path) -> None:
    """Encrypted, empty and text-free files each say what is wrong."""
    locked, blank = FPDF(), FPDF()
    locked.add_page()
    locked.set_font("helvetica")
    locked.cell(text="fee")
    locked.set_encryption(owner_password="a", user_password="b")
    locked.output(str(tmp_path / "locked.pdf"))
    blank.add_page()
    blank.output(str(tmp_path / "blank.pdf"))
    for name, word in (("locked.pdf", "加密"), ("blank.pdf", "没有可读取的文字")):
        with pytest.raises(Unreadable, match=word):
            read(tmp_path / name)


@pytest.mark.parametrize("raw", [b"%PDF-1.7\nrubbish", b"no pdf at all", b""])
def test_broken_files(tmp_path: Path, raw: bytes) -> None:
    """What is no PDF ends in a clear error."""
    with pytest.raises(Unreadable):
        read(write(tmp_path / "a.pdf", raw))


def test_damaged_files_never_raise_anything_else(tmp_path: Path) -> None:
    """Bytes changed at random give passages or Unreadable, nothing else."""
    raw = drawn(tmp_path / "a.pdf", "white").read_bytes()
    dice = random.Random(7)
    for n in range(40):
        broken = bytearray(raw)
        for _ in range(8):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        path = write(tmp_path / f"{n}.pdf", bytes(broken))
        with contextlib.suppress(Unreadable):
            cut(read(path), revision="r")
