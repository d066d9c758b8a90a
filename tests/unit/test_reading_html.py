"""HTML: what a reader sees of a page, tables of every make, and that hidden text never passes."""

# ruff: noqa: E501 - samples of markup stand on one line
from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.reading import Unreadable, cut, read
from tests.unit.reading_files import asked, passages, rows, write

HIDDEN = {
    "display": '<p style="display:none">暗语</p>',
    "visibility": '<p style="visibility: hidden">暗语</p>',
    "attribute": "<p hidden>暗语</p>",
    "aria": '<p aria-hidden="true">暗语</p>',
    "size": '<span style="font-size:0">暗语</span>',
    "one pixel": '<span style="font-size:1px">暗语</span>',
    "opacity": '<p style="opacity:0">暗语</p>',
    "white": '<p style="color:#fff">暗语</p>',
    "nearly white": '<p style="color:rgb(252,253,254)">暗语</p>',
    "own background": '<p style="color:#123456;background:#123456">暗语</p>',
    "font tag": '<font color="white">暗语</font>',
    "transparent": '<p style="color:transparent">暗语</p>',
    "off screen": '<p style="position:absolute;left:-9999px">暗语</p>',
    "indent": '<p style="text-indent:-9999px">暗语</p>',
    "clip": '<p style="position:absolute;clip:rect(0,0,0,0)">暗语</p>',
    "no height": '<div style="height:0;overflow:hidden">暗语</div>',
    "scale": '<p style="transform:scale(0)">暗语</p>',
    "class": '<p class="sr">暗语</p>',
    "nested rule": '<div class="box"><p><b>暗语</b></p></div>',
    "id": '<p id="x">暗语</p>',
    "media": '<p class="m">暗语</p>',
    "template": "<template>暗语</template>",
    "noscript": "<noscript>暗语</noscript>",
    "script": "<script>暗语</script>",
    "comment": "<!-- 暗语 -->",
    "alt": '<img alt="暗语" title="暗语">',
    "title": '<p title="暗语">文</p>',
    "input": '<input type="hidden" value="暗语">',
    "struck": "<del>暗语</del>",
    "row": '<table><tr><td>甲项</td><td>一</td><td>二</td></tr><tr style="display:none"><td>暗语</td><td>1</td><td>2</td></tr></table>',
    "cell": '<table><tr><td>甲项</td><td style="color:white">暗语</td><td>二</td></tr></table>',
    "item": '<ul><li>甲项</li><li style="display:none">暗语</li></ul>',
    "svg": "<svg><text>暗语</text></svg>",
}
SHEET = "<style>.sr{position:absolute;width:1px;height:1px;overflow:hidden} .box p b{display:none} #x{color:white} @media screen{.m{display:none}}</style>"


@pytest.mark.parametrize("how", HIDDEN)
def test_hidden_text_never_passes(tmp_path: Path, how: str) -> None:
    """Whatever hides a text, it is in no passage, and the text beside it is."""
    page = f"<html><head>{SHEET}</head><body><p>可见的正文。</p>{HIDDEN[how]}</body></html>"
    whole = "".join(
        p.text + p.question + p.table + "".join(p.heading) for p in passages(write(tmp_path / "a.html", page))
    )
    assert "暗语" not in whole
    assert "可见的正文。" in whole


SHOWN = {
    "white on dark": '<p style="color:white;background:#003366">明文在此</p>',
    "white on picture": '<div style="background:url(a.png)"><p style="color:white">明文在此</p></div>',
    "dark cell": '<table><tr><td bgcolor="#003366"><font color="#ffffff">明文在此</font></td><td>甲</td><td>乙</td></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>',
    "closed details": "<details><summary>更多说明</summary><p>明文在此</p></details>",
    "shown again": '<div style="visibility:hidden"><p style="visibility:visible">明文在此</p></div>',
    "print only rule": "<style media=print>.p{display:none}</style><p class=p>明文在此</p>",
    "later rule wins": "<style>.p{display:none} .p{display:block}</style><p class=p>明文在此</p>",
    "grey": '<p style="color:#999">明文在此</p>',
    "accordion": "<button>明文在此是什么？</button><div>答案。</div>",
}


@pytest.mark.parametrize("how", SHOWN)
def test_visible_text_stays(tmp_path: Path, how: str) -> None:
    """Light text on dark ground, folded sections and grey notes are visible."""
    whole = "".join(
        p.text + p.question + "".join(p.heading)
        for p in passages(write(tmp_path / "a.html", f"<body><p>正文。</p>{SHOWN[how]}</body>"))
    )
    assert "明文在此" in whole


def test_page_furniture_is_left_out(tmp_path: Path) -> None:
    """Menus and page feet are not material."""
    page = "<body><nav>首页</nav><div class='menu'><a>产品</a><a>服务</a></div><main><h1>题</h1><p>正文。</p></main><footer>备案号</footer></body>"
    assert [p.text for p in passages(write(tmp_path / "a.html", page))] == ["正文。"]


def test_questions_in_details_definitions_and_divs(tmp_path: Path) -> None:
    """details, dl and marked lines in divs give questions."""
    page = (
        "<details><summary>能撤单吗？</summary><p>可以。</p></details>"
        "<dl><dt>怎么转账？</dt><dd>使用银证转账。</dd></dl>"
        "<div>Q：几点收盘？</div><div>A：15:00。</div>"
    )
    found = passages(write(tmp_path / "a.html", page))
    assert asked(found) == [("能撤单吗？", "可以。"), ("怎么转账？", "使用银证转账。"), ("几点收盘？", "15:00。")]


def table(tmp_path: Path, inner: str, before: str = "<h2>费用</h2>") -> list[str]:
    return rows(passages(write(tmp_path / "a.html", f"<body>{before}<table>{inner}</table></body>")))


def test_merged_cells_and_two_header_rows(tmp_path: Path) -> None:
    """Merged cells fill what they cover, header rows are flattened."""
    inner = (
        "<tr><th rowspan=2>业务</th><th rowspan=2>项目</th><th colspan=2>费用</th></tr><tr><th>个人</th><th>机构</th></tr>"
        "<tr><td rowspan=2>股票</td><td>佣金</td><td>0.03%</td><td>0.02%</td></tr><tr><td>印花税</td><td colspan=2>0.05%</td></tr>"
    )
    assert table(tmp_path, inner) == [
        "业务：股票；项目：佣金；费用·个人：0.03%；费用·机构：0.02%",
        "业务：股票；项目：印花税；费用·个人：0.05%；费用·机构：0.05%",
    ]


def test_header_without_marks_and_with_empty_cells_below_it(tmp_path: Path) -> None:
    """Header rows are known without th, also when the second leaves cells empty."""
    inner = (
        "<tr><td>基金代码</td><td>基金名称</td><td colspan=2>申购费率</td></tr><tr><td></td><td></td><td>原费率</td><td>优惠费率</td></tr>"
        "<tr><td>000011</td><td>成长混合</td><td>1.50%</td><td>0.15%</td></tr>"
    )
    assert table(tmp_path, inner) == [
        "基金代码：000011；基金名称：成长混合；申购费率·原费率：1.50%；申购费率·优惠费率：0.15%"
    ]


@pytest.mark.parametrize(
    "inner",
    [
        "<tr><th>项目</th><th>内容</th></tr><tr><td>风险等级</td><td>R2</td></tr><tr><td>管理费率</td><td>0.60%/年</td></tr>",
        "<tr><td>风险等级</td><td>R2</td></tr><tr><td>管理费率</td><td>0.60%/年</td></tr>",
        "<tr><th>风险等级</th><td>R2</td></tr><tr><th>管理费率</th><td>0.60%/年</td></tr>",
        "<tr><td>风险等级：</td><td>R2</td><td>管理费率：</td><td>0.60%/年</td></tr>",
        "<tr><th>要素</th><th>说明</th><th>要素</th><th>说明</th></tr><tr><td>风险等级</td><td>R2</td><td>管理费率</td><td>0.60%/年</td></tr>",
        "<tr><td colspan=4>产品要素表</td></tr><tr><td>风险等级</td><td>R2</td><td>管理费率</td><td>0.60%/年</td></tr>",
    ],
)
def test_fact_sheets_in_every_layout(tmp_path: Path, inner: str) -> None:
    """Label and value tables give one fact a row, however many pairs stand in a row."""
    assert table(tmp_path, inner) == ["风险等级：R2", "管理费率：0.60%/年"]


def test_group_column_of_a_fact_sheet(tmp_path: Path) -> None:
    """A merged first column groups the facts beside it."""
    inner = "<tr><td rowspan=2>费用</td><td>管理费</td><td>0.5%/年</td></tr><tr><td>托管费</td><td>0.1%/年</td></tr><tr><td>期限</td><td colspan=2>90天</td></tr>"
    assert table(tmp_path, inner) == ["费用 管理费：0.5%/年", "费用 托管费：0.1%/年", "期限：90天"]


def test_products_in_columns(tmp_path: Path) -> None:
    """A table with products in columns keeps their names beside each value."""
    inner = "<tr><th>产品名称</th><th>现金宝</th><th>进取宝</th></tr><tr><td>风险等级</td><td>R1</td><td>R4</td></tr><tr><td>起购金额</td><td>1元</td><td>100万元</td></tr>"
    assert table(tmp_path, inner) == ["风险等级；现金宝：R1；进取宝：R4", "起购金额；现金宝：1元；进取宝：100万元"]


def test_unit_above_a_table_reaches_bare_numbers(tmp_path: Path) -> None:
    """单位 above a table joins the columns of bare numbers, not codes, rates or columns with a unit of their own."""
    inner = "<tr><th>代码</th><th>档位</th><th>起点</th><th>费率（%）</th></tr><tr><td>000123</td><td>一档</td><td>50,000</td><td>0.6</td></tr>"
    assert table(tmp_path, inner, "<p>单位：元</p>") == ["代码：000123；档位：一档；起点（元）：50,000；费率（%）：0.6"]


def test_sections_and_notes_of_a_table(tmp_path: Path) -> None:
    """Full-width rows divide a table, remarks below it reach the rows they mark and stand on their own else."""
    inner = (
        "<tr><th>项目</th><th>费率</th><th>说明</th></tr><tr><td colspan=3>一、股票</td></tr><tr><td>印花税*</td><td>0.05%</td><td>卖出</td></tr>"
        "<tr><td colspan=3>二、基金</td></tr><tr><td>佣金</td><td>0.02%</td><td>双向</td></tr><tr><td colspan=3>* 由国家收取。</td></tr>"
    )
    found = passages(
        write(tmp_path / "a.html", f"<body><h2>费用</h2><table>{inner}</table><p>注：2026年起执行。</p></body>")
    )
    assert rows(found) == [
        "项目：印花税*；费率：0.05%；说明：卖出\n* 由国家收取。",
        "项目：佣金；费率：0.02%；说明：双向",
    ]
    assert [p.table for p in found if p.form == "row"] == ["一、股票", "二、基金"]
    assert any(p.text == "注：2026年起执行。" for p in found)


def test_table_without_header(tmp_path: Path) -> None:
    """A table of nothing but values is read without inventing column names."""
    assert table(
        tmp_path, "<tr><td>10</td><td>0.5%</td><td>1天</td></tr><tr><td>20</td><td>0.4%</td><td>2天</td></tr>"
    ) == ["10；0.5%；1天", "20；0.4%；2天"]


def test_layout_tables_are_not_tables(tmp_path: Path) -> None:
    """A table that holds the page's layout is read as text."""
    page = "<body><table><tr><td><h2>甲</h2><p>正文一。</p><table><tr><th>项目</th><th>内容</th></tr><tr><td>期限</td><td>90天</td></tr></table></td></tr></table></body>"
    found = passages(write(tmp_path / "a.html", page))
    assert [(p.form, p.text) for p in found] == [("text", "正文一。"), ("row", "期限：90天")]


def test_superscript_does_not_touch_its_number(tmp_path: Path) -> None:
    """A raised note mark stays apart from the number before it."""
    assert (
        passages(write(tmp_path / "a.html", "<p>费率为0.6%<sup>1</sup>，另行公告。</p>"))[0].text
        == "费率为0.6%¹，另行公告。"
    )


def test_declared_charset(tmp_path: Path) -> None:
    """A page in the charset it declares is read."""
    page = '<html><head><meta charset="gb2312"></head><body><p>开户须知。</p></body></html>'.encode("gb18030")
    assert passages(write(tmp_path / "a.htm", page))[0].text == "开户须知。"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 20_000 + "文",
        "<table>" + "<tr>" + "<td>1" * 400 + "</tr>" * 1 + ("<tr>" + "<td>1" * 400) * 320 + "</table>",
        "<ul><li>" * 3000 + "文",
    ],
)
def test_absurd_pages_are_refused(tmp_path: Path, page: str) -> None:
    """Nesting and size beyond reason end in a clear error."""
    with pytest.raises(Unreadable):
        read(write(tmp_path / "a.html", page))


def test_span_beyond_the_table_is_bounded(tmp_path: Path) -> None:
    """Huge spans do not blow a table up."""
    page = "<table><tr><td rowspan=99999 colspan=99999>甲</td><td>乙</td></tr><tr><td>丙</td></tr></table>"
    assert cut(read(write(tmp_path / "a.html", page)), revision="r")


def test_tables_side_by_side(tmp_path: Path) -> None:
    """Two tables under heads of their own in one grid are read one after the other."""
    inner = (
        "<tr><th colspan=2>申购费</th><th colspan=2>赎回费</th></tr><tr><th>申购金额</th><th>费率</th><th>持有期限</th><th>费率</th></tr>"
        "<tr><td>100万以下</td><td>1.2%</td><td>7天以内</td><td>1.5%</td></tr><tr><td>100万以上</td><td>0.8%</td><td>7天以上</td><td>0</td></tr>"
    )
    assert table(tmp_path, inner) == [
        "申购金额：100万以下；费率：1.2%",
        "申购金额：100万以上；费率：0.8%",
        "持有期限：7天以内；费率：1.5%",
        "持有期限：7天以上；费率：0",
    ]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        (("持股时间", "实际税负"), ("1个月以内（含）", "20%")),
        (("账户", "办结"), ("资金账户", "T+1日")),
        (("环节", "政策"), ("投资环节", "投资收益暂不征收个人所得税")),
        (("板块", "涨跌幅"), ("科创板", "20%")),
    ],
)
def test_header_of_two_plain_columns(tmp_path: Path, head: tuple[str, str], row: tuple[str, str]) -> None:
    """Two columns with a header are told from a fact sheet without any marks."""
    more = ("超过1年", "免征") if head[0] == "持股时间" else (f"其他{head[0]}", row[1])
    inner = "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in (head, row, more, (f"1{row[0]}", row[1])))
    assert table(tmp_path, inner)[0] == f"{head[0]}：{row[0]}；{head[1]}：{row[1]}"
