"""智能机器人: staff ask in a group or alone. The callback is answered with a placeholder; WeCom polls the stream, which
shows the whole text once it is screened and logged, never a part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.delivery import Leave, Ready, Withhold
from assistant.channels.wecom.errors import WecomError
from assistant.channels.wecom.messages import Conversation, Incoming
from assistant.channels.wecom.outbox import Outgoing
from assistant.channels.wecom.parsing import word
from assistant.channels.wecom.tables import streams
from assistant.channels.wecom.vault import Vault
from knowledge.records.database import Database

CHANNEL = "wecom-bot"
MENTION = re.compile(r"^(?:\s*@\S+\s+)+")
URL_S = 3600
LATE = 95033


def incoming(fields: Mapping[str, Any], received_at: float) -> Incoming | None:
    """One decrypted message to the robot; None for events and for what names nobody."""
    member, msgid, kind = word(fields, "from", "userid"), word(fields, "msgid"), word(fields, "msgtype")
    if not member or not msgid or kind in ("event", "stream", ""):
        return None
    robot = word(fields, "aibotid")
    group = word(fields, "chatid") if word(fields, "chattype") == "group" else ""
    asked = f"{group}/{member}" if group else member
    text = asked_text(fields, kind)
    return Incoming(CHANNEL, robot, asked, msgid, "text" if text else kind, text, received_at)


def asked_text(fields: Mapping[str, Any], kind: str) -> str:
    """What was asked in words: text, the words of a voice message, the text parts of a mixed one."""
    if kind == "mixed":
        mixed = fields.get("mixed")
        items = mixed.get("msg_item") if isinstance(mixed, Mapping) else None
        parts = [word(item, "text", "content") for item in items or () if isinstance(item, Mapping)]
        return MENTION.sub("", "\n".join(part for part in parts if part)).strip()
    return MENTION.sub("", word(fields, kind, "content")).strip() if kind in ("text", "voice") else ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One answer in the making: `text` is "" until it may be shown."""

    id: str
    conversation: str
    text: str
    finished: bool
    begun_at: float


class Streams:
    """The table of streams. The id follows from the message, so that a retried callback is told the same."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], float]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    def id_of(self, msgid: str) -> str:
        """The stream that answers a message."""
        return self._vault.name("stream", msgid)

    def begin(self, connection: Connection, stream: str, conversation: str, url: str) -> None:
        """Open a stream unless it is open already."""
        if connection.execute(select(streams.c.id).where(streams.c.id == stream)).first() is not None:
            return
        fields = {"id": stream, "conversation": conversation, "url": self._vault.seal(url)}
        connection.execute(insert(streams).values(**fields, text="", finished=False, begun_at=self._clock()))

    def find(self, stream: str) -> Stream | None:
        """A stream by its id."""
        with self._database.reading() as connection:
            row = connection.execute(select(streams).where(streams.c.id == stream)).first()
        if row is None:
            return None
        return Stream(row.id, row.conversation, self._vault.open(row.text), row.finished, row.begun_at)

    def finish(self, stream: str, text: str) -> bool:
        """Show the whole text; False when the stream was closed before, or was never there."""
        with self._database.writing() as connection:
            open_one = (streams.c.id == stream) & streams.c.finished.is_(False)
            changed = connection.execute(
                update(streams).where(open_one).values(text=self._vault.seal(text), finished=True)
            )
            return changed.rowcount == 1

    def take_url(self, stream: str) -> str:
        """The single-use address of a message, once; "" afterwards and when it is too old."""
        with self._database.writing() as connection:
            row = connection.execute(select(streams).where(streams.c.id == stream)).first()
            if row is None or not row.url or self._clock() - row.begun_at > URL_S:
                return ""
            connection.execute(update(streams).where(streams.c.id == stream).values(url=""))
            return self._vault.open(row.url)


class BotCarrier:
    """Puts the answer into its stream; when WeCom stopped polling, sends it to the message's own address."""

    def __init__(self, api: Api, all_streams: Streams) -> None:
        self._api = api
        self._streams = all_streams

    def may_send(self, conversation: Conversation, one: Outgoing) -> Leave:
        return Ready()

    def send(self, conversation: Conversation, one: Outgoing) -> None:
        stream, text = one.planned.code, one.planned.text
        if self._streams.finish(stream, text):
            return
        found = self._streams.find(stream)
        if found is not None and found.text == text:
            return  # shown by an earlier try
        url = self._streams.take_url(stream)
        if not url:
            raise WecomError(LATE, "response_url")
        self._api.reply_url(url, {"msgtype": "markdown", "markdown": {"content": text}})

    def refused(self, conversation: Conversation, one: Outgoing, error: WecomError) -> Leave:
        return Withhold(error.action)


def stream_reply(stream: str, text: str, *, finished: bool) -> str:
    """The JSON that answers a callback of a message or of a refresh."""
    return json.dumps(
        {"msgtype": "stream", "stream": {"id": stream, "finish": finished, "content": text}}, ensure_ascii=False
    )
