"""The threads that work on what was acknowledged: callbacks into messages, bursts into answers, answers out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, true

from assistant.channels.edge import report
from assistant.channels.wecom import bot, member
from assistant.channels.wecom.answering import Answering
from assistant.channels.wecom.bot import Streams
from assistant.channels.wecom.crypto import Rejected
from assistant.channels.wecom.delivery import Delivery
from assistant.channels.wecom.errors import Uncertain, Unreachable, WecomError
from assistant.channels.wecom.inbox import Callback, Inbox
from assistant.channels.wecom.kf import SYNC_S, Reader
from assistant.channels.wecom.leases import Leases
from assistant.channels.wecom.messages import Conversation, Messages
from assistant.channels.wecom.parsing import json_fields, word, xml_fields
from assistant.channels.wecom.tables import messages as messages_table
from assistant.channels.wecom.tables import outbox as outbox_table
from assistant.channels.wecom.tables import streams as streams_table
from knowledge.records.database import Database

logger = logging.getLogger(__name__)
LEASE_S = 120
POLL_S = 0.25
PATIENCE_S = 5
LATER_S, MOST_LATER_S = 0.5, 60.0
TOKEN_S = 600
PRUNE_S, KEEP_S = 3600.0, 7 * 24 * 3600.0
OLD = (
    (messages_table, messages_table.c.arrived_at, messages_table.c.status.in_(("done", "dropped"))),
    (outbox_table, outbox_table.c.created_at, outbox_table.c.status.in_(("sent", "withheld", "failed"))),
    (streams_table, streams_table.c.begun_at, true()),
)


class Worker:
    """`start` runs it in threads; tests run `step` by hand. Any number of workers in any processes share the work."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        messages: Messages,
        leases: Leases,
        reader: Reader,
        streams: Streams,
        answering: Answering,
        delivery: Delivery,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._messages = messages
        self._leases = leases
        self._reader = reader
        self._streams = streams
        self._answering = answering
        self._delivery = delivery
        self._clock = clock
        self._arrived = threading.Event()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._pruned_at = 0.0

    def start(self, threads: int) -> None:
        """Take up what a crash left, then work until `stop`."""
        self._stopping = False
        for number in range(threads):
            thread = threading.Thread(target=self._run, name=f"wecom-worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish what is under way and end the threads."""
        self._stopping = True
        self._arrived.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def arrived(self) -> None:
        """There is something new."""
        self._arrived.set()

    def step(self) -> bool:
        """Do one thing that is due; False when there was nothing to do, or others do it."""
        if self._inbox.journalled():
            self._inbox.recover()
        if any(self._account(channel, account) for channel, account in self._inbox.due()):
            return True
        return any(self._conversation(conversation) for conversation in self._messages.due())

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._keep_house()
                busy = self.step()
            except Exception as error:  # noqa: BLE001 - the worker outlives whatever one step raises
                report(error, "wecom worker")
                busy = False
                time.sleep(POLL_S)
            if not busy:
                self._arrived.wait(POLL_S)
                self._arrived.clear()

    def _catch_up_on(self, conversation: Conversation) -> None:
        """Before more is said to a customer who was answered since they last wrote, read all they wrote meanwhile: then
        one answer serves it all, and the budget of the moment is never spent on half of it."""
        if not self._messages.lagging(conversation.id):
            return
        for _ in range(round(PATIENCE_S / POLL_S)):
            with self._leases.held(f"read:kf:{conversation.account}", SYNC_S) as mine:
                if mine:
                    self._sync(conversation.account, "")
                    return
            self._arrived.wait(POLL_S)

    def _keep_house(self) -> None:
        now = self._clock()
        if now - self._pruned_at < PRUNE_S:
            return
        first, self._pruned_at = self._pruned_at == 0.0, now
        self._inbox.prune(now - KEEP_S)
        with self._database.writing() as connection:
            for table, since, finished in OLD:
                connection.execute(delete(table).where(since < now - KEEP_S, finished))
        if first:
            self._catch_up()

    def _catch_up(self) -> None:
        """Read what came in at 微信客服 while nobody listened."""
        for account in self._messages.accounts():
            with self._leases.held(f"read:kf:{account}", SYNC_S) as mine:
                if mine:
                    self._sync(account, "")

    def _account(self, channel: str, account: str) -> bool:
        """Take up the callbacks of an account; False when another worker does."""
        with self._leases.held(f"read:{channel}:{account}", SYNC_S) as mine:
            waiting = self._inbox.waiting(channel, account) if mine else []
            if not waiting:
                return False
            numbers = [one.number for one in waiting]
            if channel != "kf":
                with self._database.writing() as connection:
                    for one in waiting:
                        self._put(connection, one.callback)
                    self._inbox.done(connection, numbers)
                return True
            if self._sync(account, self._token(waiting[-1].callback)):
                with self._database.writing() as connection:
                    self._inbox.done(connection, numbers)
                return True
            attempts = max(one.attempts for one in waiting) + 1
            self._inbox.later(numbers, attempts, min(MOST_LATER_S, LATER_S * 2.0 ** min(attempts, 10)))
            return True

    def _token(self, callback: Callback) -> str:
        """The token that speeds up reading, while it is valid."""
        if self._clock() - callback.received_at >= TOKEN_S:
            return ""
        return word(xml_fields(callback.body), "Token")

    def _sync(self, account: str, token: str) -> bool:
        """Read an account to its end: one reading serves every callback that came before it."""
        try:
            self._reader.sync(account, token)
        except (WecomError, Unreachable, Uncertain) as error:
            logger.warning("wecom: %s", error)
            return False
        return True

    def _put(self, connection: Connection, callback: Callback) -> None:
        try:
            if callback.channel == "bot":
                self._put_bot(connection, callback)
                return
            incoming = member.incoming(xml_fields(callback.body), callback.received_at)
        except Rejected:
            return
        if incoming is not None:
            self._messages.add(connection, [incoming])

    def _put_bot(self, connection: Connection, callback: Callback) -> None:
        fields = json_fields(callback.body)
        incoming = bot.incoming(fields, callback.received_at)
        if incoming is None:
            return
        conversation = self._messages.conversation_id(incoming.channel, incoming.account, incoming.customer)
        stream = self._streams.id_of(incoming.msgid)
        self._streams.begin(connection, stream, conversation, word(fields, "response_url"))
        self._messages.add(connection, [incoming])

    def _conversation(self, conversation: Conversation) -> bool:
        with self._leases.held(f"conversation:{conversation.id}", LEASE_S) as mine:
            if not mine:
                return False
            current = self._messages.conversation(conversation.id) or conversation
            self.work(current)
        return True

    def work(self, conversation: Conversation) -> None:
        """Everything due in one conversation, in order. The caller holds its lease."""
        failed = True
        try:
            self._delivery.deliver(conversation)
            self._catch_up_on(conversation)
            while self._answering.serve(conversation):
                self._delivery.deliver(conversation)
                self._catch_up_on(conversation)
            failed = False
        except (WecomError, Unreachable, Uncertain) as error:
            logger.warning("wecom conversation put off: %s", error)
        except Exception as error:  # noqa: BLE001 - one conversation must not stop the others
            report(error, "wecom conversation")
        finally:
            self._messages.settle(conversation.id, failed=failed)
