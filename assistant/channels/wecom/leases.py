"""Leases in the database: one holder of a name among all threads and processes; given back, run out, or inherited from
a process of this machine that died."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from assistant.channels.wecom.tables import leases
from assistant.log import new_id
from knowledge.records.database import Database

HOST = socket.gethostname()
PROCESS = new_id()[:12]


class Leases:
    """Each `take` is a holder of its own, so two threads never share a lease."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def take(self, name: str, seconds: float) -> str | None:
        """A holder's mark when the name was free or its lease ran out, else None."""
        now = self._clock()
        holder = f"{HOST[:30]}|{os.getpid()}|{PROCESS}|{new_id()[:8]}"
        this = leases.c.name == name
        try:
            with self._database.writing() as connection:
                known = connection.execute(select(leases.c.holder).where(this)).scalar()
                free = or_(leases.c.until <= now, leases.c.holder == (known if known and _dead(known) else ""))
                taken = connection.execute(update(leases).where(this, free).values(holder=holder, until=now + seconds))
                if known is None:
                    connection.execute(insert(leases).values(name=name, holder=holder, until=now + seconds))
                elif taken.rowcount == 0:
                    return None
        except IntegrityError:
            return None
        return holder

    def give(self, name: str, holder: str) -> None:
        """Give a lease back; one that ran out and went to somebody else is left to them."""
        with self._database.writing() as connection:
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))

    @contextmanager
    def held(self, name: str, seconds: float) -> Iterator[bool]:
        """Whether the lease was got, for as long as the block runs."""
        holder = self.take(name, seconds)
        try:
            yield holder is not None
        finally:
            if holder is not None:
                self.give(name, holder)


def _dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    host, pid, process, _ = holder.rsplit("|", 3)
    if host != HOST[:30] or process == PROCESS:
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
