"""The staff desk as the WeCom channels see it. Until one is plugged in, nobody is in charge of any conversation."""

from __future__ import annotations

from typing import Protocol

from assistant.turn import Reply


class Desk(Protocol):
    """Who has a conversation, and what they are told. Methods are synchronous, thread-safe and quick."""

    def in_charge(self, conversation: str) -> bool:
        """Whether a person has the conversation. Then the assistant says nothing, not even what it had ready."""
        ...

    def wrote(self, conversation: str, message: str, text: str) -> None:
        """The customer wrote while a person has the conversation, or when the assistant may say no more before they
        write again. `message` is the id a reply answers; personal data in `text` is masked. May be told twice after a
        crash, with the same id."""
        ...

    def handoff(self, conversation: str, reply: Reply) -> None:
        """The assistant handed the conversation over. May be told twice after a crash, with the same turn."""
        ...


class Nobody:
    """The default: no desk, so nobody takes over."""

    def in_charge(self, conversation: str) -> bool:
        """Never."""
        del conversation
        return False

    def wrote(self, conversation: str, message: str, text: str) -> None:
        """Nobody is told; the log has it."""
        del conversation, message, text

    def handoff(self, conversation: str, reply: Reply) -> None:
        """Nobody is told; the log has it."""
        del conversation, reply
