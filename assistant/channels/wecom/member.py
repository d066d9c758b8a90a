"""The self-built app: members of the firm ask, are answered by active messages; WeCom's limits a member are kept by
queueing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.delivery import Leave, Ready, Wait, Withhold
from assistant.channels.wecom.errors import WecomError
from assistant.channels.wecom.messages import Conversation, Incoming
from assistant.channels.wecom.outbox import Outbox, Outgoing
from assistant.channels.wecom.parsing import word
from assistant.channels.wecom.settings import WecomSettings

CHANNEL = "wecom-app"
MINUTE, HOUR = 60.0, 3600.0
NO_RECEIVER = 81013


def incoming(fields: Mapping[str, Any], received_at: float) -> Incoming | None:
    """One decrypted message of a member; None for events that ask for nothing."""
    kind, member, agent = word(fields, "MsgType"), word(fields, "FromUserName"), word(fields, "AgentID")
    sent_at = float(word(fields, "CreateTime") or received_at) if word(fields, "CreateTime").isdigit() else received_at
    if not member or not kind:
        return None
    if kind == "event":
        return None
    msgid = word(fields, "MsgId")
    if not msgid:
        return None
    return Incoming(CHANNEL, agent, member, msgid, kind, word(fields, "Content"), sent_at)


def passive_xml(member: str, corp_id: str, text: str, at: int) -> str:
    """A text that answers a callback at once. Raises ValueError for what cannot stand in CDATA."""
    if "]]>" in text + member + corp_id:
        raise ValueError("text ends its own CDATA section")
    return (
        f"<xml><ToUserName><![CDATA[{member}]]></ToUserName><FromUserName><![CDATA[{corp_id}]]></FromUserName>"
        f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content></xml>"
    )


class AppCarrier:
    """Sends to a member by message/send: at most so many a minute and an hour, the rest wait for their turn."""

    def __init__(self, api: Api, outbox: Outbox, settings: WecomSettings, clock: Callable[[], float]) -> None:
        self._api = api
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    def may_send(self, conversation: Conversation, one: Outgoing) -> Leave:
        now = self._clock()
        times = self._outbox.sent_times(conversation.id, now - HOUR)
        lately = [at for at in times if at > now - MINUTE]
        if len(times) >= self._settings.member_per_hour:
            return Wait(times[self._settings.member_per_hour - 1] + HOUR)
        if len(lately) >= self._settings.member_per_minute:
            return Wait(lately[self._settings.member_per_minute - 1] + MINUTE)
        return Ready()

    def send(self, conversation: Conversation, one: Outgoing) -> None:
        body: dict[str, Any] = {
            "touser": conversation.customer,
            "msgtype": "text",
            "agentid": self._settings.app_agent_id,
            "text": {"content": one.planned.text},
        }
        if one.attempts:
            body["enable_duplicate_check"] = 1
        found = self._api.call("app", "message/send", body)
        if conversation.customer in word(found, "invaliduser").split("|"):
            raise WecomError(NO_RECEIVER, "message/send")

    def refused(self, conversation: Conversation, one: Outgoing, error: WecomError) -> Leave:
        return Withhold(error.action)
