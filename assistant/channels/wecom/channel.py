"""The WeCom channels of one installation: built by app.py, mounted by the HTTP channel, driven by its own threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from assistant.assistant import Assistant
from assistant.channels.settings import shanghai_today
from assistant.channels.wecom import bot, kf, member
from assistant.channels.wecom.answering import Answering, Answers, Seams
from assistant.channels.wecom.api import Api
from assistant.channels.wecom.bot import BotCarrier, Streams
from assistant.channels.wecom.callbacks import Callbacks
from assistant.channels.wecom.delivery import Carrier, Delivery
from assistant.channels.wecom.desk import Desk, Nobody
from assistant.channels.wecom.gate import Gate, Screened
from assistant.channels.wecom.inbox import Inbox, Intake
from assistant.channels.wecom.kf import KfCarrier, Reader, Session
from assistant.channels.wecom.leases import Leases
from assistant.channels.wecom.member import AppCarrier
from assistant.channels.wecom.messages import Messages
from assistant.channels.wecom.outbox import Outbox
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.sidebar import Sidebar
from assistant.channels.wecom.staff import Delivered, Staff
from assistant.channels.wecom.tokens import Tokens
from assistant.channels.wecom.vault import Vault
from assistant.channels.wecom.worker import Worker
from assistant.log import Log
from assistant.turn import Passage, Speaker
from knowledge.records.database import Database


@dataclass(frozen=True, slots=True)
class Environment:
    """The world around the channels; tests put their own in its place."""

    client: httpx.Client | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    today: Callable[[], date] = shanghai_today
    registry: CollectorRegistry | None = None


class Wecom:
    """All WeCom channels. `routers` are mounted; `start` and `stop` belong to the server's life."""

    def __init__(
        self,
        settings: WecomSettings,
        answers: Answers,
        gate: Gate,
        log: Log,
        database: Database,
        folder: Path,
        desk: Desk | None = None,
        environment: Environment = Environment(),
    ) -> None:
        _quiet()
        clock, sleep = environment.clock, environment.sleep
        self.settings = settings
        self.database = database
        self._client = environment.client or httpx.Client(timeout=settings.timeout_s)
        vault = Vault(folder / "keys" / "wecom.key")
        self.leases = Leases(database, clock)
        self.api = Api(settings, self._client, Tokens(database, vault, self.leases, clock, sleep), sleep)
        self.messages = Messages(database, vault, settings, clock)
        self.outbox = Outbox(database, vault, clock)
        self.streams = Streams(database, vault, clock)
        self.inbox = Inbox(database, vault, folder / "wecom", clock)
        self.desk = desk or Nobody()
        session = Session(self.api, self.messages)
        carrier = KfCarrier(self.api, database, self.outbox, session, gate, settings, clock)
        carriers: dict[str, Carrier] = {
            kf.CHANNEL: carrier,
            member.CHANNEL: AppCarrier(self.api, self.outbox, settings, clock),
            bot.CHANNEL: BotCarrier(self.api, self.streams),
        }
        self.delivery = Delivery(database, self.outbox, self.messages, log, self.desk, gate, carriers, clock)
        seams = Seams(
            answers, gate, self.desk, log, database, self.messages, self.outbox, session, carrier, self.streams,
            settings, clock,
        )  # fmt: skip
        reader = Reader(self.api, database, self.messages, settings, clock)
        self.worker = Worker(
            database,
            self.inbox,
            self.messages,
            self.leases,
            reader,
            self.streams,
            Answering(seams),
            self.delivery,
            clock,
        )
        self.staff = Staff(
            database, self.messages, self.outbox, self.delivery, carrier, self.leases, gate, log, settings, clock, sleep
        )
        self.intake = Intake(self.inbox, self.worker.arrived)
        self._callbacks = Callbacks(
            settings, self.intake, self.streams, self.messages, gate, log, clock, environment.registry
        )
        self._sidebar = Sidebar(settings, self.api, vault, answers, gate, log, self.messages, clock)

    @property
    def routers(self) -> Sequence[APIRouter]:
        """What is mounted: the callbacks, and the sidebar where the self-built app is set up."""
        sidebar = [self._sidebar.routes()] if self.settings.app_on and self.settings.public_url else []
        return [self._callbacks.routes(), *sidebar]

    def start(self) -> None:
        """Take up what a crash left behind, then take callbacks and work on them."""
        self.intake.start()
        self.worker.start(self.settings.threads)

    def stop(self) -> None:
        """Keep what was given, finish what is under way."""
        self.intake.stop()
        self.worker.stop()
        self._client.close()

    def send(
        self,
        customer: str,
        text: str,
        *,
        staff: str,
        speaker: Speaker = "staff",
        account: str | None = None,
        answering: str | None = None,
        override: str | None = None,
        passages: Sequence[Passage] = (),
    ) -> Delivered:
        """What a person says to a customer of 微信客服; see Staff.send."""
        return self.staff.send(
            customer, text, staff=staff, speaker=speaker, account=account, answering=answering, override=override,
            passages=passages,
        )  # fmt: skip


def over(
    assistant: Assistant, settings: WecomSettings, database: Database, folder: Path, desk: Desk | None = None
) -> Wecom:
    """The channels over an installation's assistant."""
    gate = Screened(assistant, database, shanghai_today)
    return Wecom(settings, assistant, gate, assistant.parts.log, database, folder, desk)


def _quiet() -> None:
    """The HTTP client names whole addresses in its messages, and those hold secrets and tokens."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
