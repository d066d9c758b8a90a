"""The seam for single sign-on: whoever plugs in an OpenID Connect provider implements this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider vouches for. `subject` is its lasting id; roles stay with our own account, never from outside."""

    subject: str
    name: str


class IdentityProvider(Protocol):
    """OpenID Connect, authorisation code flow with PKCE. Methods are synchronous and may raise."""

    def begin(self, state: str, nonce: str) -> str:
        """The address at the provider to send the browser to."""
        ...

    def finish(self, code: str, nonce: str) -> Identity:
        """Exchange the code, check issuer, audience, signature, expiry and nonce. Raises when any is off."""
        ...
