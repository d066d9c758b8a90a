"""微信客服: reading messages by cursor, the states of a conversation, sending within 48 hours and five messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.delivery import ASSISTANT, Leave, Ready, Withhold
from assistant.channels.wecom.errors import WecomError
from assistant.channels.wecom.gate import Gate
from assistant.channels.wecom.messages import EVENT, Conversation, Incoming, Messages
from assistant.channels.wecom.outbox import Outbox, Outgoing, Planned
from assistant.channels.wecom.parsing import word
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.splitting import split
from knowledge.records.database import Database

CHANNEL = "wecom-kf"
SYSTEM = "system"
QUEUE = "wecom_queue"
PAGE = 1000
SYNC_S = 120
FROM_CUSTOMER, FROM_SERVICER = 3, 5
NEW, ASSISTED, QUEUED, SERVED, ENDED = range(5)
WELCOME_S = END_S = 20
QUEUE_S = 48 * 3600
KNOWN_EVENTS = ("enter_session", "session_status_change", "msg_send_fail", "user_recall_msg")


class Reader:
    """Brings what happened at WeCom into our tables: each message once, whatever is replayed."""

    def __init__(
        self, api: Api, database: Database, messages: Messages, settings: WecomSettings, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._database = database
        self._messages = messages
        self._settings = settings
        self._clock = clock

    def sync(self, account: str, token: str) -> int:
        """Read an account to its end; how many messages were new. `token` is the callback's, or "" when it is old. The
        caller holds the lease of the account. Raises as Api.call does; what was read stays read."""
        cursor = self._messages.cursor(account)
        replay = not cursor
        added, more = 0, True
        while more:
            page = self._page(account, token, cursor)
            following = str(page.get("next_cursor") or cursor)
            more = page.get("has_more") == 1 and following != cursor
            cursor = following
            added += self._keep(account, cursor, page.get("msg_list") or [], replay=replay)
        return added

    def _page(self, account: str, token: str, cursor: str) -> Mapping[str, Any]:
        body: dict[str, Any] = {"limit": PAGE, "voice_format": 0}
        if account:
            body["open_kfid"] = account
        if cursor:
            body["cursor"] = cursor
        try:
            return self._api.call("kf", "kf/sync_msg", body | ({"token": token} if token else {}))
        except WecomError as error:
            if error.code != 95007 or not token:
                raise
            return self._api.call("kf", "kf/sync_msg", body)

    def _keep(self, account: str, cursor: str, listed: Sequence[Any], *, replay: bool) -> int:
        """One page and its cursor in one transaction."""
        now, added = self._clock(), 0
        limit = now - (self._settings.replay_fresh_s if replay else self._settings.window_s)
        found = [one for item in listed if isinstance(item, Mapping) and (one := incoming(item, account)) is not None]
        with self._database.writing() as connection:
            for one in sorted(found, key=lambda one: one.sent_at):
                added += self._messages.add(connection, [one], "stale" if one.sent_at < limit else None)
                if one.kind == f"{EVENT}user_recall_msg":
                    self._messages.recall(connection, CHANNEL, word(json.loads(one.text), "recall_msgid"))
            self._messages.set_cursor(connection, account, cursor)
        return added


def incoming(item: Mapping[str, Any], account: str) -> Incoming | None:
    """One element of msg_list; None for what concerns nobody: no customer, or an event we do not know. Events may lack
    open_kfid and external_userid at either place."""
    kind = word(item, "msgtype")
    kfid = word(item, "open_kfid") or word(item, "event", "open_kfid") or account
    customer = word(item, "external_userid") or word(item, "event", "external_userid")
    sent_at = float(word(item, "send_time") or 0)
    if not customer or not kfid or not kind:
        return None
    if kind == "event":
        name = word(item, "event", "event_type")
        if name not in KNOWN_EVENTS:
            return None
        carried = json.dumps(item.get("event"), ensure_ascii=False)
        msgid = word(item, "msgid") or f"{name}|{customer}|{kfid}|{int(sent_at)}"
        return Incoming(CHANNEL, kfid, customer, msgid, EVENT + name, carried, sent_at)
    if (msgid := word(item, "msgid")) == "":
        return None
    if item.get("origin") == FROM_SERVICER:
        return Incoming(CHANNEL, kfid, customer, msgid, f"{EVENT}servicer_said", _said(item, kind), sent_at)
    if item.get("origin", FROM_CUSTOMER) != FROM_CUSTOMER:
        return None
    return Incoming(CHANNEL, kfid, customer, msgid, kind, _said(item, kind), sent_at)


def _said(item: Mapping[str, Any], kind: str) -> str:
    return word(item, "text", "content") if kind == "text" else ""


class Session:
    """The service state of conversations, as WeCom has it."""

    def __init__(self, api: Api, messages: Messages) -> None:
        self._api = api
        self._messages = messages

    def state(self, conversation: Conversation) -> int:
        """0–4, asked of WeCom, and remembered."""
        body = {"open_kfid": conversation.account, "external_userid": conversation.customer}
        state = int(self._api.call("kf", "kf/service_state/get", body)["service_state"])
        if state != conversation.state:
            self._messages.set_state(conversation.id, state)
        return state

    def change(self, conversation: Conversation, state: int) -> str:
        """Move a conversation to a state; the single-use code that comes with it, or ""."""
        body = {
            "open_kfid": conversation.account,
            "external_userid": conversation.customer,
            "service_state": state,
        }
        found = self._api.call("kf", "kf/service_state/trans", body)
        self._messages.set_state(conversation.id, state)
        return word(found, "msg_code")

    def ours(self, conversation: Conversation) -> bool:
        """Whether the assistant may answer: the conversation is with it, or new and now taken."""
        state = self.state(conversation)
        if state == NEW:
            try:
                self.change(conversation, ASSISTED)
            except WecomError as error:
                if error.action != "state":
                    raise
                return self.state(conversation) == ASSISTED
            return True
        return state == ASSISTED


class KfCarrier:
    """Sends to a customer of 微信客服."""

    def __init__(
        self,
        api: Api,
        database: Database,
        outbox: Outbox,
        session: Session,
        gate: Gate,
        settings: WecomSettings,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._database = database
        self._outbox = outbox
        self._gate = gate
        self._session = session
        self._settings = settings
        self._clock = clock

    def parts_left(self, conversation: Conversation) -> int:
        """How many messages the assistant may still send until the customer writes again, the reserve kept."""
        return self._left(conversation, ASSISTANT)

    def may_send(self, conversation: Conversation, one: Outgoing) -> Leave:
        if one.planned.kind != "message":
            return Ready()
        if self._clock() - conversation.last_customer_at >= self._settings.window_s:
            return Withhold("late")
        if self._left(conversation, one.planned.speaker) <= 0:
            return Withhold("budget")
        return Ready()

    def send(self, conversation: Conversation, one: Outgoing) -> None:
        if one.planned.kind == "trans":
            self._to_queue(conversation)
            return
        said = {"msgid": one.id, "msgtype": "text", "text": {"content": one.planned.text}}
        if one.planned.kind == "event":
            self._api.call("kf", "kf/send_msg_on_event", {"code": one.planned.code, **said})
            return
        to = {"touser": conversation.customer, "open_kfid": conversation.account}
        self._api.call("kf", "kf/send_msg", {**to, **said})

    def refused(self, conversation: Conversation, one: Outgoing, error: WecomError) -> Leave:
        if error.action == "state" and one.planned.kind == "message" and self._session.ours(conversation):
            return Ready()
        return Withhold(error.action)

    def _to_queue(self, conversation: Conversation) -> None:
        """Into WeCom's own queue; the code that comes back carries one text that says so."""
        code = self._session.change(conversation, QUEUED)
        said = self._gate.fixed(QUEUE, conversation.channel, None)
        if not code or said is None:
            return
        expires = self._clock() + QUEUE_S
        text = split(said.text, self._settings.text_bytes)[0]
        planned = Planned(text, SYSTEM, kind="event", code=code, expires_at=expires, detail={"slot": QUEUE})
        with self._database.writing() as connection:
            self._outbox.plan(connection, conversation.id, [planned])

    def _left(self, conversation: Conversation, speaker: str) -> int:
        used = self._outbox.count_since(conversation.id, conversation.last_customer_at)
        reserve = self._settings.reserve if speaker == ASSISTANT else 0
        return self._settings.window_messages - reserve - used
