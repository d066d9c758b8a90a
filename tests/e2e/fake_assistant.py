"""A conversation in memory that answers with every kind of reply the page and the API have to carry."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import date
from secrets import token_hex
from typing import Any, Literal

from assistant.channels.seam import StoredTurn
from assistant.turn import Asked, Citation, Finding, Intent, Outcome, Product, Reply, Source

LABEL = "以上内容由人工智能根据本公司经审核的资料生成，以最新公告和合同为准。"
RISK = "市场有风险，投资需谨慎。基金的过往业绩并不预示其未来表现。"
UNSUITABLE = (
    "特别提示：该产品风险等级为R4（中高风险），高于您目前的风险承受能力等级C2（谨慎型）。以上仅为产品公开资料，"
    "不构成推介。如您仍坚持购买，须先在APP签署《风险不匹配警示函》。"
)
FIRM: Mapping[str, Any] = {
    "name": "合适证券",
    "name_en": "Heshi Securities",
    "app_name": "合适证券APP",
    "hotline": "400-800-0000",
    "hours": "工作日 8:30–17:30",
    "complaint_line": "400-800-0001",
    "ai_model_name": "合适问答",
    "ai_filing": "备案号示例-0001",
    "start_groups": [
        {"title": "开户与权限", "questions": ["创业板开通条件是什么", "科创板需要多少资金", "怎么开通港股通"]},
        {"title": "资金与费用", "questions": ["卖股票要交多少税", "银证转账失败怎么办", "货币基金赎回多久到账"]},
        {"title": "风险与安全", "questions": ["怎么做风险测评", "怎么识别假冒APP", "R3是什么意思"]},
    ],
}
PASSAGES: Mapping[str, tuple[str, str, tuple[str, ...], str]] = {
    "edu-chinext#2": (
        "edu-chinext", "创业板交易权限开通指引", ("一、开通条件", "（一）个人投资者"),
        "个人投资者申请开通创业板交易权限，应当同时符合以下条件：\n"
        "- 申请权限开通前20个交易日证券账户及资金账户内的资产日均不低于人民币10万元；\n"
        "- 参与证券交易24个月以上。\n前款资产不包括通过融资融券融入的资金和证券。",
    ),
    "svc-chinext/办理 1": (
        "svc-chinext", "创业板权限线上办理说明", ("线上办理",),
        "登录合适证券APP后按以下步骤办理：\n1. 打开“我的”→“业务办理”→“权限开通”。\n2. 选择“创业板”，完成风险测评。\n"
        "3. 阅读并签署《创业板投资风险揭示书》。\n4. 等待审核，一般当日完成。",
    ),
    "fees-row-2": (
        "prd-growth", "合适成长混合产品资料概要", ("费率", "申购费率（A类）"),
        "申购金额：100万元（含）以上、500万元以下；申购费率：0.60%；收取方式：前端；适用份额：A类",
    ),
}  # fmt: skip


def cite(passage: str, quote: str) -> Citation:
    """A citation of one of the passages above."""
    document, title, _, text = PASSAGES[passage]
    assert quote in text
    return Citation(document, "2026.1", title, date(2026, 7, 6), passage, quote)


CHINEXT = cite("edu-chinext#2", "资产日均不低于人民币10万元")
TRADED = cite("edu-chinext#2", "参与证券交易24个月以上")
STEPS = cite("svc-chinext/办理 1", "等待审核，一般当日完成")
FEE = cite("fees-row-2", "申购金额：100万元（含）以上、500万元以下；申购费率：0.60%")
GROWTH = Product("HS0004", "合适成长混合", risk="R4", type="fund")
STEADY = Product("HS0001", "合适稳健一年持有", risk="R2", type="fund")


def reply_to(asked: Asked, turn: str, conversation: str) -> Reply:
    """The reply to a message, chosen by a word in it."""
    text = asked.text
    if "转人工" in text:
        return compose(turn, conversation, "handoff", "human", "已为您转接人工客服，前面还有 2 位，预计等待约 3 分钟。\n"
                       "您也可以留言后离开，工作日 8:30–17:30 会回复您；急事请拨打 400-800-0000。")  # fmt: skip
    if "税" in text:
        return compose(
            turn, conversation, "answer", "education",
            "卖出股票要交印花税，按成交金额的0.05%收取，买入不收。\n另外还有几项小额费用：\n- 经手费：成交金额的0.00341%，买卖都收\n"
            "- 过户费：成交金额的0.001%，买卖都收\n- 佣金：按您与本公司的约定，最低5元",
            (CHINEXT,), notices=(LABEL,), suggestions=("佣金在哪里查？", "港股通的印花税是多少？"),
        )  # fmt: skip
    if "怎么开通" in text or "步骤" in text:
        body = ("可以在合适证券APP上办理，一般当日完成审核：\n1. 打开“我的”→“业务办理”→“权限开通”。\n2. 选择“创业板”，完成风险测评。\n"
                "3. 阅读并签署《创业板投资风险揭示书》。\n4. 等待审核，结果会发短信通知您。\n如果未满24个月，请携带身份证到营业部办理。")  # fmt: skip
        return compose(turn, conversation, "answer", "account", body, (STEPS, TRADED),
                       marks=((mark_after(body, "当日完成审核"), 0), (mark_after(body, "通知您。"), 0)), notices=(LABEL,),
                       suggestions=("需要多少资产？", "怎么做风险测评？", "转人工"))  # fmt: skip
    if "费率" in text or "对比" in text:
        body = ("合适成长混合A类的申购费，按一次申购的金额分档：\n| 申购金额 | 申购费率 |\n|---|---|\n| 100万元以下 | 1.00% |\n"
                "| 100万元（含）以上、500万元以下 | 0.60% |\n| 500万元（含）以上 | 每笔1,000元 |\n"
                "以上为A类；C类不收申购费，按日计提销售服务费，年费率0.50%。")  # fmt: skip
        return compose(turn, conversation, "answer", "product", body, (FEE,), marks=((mark_after(body, "0.60%"), 0),),
                       notices=(LABEL, RISK), products=(GROWTH, STEADY), suggestions=("赎回费是多少？",))  # fmt: skip
    if "成长" in text:
        body = "合适成长混合的风险等级是R4（中高风险），属于混合型基金，股票仓位60%–95%，净值波动较大。\n它和合适稳健一年持有（R2）不同，后者以债券为主。"
        return compose(turn, conversation, "answer", "product", body, (FEE,), marks=((mark_after(body, "中高风险）"), 0),),
                       notices=(UNSUITABLE, LABEL, RISK), products=(GROWTH, STEADY))  # fmt: skip
    if "买哪" in text or "推荐" in text:
        return compose(turn, conversation, "refuse", "advice",
                       "我不能替您选股票或基金：投资建议只能由登记的证券投资顾问在了解您的情况后给出。\n我现在可以帮您：\n"
                       "- 读懂一只产品的资料概要和风险等级\n- 找到风险测评的入口", notices=(LABEL,),
                       suggestions=("R1到R5是什么意思？", "怎么做风险测评？", "转人工"))  # fmt: skip
    if "赎回" in text:
        return compose(turn, conversation, "clarify", "product", "您想问哪一类基金的赎回到账时间？",
                       suggestions=("货币基金", "债券基金", "QDII基金", "私募基金"))  # fmt: skip
    if "天气" in text:
        return compose(turn, conversation, "refuse", "out_of_scope", "这个问题我没有查到经审核的资料。",
                       suggestions=("交易时间是几点？", "怎么查对账单？", "转人工"))  # fmt: skip
    if "xss" in text:
        return compose(turn, conversation, "answer", "education", "<img src=x onerror=alert(1)><script>alert(2)</script>\n"
                       "- **不是** <b>标记</b>\n𠮷野家🀄️在第二平面", (CHINEXT,), marks=((61, 0), (9999, 0), (3, 7)),
                       notices=("<i>提示</i>",), suggestions=("<u>按钮</u>",))  # fmt: skip
    if "长" in text:
        body = "".join(f"第{n}条：投资者应当充分了解创业板股票的风险特征，按照规定审慎参与交易，并自行承担投资风险。" for n in range(1, 13))
        body += "\n" + "\n".join(f"- 第{n}项材料：本人有效身份证件原件及复印件，签署日期须在最近三十日以内" for n in range(1, 9))
        return compose(turn, conversation, "answer", "education", body, (CHINEXT, TRADED, STEPS), notices=(LABEL, RISK),
                       marks=((40, 0), (120, 1), (240, 2)))  # fmt: skip
    body = ("个人投资者开通创业板，需要同时满足两个条件：\n- 申请前20个交易日，证券账户和资金账户内的资产日均不低于10万元\n"
            "- 参与证券交易满24个月\n资产不包括融资融券融入的资金和证券。")  # fmt: skip
    return compose(turn, conversation, "answer", "education", body, (CHINEXT, TRADED),
                   marks=((mark_after(body, "10万元"), 0), (mark_after(body, "24个月"), 1)), notices=(LABEL,),
                   suggestions=("怎么开通？", "那科创板呢？"))  # fmt: skip


def mark_after(body: str, words: str) -> int:
    """The offset right after `words`."""
    return body.index(words) + len(words)


def compose(
    turn: str,
    conversation: str,
    outcome: Outcome,
    intent: Intent,
    body: str,
    citations: tuple[Citation, ...] = (),
    marks: tuple[tuple[int, int], ...] = (),
    notices: tuple[str, ...] = (),
    suggestions: tuple[str, ...] = (),
    products: tuple[Product, ...] = (),
) -> Reply:
    """A reply; it carries a finding, which no client may see."""
    finding = Finding("exaggeration", "revise", "内部原因", "内部条款", (0, 1), "draft")
    text = "\n".join((body, *notices))
    return Reply(turn, conversation, outcome, intent, text, body, notices, citations, marks, (finding,), suggestions,
                 products, {"total": 12.5})  # fmt: skip


class FakeAssistant:
    """`delay` seconds pass before a reply. Failures of `failing` are raised by the methods they name."""

    def __init__(self, facts: Mapping[str, Any] = FIRM, delay: float = 0.0) -> None:
        self.facts = facts
        self.delay = delay
        self.failing: dict[str, Exception] = {}
        self.asked: list[Asked] = []
        self.given: list[tuple[str, str, str]] = []
        self.parts = {"records": True, "index": True, "log": True}
        self._stored: dict[str, list[tuple[str | None, StoredTurn]]] = {}
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        self._maybe_fail("answer")
        time.sleep(self.delay)
        with self._lock:
            conversation = asked.conversation or token_hex(16)
            turns = self._stored.setdefault(conversation, [])
            for key, stored in turns:
                if asked.key and key == asked.key:
                    return stored.reply
            self.asked.append(asked)
            reply = reply_to(asked, token_hex(16), conversation)
            question = asked.text.replace("13800138000", "138****8000")
            turns.append((asked.key, StoredTurn(question, reply, "2026-11-22T10:00:00.000+08:00")))
            return reply

    def turns(self, conversation: str) -> list[StoredTurn]:
        self._maybe_fail("turns")
        return [stored for _, stored in self._stored.get(conversation, [])]

    def source(self, passage_id: str, revision: str | None = None) -> Source | None:
        if passage_id not in PASSAGES:
            return None
        document, title, heading, text = PASSAGES[passage_id]
        return Source(passage_id, document, "2026.1", title, heading, text, date(2026, 7, 6), None,
                      "合适证券业务规程", passage_id != "fees-row-2")  # fmt: skip

    def feedback(self, turn: str, verdict: Literal["up", "down"], reason: str) -> bool:
        known = any(stored.reply.turn == turn for turns in self._stored.values() for _, stored in turns)
        if known:
            self.given.append((turn, verdict, reason))
        return known

    def erase(self, conversation: str) -> bool:
        return self._stored.pop(conversation, None) is not None

    def firm(self) -> Mapping[str, Any]:
        self._maybe_fail("firm")
        return self.facts

    def ready(self) -> Mapping[str, bool]:
        self._maybe_fail("ready")
        return self.parts

    def switch_on(self) -> bool:
        return False

    def _maybe_fail(self, method: str) -> None:
        if method in self.failing:
            raise self.failing[method]
