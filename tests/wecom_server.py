"""A WeCom on the loopback interface that behaves as documented, strictly: tokens that expire and die, paged reading by
cursor, states, budgets, single-use codes, texts cut at 2048 bytes, limits. Its callbacks are sealed by wechatpy."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto
from wechatpy.utils import WeChatSigner

CORP, AGENT, KFID = "ww0123456789abcdef", 1000002, "wkAJ2GCAAASSm4"
SECRETS = {"kf": "kf-secret-value", "app": "app-secret-value"}
TOKEN = "callbackToken9"
AES_KEY = "kWxPEV2UEDyxWpmPB8jfIqLfLx1gV5zRdGnSTRjIhqE"
MSGID = re.compile(r"[0-9A-Za-z_-]{1,32}")
MOVES = {0: {1, 2, 3, 4}, 1: {1, 2, 3, 4}, 2: {2, 3, 4}, 3: {3, 4}, 4: set()}
TEXT_BYTES, WINDOW_S, BUDGET = 2048, 48 * 3600, 5
REPLAY_S, MSG_TOKEN_S, TOKEN_S = 3 * 24 * 3600, 600, 7200


class Clock:
    """A clock that is moved by hand, in seconds."""

    def __init__(self, now: float = 1_795_300_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Sent:
    """A message as its receiver saw it."""

    to: str
    text: str
    msgid: str
    at: float
    code: str = ""


@dataclass
class World:
    """What WeCom knows."""

    clock: Callable[[], float]
    page: int = 1000
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    token_calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    listed: list[dict[str, Any]] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    msg_tokens: dict[str, float] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrote_at: dict[str, float] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    msgids: set[str] = field(default_factory=set)
    codes: dict[str, float] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    members: list[Sent] = field(default_factory=list)
    dropped: list[Sent] = field(default_factory=list)
    answered: list[dict[str, Any]] = field(default_factory=list)
    urls: set[str] = field(default_factory=set)
    faults: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    seen: list[str] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)

    # --- what happens at the customer's side ---------------------------------------------------------------------

    def write(self, customer: str, text: str = "", kind: str = "text", at: float | None = None, **more: Any) -> str:
        """A customer writes; the id of the message."""
        with self.lock:
            at = self.clock() if at is None else at
            msgid = more.pop("msgid", None) or f"m{len(self.listed):06d}{secrets.token_hex(6)}"
            item = {"msgid": msgid, "open_kfid": KFID, "external_userid": customer, "send_time": int(at), "origin": 3,
                    "msgtype": kind, **more}  # fmt: skip
            item[kind] = {"content": text} if kind == "text" else {"media_id": "MEDIA"}
            self.listed.append(item)
            if self.states[customer] == 4:
                self.states[customer] = 0
            self.wrote_at[customer] = int(at)
            self.used[customer] = 0
            return str(msgid)

    def happen(self, customer: str, name: str, kfid: str | None = KFID, **carried: Any) -> None:
        """An event in msg_list; `kfid` None leaves open_kfid out, as some events do."""
        with self.lock:
            event = {"event_type": name, "external_userid": customer, **carried}
            item: dict[str, Any] = {"msgid": f"e{len(self.listed):06d}", "send_time": int(self.clock()), "origin": 4,
                                    "msgtype": "event", "event": event}  # fmt: skip
            if kfid is not None:
                event["open_kfid"] = kfid
            self.listed.append(item)

    def code(self, seconds: float) -> str:
        """A single-use code."""
        with self.lock:
            made = secrets.token_hex(8)
            self.codes[made] = self.clock() + seconds
            return made

    def announce(self) -> str:
        """The XML of one kf_msg_or_event callback."""
        with self.lock:
            token = secrets.token_hex(12)
            self.msg_tokens[token] = self.clock() + MSG_TOKEN_S
        at = int(self.clock())
        return (
            f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><CreateTime>{at}</CreateTime><MsgType><![CDATA[event]]>"
            f"</MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[{token}]]></Token>"
            f"<OpenKfId><![CDATA[{KFID}]]></OpenKfId></xml>"
        )

    def kill_tokens(self, code: int = 40014) -> None:
        """Every access token dies before its time."""
        with self.lock:
            for value, _ in self.tokens.values():
                self.dead[value] = code

    def fail(self, path: str, *faults: Any) -> None:
        """The next calls of a path: an errcode, "lost" (done, but no answer comes), "refused" (closed before)."""
        self.faults[path].extend(faults)

    def texts(self, customer: str) -> list[str]:
        """What a customer saw, in order."""
        return [one.text for one in self.sent if one.to == customer]

    # --- the API -------------------------------------------------------------------------------------------------

    def answer(self, path: str, query: Mapping[str, str], body: Any) -> Mapping[str, Any]:
        with self.lock:
            self.calls[path] += 1
            if path == "gettoken":
                return self._gettoken(query)
            app = self._app(query.get("access_token", ""))
            if isinstance(app, int):
                return {"errcode": app, "errmsg": "token"}
            handlers: dict[str, Callable[..., Mapping[str, Any]]] = {
                "kf/sync_msg": self._sync,
                "kf/send_msg": self._send,
                "kf/send_msg_on_event": self._send_on_event,
                "kf/service_state/get": self._state,
                "kf/service_state/trans": self._trans,
                "message/send": self._message,
            }
            if path in handlers:
                if path.startswith("kf/") != (app == "kf"):
                    return {"errcode": 48002, "errmsg": "api forbidden"}
                return handlers[path](body)
            return self._get(path, query)

    def _gettoken(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        if query.get("corpid") != CORP:
            return {"errcode": 40013, "errmsg": "invalid corpid"}
        app = next((name for name, value in SECRETS.items() if value == query.get("corpsecret")), None)
        if app is None:
            return {"errcode": 40001, "errmsg": "invalid credential"}
        self.token_calls[app] += 1
        value, until = self.tokens.get(app, ("", 0.0))
        if value in self.dead or until <= self.clock():
            value = f"{app}-{secrets.token_hex(16)}"
            self.tokens[app] = (value, self.clock() + TOKEN_S)
        return {"errcode": 0, "errmsg": "ok", "access_token": value, "expires_in": TOKEN_S}

    def _app(self, token: str) -> str | int:
        if token in self.dead:
            return self.dead[token]
        for app, (value, until) in self.tokens.items():
            if value == token:
                return app if until > self.clock() else 42001
        return 40014

    def _sync(self, body: Any) -> Mapping[str, Any]:
        cursor, token = body.get("cursor", ""), body.get("token", "")
        if not 0 < body.get("limit", 1000) <= 1000 or body.get("open_kfid") != KFID:
            return {"errcode": 40058, "errmsg": "invalid parameter"}
        if token and self.msg_tokens.get(token, 0.0) <= self.clock():
            return {"errcode": 95007, "errmsg": "invalid msg token"}
        if cursor and cursor not in self.cursors:
            return {"errcode": 40058, "errmsg": "invalid cursor"}
        start = self.cursors[cursor] if cursor else 0
        fresh = self.clock() - REPLAY_S
        rest = [(n, item) for n, item in enumerate(self.listed) if n >= start and item["send_time"] >= fresh]
        page = rest[: min(self.page, body.get("limit", 1000))]
        end = page[-1][0] + 1 if page else len(self.listed)
        following = f"c{end}-{secrets.token_hex(4)}"
        self.cursors[following] = end
        more = int(len(rest) > len(page))
        listed = [item for _, item in page]
        return {"errcode": 0, "errmsg": "ok", "next_cursor": following, "has_more": more, "msg_list": listed}

    def _text(self, body: Any) -> str | None:
        if body.get("msgtype") != "text" or not isinstance(body.get("text"), dict):
            return None
        content = body["text"].get("content")
        if not isinstance(content, str) or not content:
            return None
        return content.encode()[:TEXT_BYTES].decode(errors="ignore")

    def _send(self, body: Any) -> Mapping[str, Any]:
        customer, msgid, text = body.get("touser"), body.get("msgid", ""), self._text(body)
        if body.get("open_kfid") != KFID or text is None or (msgid and not MSGID.fullmatch(msgid)):
            return {"errcode": 40058, "errmsg": "invalid parameter"}
        if customer not in self.wrote_at:
            return {"errcode": 40096, "errmsg": "invalid external userid"}
        if msgid in self.msgids:
            return {"errcode": 95032, "errmsg": "msgid exists"}
        if self.states[customer] not in (0, 1):
            return {"errcode": 95018, "errmsg": "send msg session status invalid"}
        if self.clock() - self.wrote_at[customer] > WINDOW_S:
            return {"errcode": 95002, "errmsg": "time limit"}
        if self.used[customer] >= BUDGET:
            return {"errcode": 95001, "errmsg": "count limit"}
        self.used[customer] += 1
        msgid = msgid or secrets.token_hex(16)
        self.msgids.add(msgid)
        self.sent.append(Sent(customer, text, msgid, self.clock()))
        return {"errcode": 0, "errmsg": "ok", "msgid": msgid}

    def _send_on_event(self, body: Any) -> Mapping[str, Any]:
        text, code = self._text(body), body.get("code", "")
        if text is None:
            return {"errcode": 40058, "errmsg": "invalid parameter"}
        if self.codes.pop(code, 0.0) <= self.clock():
            return {"errcode": 95033, "errmsg": "invalid code"}
        self.sent.append(Sent("", text, body.get("msgid", ""), self.clock(), code))
        return {"errcode": 0, "errmsg": "ok", "msgid": body.get("msgid", "")}

    def _state(self, body: Any) -> Mapping[str, Any]:
        if body.get("open_kfid") != KFID:
            return {"errcode": 95000, "errmsg": "invalid open_kfid"}
        return {"errcode": 0, "errmsg": "ok", "service_state": self.states[body["external_userid"]]}

    def _trans(self, body: Any) -> Mapping[str, Any]:
        customer, wanted = body["external_userid"], body["service_state"]
        if wanted not in MOVES[self.states[customer]]:
            return {"errcode": 95016, "errmsg": "invalid state change"}
        self.states[customer] = wanted
        answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
        if wanted in (2, 3, 4):
            answer["msg_code"] = self.code(20 if wanted == 4 else WINDOW_S)
        return answer

    def _message(self, body: Any) -> Mapping[str, Any]:
        text = self._text(body)
        if text is None or body.get("agentid") != AGENT:
            return {"errcode": 40056, "errmsg": "invalid agentid"}
        one = Sent(body["touser"], text, secrets.token_hex(8), self.clock())
        if body.get("enable_duplicate_check") and any(m.to == one.to and m.text == text for m in self.members):
            return {"errcode": 0, "errmsg": "ok", "msgid": one.msgid}
        lately = [m for m in self.members if m.to == one.to and m.at > one.at - 60]
        hour = [m for m in self.members if m.to == one.to and m.at > one.at - 3600]
        over = len(lately) >= 30 or len(hour) >= 1000
        (self.dropped if over else self.members).append(one)  # the excess is dropped without a word
        gone = one.to if one.to.startswith("gone") else ""
        return {"errcode": 0, "errmsg": "ok", "msgid": one.msgid, "invaliduser": gone}

    def _get(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        if path == "auth/getuserinfo":
            code = query.get("code", "")
            if not code.startswith("member-"):
                return {"errcode": 40029, "errmsg": "invalid code"}
            return {"errcode": 0, "errmsg": "ok", "userid": code.removeprefix("member-")}
        if path in ("get_jsapi_ticket", "ticket/get"):
            kind = "agent" if query.get("type") == "agent_config" else "corp"
            return {"errcode": 0, "errmsg": "ok", "ticket": f"{kind}-ticket", "expires_in": TOKEN_S}
        if path == "agent/get":
            return {"errcode": 0, "errmsg": "ok", "agentid": AGENT, "name": "合适", "close": 0}
        if path == "kf/account/list":
            return {"errcode": 0, "errmsg": "ok", "account_list": [{"open_kfid": KFID, "name": "客服"}]}
        return {"errcode": 48002, "errmsg": "api forbidden"}


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that are killed in the middle of a call."""

    def handle_error(self, *_: Any) -> None:
        return


class WecomServer:
    """The world over HTTP."""

    def __init__(self, clock: Callable[[], float] = time.time, page: int = 1000) -> None:
        self.world = World(clock, page)
        self._server = _Quiet(("127.0.0.1", 0), _handler(self.world))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def response_url(self) -> str:
        """A single-use address as a robot message carries it."""
        address = f"{self.url}/response/{secrets.token_hex(8)}"
        self.world.urls.add(address.removeprefix(self.url))
        return address

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                body = json.loads(raw)
            except ValueError:
                body = None
            self._serve(body if isinstance(body, dict) else {})

        def _serve(self, body: Any) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            world.seen.append(self.path)
            if parts.path in world.urls or parts.path.startswith("/response/"):
                known = parts.path in world.urls
                world.urls.discard(parts.path)
                if known:
                    world.answered.append(body)
                self._reply({"errcode": 0} if known else {"errcode": 40029, "errmsg": "used"})
                return
            path = parts.path.removeprefix("/cgi-bin/")
            fault = world.faults[path].pop(0) if world.faults[path] else None
            if fault == "refused":
                self.close_connection = True
                self.connection.close()
                return
            answer = (
                {"errcode": fault, "errmsg": "injected"} if isinstance(fault, int) else world.answer(path, query, body)
            )
            if fault == "lost":
                self.close_connection = True
                self.connection.close()
                return
            self._reply(answer)

        def _reply(self, answer: Mapping[str, Any]) -> None:
            data = json.dumps(answer, ensure_ascii=False).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    return Handler


# --- callbacks, sealed by the independent other side -------------------------------------------------------------


def xml_callback(plain: str, at: float, *, receiver: str = CORP, nonce: str = "n0nce") -> tuple[dict[str, str], str]:
    """Query and body of an XML callback."""
    crypto = WeChatCrypto(TOKEN, AES_KEY, receiver)
    body = crypto.encrypt_message(plain, nonce, str(int(at)))
    signature = re.search(r"<MsgSignature><!\[CDATA\[(\w+)\]\]>", body)
    assert signature is not None
    return {"msg_signature": signature[1], "timestamp": str(int(at)), "nonce": nonce}, body


def json_callback(message: Mapping[str, Any], at: float, nonce: str = "n0nce") -> tuple[dict[str, str], str]:
    """Query and body of a callback of 智能机器人, whose receiver is empty."""
    sealed = PrpCrypto(_key()).encrypt(json.dumps(message, ensure_ascii=False), "").decode()
    return {"msg_signature": signature_of(str(int(at)), nonce, sealed), "timestamp": str(int(at)), "nonce": nonce}, (
        json.dumps({"encrypt": sealed})
    )


def echo_callback(plain: str, at: float, receiver: str = CORP, nonce: str = "n0nce") -> dict[str, str]:
    """The query of a URL check."""
    sealed = PrpCrypto(_key()).encrypt(plain, receiver).decode()
    stamp = str(int(at))
    return {"msg_signature": signature_of(stamp, nonce, sealed), "timestamp": stamp, "nonce": nonce, "echostr": sealed}


def unsealed(body: Mapping[str, Any], receiver: str = "") -> Any:
    """The message in an encrypted JSON answer, its signature checked."""
    expected = signature_of(str(body["timestamp"]), body["nonce"], body["encrypt"])
    assert body["msgsignature"] == expected
    return json.loads(PrpCrypto(_key()).decrypt(body["encrypt"], receiver))


def signature_of(timestamp: str, nonce: str, sealed: str) -> str:
    signer = WeChatSigner()
    signer.add_data(TOKEN, timestamp, nonce, sealed)
    return str(signer.signature)


def member_message(member: str, text: str, at: float, msgid: str, kind: str = "text") -> str:
    """The XML of a member's message to the self-built app."""
    content = f"<Content><![CDATA[{text}]]></Content>" if kind == "text" else "<MediaId><![CDATA[M]]></MediaId>"
    return (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[{member}]]></FromUserName>"
        f"<CreateTime>{int(at)}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{content}<MsgId>{msgid}</MsgId>"
        f"<AgentID>{AGENT}</AgentID></xml>"
    )


def _key() -> bytes:
    return bytes(WeChatCrypto(TOKEN, AES_KEY, "").key)
