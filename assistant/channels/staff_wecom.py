"""Brings what the staff desk says to customers of 微信客服."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.channels.wecom import kf
from assistant.channels.wecom.channel import Wecom
from assistant.channels.wecom.staff import NotSent
from assistant.desk.values import Member
from assistant.turn import Passage

CHANNEL = kf.CHANNEL


class WecomCarrier:
    """The desk's way out to WeCom: screened and logged once more there, within its budget and its 48 hours."""

    def __init__(self, wecom: Wecom) -> None:
        self._wecom = wecom

    def deliver(
        self,
        conversation: str,
        text: str,
        *,
        member: Member,
        override: str | None,
        passages: Sequence[Passage],
    ) -> str | None:
        """Send; None when it is on its way, else why it is not."""
        known = self._wecom.messages.conversation(conversation)
        if known is None:
            return "unknown_customer"
        try:
            done = self._wecom.send(
                known.customer, text, staff=member.id, speaker=member.speaker, account=known.account,
                override=override, passages=passages,
            )  # fmt: skip
        except NotSent as error:
            return error.reason
        lost = [reason or status for status, reason in done.statuses if status in ("withheld", "failed")]
        return lost[0] if lost else None
