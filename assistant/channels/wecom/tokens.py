"""Access tokens and JS tickets: fetched once for all threads and processes, kept sealed in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import insert, select, update

from assistant.channels.wecom.errors import Unreachable
from assistant.channels.wecom.leases import Leases
from assistant.channels.wecom.tables import tokens
from assistant.channels.wecom.vault import Sealed, Vault
from knowledge.records.database import Database

MARGIN_S = 120
FETCH_S = 20
WAIT_S = 25
POLL_S = 0.05
Fetch = Callable[[str], tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Token:
    """A token and which one it is, so that its death is reported once."""

    value: str = field(repr=False)
    generation: int


class Tokens:
    """`fetch` gets (value, seconds it lives) for a name, such as "kf", "app" or "app:ticket"."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        leases: Leases,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._leases = leases
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()  # a ticket is fetched with a token
        self._known: dict[str, tuple[Token, float]] = {}

    def get(self, name: str, fetch: Fetch) -> Token:
        """A living token. One caller fetches, all others wait for it. Raises what `fetch` raises, or Unreachable."""
        known = self._known.get(name)
        if known is not None and known[1] - MARGIN_S > self._clock():
            return known[0]
        waited = 0.0
        while waited < WAIT_S:
            if (token := self._stored(name)) is not None:
                return token
            with self._lock, self._leases.held(f"token:{name}", FETCH_S) as mine:
                if mine:
                    return self._stored(name) or self._fetch(name, fetch)
            self._sleep(POLL_S)
            waited += POLL_S
        raise Unreachable("nobody got an access token in time")

    def dead(self, name: str, token: Token) -> None:
        """WeCom refused this token; the next `get` fetches another, unless somebody did already."""
        self._known.pop(name, None)
        with self._database.writing() as connection:
            this = (tokens.c.name == name) & (tokens.c.generation == token.generation)
            connection.execute(update(tokens).where(this).values(dead=True))

    def _stored(self, name: str) -> Token | None:
        with self._database.reading() as connection:
            row = connection.execute(select(tokens).where(tokens.c.name == name)).first()
        if row is None or row.dead or row.expires_at - MARGIN_S <= self._clock():
            return None
        try:
            token = Token(self._vault.open(row.value), row.generation)
        except Sealed:
            return None
        self._known[name] = (token, row.expires_at)
        return token

    def _fetch(self, name: str, fetch: Fetch) -> Token:
        value, lives = fetch(name)
        expires = self._clock() + lives
        values = {"value": self._vault.seal(value), "expires_at": expires, "dead": False}
        with self._database.writing() as connection:
            current = connection.execute(select(tokens.c.generation).where(tokens.c.name == name)).scalar()
            generation = int(current or 0) + 1
            if current is None:
                connection.execute(insert(tokens).values(name=name, generation=generation, **values))
            else:
                changed = update(tokens).where(tokens.c.name == name)
                connection.execute(changed.values(generation=generation, **values))
        token = Token(value, generation)
        self._known[name] = (token, expires)
        return token
