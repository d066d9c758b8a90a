"""Which customer of the broker's records is behind a WeCom id: told by the broker, never by the customer's words."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from sqlalchemy import delete, insert

from assistant.channels.wecom.tables import customers
from knowledge.records.database import Database

COLUMNS = ("external_userid", "customer")


class BadLinks(Exception):
    """The file cannot be used; the message names the line and what to do."""


def link(file: Path, database: Database) -> int:
    """Record the pairs of a CSV file; all of them or none. How many there were. Raises BadLinks."""
    pairs = _read(file)
    now = time.time()
    with database.writing() as connection:
        for external, customer in pairs.items():
            connection.execute(delete(customers).where(customers.c.external_userid == external))
            connection.execute(insert(customers).values(external_userid=external, customer=customer, recorded_at=now))
    return len(pairs)


def _read(file: Path) -> dict[str, str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            if reader.fieldnames is None or not set(COLUMNS) <= set(reader.fieldnames):
                raise BadLinks(f"{file} 的首行须有 external_userid 和 customer 两列")
            pairs: dict[str, str] = {}
            for row in reader:
                external, customer = ((row[name] or "").strip() for name in COLUMNS)
                if not external or not customer:
                    raise BadLinks(f"{file} 第 {reader.line_num} 行有空值")
                if pairs.get(external, customer) != customer:
                    raise BadLinks(f"{file} 第 {reader.line_num} 行：{external} 出现了两次")
                pairs[external] = customer
    except (OSError, UnicodeDecodeError) as error:
        raise BadLinks(f"{file} 无法读取：{type(error).__name__}") from None
    return pairs
