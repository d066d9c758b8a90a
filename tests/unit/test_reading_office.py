"""Word and Excel: structure, numbering, merged cells, number formats, hidden and deleted text, hostile packages."""

# ruff: noqa: E501 - samples of markup stand on one line
from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.oxml import parse_xml
from docx.shared import Pt, RGBColor
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill

from knowledge.reading import Unreadable, cut, read
from knowledge.reading.numberformat import shown
from tests.unit.reading_files import asked, passages, rows, write

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def numbered(document: docx.document.Document, key: int, form: str, text: str) -> None:
    """Adds a numbering definition with one level."""
    part = document.part.numbering_part.element
    level = f'<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
    part.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="{key}">{level}</w:abstractNum>'))
    part.append(parse_xml(f'<w:num {W} w:numId="{key}"><w:abstractNumId w:val="{key}"/></w:num>'))


def item(document: docx.document.Document, text: str, key: int) -> None:
    """Adds a paragraph that takes part in a numbering."""
    paragraph = document.add_paragraph(text)
    paragraph._p.get_or_add_pPr().append(
        parse_xml(f'<w:numPr {W}><w:ilvl w:val="0"/><w:numId w:val="{key}"/></w:numPr>')
    )


def test_word_headings_lists_and_tables_in_order(tmp_path: Path) -> None:
    """Headings by style, lists by numbering and tables stand in the order of the document."""
    document = docx.Document()
    document.add_heading("融资融券指南", 0)
    document.add_heading("开通条件", 1)
    document.add_paragraph("须满足：")
    for text in ("资产不低于50万元", "交易满6个月"):
        document.add_paragraph(text, style="List Bullet")
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table._cells, ["业务", "费率", "备注", "融资", "8.35%", "年化"], strict=True):
        cell.text = text
    document.add_heading("办理", 1)
    for text in ("登录APP", "提交申请"):
        document.add_paragraph(text, style="List Number")
    document.save(str(tmp_path / "a.docx"))
    source = read(tmp_path / "a.docx")
    found = cut(source, revision="r")
    assert source.meta.title == "融资融券指南"
    assert [(p.form, p.heading, p.text) for p in found] == [
        ("list", ("开通条件",), "须满足：\n- 资产不低于50万元\n- 交易满6个月"),
        ("row", ("开通条件",), "业务：融资；费率：8.35%；备注：年化"),
        ("steps", ("办理",), "1. 登录APP\n2. 提交申请"),
    ]


def test_word_automatic_numbers_make_sections_and_questions(tmp_path: Path) -> None:
    """Numbers that Word counts itself stand in the text where they number sections or questions."""
    document = docx.Document()
    numbered(document, 91, "chineseCountingThousand", "%1、")
    numbered(document, 92, "decimal", "%1.")
    item(document, "产品概况", 91)
    document.add_paragraph("本产品为固定收益类产品。")
    item(document, "常见问题", 91)
    item(document, "能提前赎回吗？", 92)
    document.add_paragraph("封闭期内不能。")
    item(document, "收益怎么分配？", 92)
    document.add_paragraph("现金分红。")
    document.save(str(tmp_path / "a.docx"))
    found = passages(tmp_path / "a.docx")
    assert found[0].heading == ("一、产品概况",)
    assert asked(found) == [("能提前赎回吗？", "封闭期内不能。"), ("收益怎么分配？", "现金分红。")]
    assert found[1].heading == ("二、常见问题",)


def test_word_merged_cells(tmp_path: Path) -> None:
    """Cells merged down and across fill what they cover."""
    document = docx.Document()
    table = document.add_table(rows=4, cols=4)
    for r, row in enumerate(
        [
            ["业务", "费率", "", ""],
            ["", "融资", "融券", "最低"],
            ["普通", "8.35%", "10.6%", "5元"],
            ["专业", "", "", ""],
        ]
    ):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    table.cell(0, 1).merge(table.cell(0, 3))
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(3, 1).merge(table.cell(3, 3)).text = "协商"
    document.save(str(tmp_path / "a.docx"))
    assert rows(passages(tmp_path / "a.docx")) == [
        "业务：普通；费率·融资：8.35%；费率·融券：10.6%；费率·最低：5元",
        "业务：专业；费率·融资：协商；费率·融券：协商；费率·最低：协商",
    ]


def test_word_hidden_text_never_passes(tmp_path: Path) -> None:
    """Vanished, white, tiny, struck, deleted and boxed-away text and comments are left out; insertions stay."""
    document = docx.Document()
    paragraph = document.add_paragraph("费率为")
    for n in range(4):
        run = paragraph.add_run(f"暗语{n}")
        run.font.hidden = n == 0
        run.font.color.rgb = RGBColor(255, 255, 255) if n == 1 else RGBColor(0, 0, 0)
        run.font.size = Pt(1) if n == 2 else Pt(10)
        run.font.strike = n == 3
    paragraph._p.append(parse_xml(f'<w:del {W} w:id="1" w:author="a"><w:r><w:delText>暗语4</w:delText></w:r></w:del>'))
    paragraph._p.append(parse_xml(f'<w:ins {W} w:id="2" w:author="a"><w:r><w:t>0.6%</w:t></w:r></w:ins>'))
    box = '<v:shape xmlns:v="urn:schemas-microsoft-com:vml" style="visibility:hidden"><v:textbox><w:txbxContent><w:p><w:r><w:t>暗语5</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape>'
    paragraph._p.append(parse_xml(f"<w:r {W}><w:pict>{box}</w:pict></w:r>"))
    paragraph.add_run("。")
    document.add_comment(paragraph.runs, text="暗语6", author="a")
    document.save(str(tmp_path / "a.docx"))
    source = read(tmp_path / "a.docx")
    assert [p.text for p in cut(source, revision="r")] == ["费率为0.6%。"]
    assert {f"暗语{n}" for n in range(7)} <= {w for r in source.removed for w in [r.excerpt[:3]]}


def test_word_white_text_on_dark_cell_stays(tmp_path: Path) -> None:
    """A white header on a dark cell is visible."""
    document = docx.Document()
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table._cells, ["期限", "利率", "起点", "14天", "2.1%", "5万元"], strict=True):
        run = cell.paragraphs[0].add_run(text)
        if text in ("期限", "利率", "起点"):
            run.font.color.rgb = RGBColor(255, 255, 255)
            cell._tc.get_or_add_tcPr().append(parse_xml(f'<w:shd {W} w:val="clear" w:fill="1F4E79"/>'))
    document.save(str(tmp_path / "a.docx"))
    assert rows(passages(tmp_path / "a.docx")) == ["期限：14天；利率：2.1%；起点：5万元"]


def sheet(
    path: Path, cells: list[list[object]], *, title: str = "Sheet", **formats: str
) -> openpyxl.worksheet.worksheet.Worksheet:
    """A worksheet of a new book; `formats` sets number formats by cell name. Save with `.parent.save`."""
    book = openpyxl.Workbook()
    page = book.active
    assert isinstance(page, openpyxl.worksheet.worksheet.Worksheet)
    page.title = title
    for row in cells:
        page.append(row)
    for name, form in formats.items():
        page[name].number_format = form
    book.save(path)
    return page


def test_sheet_shows_values_as_displayed(tmp_path: Path) -> None:
    """Percents, thousands, dates, integers and codes read as the reader sees them."""
    cells: list[list[object]] = [
        ["项目", "费率", "起点", "生效日期", "代码", "比例"],
        ["甲", 0.0003, 1000000.0, date(2026, 1, 5), "000123", 0.5],
    ]
    sheet(tmp_path / "a.xlsx", cells, B2="0.000%", C2="#,##0", D2='yyyy"年"m"月"d"日"', F2="0.0%")
    assert rows(passages(tmp_path / "a.xlsx")) == [
        "项目：甲；费率：0.030%；起点：1,000,000；生效日期：2026年1月5日；代码：000123；比例：50.0%"
    ]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (5.0, "General", "5"), (0.1 + 0.2, "General", "0.3"), (0.0835, "0.00%", "8.35%"), (1234.5, "#,##0.00", "1,234.50"),
        (5, '0"元"', "5元"), (5, '"人民币"0.0', "人民币5.0"), (123, "000000", "000123"), (-3.2, "0.0", "-3.2"),
        (-3.2, "0.0;(0.0)", "(3.2)"), (50000, '0,"千元"', "50千元"), (datetime(2026, 1, 5), "m/d/yyyy", "2026-01-05"),
        (datetime(2026, 1, 5, 9, 30), "yyyy-mm-dd hh:mm", "2026-01-05 09:30"), (datetime(2026, 1, 1), 'yyyy"年"m"月"', "2026年1月"),
        (True, "General", "是"), ("#REF!", "General", ""), (7, ";;;", ""), (12.5, '[$¥-804]#,##0.00', "¥12.50"), (0.5, "# ?/?", "0.5"),
    ],
)  # fmt: skip
def test_number_formats(value: object, form: str, text: str) -> None:
    """A value reads as its format shows it."""
    assert shown(value, form) == text


def test_sheet_captions_units_merges_and_notes(tmp_path: Path) -> None:
    """Title rows name the table, a unit row reaches the numbers, merged cells fill, remarks stay."""
    cells: list[list[object]] = [
        ["收费标准"],
        ["单位：元"],
        ["类别", "项目", "最低收费"],
        ["股票", "佣金", 5],
        [None, "过户费", 1],
        ["注：双向收取。"],
    ]
    page = sheet(tmp_path / "a.xlsx", cells)
    for area in ("A1:C1", "A2:C2", "A4:A5", "A6:C6"):
        page.merge_cells(area)
    page.parent.save(tmp_path / "a.xlsx")
    found = passages(tmp_path / "a.xlsx")
    assert rows(found) == ["类别：股票；项目：佣金；最低收费（元）：5", "类别：股票；项目：过户费；最低收费（元）：1"]
    assert found[0].table == "收费标准 单位：元"
    assert found[-1].text == "注：双向收取。"


def test_sheet_hidden_parts_never_pass(tmp_path: Path) -> None:
    """Hidden sheets, rows and columns, white cells, comments and format ;;; are left out; white on dark stays."""
    cells: list[list[object]] = [
        ["项目", "费率", "说明", "列"],
        ["甲", "1%", "双向", "暗语1"],
        ["暗语2", "2%", "单向", ""],
        ["乙", "3%", "暗语3", ""],
        ["丙", "4%", "暗语4", ""],
    ]
    page = sheet(tmp_path / "a.xlsx", cells)
    page.column_dimensions["D"].hidden = True
    page.row_dimensions[3].hidden = True
    page["C4"].font = Font(color="FFFFFFFF")
    page["C5"].number_format = ";;;"
    page["C5"].value = 4
    page["A1"].comment = Comment("暗语5", "a")
    for cell in page[1]:
        cell.font, cell.fill = Font(color="FFFFFFFF"), PatternFill("solid", fgColor="FF1F4E79")
    assert page.parent is not None
    other = page.parent.create_sheet("内部")
    other["A1"], other.sheet_state = "暗语6", "hidden"
    page.parent.save(tmp_path / "a.xlsx")
    source = read(tmp_path / "a.xlsx")
    assert rows(cut(source, revision="r")) == [
        "项目：甲；费率：1%；说明：双向",
        "项目：乙；费率：3%",
        "项目：丙；费率：4%",
    ]
    told = " ".join(r.excerpt for r in source.removed)
    assert all(f"暗语{n}" in told for n in (1, 2, 3, 5, 6))


def test_sheet_of_questions(tmp_path: Path) -> None:
    """A sheet of questions and answers gives questions."""
    sheet(
        tmp_path / "a.xlsx",
        [
            ["序号", "客户常见问题", "标准答复"],
            [1, "怎么改密码？", "登录APP修改。"],
            [2, "忘记密码怎么办？", "刷脸重置。"],
        ],
    )
    assert asked(passages(tmp_path / "a.xlsx")) == [
        ("怎么改密码？", "登录APP修改。"),
        ("忘记密码怎么办？", "刷脸重置。"),
    ]


def test_several_sheets_and_regions(tmp_path: Path) -> None:
    """Sheet names head what stands in them; an empty row divides two tables."""
    page = sheet(
        tmp_path / "a.xlsx",
        [["期限", "利率", "起点"], ["14天", "2.1%", "5万"], [], ["渠道", "时间", "说明"], ["电话", "9:00", "工作日"]],
        title="收益凭证",
    )
    page.parent.create_sheet("两融").append(["管理人", "甲证券"])
    page.parent.save(tmp_path / "a.xlsx")
    found = passages(tmp_path / "a.xlsx")
    assert [(p.heading, p.text) for p in found] == [
        (("收益凭证",), "期限：14天；利率：2.1%；起点：5万"),
        (("收益凭证",), "渠道：电话；时间：9:00；说明：工作日"),
        (("两融",), "管理人：甲证券"),
    ]


def package(path: Path, parts: dict[str, str | bytes]) -> Path:
    """A zip package of the parts."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return write(path, raw.getvalue())


ENTITIES = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


def test_bombs_and_entities_are_refused(tmp_path: Path) -> None:
    """A package that unpacks beyond bounds or defines entities is refused."""
    for number, part in enumerate((b"0" * 200_000_000, ENTITIES)):
        with pytest.raises(Unreadable):
            read(package(tmp_path / f"{number}.docx", {"word/document.xml": part}))


def test_merged_area_beyond_bounds_is_refused(tmp_path: Path) -> None:
    """A merged area of billions of cells is refused before it is filled."""
    page = sheet(tmp_path / "a.xlsx", [["甲"]])
    page.merged_cells.add("A1:XFD1048576")
    page.parent.save(tmp_path / "a.xlsx")
    with pytest.raises(Unreadable, match="表格过大"):
        read(tmp_path / "a.xlsx")


def test_sparse_sheet_is_fine(tmp_path: Path) -> None:
    """Two cells at the far ends of a sheet cost nothing."""
    page = sheet(tmp_path / "a.xlsx", [["开头的文字。"]])
    page["XFD1048576"] = "结尾的文字。"
    page.parent.save(tmp_path / "a.xlsx")
    assert [p.text for p in passages(tmp_path / "a.xlsx")] == ["开头的文字。\n结尾的文字。"]


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
@pytest.mark.parametrize("raw", [b"PK\x03\x04broken", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600, b"plain", b""])
def test_broken_and_encrypted_packages(tmp_path: Path, name: str, raw: bytes) -> None:
    """Broken, encrypted and mislabelled files say what to do."""
    with pytest.raises(Unreadable) as caught:
        read(write(tmp_path / name, raw))
    assert "请" in caught.value.reason
