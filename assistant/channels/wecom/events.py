"""The events the WeCom channels append to the log. The list is closed: each name means one thing, for ever."""

from __future__ import annotations

from typing import Literal

Event = Literal["inbound", "outbound", "undelivered", "withheld", "state", "linked"]

INBOUND: Event = "inbound"
"""A customer's message, or a person's in WeCom's own client, that the assistant read and did not answer."""
OUTBOUND: Event = "outbound"
"""A text about to leave, in full; its id is the id WeCom gets. Written before the text is sent."""
UNDELIVERED: Event = "undelivered"
"""An outbound text that did not reach its receiver, and why."""
WITHHELD: Event = "withheld"
"""A text that was held back, in full (personal data masked), with the findings or the reason."""
STATE: Event = "state"
"""A 微信客服 conversation is being moved to another service state."""
LINKED: Event = "linked"
"""Customers of the records were linked to WeCom ids; how many, not whom."""
