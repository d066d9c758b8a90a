"""What the assistant asks of the desk. Without one, nobody is ever in charge and nothing can be left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from assistant.turn import Asked, Reply


class Charge(Protocol):
    """Who has a conversation. Methods are synchronous, thread-safe and quick."""

    def in_charge(self, conversation: str) -> bool:
        """Whether a person has the conversation; then the assistant says nothing."""
        ...

    def may_leave(self, conversation: str) -> bool:
        """Whether a message may be left for a person."""
        ...

    def wrote(self, conversation: str, message: str, text: str) -> None:
        """The customer wrote to a person. `message` is its id in the log; personal data in `text` is masked."""
        ...

    def turned(self, asked: Asked, reply: Reply) -> None:
        """The assistant took a turn, logged."""
        ...

    def erased(self, conversation: str) -> None:
        """The customer had the conversation erased."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What fixed texts may say of the queue."""
        ...


class Nobody:
    """No desk."""

    def in_charge(self, conversation: str) -> bool:
        del conversation
        return False

    def may_leave(self, conversation: str) -> bool:
        del conversation
        return False

    def wrote(self, conversation: str, message: str, text: str) -> None:
        del conversation, message, text

    def turned(self, asked: Asked, reply: Reply) -> None:
        del asked, reply

    def erased(self, conversation: str) -> None:
        del conversation

    def facts(self) -> Mapping[str, Any]:
        return {}
