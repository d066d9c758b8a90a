"""The callback addresses: verified before anything is parsed, on disk before they are acknowledged, worked on later."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter

from assistant.channels.edge import report
from assistant.channels.wecom import bot, events, member
from assistant.channels.wecom.bot import Streams, stream_reply
from assistant.channels.wecom.crypto import Envelope, Rejected
from assistant.channels.wecom.gate import Gate
from assistant.channels.wecom.inbox import Callback, Intake
from assistant.channels.wecom.messages import Messages
from assistant.channels.wecom.parsing import json_fields, sealed_part, word, xml_fields
from assistant.channels.wecom.settings import WecomSettings
from assistant.log import Log

logger = logging.getLogger(__name__)
MOST_BYTES = 48 * 1024
STATUS = {"oversized": 413, "signature": 403, "receiver": 403, "unknown_address": 404}
WAIT, LATE, WELCOME = "wecom_wait", "wecom_late", "wecom_welcome"
PARAMETERS = ("msg_signature", "timestamp", "nonce")
FRESH_S = 60.0


@dataclass(frozen=True, slots=True)
class Signed:
    """What a callback's address carries."""

    signature: str
    timestamp: str
    nonce: str


class Callbacks:
    """Takes callbacks of all channels that are set up."""

    def __init__(
        self,
        settings: WecomSettings,
        intake: Intake,
        streams: Streams,
        messages: Messages,
        gate: Gate,
        log: Log,
        clock: Callable[[], float],
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._streams = streams
        self._messages = messages
        self._gate = gate
        self._log = log
        self._clock = clock
        on = {"kf": settings.kf_on, "app": settings.app_on, "bot": settings.bot_on}
        self._envelopes: Mapping[str, Envelope] = {name: settings.envelope(name) for name, is_on in on.items() if is_on}
        self._texts: dict[tuple[str, str], tuple[float, str]] = {}
        names = ("channel", "reason")
        self._refused = Counter("heshi_wecom_refused", "Callbacks turned away.", names, registry=registry)

    def routes(self) -> APIRouter:
        """GET and POST /wecom/callback/{kf,app,bot}; outside the OpenAPI schema, which is for our own clients."""
        router = APIRouter(prefix="/wecom/callback", include_in_schema=False)

        @router.get("/{channel}")
        async def verify(channel: str, request: Request) -> Response:
            """WeCom checks the address: the plaintext of `echostr`, bare, within a second."""
            try:
                envelope, signed = self._signed(channel, request)
                echo = request.query_params.get("echostr", "").replace(" ", "+")
                return PlainTextResponse(envelope.open(signed.signature, signed.timestamp, signed.nonce, echo))
            except Rejected as rejected:
                return self._turn_away(channel, rejected)

        @router.post("/{channel}")
        async def receive(channel: str, request: Request) -> Response:
            """One callback."""
            try:
                envelope, signed = self._signed(channel, request)
                body = await request.body()
                if len(body) > MOST_BYTES:
                    raise Rejected("oversized")
                plain = envelope.open(signed.signature, signed.timestamp, signed.nonce, sealed_part(body))
                if channel == "bot":
                    return await self._robot(envelope, signed, json_fields(plain), plain)
                return await self._xml(channel, envelope, xml_fields(plain), plain)
            except Rejected as rejected:
                return self._turn_away(channel, rejected)

        return router

    def _signed(self, channel: str, request: Request) -> tuple[Envelope, Signed]:
        envelope = self._envelopes.get(channel)
        if envelope is None:
            raise Rejected("unknown_address")
        signature, timestamp, nonce = (request.query_params.get(name, "") for name in PARAMETERS)
        if not (signature and timestamp.isdigit() and len(timestamp) < 12 and nonce):
            raise Rejected("malformed")
        return envelope, Signed(signature, timestamp, nonce)

    def _turn_away(self, channel: str, rejected: Rejected) -> Response:
        """4xx, with the reason in the program's log and nothing of what was sent."""
        named = channel if channel in self._envelopes else "other"
        logger.warning("wecom callback to %s turned away: %s", named, rejected.reason)
        self._refused.labels(named, rejected.reason).inc()
        return PlainTextResponse("", status_code=STATUS.get(rejected.reason, 400))

    async def _xml(self, channel: str, envelope: Envelope, fields: Mapping[str, Any], plain: str) -> Response:
        if word(fields, "ToUserName") not in ("", self._settings.corp_id) and channel == "app":
            raise Rejected("receiver")
        created = float(word(fields, "CreateTime") or 0) if word(fields, "CreateTime").isdigit() else 0.0
        if created and created < self._clock() - self._settings.stale_s:
            return PlainTextResponse("success")
        key, account = key_of(channel, fields), word(fields, "OpenKfId" if channel == "kf" else "AgentID")
        if channel == "kf" and word(fields, "Event") != "kf_msg_or_event":
            return PlainTextResponse("success")
        kept = await self._keep(Callback(key, channel, account, plain, self._clock()))
        if not kept and channel != "kf":  # what 微信客服 announces is read by cursor: nothing is lost
            return PlainTextResponse("", status_code=503)
        if channel == "app" and word(fields, "Event") == "subscribe":
            return await self._welcome_member(envelope, fields, key)
        return PlainTextResponse("success" if channel == "kf" else "")

    async def _robot(self, envelope: Envelope, signed: Signed, fields: Mapping[str, Any], plain: str) -> Response:
        if int(signed.timestamp) < self._clock() - self._settings.stale_s:
            return PlainTextResponse("success")
        if word(fields, "msgtype") == "stream":
            stream = await asyncio.to_thread(self._shown, word(fields, "stream", "id"))
            return self._seal(envelope, signed, stream)
        if word(fields, "msgtype") == "event":
            return await self._welcome_in_chat(envelope, signed, fields)
        incoming = bot.incoming(fields, self._clock())
        if incoming is None:
            return PlainTextResponse("success")
        waiting = await asyncio.to_thread(self._text, WAIT, bot.CHANNEL)
        key = key_of("bot", fields)
        if not await self._keep(Callback(key, "bot", incoming.account, plain, self._clock())):
            return PlainTextResponse("", status_code=503)
        stream = stream_reply(self._streams.id_of(incoming.msgid), waiting, finished=False)
        return self._seal(envelope, signed, stream)

    async def _keep(self, callback: Callback) -> bool:
        """Whether the callback is on disk; waits a moment, never longer. What is late is still being written."""
        try:
            kept = asyncio.shield(asyncio.wrap_future(self._intake.give(callback)))
            await asyncio.wait_for(kept, self._settings.patience_s)
        except TimeoutError:
            logger.warning("wecom callback acknowledged late: the disk is slow")
            return False
        except Exception as error:  # noqa: BLE001 - not kept: WeCom is asked to send it again
            report(error, "wecom intake")
            return False
        return True

    def _shown(self, stream: str) -> str:
        """What a stream shows now. One that takes too long ends with a text that says so; its answer is sent to the
        message's own address when it comes."""
        found = self._streams.find(stream)
        waiting = self._text(WAIT, bot.CHANNEL)
        if found is None:
            return stream_reply(stream, waiting, finished=False)
        if found.finished:
            return stream_reply(stream, found.text, finished=True)
        if self._clock() - found.begun_at < self._settings.stream_finish_s:
            return stream_reply(stream, waiting, finished=False)
        late = self._text(LATE, bot.CHANNEL)
        entry = f"late-{stream}"[:64]
        if self._log.entry(entry) is None:
            body = {"channel": bot.CHANNEL, "speaker": "system", "kind": "stream", "slot": LATE, "text": late}
            self._log.append(found.conversation, events.OUTBOUND, body, turn=entry)
        self._streams.finish(stream, late)
        now = self._streams.find(stream)
        return stream_reply(stream, now.text if now is not None else late, finished=True)

    async def _welcome_member(self, envelope: Envelope, fields: Mapping[str, Any], key: str) -> Response:
        """A passive reply: a member who opens the app for the first time is greeted in the acknowledgement itself."""
        to = word(fields, "FromUserName")
        text = await self._passive(member.CHANNEL, word(fields, "AgentID"), to, key)
        if not text:
            return PlainTextResponse("")
        at = int(self._clock())
        sealed = envelope.encrypt(member.passive_xml(to, self._settings.corp_id, text, at))
        nonce = secrets.token_hex(8)
        signature = envelope.signature(str(at), nonce, sealed)
        return Response(
            f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>"
            f"<TimeStamp>{at}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>",
            media_type="text/xml",
        )

    async def _welcome_in_chat(self, envelope: Envelope, signed: Signed, fields: Mapping[str, Any]) -> Response:
        to = word(fields, "from", "userid")
        if word(fields, "event", "eventtype") != "enter_chat" or not to:
            return PlainTextResponse("success")
        key = hashlib.sha256(f"{word(fields, 'msgid') or to + signed.timestamp}".encode()).hexdigest()
        text = await self._passive(bot.CHANNEL, word(fields, "aibotid"), to, key)
        if not text:
            return PlainTextResponse("success")
        return self._seal(envelope, signed, json.dumps({"msgtype": "text", "text": {"content": text}}))

    async def _passive(self, channel: str, account: str, to: str, key: str) -> str:
        """A greeting to be given at once, logged before it leaves; "" when that takes too long."""

        def logged() -> str:
            text = self._text(WELCOME, channel)
            conversation = self._messages.conversation_id(channel, account, to)
            if text and self._log.entry(key[:64]) is None:
                body = {"channel": channel, "account": account, "to": to, "speaker": "system", "kind": "passive",
                        "slot": WELCOME, "text": text}  # fmt: skip
                self._log.append(conversation, events.OUTBOUND, body, turn=key[:64])
            return text

        try:
            return await asyncio.wait_for(asyncio.to_thread(logged), self._settings.patience_s)
        except TimeoutError:
            return ""
        except Exception as error:  # noqa: BLE001 - no log row, no greeting
            report(error, "wecom greeting")
            return ""

    def _text(self, slot: str, channel: str) -> str:
        """A screened fixed text, read again each minute; "" when none may be said."""
        known = self._texts.get((slot, channel))
        now = time.monotonic()
        if known is None or now - known[0] > FRESH_S:
            said = self._gate.fixed(slot, channel, None)
            known = self._texts[(slot, channel)] = (now, said.text if said is not None else "")
        return known[1]

    def _seal(self, envelope: Envelope, signed: Signed, message: str) -> Response:
        """An encrypted JSON answer."""
        sealed = envelope.encrypt(message)
        timestamp = str(int(self._clock()))
        body = {
            "encrypt": sealed,
            "msgsignature": envelope.signature(timestamp, signed.nonce, sealed),
            "timestamp": int(timestamp),
            "nonce": signed.nonce,
        }
        return Response(json.dumps(body), media_type="application/json")


def key_of(channel: str, fields: Mapping[str, Any]) -> str:
    """What a retried or replayed callback has in common with the first: its message id, else for an event who, when and
    what. 微信客服 announces with a token of its own each time."""
    msgid = word(fields, "MsgId") or word(fields, "msgid")
    names = ("FromUserName", "CreateTime", "Event", "EventKey", "OpenKfId", "Token")
    parts = (channel, msgid) if msgid else (channel, *(word(fields, name) for name in names))
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
